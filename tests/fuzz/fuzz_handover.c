/*
 * What smtpd says to lmtpd, line by line: any octets are refused or mean a
 * command that, written out, reads the same.
 */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "proto/handover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* False: it is one that smtpd has no words for. */
static bool
write_command(const struct handover_cmd *cmd, struct buf *to)
{
	switch (cmd->verb) {
	case HANDOVER_SESSION:
		handover_session_write(&cmd->session, to);
		return true;
	case HANDOVER_AUTH:
		handover_auth_write(&cmd->auth, to);
		return true;
	case HANDOVER_HAND:
		handover_hand_write(
		    cmd->hand.size, cmd->hand.prefix, cmd->hand.id, to);
		return true;
	case HANDOVER_DONE:
		handover_done_write(cmd->kept, to);
		return true;
	case HANDOVER_SMTP:
		break;
	}
	if (cmd->smtp.verb == SMTP_MAIL) {
		handover_mail_write(&cmd->smtp.mail, to);
	} else if (cmd->smtp.verb == SMTP_RCPT) {
		handover_rcpt_write(&cmd->smtp.rcpt, to);
	}
	return to->len > 0;
}

static void
check_values(const struct handover_cmd *cmd)
{
	if (cmd->verb == HANDOVER_SESSION) {
		ASSERT(cmd->session.unique.len <= HANDOVER_BINDING_MAX);
		ASSERT(cmd->session.exporter.len <= HANDOVER_BINDING_MAX);
	} else if (cmd->verb == HANDOVER_HAND) {
		ASSERT(cmd->hand.prefix <= cmd->hand.size);
		ASSERT(cmd->hand.id.len > 0
		       && cmd->hand.id.len <= HANDOVER_ID_MAX);
	}
}

/* What was written of the line that gave `cmd`, without its CRLF. */
static void
check_again(struct sv written, enum handover_verb verb, struct arena *arena)
{
	struct handover_cmd cmd;
	struct buf again = {0};

	ASSERT(handover_parse(written, arena, &cmd) == NULL);
	ASSERT(cmd.verb == verb);
	ASSERT(write_command(&cmd, &again));
	ASSERT(sv_eq(sv_sub(buf_sv(&again), 0, again.len - 2), written));
	buf_deinit(&again);
}

static void
run_line(struct sv line)
{
	struct arena arena = {0};
	struct handover_cmd cmd;
	struct buf out = {0};
	const struct smtp_reply *bad = handover_parse(line, &arena, &cmd);

	if (bad != NULL) {
		ASSERT(bad->code >= 500);
	} else {
		check_values(&cmd);
		/* Unquoting shortens a line, escapes are written back. */
		if (write_command(&cmd, &out)
		    && out.len <= SMTP_ENVELOPE_LINE_MAX) {
			check_again(sv_sub(buf_sv(&out), 0, out.len - 2),
			    cmd.verb, &arena);
		}
	}
	buf_deinit(&out);
	arena_deinit(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv in = sv_make(data, size);

	while (in.len > 0) {
		run_line(sv_cut(&in, '\n'));
	}
	return 0;
}
