/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.
 * [RFC 3501 6.3.3 to 6.3.7, RFC 6154 3, RFC 8474 4.1] */
#include "imapd/command.h"
#include "imapd/objectid.h"

_Static_assert((int)IMAP_USE_ALL == (int)USE_ALL
		   && (int)IMAP_USE_ARCHIVE == (int)USE_ARCHIVE
		   && (int)IMAP_USE_DRAFTS == (int)USE_DRAFTS
		   && (int)IMAP_USE_FLAGGED == (int)USE_FLAGGED
		   && (int)IMAP_USE_JUNK == (int)USE_JUNK
		   && (int)IMAP_USE_SENT == (int)USE_SENT
		   && (int)IMAP_USE_TRASH == (int)USE_TRASH
		   && (int)IMAP_USE_IMPORTANT == (int)USE_IMPORTANT,
    "special uses have the same bits on the wire and in the store");

/* Mailboxes that would show what is not kept in them are not made. */
enum { USE_VIRTUAL = USE_ALL | USE_FLAGGED | USE_IMPORTANT };

/* A name that can be made: levels that are not empty.  A "/" behind says that
 * children are meant to come, which every mailbox may have.
 * [RFC 3501 6.3.3] */
static int
new_name(struct command *cmd, struct sv wire, struct sv *out)
{
	if (command_name(cmd, wire, out) != 0) {
		return -1;
	}
	if (out->len > 1 && out->p[out->len - 1] == '/') {
		out->len--;
	}
	if (out->len == 0 || out->len > STORE_NAME_LEN || out->p[0] == '/'
	    || out->p[out->len - 1] == '/' || sv_find(*out, SV("//")) >= 0) {
		reply_no(cmd, "CANNOT", "That name is not possible");
		return -1;
	}
	return 0;
}

void
run_create(struct command *cmd)
{
	const struct imap_create_args *a = &cmd->c.create;
	struct mbox_attrs attrs = {.special_use = a->use};
	struct sv name;
	struct fail f;
	uint64_t id;

	if (new_name(cmd, a->mailbox, &name) != 0) {
		return;
	}
	if ((a->use & (IMAP_USE_UNKNOWN | USE_VIRTUAL)) != 0) {
		reply_no(cmd, "USEATTR", "That use is not supported");
		return;
	}
	if (account_mbox_create(cmd->im->account, name, &attrs, &id, &f) != 0) {
		reply_fail(cmd, &f);
		return;
	}
	reply_ok(cmd, "MAILBOXID (", "Create completed");
	objectid_put_mailbox(&cmd->code, id);
	buf_add_char(&cmd->code, ')');
}

/* The mailbox selected here is gone by this very command. */
static void
leave_deleted(struct imap *im)
{
	const struct mbox *mbox;
	struct view *view = NULL;
	struct fail f;

	if (im->state != STATE_SELECTED || session_view(im, &view, &f) != 0) {
		return;
	}
	mbox = view_mbox_by_id(view, im->box.mbox_id);
	if (mbox == NULL || mbox->noselect) {
		session_unselect(im);
		session_state(&im->s, SV_EMPTY);
		(void)c_write(im->s.c, SV("* OK [CLOSED] Mailbox left\r\n"));
	}
	view_unref(&view);
}

void
run_delete(struct command *cmd)
{
	struct sv name;
	struct fail f;

	if (command_name(cmd, cmd->c.mailbox, &name) != 0) {
		return;
	}
	if (account_mbox_delete(cmd->im->account, name, &f) != 0) {
		if (f.kind == FAIL_PERM && !sv_eq(name, SV("INBOX"))) {
			reply_no(cmd, "HASCHILDREN",
			    "That name only holds other mailboxes");
		} else {
			reply_fail(cmd, &f);
		}
		return;
	}
	leave_deleted(cmd->im);
	reply_ok(cmd, NULL, "Delete completed");
}

void
run_rename(struct command *cmd)
{
	struct sv from, to;
	struct fail f;

	if (command_name(cmd, cmd->c.rename.from, &from) != 0
	    || new_name(cmd, cmd->c.rename.to, &to) != 0) {
		return;
	}
	if (account_mbox_rename(cmd->im->account, from, to, &f) != 0) {
		reply_fail(cmd, &f);
		return;
	}
	reply_ok(cmd, NULL, "Rename completed");
}

/* Only what exists can be subscribed to; what was, stays so when it goes.
 * [RFC 3501 6.3.6] */
static bool
exists(struct command *cmd, struct sv name)
{
	struct view *view = NULL;
	struct fail f;
	bool found;

	if (session_view(cmd->im, &view, &f) != 0) {
		reply_fail(cmd, &f);
		return false;
	}
	found = view_mbox(view, name) != NULL;
	view_unref(&view);
	if (!found) {
		reply_no(cmd, "NONEXISTENT", "There is no such mailbox");
	}
	return found;
}

void
run_subscribe(struct command *cmd)
{
	bool on = cmd->c.verb == IMAP_SUBSCRIBE;
	struct sv name;
	struct fail f;

	if (command_name(cmd, cmd->c.mailbox, &name) != 0
	    || (on && !exists(cmd, name))) {
		return;
	}
	if (account_subscribe(cmd->im->account, name, on, &f) != 0) {
		reply_fail(cmd, &f);
		return;
	}
	reply_ok(cmd, NULL, on ? "Subscribed" : "Unsubscribed");
}
