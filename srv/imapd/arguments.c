/* Arguments of commands that need the session to be understood: mailbox names
 * and sets of messages.  See command.h. */
#include "imapd/command.h"

#include "imapd/imapd.h"
#include "imapd/tell.h"
#include "mail/charset.h"
#include "proto/imap_name.h"

int
command_name(struct command *cmd, struct sv wire, struct sv *out)
{
	struct buf utf8 = {0}, composed = {0};
	int rc = -1;

	if (imap_name_from_utf7(wire, &utf8)
	    && charset_compose(buf_sv(&utf8), &composed)) {
		*out = arena_sv(&cmd->arena, buf_sv(&composed));
		rc = 0;
	} else {
		reply_no(cmd, "CANNOT", "That is no mailbox name");
	}
	buf_deinit(&utf8);
	buf_deinit(&composed);
	return rc;
}

struct sv
command_pattern(struct command *cmd, struct sv wire)
{
	struct buf utf8 = {0}, composed = {0}, again = {0};
	struct sv out = wire;

	if (imap_name_from_utf7(wire, &utf8)
	    && charset_compose(buf_sv(&utf8), &composed)) {
		imap_name_to_utf7(buf_sv(&composed), &again);
		out = arena_sv(&cmd->arena, buf_sv(&again));
	}
	buf_deinit(&utf8);
	buf_deinit(&composed);
	buf_deinit(&again);
	return out;
}

int
command_mbox(struct command *cmd, struct sv wire, bool create,
    struct view **view_out, const struct mbox **out)
{
	struct view *view = NULL;
	const struct mbox *mbox;
	struct sv name;
	struct fail f;

	if (command_name(cmd, wire, &name) != 0) {
		return -1;
	}
	if (session_view(cmd->im, &view, &f) != 0) {
		reply_fail(cmd, &f);
		return -1;
	}
	mbox = view_mbox(view, name);
	if (mbox == NULL || mbox->noselect) {
		reply_no(cmd, create ? "TRYCREATE" : "NONEXISTENT",
		    mbox == NULL ? "There is no such mailbox"
				 : "That name only holds other mailboxes");
		view_unref(&view);
		return -1;
	}
	*view_out = view;
	*out = mbox;
	return 0;
}

unsigned
command_tell_uid(const struct command *cmd)
{
	return cmd->c.uid ? TELL_UID : 0;
}

bool
command_any_deleted(struct imap *im)
{
	const struct mbox *mbox;
	struct view *view = NULL;
	struct fail f;
	bool any = true; /* let the change itself find out what is wrong */

	if (session_view(im, &view, &f) == 0) {
		mbox = view_mbox_by_id(view, im->box.mbox_id);
		any = mbox == NULL || mbox->deleted != 0;
		view_unref(&view);
	}
	return any;
}

bool
command_writable(struct command *cmd)
{
	if (cmd->im->box.read_only) {
		reply_no(cmd, "READ-ONLY", "The mailbox is open read-only");
		return false;
	}
	return true;
}

/* ---- sets ---- */

static void
add_seqs(struct imap_set *out, uint32_t from, uint32_t to)
{
	if (from < to) {
		out->r[out->n++] = (struct imap_range){from + 1, to};
	}
}

/* Ranges of UIDs as ranges of sequence numbers; those without a message go. */
static void
uids_to_seqs(struct command *cmd, const struct imap_range *r, size_t n,
    struct imap_set *out)
{
	const struct mbox *mbox = cmd->im->box.mbox;

	*out = (struct imap_set){NULL, 0, false};
	if (n == 0) {
		return;
	}
	out->r = arena_array(&cmd->arena, n, sizeof(*out->r));
	for (size_t i = 0; i < n; i++) {
		add_seqs(out, mbox_index(mbox, r[i].lo),
		    r[i].hi == UINT32_MAX ? mbox->exists
					  : mbox_index(mbox, r[i].hi + 1));
	}
}

static void
saved_to_seqs(struct command *cmd, struct imap_set *out)
{
	const struct uidset *saved = &cmd->im->box.saved;
	struct imap_range *r = NULL;

	if (saved->n != 0) {
		r = arena_array(&cmd->arena, saved->n, sizeof(*r));
	}
	for (size_t i = 0; i < saved->n; i++) {
		r[i] = (struct imap_range){saved->r[i].lo, saved->r[i].hi};
	}
	uids_to_seqs(cmd, r, saved->n, out);
}

int
command_set(struct command *cmd, const struct imap_set *set, bool uid,
    struct imap_set *out)
{
	const struct mbox *mbox = cmd->im->box.mbox;
	uint32_t last = mbox->exists;
	struct imap_set resolved;
	bool star;

	if (set->saved) {
		saved_to_seqs(cmd, out);
		return 0;
	}
	if (!uid) {
		if (imap_set_highest(set, &star) > last
		    || (star && last == 0)) {
			reply_bad(cmd, "There is no message of that number");
			return -1;
		}
		imap_set_resolve(set, last, &cmd->arena, out);
		return 0;
	}
	imap_set_resolve(set, last != 0 ? mbox_msg(mbox, last - 1)->uid : 0,
	    &cmd->arena, &resolved);
	uids_to_seqs(cmd, resolved.r, resolved.n, out);
	return 0;
}

void
command_set_within(
    struct command *cmd, const struct imap_set *set, struct imap_set *out)
{
	uint32_t last = cmd->im->box.mbox->exists;
	struct imap_range *r;

	if (set->saved) {
		saved_to_seqs(cmd, out);
		return;
	}
	imap_set_resolve(set, last, &cmd->arena, out);
	while (out->n != 0 && out->r[out->n - 1].lo > last) {
		out->n--;
	}
	if (out->n != 0) {
		r = &out->r[out->n - 1];
		r->hi = r->hi < last ? r->hi : last;
	}
}

int
command_uids(struct command *cmd, const struct imap_set *set, bool uid,
    struct uidset *out)
{
	const struct mbox *mbox = cmd->im->box.mbox;
	struct imap_set seqs;

	*out = (struct uidset){0};
	if (command_set(cmd, set, uid, &seqs) != 0) {
		return -1;
	}
	/* UIDs between two messages of the view belong to none, for ever: a
	 * range of messages is a range of UIDs. */
	for (size_t i = 0; i < seqs.n; i++) {
		uidset_add_range(out, mbox_msg(mbox, seqs.r[i].lo - 1)->uid,
		    mbox_msg(mbox, seqs.r[i].hi - 1)->uid);
	}
	return 0;
}
