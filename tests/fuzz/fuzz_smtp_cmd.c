/* One line in all three languages; what is understood is written out again
 * and must be read back as the same. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "proto/handover.h"
#include "proto/smtp_cmd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_round_trip(const struct smtp_cmd *cmd)
{
	struct buf once = {0}, again = {0};
	struct arena a = {0};
	struct handover_cmd back;

	if (cmd->verb == SMTP_MAIL) {
		handover_mail_write(&cmd->mail, &once);
	} else {
		handover_rcpt_write(&cmd->rcpt, &once);
	}
	/* Unquoting can only shorten a line, but escapes are written back. */
	if (once.len < SMTP_ENVELOPE_LINE_MAX) {
		ASSERT(handover_parse(
			   sv_sub(buf_sv(&once), 0, once.len - 2), &a, &back)
		       == NULL);
		if (cmd->verb == SMTP_MAIL) {
			handover_mail_write(&back.smtp.mail, &again);
		} else {
			handover_rcpt_write(&back.smtp.rcpt, &again);
		}
		ASSERT(sv_eq(buf_sv(&once), buf_sv(&again)));
	}
	arena_deinit(&a);
	buf_deinit(&once);
	buf_deinit(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct smtp_grammar grammars[] = {
	    {.ext = 0},
	    {.ext = UINT32_MAX},
	    {.lmtp = true, .ext = UINT32_MAX},
	};
	struct sv line = sv_make(data, size);

	for (size_t i = 0; i < COUNT_OF(grammars); i++) {
		struct arena a = {0};
		struct smtp_cmd cmd;
		const struct smtp_reply *bad =
		    smtp_parse(line, &grammars[i], &a, &cmd);

		if (bad == NULL
		    && (cmd.verb == SMTP_MAIL || cmd.verb == SMTP_RCPT)) {
			check_round_trip(&cmd);
		}
		arena_deinit(&a);
	}
	struct arena a = {0};
	struct handover_cmd cmd;
	const struct smtp_reply *bad = handover_parse(line, &a, &cmd);

	ASSERT(bad == NULL || bad->code >= 500);
	arena_deinit(&a);
	return 0;
}
