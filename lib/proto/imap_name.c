#include "proto/imap_name.h"

#include "base/utf8.h"
#include "proto/imap_out.h"

/* Base64 with "," for "/".  [RFC 3501 5.1.3] */
static const char alphabet[64] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int
digit_of(char c)
{
	if (c >= 'A' && c <= 'Z') {
		return c - 'A';
	}
	if (c >= 'a' && c <= 'z') {
		return c - 'a' + 26;
	}
	if (c >= '0' && c <= '9') {
		return c - '0' + 52;
	}
	return c == '+' ? 62 : c == ',' ? 63 : -1;
}

static bool
is_direct(uint32_t c)
{
	return c >= 0x20 && c <= 0x7e;
}

/* C0, DEL and C1 controls have no place in a name. */
static bool
is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/* ---- decoding ---- */

/* UTF-16 units as they come out of base64. */
struct utf16 {
	uint32_t high; /* a surrogate that waits for its other half, or 0 */
	struct buf *to;
};

static bool
utf16_unit(struct utf16 *u, uint32_t unit)
{
	if (u->high != 0) {
		if (unit < 0xdc00 || unit > 0xdfff) {
			return false;
		}
		utf8_encode(
		    0x10000 + ((u->high - 0xd800) << 10) + (unit - 0xdc00),
		    u->to);
		u->high = 0;
		return true;
	}
	if (unit >= 0xd800 && unit < 0xdc00) {
		u->high = unit;
		return true;
	}
	if ((unit >= 0xdc00 && unit < 0xe000) || is_direct(unit)
	    || is_control(unit)) {
		return false;
	}
	utf8_encode(unit, u->to);
	return true;
}

/* What stands between "&" and "-", which is not empty. */
static bool
decode_shifted(struct sv s, struct buf *to)
{
	struct utf16 u = {.to = to};
	uint32_t bits = 0;
	unsigned n = 0;

	for (size_t i = 0; i < s.len; i++) {
		int d = digit_of(s.p[i]);

		if (d < 0) {
			return false;
		}
		bits = bits << 6 | (uint32_t)d;
		n += 6;
		if (n >= 16) {
			n -= 16;
			if (!utf16_unit(&u, bits >> n & 0xffff)) {
				return false;
			}
		}
	}
	/* Fewer bits left than a digit has, and none of them set. */
	return n < 6 && (bits & ((1U << n) - 1)) == 0 && u.high == 0;
}

static bool
from_utf7(struct sv wire, struct buf *to)
{
	bool shifted = false; /* the octet before ended a shift */

	while (wire.len != 0) {
		char c = wire.p[0];
		ptrdiff_t end;

		if (!is_direct((unsigned char)c)) {
			return false;
		}
		if (c != '&') {
			buf_add_char(to, c);
			wire = sv_from(wire, 1);
			shifted = false;
			continue;
		}
		end = sv_chr(wire, '-');
		if (end < 0) {
			return false;
		}
		if (end == 1) {
			buf_add_char(to, '&');
			shifted = false;
		} else if (shifted
			   || !decode_shifted(
			       sv_sub(wire, 1, (size_t)end - 1), to)) {
			return false;
		} else {
			shifted = true;
		}
		wire = sv_from(wire, (size_t)end + 1);
	}
	return true;
}

/* Put the first level of the name at `from` in capitals if it is INBOX. */
static void
fold_inbox(struct buf *to, size_t from)
{
	struct sv name = sv_from(buf_sv(to), from);

	if (sv_starts_nocase(name, SV("INBOX"))
	    && (name.len == 5 || name.p[5] == '/')) {
		memcpy(to->data + from, "INBOX", 5);
	}
}

bool
imap_name_from_utf7(struct sv wire, struct buf *to)
{
	size_t from = to->len;

	if (wire.len > IMAP_NAME_MAX || !from_utf7(wire, to)) {
		to->len = from;
		return false;
	}
	fold_inbox(to, from);
	return true;
}

bool
imap_name_from_utf8(struct sv wire, struct buf *to)
{
	size_t from = to->len;
	struct sv rest = wire;
	uint32_t c;
	int rc;

	if (wire.len > IMAP_NAME_MAX) {
		return false;
	}
	while ((rc = utf8_next(&rest, &c)) != 0) {
		if (rc < 0 || is_control(c)) {
			return false;
		}
	}
	buf_add_sv(to, wire);
	fold_inbox(to, from);
	return true;
}

/* ---- encoding ---- */

struct shift {
	uint32_t bits;
	unsigned n; /* of bits not yet written */
	bool on;
	struct buf *to;
};

static void
shift_unit(struct shift *s, uint32_t unit)
{
	s->bits = s->bits << 16 | unit;
	s->n += 16;
	while (s->n >= 6) {
		s->n -= 6;
		buf_add_char(s->to, alphabet[s->bits >> s->n & 63]);
	}
}

static void
shift_end(struct shift *s)
{
	if (!s->on) {
		return;
	}
	if (s->n != 0) {
		buf_add_char(s->to, alphabet[s->bits << (6 - s->n) & 63]);
	}
	buf_add_char(s->to, '-');
	*s = (struct shift){.to = s->to};
}

static void
shift_char(struct shift *s, uint32_t c)
{
	if (!s->on) {
		buf_add_char(s->to, '&');
		s->on = true;
	}
	if (c >= 0x10000) {
		shift_unit(s, 0xd800 + ((c - 0x10000) >> 10));
		shift_unit(s, 0xdc00 + ((c - 0x10000) & 0x3ff));
	} else {
		shift_unit(s, c);
	}
}

void
imap_name_to_utf7(struct sv utf8, struct buf *to)
{
	struct shift s = {.to = to};

	uint32_t c;
	int rc;

	while ((rc = utf8_next(&utf8, &c)) != 0) {
		if (rc < 0) {
			c = 0xfffd; /* not well-formed: a stand-in */
		}
		if (!is_direct(c)) {
			shift_char(&s, c);
			continue;
		}
		shift_end(&s);
		buf_add_char(to, (char)c);
		if (c == '&') {
			buf_add_char(to, '-');
		}
	}
	shift_end(&s);
}

void
imap_put_name(struct buf *to, struct sv utf8, bool utf8_enabled)
{
	struct buf wire = {0};

	/* "&" is an atom's octet, but stands for itself only as "&-". */
	if (utf8_enabled || (imap_is_atom(utf8) && sv_chr(utf8, '&') < 0)) {
		imap_put_astring(to, utf8);
		return;
	}
	imap_name_to_utf7(utf8, &wire);
	imap_put_astring(to, buf_sv(&wire));
	buf_deinit(&wire);
}
