#include "base/utf8.h"

#include <string.h>

/* Octets of the character that begins with `c`; 0 if none does. */
static size_t
length_by_first(unsigned char c)
{
	if (c < 0x80) {
		return 1;
	}
	if (c < 0xc2 || c > 0xf4) {
		return 0;
	}
	return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* May `c` stand second behind `first`?  [RFC 3629 4] */
static bool
second_fits(unsigned char first, unsigned char c)
{
	unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

	return c >= low && c <= high;
}

size_t
utf8_length(struct sv s)
{
	size_t n = utf8_expected(s);

	return n <= s.len ? n : 0;
}

size_t
utf8_expected(struct sv s)
{
	size_t n = s.len != 0 ? length_by_first((unsigned char)s.p[0]) : 0;

	for (size_t i = 1; i < n && i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (i == 1 ? !second_fits((unsigned char)s.p[0], c)
			   : (c & 0xc0) != 0x80) {
			return 0;
		}
	}
	return n;
}

size_t
utf8_ascii_run(struct sv s)
{
	size_t i = 0;
	uint64_t eight;

	for (; s.len - i >= sizeof(eight); i += sizeof(eight)) {
		memcpy(&eight, s.p + i, sizeof(eight));
		if ((eight & 0x8080808080808080U) != 0) {
			break;
		}
	}
	while (i < s.len && (unsigned char)s.p[i] < 0x80) {
		i++;
	}
	return i;
}

bool
utf8_valid(struct sv s)
{
	size_t i = utf8_ascii_run(s);

	while (i < s.len) {
		size_t n = utf8_length(sv_from(s, i));

		if (n == 0) {
			return false;
		}
		i += n;
		i += utf8_ascii_run(sv_from(s, i));
	}
	return true;
}

struct sv
utf8_cut(struct sv s, size_t max)
{
	size_t n = max;

	if (s.len <= max) {
		return s;
	}
	/* Back over what continues a character, at most three octets. */
	while (n > 0 && max - n < 3 && ((unsigned char)s.p[n] & 0xc0) == 0x80) {
		n--;
	}
	if (((unsigned char)s.p[n] & 0xc0) == 0x80) {
		n = max; /* no UTF-8: cut anywhere */
	}
	return sv_sub(s, 0, n);
}

int
utf8_next(struct sv *s, uint32_t *out)
{
	size_t n = utf8_length(*s);
	uint32_t c;

	if (s->len == 0) {
		return 0;
	}
	if (n == 0) {
		*s = sv_from(*s, 1);
		return -1;
	}
	c = (unsigned char)s->p[0] & (n == 1 ? 0x7f : 0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		c = c << 6 | ((unsigned char)s->p[i] & 0x3f);
	}
	*s = sv_from(*s, n);
	*out = c;
	return 1;
}

void
utf8_encode(uint32_t c, struct buf *to)
{
	char out[4];
	size_t n;

	if (c < 0x80) {
		out[0] = (char)c;
		n = 1;
	} else if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		n = 2;
	} else if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		n = 3;
	} else {
		out[0] = (char)(0xf0 | c >> 18);
		out[1] = (char)(0x80 | (c >> 12 & 0x3f));
		out[2] = (char)(0x80 | (c >> 6 & 0x3f));
		out[3] = (char)(0x80 | (c & 0x3f));
		n = 4;
	}
	buf_add(to, out, n);
}
