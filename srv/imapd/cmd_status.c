/* STATUS.  [RFC 3501 6.3.10; RFC 7162 3.1.7, 7889, 8438, 8474 4.3] */
#include "imapd/command.h"
#include "imapd/imapd.h"
#include "imapd/objectid.h"
#include "imapd/status.h"
#include "proto/imap_name.h"

static uint64_t
value_of(const struct mbox *mbox, unsigned item)
{
	switch ((enum imap_status)item) {
	case STATUS_MESSAGES:
		return mbox->exists;
	case STATUS_RECENT:
		return mbox->exists - mbox_index(mbox, mbox->recent_from);
	case STATUS_UIDNEXT:
		return mbox->uidnext;
	case STATUS_UIDVALIDITY:
		return mbox->uidvalidity;
	case STATUS_UNSEEN:
		return mbox->unseen;
	case STATUS_HIGHESTMODSEQ:
		return mbox->highest_modseq;
	case STATUS_SIZE:
		return mbox->octets;
	case STATUS_APPENDLIMIT:
		return imapd.set->limits_message;
	case STATUS_MAILBOXID:
		break;
	}
	return 0;
}

void
status_put(struct buf *to, const struct mbox *mbox, unsigned items)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
	    {STATUS_MESSAGES, "MESSAGES "},
	    {STATUS_RECENT, "RECENT "},
	    {STATUS_UIDNEXT, "UIDNEXT "},
	    {STATUS_UIDVALIDITY, "UIDVALIDITY "},
	    {STATUS_UNSEEN, "UNSEEN "},
	    {STATUS_HIGHESTMODSEQ, "HIGHESTMODSEQ "},
	    {STATUS_SIZE, "SIZE "},
	    {STATUS_APPENDLIMIT, "APPENDLIMIT "},
	    {STATUS_MAILBOXID, "MAILBOXID ("},
	};
	const char *before = "";

	buf_add_str(to, "* STATUS ");
	imap_put_name(to, mbox->name, false);
	buf_add_str(to, " (");
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if ((items & names[i].bit) == 0) {
			continue;
		}
		buf_add_str(to, before);
		buf_add_str(to, names[i].name);
		if (names[i].bit == STATUS_MAILBOXID) {
			objectid_put_mailbox(to, mbox->id);
			buf_add_char(to, ')');
		} else {
			buf_add_u64(to, value_of(mbox, names[i].bit));
		}
		before = " ";
	}
	buf_add_str(to, ")\r\n");
}

void
run_status(struct command *cmd)
{
	const struct imap_status_args *a = &cmd->c.status;
	const struct mbox *mbox;
	struct view *view;

	if ((a->items & STATUS_HIGHESTMODSEQ) != 0
	    && command_condstore(cmd) != 0) {
		return;
	}
	if (command_mbox(cmd, a->mailbox, false, &view, &mbox) != 0) {
		return;
	}
	status_put(c_out(cmd->im->s.c), mbox, a->items);
	view_unref(&view);
	reply_ok(cmd, NULL, "Status completed");
}
