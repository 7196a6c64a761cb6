/*
 * UTF-8 as RFC 3629 has it, and i;unicode-casemap over it.
 */
#include <utf8proc.h>

#include "mail/charset_priv.h"

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
ascii_run(struct sv s)
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
	size_t i = ascii_run(s);

	while (i < s.len) {
		size_t n = utf8_length(sv_from(s, i));

		if (n == 0) {
			return false;
		}
		i += n;
		i += ascii_run(sv_from(s, i));
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

/* Titlecase and decompose the character of `n` octets. */
static void
casemap_one(struct sv s, size_t n, struct buf *to)
{
	enum { LONGEST = 32 }; /* U+FDFA gives 18 */
	utf8proc_int32_t out[LONGEST];
	utf8proc_int32_t c;
	utf8proc_ssize_t got;
	int last = 0;

	(void)utf8proc_iterate(
	    (const utf8proc_uint8_t *)s.p, (utf8proc_ssize_t)n, &c);
	got = utf8proc_decompose_char(utf8proc_totitle(c), out, LONGEST,
	    UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &last);
	if (got < 0 || got > LONGEST) {
		buf_add(to, s.p, n);
		return;
	}
	for (utf8proc_ssize_t i = 0; i < got; i++) {
		utf8_encode((uint32_t)out[i], to);
	}
}

static void
casemap_ascii(struct sv s, struct buf *to)
{
	char *out = buf_reserve(to, s.len);

	if (out == NULL) {
		return;
	}
	for (size_t i = 0; i < s.len; i++) {
		out[i] = ascii_upper(s.p[i]);
	}
	to->len += s.len;
}

void
charset_casemap(struct sv utf8, struct buf *to)
{
	size_t i = 0;

	while (i < utf8.len) {
		size_t run = ascii_run(sv_from(utf8, i));
		struct sv rest = sv_from(utf8, i + run);
		size_t n = utf8_length(rest);

		casemap_ascii(sv_sub(utf8, i, run), to);
		if (n > 0) {
			casemap_one(rest, n, to);
		} else if (rest.len > 0) {
			buf_add_char(to, rest.p[0]);
			n = 1;
		}
		i += run + n;
	}
}
