/*
 * Base64.  `state` counts the digits that wait in `bits`.
 */
#include "mail/transfer_priv.h"

enum { BLOCK = 3 * 512, LINE_OCTETS = 57 };

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* One more than the value of each digit, by octet; 0 is no digit. */
static const unsigned char values[256] = {
    ['A'] = 1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
    14,
    15,
    16,
    17,
    18,
    19,
    20,
    21,
    22,
    23,
    24,
    25,
    26,
    ['a'] = 27,
    28,
    29,
    30,
    31,
    32,
    33,
    34,
    35,
    36,
    37,
    38,
    39,
    40,
    41,
    42,
    43,
    44,
    45,
    46,
    47,
    48,
    49,
    50,
    51,
    52,
    ['0'] = 53,
    54,
    55,
    56,
    57,
    58,
    59,
    60,
    61,
    62,
    ['+'] = 63,
    ['/'] = 64,
};

/* The octets of an unfinished group; returns how many. */
static size_t
unfinished(struct transfer *t, char *out)
{
	size_t n = 0;

	if (t->state >= 2) {
		out[n++] = (char)(t->bits >> (t->state == 2 ? 4 : 10));
	}
	if (t->state == 3) {
		out[n++] = (char)(t->bits >> 2);
	}
	t->damaged |= t->state == 1;
	t->state = 0;
	t->bits = 0;
	return n;
}

void
transfer_b64_decode(struct transfer *t, struct sv in, struct buf *to)
{
	char block[BLOCK + 3];
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.p[i];
		unsigned char v = values[c];

		if (v != 0) {
			t->bits = t->bits << 6 | (v - 1U);
			if (++t->state == 4) {
				block[n++] = (char)(t->bits >> 16);
				block[n++] = (char)(t->bits >> 8);
				block[n++] = (char)t->bits;
				t->state = 0;
				t->bits = 0;
			}
		} else if (c == '=') {
			/* Ends a group; what follows begins another. */
			n += unfinished(t, block + n);
		} else {
			t->damaged |= c > ' ';
		}
		if (n >= BLOCK) {
			buf_add(to, block, n);
			n = 0;
		}
	}
	buf_add(to, block, n);
}

void
transfer_b64_finish(struct transfer *t, struct buf *to)
{
	char last[3];

	t->damaged |= t->state != 0;
	buf_add(to, last, unfinished(t, last));
}

void
transfer_base64(struct sv in, struct buf *to)
{
	const unsigned char *p = (const unsigned char *)in.p;
	size_t i = 0;

	for (; in.len - i >= 3; i += 3) {
		char four[4] = {digits[p[i] >> 2],
		    digits[(p[i] << 4 | p[i + 1] >> 4) & 0x3f],
		    digits[(p[i + 1] << 2 | p[i + 2] >> 6) & 0x3f],
		    digits[p[i + 2] & 0x3f]};

		buf_add(to, four, 4);
	}
	if (in.len - i == 1) {
		char four[4] = {
		    digits[p[i] >> 2], digits[p[i] << 4 & 0x3f], '=', '='};

		buf_add(to, four, 4);
	} else if (in.len - i == 2) {
		char four[4] = {digits[p[i] >> 2],
		    digits[(p[i] << 4 | p[i + 1] >> 4) & 0x3f],
		    digits[p[i + 1] << 2 & 0x3f], '='};

		buf_add(to, four, 4);
	}
}

void
transfer_base64_lines(struct sv in, struct buf *to)
{
	for (size_t i = 0; i < in.len; i += LINE_OCTETS) {
		transfer_base64(sv_sub(in, i, LINE_OCTETS), to);
		buf_add(to, "\r\n", 2);
	}
}
