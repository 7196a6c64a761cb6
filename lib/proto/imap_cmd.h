/*
 * imap_cmd: a whole command as a struct.
 *
 * [RFC 3501 6, 9], and of the extensions RFC 2177 IDLE, 2342 NAMESPACE, 2971
 * ID, 3691 UNSELECT, 4315 UIDPLUS, 4466, 4731 ESEARCH, 4959 SASL-IR, 5161
 * ENABLE, 5182 SEARCHRES, 5258 LIST-EXTENDED, 5819 LIST-STATUS, 6154
 * SPECIAL-USE, 6851 MOVE, 7162 CONDSTORE and QRESYNC, 7889 APPENDLIMIT, 8438
 * STATUS=SIZE, 8474 OBJECTID.
 *
 * Mailbox names stay as they are on the wire: what they mean depends on the
 * session (imap_name.h).  Slices point into the text and the arena.
 *
 * A new command is an entry of the table in imap_cmd.c, its parser and a
 * member of the union.
 *
 * Threads: a parsed command is immutable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/sv.h"
#include "proto/imap_error.h"
#include "proto/imap_fetch.h"
#include "proto/imap_flag.h"
#include "proto/imap_search.h"
#include "proto/imap_set.h"

enum {
	IMAP_PATTERNS_MAX = 64, /* in one LIST */
	IMAP_ID_PAIRS_MAX = 30, /* [RFC 2971 3.3] */
	IMAP_ID_FIELD_MAX = 30,
	IMAP_ID_VALUE_MAX = 1024,
	IMAP_ENABLE_MAX = 32, /* names in one ENABLE */
};

enum imap_verb {
	IMAP_APPEND,
	IMAP_AUTHENTICATE,
	IMAP_CAPABILITY,
	IMAP_CHECK,
	IMAP_CLOSE,
	IMAP_COPY,
	IMAP_CREATE,
	IMAP_DELETE,
	IMAP_ENABLE,
	IMAP_EXAMINE,
	IMAP_EXPUNGE,
	IMAP_FETCH,
	IMAP_ID,
	IMAP_IDLE,
	IMAP_LIST,
	IMAP_LOGIN,
	IMAP_LOGOUT,
	IMAP_LSUB,
	IMAP_MOVE,
	IMAP_NAMESPACE,
	IMAP_NOOP,
	IMAP_RENAME,
	IMAP_SEARCH,
	IMAP_SELECT,
	IMAP_STARTTLS,
	IMAP_STATUS,
	IMAP_STORE,
	IMAP_SUBSCRIBE,
	IMAP_UNSELECT,
	IMAP_UNSUBSCRIBE,
	IMAP_VERBS, /* how many there are */
};

struct imap_append_args {
	struct sv mailbox;
	struct imap_flags flags;
	bool dated;
	int64_t date_ms;
	int16_t zone_min;
	uint64_t size; /* of the message, which is not in the text */
};

struct imap_authenticate_args {
	struct sv mechanism;
	bool has_initial;  /* [RFC 4959] */
	struct sv initial; /* base64, or "=" */
};

struct imap_login_args {
	struct sv user, password;
};

struct imap_copy_args { /* COPY, MOVE */
	struct imap_set set;
	struct sv mailbox;
};

/* Bits of special-use attributes.  [RFC 6154 2, RFC 8457] */
enum imap_use {
	IMAP_USE_ALL = 1,
	IMAP_USE_ARCHIVE = 2,
	IMAP_USE_DRAFTS = 4,
	IMAP_USE_FLAGGED = 8,
	IMAP_USE_JUNK = 16,
	IMAP_USE_SENT = 32,
	IMAP_USE_TRASH = 64,
	IMAP_USE_IMPORTANT = 128,
	IMAP_USE_UNKNOWN = 256, /* one that is not defined */
};

struct imap_create_args {
	struct sv mailbox;
	unsigned use; /* enum imap_use */
};

struct imap_enable_args {
	const struct sv *names;
	size_t n;
};

struct imap_id_pair {
	struct sv field, value;
	bool nil;
};

struct imap_id_args {
	const struct imap_id_pair *pairs;
	size_t n;
};

enum imap_status { /* bits */
	STATUS_MESSAGES = 1,
	STATUS_RECENT = 2,
	STATUS_UIDNEXT = 4,
	STATUS_UIDVALIDITY = 8,
	STATUS_UNSEEN = 16,
	STATUS_HIGHESTMODSEQ = 32,
	STATUS_SIZE = 64,
	STATUS_MAILBOXID = 128,
	STATUS_APPENDLIMIT = 256,
};

struct imap_status_args {
	struct sv mailbox;
	unsigned items; /* enum imap_status */
};

enum imap_list { /* bits: selection and return options */
	LIST_SUBSCRIBED = 1,
	LIST_REMOTE = 2,
	LIST_RECURSIVEMATCH = 4,
	LIST_SPECIAL_USE = 8,
	LIST_CHILDREN = 16,
	LIST_STATUS = 32,
};

struct imap_list_args { /* LIST, LSUB */
	struct sv reference;
	const struct sv *patterns;
	size_t n_patterns;
	bool extended;	  /* any part of RFC 5258's syntax was used */
	unsigned select;  /* enum imap_list */
	unsigned returns; /* enum imap_list */
	unsigned status;  /* enum imap_status, with LIST_STATUS */
};

struct imap_select_args { /* SELECT, EXAMINE */
	struct sv mailbox;
	bool condstore;
	bool qresync; /* and what follows: [RFC 7162 3.2.5] */
	uint32_t uidvalidity;
	uint64_t modseq;
	bool has_known;
	struct imap_set known;
	bool has_match;
	struct imap_set match_seqs, match_uids;
};

struct imap_rename_args {
	struct sv from, to;
};

enum imap_store_how {
	IMAP_STORE_SET,
	IMAP_STORE_ADD,
	IMAP_STORE_REMOVE,
};

struct imap_store_args {
	struct imap_set set;
	enum imap_store_how how;
	bool silent;
	bool conditional; /* UNCHANGEDSINCE */
	uint64_t unchanged_since;
	struct imap_flags flags;
};

struct imap_cmd {
	struct sv tag; /* empty if there was none that could be repeated */
	enum imap_verb verb;
	bool uid; /* UID COPY, EXPUNGE, FETCH, MOVE, SEARCH, STORE */
	union {
		struct imap_append_args append;
		struct imap_authenticate_args authenticate;
		struct imap_copy_args copy;
		struct imap_create_args create;
		struct imap_enable_args enable;
		struct imap_set expunge; /* UID EXPUNGE */
		struct imap_fetch_args fetch;
		struct imap_id_args id;
		struct imap_list_args list;
		struct imap_login_args login;
		struct sv mailbox; /* DELETE, SUBSCRIBE, UNSUBSCRIBE */
		struct imap_rename_args rename;
		struct imap_search_args search;
		struct imap_select_args select;
		struct imap_status_args status;
		struct imap_store_args store;
	};
};

/*
 * 0, or -1 with *error; `out->tag` is set in both cases if there is one.
 * `text` is what a frame gathered; for an APPEND whose message is still to
 * come it ends with the announcement of that literal.
 */
int imap_cmd_parse(struct sv text, struct arena *arena, struct imap_cmd *out,
    struct imap_error *error) MUST_CHECK;

/* "UID FETCH": for logs and answers.  Static. */
const char *imap_verb_name(enum imap_verb verb);
