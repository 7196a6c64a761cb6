/* COPY, MOVE, EXPUNGE.  [RFC 3501 6.4.3, 6.4.7; RFC 4315, 6851] */
#include <inttypes.h>

#include "base/log.h"
#include "imapd/command.h"
#include "imapd/quota.h"
#include "imapd/tell.h"

static struct usage
usage_of(const struct mbox *mbox, const struct uidset *uids)
{
	struct usage sum = {0};

	for (size_t i = 0; i < uids->n; i++) {
		uint32_t at = mbox_index(mbox, uids->r[i].lo);

		for (; at < mbox->exists; at++) {
			const struct msg *m = mbox_msg(mbox, at);

			if (m->uid > uids->r[i].hi) {
				break;
			}
			sum.octets += m->size;
			sum.messages++;
		}
	}
	return sum;
}

static void
put_copyuid(struct buf *to, const struct copied *done)
{
	buf_addf(to, "COPYUID %" PRIu32 " ", done->uidvalidity);
	uidset_write(&done->from, to);
	buf_add_char(to, ' ');
	uidset_write(&done->to, to);
}

/* Tell what is gone, and the mod-sequence that is reached with it.
 * [RFC 7162 3.2.7] */
static void
tell_expunged(struct command *cmd, const char *text)
{
	struct imap *im = cmd->im;
	struct fail f;

	if (tell_changes(
		im, TELL_EXPUNGE | TELL_CLAIM | command_tell_uid(cmd), NULL, &f)
	    != 0) {
		LOG(LOG_ERROR, "refresh.failed", kv_hex("session", im->s.id),
		    kv_fail(&f));
	}
	reply_ok(cmd, NULL, text);
	if (im->condstore && im->parting == NULL) {
		buf_addf(&cmd->code, "HIGHESTMODSEQ %" PRIu64,
		    im->box.mbox->highest_modseq);
	}
}

/* A move is told in order: where to, then that it is gone here.
 * [RFC 6851 4.3] */
static void
tell_moved(struct command *cmd, const struct copied *done)
{
	struct buf *out = c_out(cmd->im->s.c);

	buf_add_str(out, "* OK [");
	put_copyuid(out, done);
	buf_add_str(out, "] Moved\r\n");
	tell_expunged(cmd, "Move completed");
}

static void
copy(struct command *cmd, const struct uidset *uids, uint64_t target)
{
	bool move = cmd->c.verb == IMAP_MOVE;
	struct account *account = cmd->im->account;
	struct copied done = {0};
	struct fail f;

	if (account_copy(account, cmd->im->box.mbox_id, uids, account, target,
		move, &done, &f)
	    != 0) {
		if (f.kind == FAIL_ABSENT) {
			reply_no(cmd, "TRYCREATE", "The mailbox has gone");
		} else {
			reply_fail(cmd, &f);
		}
		return;
	}
	if (done.from.n == 0) {
		reply_no(
		    cmd, "EXPUNGEISSUED", "The messages have been deleted");
	} else if (move) {
		tell_moved(cmd, &done);
	} else {
		reply_ok(cmd, NULL, "Copy completed");
		put_copyuid(&cmd->code, &done);
	}
	copied_deinit(&done);
}

void
run_copy(struct command *cmd)
{
	const struct imap_copy_args *a = &cmd->c.copy;
	bool move = cmd->c.verb == IMAP_MOVE;
	const struct mbox *target;
	struct view *view = NULL;
	struct uidset uids = {0};
	struct room room = {0};
	struct usage more;

	if (move && !command_writable(cmd)) {
		return;
	}
	if (command_uids(cmd, &a->set, cmd->c.uid, &uids) != 0
	    || command_mbox(cmd, a->mailbox, true, &view, &target) != 0) {
		goto out;
	}
	if (uids.n == 0) {
		reply_ok(cmd, NULL, "There is nothing to copy");
		goto out;
	}
	more = usage_of(cmd->im->box.mbox, &uids);
	if (!move && quota_take(cmd, more.octets, more.messages, &room) != 0) {
		goto out;
	}
	copy(cmd, &uids, target->id);
	room_release(&room);
out:
	view_unref(&view);
	uidset_deinit(&uids);
}

void
run_expunge(struct command *cmd)
{
	struct imap *im = cmd->im;
	struct uidset uids = {0};
	struct fail f;

	if (!command_writable(cmd)
	    || (cmd->c.uid
		&& command_uids(cmd, &cmd->c.expunge, true, &uids) != 0)) {
		return;
	}
	if ((!cmd->c.uid || uids.n != 0) && command_any_deleted(im)
	    && account_expunge(im->account, im->box.mbox_id,
		   cmd->c.uid ? &uids : NULL, false, &f)
		   != 0) {
		reply_fail(cmd, &f);
	} else {
		tell_expunged(cmd, "Expunge completed");
	}
	uidset_deinit(&uids);
}
