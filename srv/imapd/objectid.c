#include "imapd/objectid.h"

static void
put_hex(struct buf *to, uint64_t v)
{
	static const char digits[] = "0123456789abcdef";
	char text[16];

	for (int i = 15; i >= 0; i--) {
		text[i] = digits[v & 15];
		v >>= 4;
	}
	buf_add(to, text, sizeof(text));
}

void
objectid_put_mailbox(struct buf *to, uint64_t id)
{
	buf_add_char(to, 'F');
	put_hex(to, id);
}

void
objectid_put_email(struct buf *to, const uint64_t id[2])
{
	buf_add_char(to, 'M');
	put_hex(to, id[0]);
	put_hex(to, id[1]);
}

bool
objectid_parse_email(struct sv text, uint64_t out[2])
{
	out[0] = out[1] = 0;
	if (text.len != 33 || text.p[0] != 'M') {
		return false;
	}
	for (size_t i = 1; i < text.len; i++) {
		char c = text.p[i];
		int d = ascii_digit(c)	       ? c - '0'
			: c >= 'a' && c <= 'f' ? c - 'a' + 10
					       : -1;

		if (d < 0) {
			return false;
		}
		out[(i - 1) / 16] = out[(i - 1) / 16] << 4 | (uint64_t)d;
	}
	return true;
}
