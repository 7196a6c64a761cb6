#include "proto/smtp_reply.h"

#include <string.h>

/* [RFC 3463 3, 5248 2.4]; RFC 5321 4.2.2, 4.2.3 for the digits. */
static const struct smtp_reply by_kind[] = {
    [FAIL_NONE] = {250, "2.0.0", "OK"},
    [FAIL_TEMP] = {451, "4.3.0", "Cannot do this now; try again later"},
    [FAIL_PERM] = {554, "5.3.0", "This cannot be done"},
    [FAIL_ABSENT] = {550, "5.1.1", "No such mailbox here"},
    [FAIL_EXISTS] = {554, "5.3.0", "This is there already"},
    [FAIL_DENIED] = {550, "5.7.1", "Not allowed"},
    [FAIL_LIMIT] = {452, "4.3.1", "No room for this now; try again later"},
    [FAIL_SYNTAX] = {501, "5.5.2", "Malformed"},
    [FAIL_CORRUPT] = {451, "4.3.0", "Cannot do this now; try again later"},
    [FAIL_CANCELLED] = {451, "4.3.2", "Interrupted; try again later"},
    [FAIL_UNKNOWN] = {451, "4.3.0", "Cannot say if this was done; try again"},
};

const struct smtp_reply *
smtp_reply_for(enum fail_kind kind)
{
	return &by_kind[kind];
}

static void
write_text(struct sv text, size_t room, struct buf *to)
{
	size_t n = text.len < room ? text.len : room;
	char *at = buf_reserve(to, n);

	if (at == NULL) {
		return;
	}
	for (size_t i = 0; i < n; i++) {
		char c = text.p[i];

		at[i] = (char)(c < 0x20 || c > 0x7e ? '?' : c);
	}
	to->len += n;
}

void
smtp_reply_write(const struct smtp_reply *reply, struct sv text, struct buf *to)
{
	struct sv status = sv_cstr(reply->status);
	size_t room = SMTP_REPLY_LINE_MAX - 4 - 2 - status.len - 1;

	do {
		bool more = sv_chr(text, '\n') >= 0;
		struct sv line = sv_cut(&text, '\n');

		buf_add_u64(to, reply->code);
		buf_add_char(to, more ? '-' : ' ');
		if (status.len > 0) {
			buf_add_sv(to, status);
			buf_add_char(to, ' ');
		}
		write_text(line, room, to);
		buf_add_str(to, "\r\n");
		if (!more) {
			return;
		}
	} while (true);
}

bool
smtp_reply_parse(
    struct sv line, unsigned *code_out, bool *last_out, struct sv *text_out)
{
	if (line.len < 3 || line.p[0] < '2' || line.p[0] > '5'
	    || !ascii_digit(line.p[1]) || !ascii_digit(line.p[2])
	    || (line.len > 3 && line.p[3] != ' ' && line.p[3] != '-')) {
		return false;
	}
	*code_out = (unsigned)(line.p[0] - '0') * 100
		    + (unsigned)(line.p[1] - '0') * 10
		    + (unsigned)(line.p[2] - '0');
	*last_out = line.len == 3 || line.p[3] == ' ';
	*text_out = sv_from(line, 4);
	return true;
}

static size_t
digits_len(struct sv s)
{
	size_t n = 0;

	while (n < s.len && n < 3 && ascii_digit(s.p[n])) {
		n++;
	}
	return n;
}

struct sv
smtp_status_cut(struct sv *text)
{
	struct sv s = *text;
	size_t at = 2, n;

	if (s.len < 5 || strchr("245", s.p[0]) == NULL || s.p[1] != '.') {
		return SV_EMPTY;
	}
	n = digits_len(sv_from(s, at));
	at += n;
	if (n == 0 || at == s.len || s.p[at] != '.') {
		return SV_EMPTY;
	}
	at++;
	n = digits_len(sv_from(s, at));
	at += n;
	if (n == 0 || (at < s.len && s.p[at] != ' ')) {
		return SV_EMPTY;
	}
	*text = sv_from(s, at + (at < s.len ? 1 : 0));
	return sv_sub(s, 0, at);
}
