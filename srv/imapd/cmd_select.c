/* SELECT, EXAMINE, CLOSE, UNSELECT.
 * [RFC 3501 6.3.1, 6.3.2, 6.4.2; RFC 3691; RFC 7162 3.1.2; RFC 8474 4.2] */
#include <inttypes.h>

#include "base/log.h"
#include "imapd/command.h"
#include "imapd/objectid.h"
#include "imapd/resync.h"
#include "imapd/tell.h"

/* Sequence number of the first message without \Seen, or 0. */
static uint32_t
first_unseen(const struct mbox *mbox)
{
	for (uint32_t i = 0; mbox->unseen != 0 && i < mbox->exists; i++) {
		if ((mbox_msg(mbox, i)->flags & MSG_SEEN) == 0) {
			return i + 1;
		}
	}
	return 0;
}

static void
put_mailbox(struct imap *im)
{
	const struct mbox *mbox = im->box.mbox;
	struct buf *out = c_out(im->s.c);
	uint32_t unseen = first_unseen(mbox);

	tell_put_mailbox_flags(out, &im->box, mbox);
	buf_addf(out, "* %" PRIu32 " EXISTS\r\n", mbox->exists);
	tell_put_recent(out, &im->box, mbox, true);
	if (unseen != 0) {
		buf_addf(
		    out, "* OK [UNSEEN %" PRIu32 "] First unseen\r\n", unseen);
	}
	buf_addf(out, "* OK [UIDVALIDITY %" PRIu32 "] UIDs valid\r\n",
	    mbox->uidvalidity);
	buf_addf(out, "* OK [UIDNEXT %" PRIu32 "] Predicted next UID\r\n",
	    mbox->uidnext);
	buf_addf(out, "* OK [HIGHESTMODSEQ %" PRIu64 "] Highest\r\n",
	    mbox->highest_modseq);
	buf_add_str(out, "* OK [MAILBOXID (");
	objectid_put_mailbox(out, mbox->id);
	buf_add_str(out, ")] Mailbox id\r\n");
}

/* What nobody has claimed is \Recent here too, but stays unclaimed. */
static void
look_at_recent(struct imap *im)
{
	const struct mbox *mbox = im->box.mbox;

	if (mbox->recent_from < mbox->uidnext) {
		uidset_add_range(
		    &im->box.recent, mbox->recent_from, mbox->uidnext - 1);
	}
}

/* Claim \Recent.  A failure costs no more than the flag. */
static void
claim_recent(struct imap *im)
{
	struct fail f;

	if (tell_unclaimed(im, im->box.mbox) && tell_claim(im, &f) != 0) {
		LOG(LOG_WARN, "claim.failed", kv_hex("session", im->s.id),
		    kv_fail(&f));
	}
}

/* A view that shows what was claimed, and is on disk: the client is told its
 * highest mod-sequence. */
static int
settle(struct imap *im, struct fail *f)
{
	struct view *view = NULL;
	const struct mbox *mbox;

	if (account_refresh(im->account, &view, f) != 0) {
		return -1;
	}
	mbox = view_mbox_by_id(view, im->box.mbox_id);
	if (mbox == NULL) {
		view_unref(&view);
		return fail_set(f, FAIL_ABSENT, "deleted just now");
	}
	view_unref(&im->box.view);
	im->box.view = view;
	im->box.mbox = mbox;
	return 0;
}

void
run_select(struct command *cmd)
{
	const struct imap_select_args *a = &cmd->c.select;
	struct imap *im = cmd->im;
	const struct mbox *mbox;
	struct view *view;
	struct fail f;

	if (a->qresync && !im->qresync) {
		reply_bad(cmd, "QRESYNC was not enabled");
		return;
	}
	if (im->state == STATE_SELECTED) {
		/* Even if this fails, the old one is left.  [RFC 3501 6.3.1] */
		session_unselect(im);
		session_state(&im->s, SV_EMPTY);
		(void)c_write(im->s.c, SV("* OK [CLOSED] Mailbox left\r\n"));
	}
	if (command_mbox(cmd, a->mailbox, false, &view, &mbox) != 0) {
		return;
	}
	im->state = STATE_SELECTED;
	im->box.mbox_id = mbox->id;
	im->box.view = view;
	im->box.mbox = mbox;
	im->box.read_only = cmd->c.verb == IMAP_EXAMINE;
	claim_recent(im);
	if (settle(im, &f) != 0) {
		session_unselect(im);
		reply_fail(cmd, &f);
		return;
	}
	if (im->box.read_only) {
		look_at_recent(im);
	}
	im->condstore = im->condstore || a->condstore;
	put_mailbox(im);
	if (a->qresync) {
		resync_select(cmd);
	}
	session_state(&im->s, im->box.mbox->name);
	reply_ok(cmd, im->box.read_only ? "READ-ONLY" : "READ-WRITE",
	    im->box.read_only ? "Examine completed" : "Select completed");
}

void
run_close(struct command *cmd)
{
	struct imap *im = cmd->im;
	struct fail f;

	/* Without untagged responses.  [RFC 3501 6.4.2] */
	if (!im->box.read_only && command_any_deleted(im)
	    && account_expunge(im->account, im->box.mbox_id, NULL, false, &f)
		   != 0
	    && f.kind != FAIL_ABSENT) {
		reply_fail(cmd, &f);
		return;
	}
	run_unselect(cmd);
}

void
run_unselect(struct command *cmd)
{
	session_unselect(cmd->im);
	session_state(&cmd->im->s, SV_EMPTY);
	reply_ok(cmd, NULL, "Mailbox left");
}
