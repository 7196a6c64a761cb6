/* A connection's octets, framed and parsed command by command. */
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "proto/imap_cmd.h"
#include "proto/imap_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct imap_frame_limits limits = {
    .command = 65536, .literal = 8192, .message = 1 << 20, .skip = 65536};

/* The next line of `*in` without its CRLF or LF. */
static struct sv
next_line(struct sv *in)
{
	struct sv line = sv_cut(in, '\n');

	if (line.len != 0 && line.p[line.len - 1] == '\r') {
		line.len--;
	}
	return line;
}

static void
parse(const struct imap_frame *fr)
{
	struct arena arena = {0};
	struct imap_cmd cmd;
	struct imap_error error;
	int rc = imap_cmd_parse(buf_sv(&fr->text), &arena, &cmd, &error);

	ASSERT((rc == 0) == (error.kind == IMAP_ERR_NONE));
	ASSERT(error.at <= fr->text.len);
	ASSERT(sv_eq(cmd.tag, imap_frame_tag(fr)));
	arena_deinit(&arena);
}

/* One command from the front of `*in`. */
static enum imap_need
run_command(struct imap_frame *fr, struct sv *in)
{
	enum imap_need need = imap_frame_line(fr, next_line(in));

	while (need != IMAP_DONE && need != IMAP_FATAL && in->len != 0) {
		uint64_t n = fr->literal.size;

		if (need == IMAP_MESSAGE && n % 7 == 0) {
			need = imap_frame_refuse(fr, IMAP_ERR_LIMIT, "full");
			continue;
		}
		if (n > in->len) {
			n = in->len;
		}
		if (need == IMAP_LITERAL) {
			imap_frame_add(fr, sv_sub(*in, 0, (size_t)n));
		}
		*in = sv_from(*in, (size_t)n);
		need = imap_frame_line(fr, next_line(in));
	}
	return need;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv in = sv_make(data, size);

	while (in.len != 0) {
		struct imap_frame fr;
		enum imap_need need;

		imap_frame_init(&fr, &limits);
		need = run_command(&fr, &in);
		ASSERT(fr.text.len <= limits.command);
		if (need == IMAP_DONE && fr.error.kind == IMAP_ERR_NONE) {
			parse(&fr);
		}
		imap_frame_deinit(&fr);
		if (need == IMAP_FATAL) {
			break;
		}
	}
	return 0;
}
