/* Commands of any state, ENABLE and CHECK.  [RFC 3501 6.1, RFC 2971, 5161] */
#include "base/log.h"
#include "imapd/capability.h"
#include "imapd/command.h"
#include "proto/imap_out.h"
#include "settings/options.h"

void
run_capability(struct command *cmd)
{
	struct buf *out = c_out(cmd->im->s.c);

	buf_add_str(out, "* ");
	capability_put(out, cmd->im);
	buf_add_str(out, "\r\n");
	reply_ok(cmd, NULL, "Capability completed");
}

void
run_noop(struct command *cmd)
{
	reply_ok(cmd, NULL, "Noop completed");
}

void
run_check(struct command *cmd)
{
	/* All that was answered OK is on disk already. */
	reply_ok(cmd, NULL, "Check completed");
}

void
run_logout(struct command *cmd)
{
	struct conn *c = cmd->im->s.c;

	(void)c_write(c, SV("* BYE Logging out\r\n"));
	(void)c_write(c, cmd->c.tag);
	(void)c_write(c, SV(" OK Logout completed\r\n"));
	cmd->im->closing = true;
}

/* What the client says of itself goes to the log, nothing depends on it. */
static void
log_id(const struct command *cmd)
{
	const struct imap_id_args *id = &cmd->c.id;
	struct buf text = {0};

	for (size_t i = 0; i < id->n; i++) {
		buf_add_str(&text, i == 0 ? "" : " ");
		buf_add_sv(&text, id->pairs[i].field);
		buf_add_char(&text, '=');
		buf_add_sv(&text, id->pairs[i].value);
	}
	LOG(LOG_INFO, "client.id", kv_hex("session", cmd->im->s.id),
	    kv_sv("id", buf_sv(&text)));
	buf_deinit(&text);
}

void
run_id(struct command *cmd)
{
	(void)c_writef(cmd->im->s.c,
	    "* ID (\"name\" \"Postroom\" \"version\" \"%s\")\r\n",
	    options_version());
	if (cmd->c.id.n != 0) {
		log_id(cmd);
	}
	reply_ok(cmd, NULL, "Id completed");
}

void
run_enable(struct command *cmd)
{
	const struct imap_enable_args *a = &cmd->c.enable;
	bool condstore = false, qresync = false;

	for (size_t i = 0; i < a->n; i++) {
		if (sv_eq_nocase(a->names[i], SV("CONDSTORE"))) {
			condstore = true;
		} else if (sv_eq_nocase(a->names[i], SV("QRESYNC"))) {
			qresync = true;
		}
	}
	/* What is unknown is ignored.  [RFC 5161 3.1] */
	(void)c_writef(cmd->im->s.c, "* ENABLED%s%s\r\n",
	    condstore ? " CONDSTORE" : "", qresync ? " QRESYNC" : "");
	if ((condstore || qresync) && command_condstore(cmd) != 0) {
		return;
	}
	cmd->im->qresync = cmd->im->qresync || qresync;
	reply_ok(cmd, NULL, "Enable completed");
}

int
command_condstore(struct command *cmd)
{
	struct imap *im = cmd->im;
	struct view *view = NULL;
	struct fail f;

	if (im->condstore) {
		return 0;
	}
	if (im->state == STATE_SELECTED) {
		if (account_refresh(im->account, &view, &f) != 0) {
			reply_fail(cmd, &f);
			return -1;
		}
		view_unref(&view);
		(void)c_writef(im->s.c, "* OK [HIGHESTMODSEQ %llu] Highest\r\n",
		    (unsigned long long)im->box.mbox->highest_modseq);
	}
	im->condstore = true;
	return 0;
}
