/*
 * Quoted-printable.  [RFC 2045 6.7]  `state` says what was begun and not
 * ended; blanks that may turn out to be a line's padding wait in `held`.
 */
#include "mail/transfer_priv.h"

enum {
	TEXT,
	EQUALS,	     /* "=" */
	HEX,	     /* "=4": the digit is in `bits` */
	SOFT_BLANKS, /* "=" and blanks, which are held */
	SOFT_CR,     /* "=" blanks CR */
};

static void
release_blanks(struct transfer *t, struct buf *to)
{
	buf_add(to, t->held, t->n_held);
	t->n_held = 0;
}

/* No line is padded with more than fits: then it is content. */
static void
hold_blank(struct transfer *t, char c, struct buf *to)
{
	if (t->n_held == sizeof(t->held)) {
		release_blanks(t, to);
	}
	t->held[t->n_held++] = c;
}

/* A run of `s` that stands for itself and ends at no blank. */
static size_t
plain_run(struct sv s)
{
	size_t n = 0;

	while (n < s.len && s.p[n] != '=' && s.p[n] != ' ' && s.p[n] != '\t'
	       && s.p[n] != '\r' && s.p[n] != '\n') {
		n++;
	}
	return n;
}

/* Take one octet or a run of them in TEXT; returns how many. */
static size_t
text_step(struct transfer *t, struct sv s, struct buf *to)
{
	size_t run = plain_run(s);

	if (run > 0) {
		release_blanks(t, to);
		buf_add(to, s.p, run);
		return run;
	}
	switch (s.p[0]) {
	case '=':
		release_blanks(t, to);
		t->state = EQUALS;
		break;
	case ' ':
	case '\t':
		hold_blank(t, s.p[0], to);
		break;
	default: /* a line end: blanks before it were added on the way */
		t->n_held = 0;
		buf_add_char(to, s.p[0]);
		break;
	}
	return 1;
}

/* An escape that is none stands for itself. */
static void
broken_escape(struct transfer *t, struct buf *to)
{
	buf_add_char(to, '=');
	release_blanks(t, to);
	t->state = TEXT;
	t->damaged = true;
}

/* One octet behind "="; false if it is to be read again as text. */
static bool
escape_step(struct transfer *t, char c, struct buf *to)
{
	if (t->state == EQUALS && transfer_hex(c) >= 0) {
		t->bits = (unsigned char)c;
		t->state = HEX;
		return true;
	}
	if (t->state == HEX) {
		char first = (char)t->bits;
		int octet = transfer_hex_pair(first, c);

		if (octet >= 0) {
			buf_add_char(to, (char)octet);
			t->state = TEXT;
			return true;
		}
		broken_escape(t, to);
		buf_add_char(to, first);
		return false;
	}
	if (c == '\n' || t->state == SOFT_CR) {
		t->state = TEXT;
		t->n_held = 0;
		return c == '\n';
	}
	if (c == '\r') {
		t->state = SOFT_CR;
		return true;
	}
	if ((c == ' ' || c == '\t') && t->n_held < sizeof(t->held)) {
		hold_blank(t, c, to);
		t->state = SOFT_BLANKS;
		return true;
	}
	broken_escape(t, to);
	return false;
}

void
transfer_qp_decode(struct transfer *t, struct sv in, struct buf *to)
{
	size_t i = 0;

	while (i < in.len) {
		if (t->state == TEXT) {
			i += text_step(t, sv_from(in, i), to);
		} else {
			i += escape_step(t, in.p[i], to);
		}
	}
}

void
transfer_qp_finish(struct transfer *t, struct buf *to)
{
	if (t->state == HEX) {
		char first = (char)t->bits;

		broken_escape(t, to);
		buf_add_char(to, first);
	}
	/* "=" at the end is a soft line break; blanks there are padding. */
	t->n_held = 0;
	t->state = TEXT;
}
