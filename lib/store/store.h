/*
 * store: accounts, mailboxes and messages, shared by any number of processes
 * without a lock.
 *
 * docs/store.md defines files and protocol.  What a user of this header needs
 * to know:
 *
 * A `store` is a volume opened by this process, an `account` one user's tree
 * in it.  The state of an account is what replaying its journal gives.  In
 * memory that is a `view`: an immutable, reference-counted version.  A
 * session keeps the view that it last told its client about, asks for a newer
 * one with account_refresh(), and finds what to announce with mbox_diff.
 * Views share all that did not change between them.
 *
 * Every change is one record appended to the journal.  The calls that change
 * return once the record's outcome is known, and flushed where `durable` is
 * asked; the change is in every view refreshed after that.  Outcomes follow
 * from the order of records alone, so races have one winner everywhere.
 *
 * A `place` (segment number << 24 | offset) orders all records of an account
 * and serves as its modification sequence [RFC 7162].
 *
 * Nothing from a view is told to a client before it is durable: unless said
 * otherwise account_refresh() gives only what is on disk.
 *
 * Failures: FAIL_ABSENT (no such account, mailbox or message), FAIL_EXISTS,
 * FAIL_LIMIT (disk, quota of names, keywords), FAIL_TEMP (I/O error; the
 * volume may have gone read-only), FAIL_CORRUPT (damaged; reported and set
 * aside), FAIL_PERM (account closed).  Of a change, these say that nothing was
 * done, now or later; FAIL_UNKNOWN, that it may have been: something failed
 * between writing it down and knowing that it counts.
 *
 * Threads: store and account are locked inside; views, mboxes and msgs are
 * immutable; readers and requests are session-owned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/fail.h"
#include "base/sv.h"
#include "store/uidset.h"

struct fs;
struct store;
struct account;
struct view;

typedef uint64_t place_t;

enum {
	ACCOUNT_ID_LEN = 32,	 /* lower-case hex digits */
	STORE_KEYWORDS_MAX = 64, /* per mailbox */
	STORE_KEYWORD_LEN = 64,	 /* octets */
	STORE_NAME_LEN = 1000,	 /* octets of a mailbox's full name, UTF-8 */
	STORE_DIGEST_MAX = 4096, /* octets, as DIGEST_MAX of mail/digest.h */
	STORE_UID_GIVEN_MAX = 0x7fffffff, /* there are as many above */
};

/* ---- the volume ---- */

struct store_conf {
	const char *hint_dir;  /* folder of datagram sockets; NULL: no hints */
	uint64_t retention_ms; /* expunged messages and old segments stay */
	uint64_t segment_max;  /* octets; a journal segment is rotated above */
	uint64_t checkpoint_tail; /* octets replayed at open that ask for a
				   * checkpoint */
	uint64_t cache_max;	  /* octets of digests and of idle accounts */
	unsigned accounts_max;	  /* idle accounts kept in memory */
	unsigned flushers_max;	  /* threads in fsync at a time */
	unsigned mailboxes_max;	  /* per account */
	bool maintenance;	  /* run checkpoints and collection in a thread
				   * of this process */
};

void store_conf_defaults(struct store_conf *conf);

/* Takes `fs` (borrowed until store_close). */
int store_open(const struct store_conf *conf, struct fs *fs, struct store **out,
    struct fail *f) MUST_CHECK;
void store_close(struct store **store);

/* The real file system below `path`; made if absent.  store_close() frees. */
int store_open_path(const struct store_conf *conf, const char *path,
    struct store **out, struct fail *f) MUST_CHECK;

/*
 * After a flush failed, nothing more is acknowledged on the volume.  Once the
 * disk is mended, and the machine restarted or the file system mounted anew
 * (until then the kernel shows what the disk has lost), raise the generation:
 * every process that has the store open takes it up within 10 s, acknowledges
 * again, and goes on in new journal segments, where all mailboxes have a new
 * UIDVALIDITY.
 */
int store_raise_generation(struct store *store, struct fail *f) MUST_CHECK;

/*
 * As the settings say, with hints between the programs of this machine.  A
 * server keeps the store in order while it runs, if store.maintenance says
 * so.  A tool leaves that to servers, and tells them of its changes where
 * they have made the folder of hints.
 */
struct settings;
enum store_role { STORE_SERVER, STORE_TOOL };
int store_open_settings(const struct settings *set, enum store_role role,
    struct store **out, struct fail *f) MUST_CHECK;

/* ---- accounts ---- */

/* What an account holds: an estimate that needs no state where that will do
 * (it counts what was delivered, also if it was expunged of late; where
 * messages were copied the state is looked at), or exact.
 * FAIL_ABSENT. */
struct usage {
	uint64_t octets; /* of messages not expunged */
	uint64_t messages;
};
int store_usage(struct store *store, const char *id, bool exact,
    struct usage *out, struct fail *f) MUST_CHECK;

/* What one operation is about to add to an account: counted against the limits
 * of those that come behind it, in this process, until it is released. */
struct room {
	struct account *account; /* a reference; NULL: nothing */
	struct usage taken;
};
enum room_answer {
	ROOM_THERE,
	ROOM_LATER, /* not if all comes about that is under way */
	ROOM_NONE,
};

/*
 * Is there room for `more` under `limit` (in each, 0: none)?  If so, and `out`
 * is not NULL, it is taken: the caller releases it when the messages stand
 * there, or do not.  Without `out` what others have taken does not count.
 */
int store_room(struct store *store, const char *id, const struct usage *limit,
    const struct usage *more, struct room *out, enum room_answer *answer,
    struct fail *f) MUST_CHECK;
/* Releasing what is zeroed, or released, does nothing. */
void room_release(struct room *r);

/* Make the account's tree with an INBOX.  Making one that exists is no
 * failure. */
int account_create(
    struct store *store, const char *id, struct fail *f) MUST_CHECK;

/* A reference to the account; loads nothing yet.  FAIL_ABSENT, FAIL_PERM. */
int account_open(struct store *store, const char *id, struct account **out,
    struct fail *f) MUST_CHECK;
void account_close(struct account **account);
const char *account_id(const struct account *account);

/* FAIL_PERM once it was closed for ever, FAIL_TEMP once its tree was removed
 * or put back from a copy: what was told of it is void, and only opening it
 * again helps.  Tells what this process has noticed; its watches are woken
 * when it notices. */
int account_usable(struct account *account, struct fail *f) MUST_CHECK;

/* Close the journal for ever: writers and readers get FAIL_PERM.  The tree
 * stays until account_purge(). */
int account_shut(struct account *account, struct fail *f) MUST_CHECK;
int account_purge(
    struct store *store, const char *id, struct fail *f) MUST_CHECK;

/* Every account id of the volume, in no order; false from `each` stops. */
int store_list(struct store *store, bool (*each)(void *arg, const char *id),
    void *arg, struct fail *f) MUST_CHECK;

/* ---- reading ---- */

/* Catch up with the journal and give the newest durable view, a reference
 * that the caller owns.  Costs one pread(2) when nothing changed. */
int account_refresh(
    struct account *account, struct view **out, struct fail *f) MUST_CHECK;
/* The same without waiting for the disk: flag changes in it, and with them
 * their MODSEQs, may not survive a power cut; all else will.  For sessions
 * that did not ask for CONDSTORE. */
int account_peek(
    struct account *account, struct view **out, struct fail *f) MUST_CHECK;
struct view *view_ref(struct view *view);
void view_unref(struct view **view);

place_t view_place(const struct view *view); /* of the last record in it */

struct usage view_usage(const struct view *view);

enum special_use { /* bits [RFC 6154] */
	USE_ALL = 1,
	USE_ARCHIVE = 2,
	USE_DRAFTS = 4,
	USE_FLAGGED = 8,
	USE_JUNK = 16,
	USE_SENT = 32,
	USE_TRASH = 64,
	USE_IMPORTANT = 128, /* [RFC 8457] */
};

/*
 * A mailbox within a view.  Names are UTF-8 with '/' between levels, "INBOX"
 * in capitals.  Immutable; borrowed from its view.
 */
struct mbox {
	uint64_t id; /* never used again */
	struct sv name;
	uint32_t uidvalidity;
	uint32_t uidnext;
	uint32_t exists;      /* messages */
	uint32_t unseen;      /* without \Seen */
	uint32_t deleted;     /* with \Deleted */
	uint32_t recent_from; /* UIDs from here on are claimed by no session */
	uint64_t octets;
	place_t highest_modseq; /* last record that touched this mailbox */
	unsigned special_use;
	bool noselect; /* only a parent of others [RFC 3501 6.3.4] */
	unsigned n_keywords;
	const struct sv *keywords; /* bit i of msg.keywords */
};

/* By name in octet order, INBOX first; index below view_mboxes(). */
size_t view_mboxes(const struct view *view);
const struct mbox *view_mbox_at(const struct view *view, size_t i);
const struct mbox *view_mbox(const struct view *view, struct sv name);
const struct mbox *view_mbox_by_id(const struct view *view, uint64_t id);

/* Subscribed names, mailboxes or not.  [RFC 3501 6.3.6] */
bool view_subscribed(const struct view *view, struct sv name);
size_t view_subscriptions(const struct view *view);
struct sv view_subscription_at(const struct view *view, size_t i);

enum msg_flag { /* bits */
	MSG_SEEN = 1,
	MSG_ANSWERED = 2,
	MSG_FLAGGED = 4,
	MSG_DELETED = 8,
	MSG_DRAFT = 16,
};

struct msg {
	uint32_t uid;
	uint32_t flags;	   /* enum msg_flag */
	uint64_t keywords; /* bits into mbox.keywords */
	place_t modseq;
	uint64_t size;	       /* octets as stored */
	int64_t date_ms;       /* INTERNALDATE */
	int16_t zone_min;      /* its zone, minutes east of UTC */
	uint32_t sum;	       /* CRC-32C of its octets as they came */
	uint64_t email_id[2];  /* same in all copies [RFC 8474] */
	uint64_t placement[2]; /* names its file: time and random */
	uint64_t folder;       /* id of the mailbox whose folder has the file */
	place_t digest_at;     /* where its digest is; 0: rebuild on demand */
	uint32_t extra;	       /* index of rare attributes, 0 = none */
};

/* Message by sequence number - 1.  Borrowed from the view. */
const struct msg *mbox_msg(const struct mbox *mbox, uint32_t index);

/* Index of the first message with a UID of at least `uid`; exists if none. */
uint32_t mbox_index(const struct mbox *mbox, uint32_t uid);

/* Bit of a keyword (ASCII case folded), or -1. */
int mbox_keyword(const struct mbox *mbox, struct sv name);

/* The UIDL by which an imported message was known, or empty. */
struct sv mbox_uidl(const struct mbox *mbox, const struct msg *msg);

/* UIDs expunged by records after `since`, among `known` if not NULL.
 * FAIL_ABSENT when tombstones do not reach back that far: then every UID of
 * `known` that is missing is given.  [RFC 7162 3.2.5] */
int mbox_vanished(const struct mbox *mbox, place_t since,
    const struct uidset *known, struct uidset *out, struct fail *f) MUST_CHECK;

/*
 * What became of `old`, in `new` of a later view (same mailbox id): items in
 * ascending sequence number of `old` for EXPUNGED and CHANGED, then ADDED.
 */
enum change { CHANGE_EXPUNGED, CHANGE_FLAGS, CHANGE_ADDED };
struct mbox_diff {
	const struct mbox *old, *new; /* borrowed */
	uint32_t old_at, new_at;
};
struct mbox_change {
	enum change kind;
	uint32_t old_index;    /* EXPUNGED, FLAGS */
	uint32_t new_index;    /* FLAGS, ADDED */
	const struct msg *msg; /* the new state; for EXPUNGED the old one */
};
void mbox_diff_begin(
    struct mbox_diff *d, const struct mbox *old, const struct mbox *new);
bool mbox_diff_next(struct mbox_diff *d, struct mbox_change *out);

/* Open the message's file for reading.  The handle is a kernel descriptor on
 * the real file system; close with msg_close().  FAIL_ABSENT: collected since
 * (NO [EXPUNGEISSUED]) or lost (reported). */
int msg_open(struct account *account, const struct msg *msg, int *fd_out,
    struct fail *f) MUST_CHECK;
void msg_close(struct account *account, int *fd);

/* `sum`: CRC-32C (base/hash.h) of all octets that its file has.  Are they
 * those that came?  If not, the log says so, once a message and process. */
bool msg_is_intact(
    struct account *account, const struct msg *msg, uint32_t sum);

/* Digests (mail/digest.h), read in any order, fastest by ascending index.
 * The octets are borrowed until the next call on the reader. */
struct digest_reader;
struct digest_reader *digest_reader_new(
    struct account *account, const struct view *view, const struct mbox *mbox);
int digest_reader_get(struct digest_reader *r, const struct msg *msg,
    struct sv *out, struct fail *f) MUST_CHECK;
void digest_reader_free(struct digest_reader **r);

/* ---- watching ---- */

/* `wake(arg)` is called from any thread, soon after the account changed (by
 * any process that hints, and within 10 s without); it must be short and may
 * not call the store.  It may be called for nothing. */
struct watch;
struct watch *account_watch(
    struct account *account, void (*wake)(void *arg), void *arg);
void account_unwatch(struct watch **watch); /* no call after this returns */

/* ---- adding messages ---- */

/*
 * The octets of one message: `head` (trace fields made by the caller), then
 * `body`, which lies in memory, or is a file that is mapped there.
 */
struct msg_source {
	struct sv head;
	struct sv body;
	int fd; /* a file of the body's octets, to be copied; -1: none */
	/* The file holds nothing else, has no name, and nobody but this
	 * process can write to it: it may become the message's. */
	bool own;
	struct sv digest; /* of head+body; empty: rebuilt on demand */
};

struct msg_attrs {
	uint32_t flags;
	const struct sv *keywords;
	size_t n_keywords;
	int64_t date_ms; /* INTERNALDATE; 0: now */
	int16_t zone_min;
	/* Import: a given UID, above all so far, STORE_UID_GIVEN_MAX at most
	 * (FAIL_LIMIT); else 0. */
	uint32_t uid;
	struct sv uidl; /* import: the UIDL known by clients; else empty */
};

/* One recipient of a delivery; `rc` and `fail` say how it went. */
struct delivery {
	const char *account_id;
	struct sv mailbox; /* name; empty or absent: INBOX */
	struct msg_attrs attrs;
	uint64_t key[2];  /* same key again: no second copy; 0: none */
	int rc;		  /* out: 0 or -1 */
	struct fail fail; /* out: when rc is -1 */
	bool duplicate;	  /* out: was there already */
};

/*
 * Store one message for n recipients: written once, linked for the others,
 * flushed, then one durable record in each journal.  Needs no account state.
 * 0 when every recipient was decided (look at each rc); -1 when nothing was
 * stored for anyone.
 */
int store_deliver(struct store *store, const struct msg_source *source,
    struct delivery *to, size_t n, struct fail *f) MUST_CHECK;

struct appended {
	uint64_t mbox_id;
	uint32_t uidvalidity;
	struct uidset uids; /* in order of the messages; caller deinits */
};

/* IMAP APPEND: all of the messages in one atomic change, or none.
 * FAIL_ABSENT: the mailbox is gone ([TRYCREATE]). */
int account_append(struct account *account, uint64_t mbox_id,
    const struct msg_source *sources, const struct msg_attrs *attrs, size_t n,
    struct appended *out, struct fail *f) MUST_CHECK;

/* ---- changing messages ---- */

enum flag_how { FLAGS_SET, FLAGS_ADD, FLAGS_REMOVE };
struct flag_change {
	enum flag_how how;
	uint32_t flags;
	const struct sv *keywords;
	size_t n_keywords;
	bool conditional; /* [RFC 7162 3.1.3] */
	place_t unchanged_since;
	bool durable; /* flush before returning, as of a conditional one */
};

/* UIDs that fail the condition are added to `modified` (may be NULL).
 * FAIL_LIMIT: the mailbox's keywords are used up. */
int account_store(struct account *account, uint64_t mbox_id,
    const struct uidset *uids, const struct flag_change *change,
    struct uidset *modified, struct fail *f) MUST_CHECK;

struct copied {
	uint32_t uidvalidity; /* of the target */
	struct uidset from;   /* UIDs that existed, ascending */
	struct uidset to;     /* theirs, in the same order */
};
void copied_deinit(struct copied *c);

/* Copy or move within an account or to another; durable.  FAIL_ABSENT: the
 * target is gone, nothing was done. */
int account_copy(struct account *from, uint64_t mbox_id,
    const struct uidset *uids, struct account *to, uint64_t to_mbox_id,
    bool move, struct copied *out, struct fail *f) MUST_CHECK;

/* Expunge those of `uids` (NULL: all) that are \Deleted when the record takes
 * its place, or all of them if `any_flags`; durable. */
int account_expunge(struct account *account, uint64_t mbox_id,
    const struct uidset *uids, bool any_flags, struct fail *f) MUST_CHECK;

/* Claim \Recent of everything unclaimed in the mailbox for `session` (random,
 * not 0): UIDs from *from to *to are this session's; *from > *to: none. */
int account_claim(struct account *account, uint64_t mbox_id, uint64_t session,
    uint32_t *from, uint32_t *to, struct fail *f) MUST_CHECK;

/* Bring back messages expunged since `since_ms` (all that is retained if 0)
 * with new UIDs; *n_out counts them. */
int account_undelete(struct account *account, struct sv mailbox,
    int64_t since_ms, uint64_t *n_out, struct fail *f) MUST_CHECK;

/* ---- changing mailboxes; all durable ---- */

struct mbox_attrs {
	unsigned special_use;
	uint32_t uidvalidity; /* import: a given one; else 0 */
};
/* Missing parents are made.  FAIL_EXISTS, FAIL_LIMIT, FAIL_SYNTAX. */
int account_mbox_create(struct account *account, struct sv name,
    const struct mbox_attrs *attrs, uint64_t *id_out,
    struct fail *f) MUST_CHECK;
/* FAIL_PERM for INBOX and for a name that is only \Noselect with children. */
int account_mbox_delete(
    struct account *account, struct sv name, struct fail *f) MUST_CHECK;
/* With children; INBOX: its messages move [RFC 3501 6.3.5]. */
int account_mbox_rename(struct account *account, struct sv from, struct sv to,
    struct fail *f) MUST_CHECK;
int account_mbox_use(struct account *account, struct sv name,
    unsigned special_use, struct fail *f) MUST_CHECK;
int account_subscribe(struct account *account, struct sv name, bool on,
    struct fail *f) MUST_CHECK;

/* ---- upkeep ---- */

/* Write a snapshot of what the account holds now; and remove what is past its
 * retention.  Neither is needed by readers or writers; any number of programs
 * may do it at once. */
int account_checkpoint(struct account *account, struct fail *f) MUST_CHECK;
int account_collect(struct account *account, struct fail *f) MUST_CHECK;

/* What a check has looked at. */
struct checked {
	uint64_t segments, snapshots;
	uint64_t mailboxes; /* that are there: not those of graves alone */
	uint64_t messages;
	uint64_t octets; /* of those messages */
	uint64_t read;	 /* octets of messages that were read */
	uint64_t findings;
};

struct check_conf {
	bool repair; /* mend what can be mended */
	bool octets; /* read the messages: are their octets those that came? */
	/* Each finding is one line of text. */
	void (*report)(void *arg, const char *text);
	/* Called now and then, with `sum` as it grows; may be NULL. */
	void (*progress)(void *arg, const struct checked *sum);
	void *arg;
};

/* Verify everything: journal, snapshots, files, digests.  What was looked at
 * is added to `sum`, also when it fails. */
int account_check(struct account *account, const struct check_conf *conf,
    struct checked *sum, struct fail *f) MUST_CHECK;
