/*
 * tell: bring the client up to date.  [RFC 3501 5.2, 7.2 to 7.4]
 *
 * The session's view is what its client knows.  tell_changes() fetches the
 * newest view, writes the difference as untagged responses, and keeps the new
 * one.  Nothing else changes what sequence numbers mean.
 *
 * While a FETCH, STORE or SEARCH is answered no EXPUNGE may be sent
 * [RFC 3501 7.4.1]; then a view in which messages are gone is put off whole,
 * and the client goes on with the old one, in which they can still be read;
 * flags alone are taken from the new one.
 *
 * Threads: session-owned.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/fail.h"
#include "imapd/session.h"

enum tell_how {		  /* bits */
	TELL_EXPUNGE = 1, /* EXPUNGE may be sent */
	TELL_CLAIM = 2,	  /* claim \Recent of what is new now, not later */
	TELL_UID = 4,	  /* UIDs in FETCH responses [RFC 3501 6.4.8] */
};

/*
 * `quiet`: UIDs whose new flags are known to the client, or told otherwise;
 * may be NULL.  If expunges keep the view old, tell_msg() has the new flags.
 * -1: the store failed; the client was told nothing.  Nor was it if what it
 * knows is void: then im->parting says why the session ends.
 */
int tell_changes(struct imap *im, unsigned how, const struct uidset *quiet,
    struct fail *f) MUST_CHECK;

/*
 * A message of the view as it is by now, by sequence number - 1, and the
 * mailbox that knows its keywords.  While EXPUNGEs are put off its flags may
 * be newer than the view: what a STORE was answered with, no FETCH takes back.
 */
const struct msg *tell_msg(const struct selected *box, uint32_t index);
const struct mbox *tell_mbox(const struct selected *box);

/* A client that resynchronizes is told how far it can believe in the MODSEQs
 * that it saw, when EXPUNGEs with lower ones wait.  [RFC 7162 3.2] */
void tell_delayed(struct imap *im);

/* Whether messages wait that nobody has claimed as \Recent yet. */
bool tell_unclaimed(const struct imap *im, const struct mbox *mbox);

/* Claim them for this session.  -1 is logged by the caller. */
int tell_claim(struct imap *im, struct fail *f) MUST_CHECK;

/* "* 5 RECENT", if that is news or `always`. */
void tell_put_recent(
    struct buf *to, struct selected *box, const struct mbox *mbox, bool always);

/* "FLAGS (...)" of a message in `mbox`. */
void tell_put_flags(struct buf *to, const struct selected *box,
    const struct mbox *mbox, const struct msg *msg);

/* "* FLAGS (...)" and "* OK [PERMANENTFLAGS (...)]" */
void tell_put_mailbox_flags(
    struct buf *to, struct selected *box, const struct mbox *mbox);

/* "* 7 FETCH (FLAGS (...))", with what TELL_UID asks for, and UID and MODSEQ
 * for who knows of mod-sequences; for that one, `flags` may be left out. */
void tell_put_fetch(struct buf *to, const struct imap *im,
    const struct mbox *mbox, uint32_t seq, const struct msg *msg, unsigned how,
    bool flags);
