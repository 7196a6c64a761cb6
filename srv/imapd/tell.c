#include "imapd/tell.h"

#include "base/log.h"
#include "proto/imap_flag.h"

_Static_assert((int)IMAP_SEEN == (int)MSG_SEEN
		   && (int)IMAP_ANSWERED == (int)MSG_ANSWERED
		   && (int)IMAP_FLAGGED == (int)MSG_FLAGGED
		   && (int)IMAP_DELETED == (int)MSG_DELETED
		   && (int)IMAP_DRAFT == (int)MSG_DRAFT,
    "flags have the same bits on the wire and in the store");

/* ---- \Recent ---- */

bool
tell_unclaimed(const struct imap *im, const struct mbox *mbox)
{
	return !im->box.read_only
	       && mbox_index(mbox, mbox->recent_from) < mbox->exists;
}

int
tell_claim(struct imap *im, struct fail *f)
{
	uint32_t from, to;

	if (account_claim(
		im->account, im->box.mbox_id, im->claim_id, &from, &to, f)
	    != 0) {
		return -1;
	}
	if (from <= to) {
		uidset_add_range(&im->box.recent, from, to);
	}
	return 0;
}

/* How many messages of the mailbox are \Recent in this session. */
static uint32_t
tell_recent(const struct selected *box, const struct mbox *mbox)
{
	uint32_t n = 0;

	for (size_t i = 0; i < box->recent.n; i++) {
		const struct uid_range *r = &box->recent.r[i];

		n += (r->hi == UINT32_MAX ? mbox->exists
					  : mbox_index(mbox, r->hi + 1))
		     - mbox_index(mbox, r->lo);
	}
	return n;
}

/* ---- writing ---- */

void
tell_put_flags(struct buf *to, const struct selected *box,
    const struct mbox *mbox, const struct msg *msg)
{
	uint32_t flags = msg->flags;
	uint64_t keywords = msg->keywords;

	if (box->recent.n != 0 && uidset_has(&box->recent, msg->uid)) {
		flags |= IMAP_RECENT;
	}
	buf_add_str(to, "FLAGS (");
	imap_put_system_flags(to, flags);
	for (bool first = flags == 0; keywords != 0; first = false) {
		unsigned bit = (unsigned)__builtin_ctzll(keywords);

		if (!first) {
			buf_add_char(to, ' ');
		}
		buf_add_sv(to, mbox->keywords[bit]);
		keywords &= keywords - 1;
	}
	buf_add_char(to, ')');
}

static void
put_flag_list(struct buf *to, const struct mbox *mbox)
{
	buf_add_char(to, '(');
	imap_put_system_flags(to, IMAP_SEEN | IMAP_ANSWERED | IMAP_FLAGGED
				      | IMAP_DELETED | IMAP_DRAFT);
	for (unsigned i = 0; i < mbox->n_keywords; i++) {
		buf_add_char(to, ' ');
		buf_add_sv(to, mbox->keywords[i]);
	}
}

void
tell_put_mailbox_flags(
    struct buf *to, struct selected *box, const struct mbox *mbox)
{
	box->keywords_told = mbox->n_keywords;
	buf_add_str(to, "* FLAGS ");
	put_flag_list(to, mbox);
	buf_add_str(to, ")\r\n* OK [PERMANENTFLAGS ");
	if (box->read_only) {
		buf_add_str(to, "()] Nothing can be changed\r\n");
		return;
	}
	put_flag_list(to, mbox);
	if (mbox->n_keywords < STORE_KEYWORDS_MAX) {
		buf_add_str(to, " \\*");
	}
	buf_add_str(to, ")] Flags are kept\r\n");
}

void
tell_put_fetch(struct buf *to, const struct imap *im, const struct mbox *mbox,
    uint32_t seq, const struct msg *msg, unsigned how, bool flags)
{
	buf_add_str(to, "* ");
	buf_add_u64(to, seq);
	buf_add_str(to, " FETCH (");
	/* [RFC 7162 3.2.4] asks for the UID too. */
	if (im->condstore || (how & TELL_UID) != 0) {
		buf_add_str(to, "UID ");
		buf_add_u64(to, msg->uid);
		buf_add_char(to, ' ');
	}
	if (im->condstore) {
		buf_add_str(to, "MODSEQ (");
		buf_add_u64(to, msg->modseq);
		buf_add_str(to, flags ? ") " : ")");
	}
	if (flags) {
		tell_put_flags(to, &im->box, mbox, msg);
	}
	buf_add_str(to, ")\r\n");
}

/* ---- the difference ---- */

/* Old messages that the new view does not have any more. */
static uint32_t
count_expunged(const struct mbox *old, const struct mbox *new)
{
	return old->exists - mbox_index(new, old->uidnext);
}

static void
put_numbered(struct buf *to, uint32_t n, const char *what)
{
	buf_add_str(to, "* ");
	buf_add_u64(to, n);
	buf_add_str(to, what);
}

void
tell_put_recent(
    struct buf *to, struct selected *box, const struct mbox *mbox, bool always)
{
	uint32_t n = tell_recent(box, mbox);

	if (always || n != box->recent_told) {
		put_numbered(to, n, " RECENT\r\n");
	}
	box->recent_told = n;
}

/* Before a response that may name them. */
static void
put_new_keywords(struct imap *im, const struct mbox *new)
{
	if (new->n_keywords != im->box.keywords_told) {
		tell_put_mailbox_flags(c_out(im->s.c), &im->box, new);
	}
}

/* "* VANISHED 7,9:12" for all that are gone; false if none is. */
static bool
put_vanished(struct imap *im, const struct mbox *new)
{
	struct buf *out = c_out(im->s.c);
	struct uidset gone = {0};
	struct mbox_change change;
	struct mbox_diff d;
	bool any;

	mbox_diff_begin(&d, im->box.mbox, new);
	while (mbox_diff_next(&d, &change) && change.kind != CHANGE_ADDED) {
		if (change.kind == CHANGE_EXPUNGED) {
			uidset_add(&gone, change.msg->uid);
		}
	}
	any = gone.n != 0;
	if (any) {
		buf_add_str(out, "* VANISHED ");
		uidset_write(&gone, out);
		buf_add_str(out, "\r\n");
		(void)c_drain(im->s.c);
	}
	uidset_deinit(&gone);
	return any;
}

static void
put_highest(struct imap *im, const struct mbox *mbox)
{
	struct buf *out = c_out(im->s.c);

	buf_add_str(out, "* OK [HIGHESTMODSEQ ");
	buf_add_u64(out, mbox->highest_modseq);
	buf_add_str(out, "] Highest\r\n");
}

void
tell_delayed(struct imap *im)
{
	if (im->qresync && im->box.ahead != NULL && im->parting == NULL) {
		put_highest(im, im->box.mbox);
	}
}

static void
put_difference(struct imap *im, const struct mbox *new, unsigned how,
    const struct uidset *quiet)
{
	const struct mbox *old = im->box.mbox;
	struct buf *out = c_out(im->s.c);
	struct mbox_change change;
	struct mbox_diff d;
	uint32_t expunged = 0;
	bool added = false, vanished;

	if (new->highest_modseq == old->highest_modseq &&new->exists
	    == old->exists) {
		tell_put_recent(out, &im->box, new, false);
		return;
	}
	put_new_keywords(im, new);
	vanished = im->qresync && put_vanished(im, new);
	out = c_out(im->s.c);
	mbox_diff_begin(&d, old, new);
	while (!added && mbox_diff_next(&d, &change)) {
		uint32_t seq = change.old_index + 1 - expunged;

		switch (change.kind) {
		case CHANGE_EXPUNGED:
			if (!im->qresync) {
				put_numbered(out, seq, " EXPUNGE\r\n");
			}
			expunged++;
			break;
		case CHANGE_FLAGS:
			if (quiet == NULL
			    || !uidset_has(quiet, change.msg->uid)) {
				tell_put_fetch(
				    out, im, new, seq, change.msg, how, true);
			}
			break;
		case CHANGE_ADDED:
			added = true;
			break;
		}
		(void)c_drain(im->s.c);
		out = c_out(im->s.c);
	}
	if (added) {
		put_numbered(out, new->exists, " EXISTS\r\n");
	}
	tell_put_recent(out, &im->box, new, added);
	if (vanished) {
		put_highest(im, new);
	}
}

/* The newest view and the mailbox in it, NULL if it is gone. */
static int
refresh(struct imap *im, struct view **view, const struct mbox **mbox,
    struct fail *f)
{
	view_unref(view);
	if (session_view(im, view, f) != 0) {
		return -1;
	}
	*mbox = view_mbox_by_id(*view, im->box.mbox_id);
	return 0;
}

static void
keep(struct imap *im, struct view **view, const struct mbox *mbox)
{
	view_unref(&im->box.ahead);
	im->box.ahead_mbox = NULL;
	view_unref(&im->box.view);
	im->box.view = *view;
	im->box.mbox = mbox;
	*view = NULL;
}

static void
look_ahead(struct imap *im, struct view **view, const struct mbox *mbox)
{
	put_new_keywords(im, mbox);
	view_unref(&im->box.ahead);
	im->box.ahead = *view;
	im->box.ahead_mbox = mbox;
	*view = NULL;
}

const struct mbox *
tell_mbox(const struct selected *box)
{
	return box->ahead_mbox != NULL ? box->ahead_mbox : box->mbox;
}

const struct msg *
tell_msg(const struct selected *box, uint32_t index)
{
	const struct msg *m = mbox_msg(box->mbox, index), *now;
	uint32_t at;

	if (box->ahead_mbox == NULL) {
		return m;
	}
	at = mbox_index(box->ahead_mbox, m->uid);
	now = at < box->ahead_mbox->exists ? mbox_msg(box->ahead_mbox, at) : m;
	return now->uid == m->uid ? now : m;
}

/*
 * Whether the client can go on with what it knows of the mailbox.  If another
 * session deleted it [RFC 2180 3.3], or it was put back from a copy and its
 * UIDs begin anew [RFC 3501 2.3.1.1], IMAP4rev1 has no other word than BYE.
 */
static bool
goes_on(struct imap *im, const struct mbox *new)
{
	if (new == NULL) {
		im->parting = "The selected mailbox was deleted";
		return false;
	}
	if (new->uidvalidity != im->box.mbox->uidvalidity) {
		im->parting = "The selected mailbox was restored";
		return false;
	}
	return true;
}

int
tell_changes(
    struct imap *im, unsigned how, const struct uidset *quiet, struct fail *f)
{
	const struct mbox *new = NULL;
	struct view *view = NULL;
	int rc = -1;

	if (im->parting != NULL || !session_usable(im)) {
		rc = 0;
		goto out;
	}
	if (refresh(im, &view, &new, f) != 0) {
		goto out;
	}
	if (new != NULL && (how & TELL_CLAIM) != 0 && tell_unclaimed(im, new)
	    && (tell_claim(im, f) != 0 || refresh(im, &view, &new, f) != 0)) {
		goto out;
	}
	rc = 0;
	if (!goes_on(im, new)) {
		goto out;
	}
	if (view_place(view) == view_place(im->box.view)) {
		goto out;
	}
	if ((how & TELL_EXPUNGE) == 0
	    && count_expunged(im->box.mbox, new) != 0) {
		look_ahead(im, &view, new);
		goto out;
	}
	put_difference(im, new, how, quiet);
	keep(im, &view, new);
out:
	if (rc != 0 && !session_usable(im)) {
		rc = 0; /* that was why */
	}
	view_unref(&view);
	return rc;
}
