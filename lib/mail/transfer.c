#include "mail/transfer_priv.h"

static const struct {
	struct sv name;
	enum transfer_encoding encoding;
} names[] = {
    {{"7bit", 4}, TRANSFER_7BIT},
    {{"8bit", 4}, TRANSFER_8BIT},
    {{"binary", 6}, TRANSFER_BINARY},
    {{"quoted-printable", 16}, TRANSFER_QUOTED_PRINTABLE},
    {{"base64", 6}, TRANSFER_BASE64},
    {{"x-uuencode", 10}, TRANSFER_UUENCODE},
    /* Only read, in what comes first is the name that is written. */
    {{"7-bit", 5}, TRANSFER_7BIT},
    {{"8-bit", 5}, TRANSFER_8BIT},
    {{"uuencode", 8}, TRANSFER_UUENCODE},
    {{"x-uue", 5}, TRANSFER_UUENCODE},
    {{"uue", 3}, TRANSFER_UUENCODE},
};

enum transfer_encoding
transfer_by_name(struct sv name)
{
	size_t n = 0;

	name = sv_trim(name);
	if (name.len > 0 && name.p[0] == '"') {
		name = sv_from(name, 1);
	}
	while (n < name.len && (unsigned char)name.p[n] > ' '
	       && strchr("();\"", name.p[n]) == NULL) {
		n++;
	}
	name = sv_sub(name, 0, n);
	if (name.len == 0) {
		return TRANSFER_7BIT;
	}
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (sv_eq_nocase(name, names[i].name)) {
			return names[i].encoding;
		}
	}
	return TRANSFER_UNKNOWN;
}

struct sv
transfer_name(enum transfer_encoding e)
{
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (names[i].encoding == e) {
			return names[i].name;
		}
	}
	return SV("x-unknown");
}

void
transfer_init(struct transfer *t, enum transfer_encoding e)
{
	*t = (struct transfer){.encoding = e};
}

/*
 * Uuencode: nothing is text before a "begin" line and behind "end".  Lines
 * are collected in `held`; what does not fit there is no line of it.
 */

enum { UU_BEFORE, UU_DATA, UU_END };

static unsigned
uu_value(char c)
{
	return ((unsigned)(unsigned char)c - ' ') & 0x3f;
}

static void
uu_data_line(struct transfer *t, struct sv line, struct buf *to)
{
	size_t left = uu_value(line.p[0]);

	for (size_t i = 1; left > 0; i += 4) {
		char four[4] = {' ', ' ', ' ', ' '};
		char three[3];
		size_t n = left < 3 ? left : 3;

		if (i >= line.len) {
			t->damaged = true;
			return;
		}
		for (size_t k = 0; k < 4 && i + k < line.len; k++) {
			four[k] = line.p[i + k];
		}
		three[0] =
		    (char)(uu_value(four[0]) << 2 | uu_value(four[1]) >> 4);
		three[1] =
		    (char)(uu_value(four[1]) << 4 | uu_value(four[2]) >> 2);
		three[2] = (char)(uu_value(four[2]) << 6 | uu_value(four[3]));
		buf_add(to, three, n);
		left -= n;
	}
}

static void
uu_line(struct transfer *t, struct buf *to)
{
	struct sv line = sv_make(t->held, t->n_held);

	if (line.len > 0 && line.p[line.len - 1] == '\r') {
		line.len--;
	}
	if (t->state == UU_BEFORE) {
		if (sv_starts(line, SV("begin "))) {
			t->state = UU_DATA;
		}
	} else if (sv_eq(line, SV("end"))) {
		t->state = UU_END;
	} else if (line.len > 0) {
		uu_data_line(t, line, to);
	}
	t->n_held = 0;
}

static void
uu_decode(struct transfer *t, struct sv in, struct buf *to)
{
	for (size_t i = 0; i < in.len && t->state != UU_END; i++) {
		if (in.p[i] == '\n') {
			uu_line(t, to);
		} else if (t->n_held < sizeof(t->held)) {
			t->held[t->n_held++] = in.p[i];
		} else {
			t->damaged |= t->state == UU_DATA;
		}
	}
}

static void
uu_finish(struct transfer *t, struct buf *to)
{
	uu_line(t, to);
	t->damaged |= t->state != UU_END;
}

void
transfer_decode(struct transfer *t, struct sv in, struct buf *to)
{
	switch (t->encoding) {
	case TRANSFER_7BIT:
	case TRANSFER_8BIT:
	case TRANSFER_BINARY:
	case TRANSFER_UNKNOWN:
		buf_add_sv(to, in);
		break;
	case TRANSFER_QUOTED_PRINTABLE:
		transfer_qp_decode(t, in, to);
		break;
	case TRANSFER_BASE64:
		transfer_b64_decode(t, in, to);
		break;
	case TRANSFER_UUENCODE:
		uu_decode(t, in, to);
		break;
	}
}

void
transfer_finish(struct transfer *t, struct buf *to)
{
	switch (t->encoding) {
	case TRANSFER_7BIT:
	case TRANSFER_8BIT:
	case TRANSFER_BINARY:
	case TRANSFER_UNKNOWN:
		break;
	case TRANSFER_QUOTED_PRINTABLE:
		transfer_qp_finish(t, to);
		break;
	case TRANSFER_BASE64:
		transfer_b64_finish(t, to);
		break;
	case TRANSFER_UUENCODE:
		uu_finish(t, to);
		break;
	}
}
