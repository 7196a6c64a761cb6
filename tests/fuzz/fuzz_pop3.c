/* A command line; and a message to send, whose dots undone must give it again
 * with the size that was counted. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "proto/pop3_cmd.h"
#include "proto/pop3_dots.h"
#include "proto/smtp_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_message(struct sv text, size_t piece)
{
	struct pop3_count count = {0};
	struct buf wire = {0};
	struct pop3_dots d;
	struct sv run;
	uint64_t got = 0;

	pop3_dots_init(&d, false, 0);
	for (size_t at = 0; at < text.len; at += piece) {
		struct sv in = sv_sub(text, at, piece);

		pop3_count_add(&count, in);
		while (pop3_dots_next(&d, &in, &run)) {
			buf_add_sv(&wire, run);
		}
		ASSERT(in.len == 0);
	}
	buf_add_sv(&wire, pop3_dots_end(&d));
	/* SMTP's reader undoes the same dots. */
	struct smtp_data back = {0};
	struct sv in = buf_sv(&wire);

	while (smtp_data_next(&back, &in, &run)) {
		got += run.len;
	}
	ASSERT(back.state == SMTP_DATA_END && in.len == 0);
	ASSERT((back.seen & SMTP_SEEN_BARE_LF) == 0);
	ASSERT(got == pop3_wire_size(&count, text.len));
	buf_deinit(&wire);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pop3_cmd cmd;
	struct sv text = sv_make(data, size);

	(void)!pop3_parse(text, POP3_AUTHORIZATION, &cmd);
	(void)!pop3_parse(text, POP3_TRANSACTION, &cmd);
	if (size > 0) {
		check_message(sv_from(text, 1), (size_t)(data[0] % 16) + 1);
		check_message(sv_from(text, 1), SIZE_MAX / 2);
	}
	return 0;
}
