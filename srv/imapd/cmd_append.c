/* APPEND.  [RFC 3501 6.3.11; RFC 4315 3, 7888, 7889] */
#include <inttypes.h>

#include "imapd/command.h"
#include "imapd/imapd.h"
#include "imapd/incoming.h"
#include "imapd/quota.h"
#include "mail/digest.h"

/* Before its octets are asked for; the frame has checked the size. */
int
append_begin(struct command *cmd, struct sv text, uint64_t size)
{
	const struct mbox *mbox;
	struct imap_error error;
	struct view *view;
	struct imap_cmd c;

	if (imap_cmd_parse(text, &cmd->arena, &c, &error) != 0) {
		reply_bad(cmd, error.text);
		return -1;
	}
	if (cmd->im->state == STATE_ANONYMOUS) {
		reply_bad(cmd, "Log in first");
		return -1;
	}
	if (command_mbox(cmd, c.append.mailbox, true, &view, &mbox) != 0) {
		return -1;
	}
	view_unref(&view);
	return quota_take(cmd, size, 1, NULL);
}

static void
set_attrs(const struct imap_append_args *a, struct msg_attrs *out)
{
	*out = (struct msg_attrs){
	    .flags = a->flags.system,
	    .keywords = a->flags.keywords,
	    .n_keywords = a->flags.n_keywords,
	};
	if (a->dated) {
		/* 0 would mean now. */
		out->date_ms = a->date_ms != 0 ? a->date_ms : 1;
		out->zone_min = a->zone_min;
	}
}

static int
store_message(struct command *cmd, uint64_t mbox_id, struct sv message, int fd,
    struct appended *out, struct fail *f)
{
	struct msg_source source = {.fd = -1, .body = message};
	struct buf digest = {0};
	struct msg_attrs attrs;
	int rc;

	set_attrs(&cmd->c.append, &attrs);
	(void)digest_build(message, &digest);
	source.digest = buf_sv(&digest);
	if (fd >= 0) {
		source.fd = fd;
		source.own = true;
	}
	rc = account_append(
	    cmd->im->account, mbox_id, &source, &attrs, 1, out, f);
	buf_deinit(&digest);
	return rc;
}

static void
reply_stored(struct command *cmd, struct appended *done)
{
	reply_ok(cmd, NULL, "Append completed");
	buf_addf(&cmd->code, "APPENDUID %" PRIu32 " ", done->uidvalidity);
	uidset_write(&done->uids, &cmd->code);
	uidset_deinit(&done->uids);
	stat_add(&imapd.appended, 1);
}

void
run_append(struct command *cmd)
{
	const struct mbox *mbox;
	struct appended done = {0};
	struct view *view;
	struct sv message;
	uint64_t mbox_id;
	struct room room;
	struct fail f;
	int fd;

	if (incoming_message(cmd->incoming, &message, &fd, &f) != 0) {
		if (f.kind == FAIL_SYNTAX) {
			reply_no(cmd, "CANNOT", "A message may hold no NUL");
		} else {
			reply_fail(cmd, &f);
		}
		return;
	}
	if (message.len == 0) {
		reply_no(cmd, "CANNOT", "The message is empty");
		return;
	}
	if (command_mbox(cmd, cmd->c.append.mailbox, true, &view, &mbox) != 0) {
		return;
	}
	mbox_id = mbox->id;
	view_unref(&view);
	/* Others may have filled it since its octets were asked for. */
	if (quota_take(cmd, message.len, 1, &room) != 0) {
		return;
	}
	int rc = store_message(cmd, mbox_id, message, fd, &done, &f);

	room_release(&room);
	if (rc == 0) {
		reply_stored(cmd, &done);
	} else if (f.kind == FAIL_ABSENT) {
		reply_no(cmd, "TRYCREATE", "The mailbox has gone");
	} else {
		reply_fail(cmd, &f);
	}
}
