#include "proto/pop3_reply.h"

static void
status(struct buf *to, struct sv word, struct sv text)
{
	size_t room = POP3_REPLY_LINE_MAX - 2 - word.len - 1;

	buf_add_sv(to, word);
	if (text.len > 0) {
		buf_add_char(to, ' ');
	}
	for (size_t i = 0; i < text.len && i < room; i++) {
		char c = text.p[i];

		buf_add_char(to, (char)(c < 0x20 || c > 0x7e ? '?' : c));
	}
	buf_add_str(to, "\r\n");
}

void
pop3_ok(struct buf *to, struct sv text)
{
	status(to, SV("+OK"), text);
}

void
pop3_err(struct buf *to, struct sv text)
{
	status(to, SV("-ERR"), text);
}

const char *
pop3_fail_text(enum fail_kind kind, bool login)
{
	static const char temp[] = "[SYS/TEMP] Cannot do this now";
	static const char perm[] = "[SYS/PERM] This cannot be done";

	switch (kind) {
	case FAIL_NONE:
	case FAIL_TEMP:
	case FAIL_LIMIT:
	case FAIL_CANCELLED:
	case FAIL_UNKNOWN:
		return temp;
	case FAIL_CORRUPT:
		return "[SYS/PERM] The message is damaged";
	case FAIL_ABSENT:
		return login ? "[AUTH] Authentication failed"
			     : "No such message";
	case FAIL_DENIED:
		return login ? "[AUTH] Authentication failed" : "Not allowed";
	case FAIL_SYNTAX:
		return "Malformed";
	case FAIL_PERM:
	case FAIL_EXISTS:
		return perm;
	}
	return perm;
}
