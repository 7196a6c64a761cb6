/*
 * session: one client's connection, as the files of this folder share it.
 *
 * A parked session is this struct, its connection, a reference to an account
 * and, with a mailbox selected, one to the view that its client was told of:
 * sequence numbers are those of that view, and only tell.h puts a newer one
 * in its place, by telling the client the difference.
 *
 * Threads: session-owned.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/fail.h"
#include "directory/directory.h"
#include "net/conn.h"
#include "net/park.h"
#include "net/session.h"
#include "store/store.h"

enum imap_state { /* bits, so that a table can say which are allowed */
	STATE_ANONYMOUS = 1,
	STATE_USER = 2,	    /* authenticated */
	STATE_SELECTED = 4, /* and with a mailbox */
};

struct selected {
	uint64_t mbox_id;
	struct view *view;	 /* owned */
	const struct mbox *mbox; /* in `view` */
	/* While EXPUNGEs are put off: the newest view that was looked at, from
	 * which flags are told; owned, or NULL. */
	struct view *ahead;
	const struct mbox *ahead_mbox; /* in `ahead` */
	unsigned keywords_told;	       /* that there were in the last FLAGS */
	bool read_only;		       /* EXAMINE */
	struct uidset recent;	       /* \Recent in this session; owned */
	uint32_t recent_told;	       /* the last RECENT */
	struct uidset saved;	       /* "$" [RFC 5182]; owned */
};

struct imap {
	struct session s; /* first */
	enum imap_state state;
	struct directory_account *who; /* owned; NULL before login */
	struct account *account;       /* owned; NULL before login */
	struct selected box;	       /* in STATE_SELECTED */
	struct watch *watch;	       /* owned; while in IDLE */
	char *idle_tag;		       /* owned; not NULL while in IDLE */
	uint64_t claim_id;	       /* by which \Recent is claimed; random */
	bool condstore; /* MODSEQ in every FETCH [RFC 7162 3.1] */
	bool qresync;	/* VANISHED for EXPUNGE [RFC 7162 3.2] */
	unsigned bad;	/* wrong commands in a row */
	bool closing;	/* BYE has been said */
	/* Why BYE has to be said behind the tagged line, or NULL: what the
	 * client knows of its mailbox or account is void.  Static. */
	const char *parting;
};

/* Its limits are set from main before it is used. */
extern struct protocol imap_protocol;

/* Say BYE with a response code ("" for none) and close after this command. */
void session_bye(struct imap *im, const char *code, const char *text);

/*
 * The newest view, owned by the caller.  For a client that knows of
 * mod-sequences all of it is on disk; for another one a change of flags may
 * still be on its way there.  [RFC 7162, docs/store.md]
 */
int session_view(struct imap *im, struct view **out, struct fail *f) MUST_CHECK;

/* Say BYE if there is a reason to part. */
void session_part(struct imap *im);

/* False, with `parting` set, once the account was closed or replaced. */
bool session_usable(struct imap *im);

/* Leave the selected mailbox, if there is one, without a word. */
void session_unselect(struct imap *im);
