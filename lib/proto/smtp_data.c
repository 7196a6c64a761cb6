#include "proto/smtp_data.h"

#include <string.h>

/*
 * Note what is in `s` and move the state over it, without regard to dots.
 * CR and LF are looked for by memchr(), line by line.
 */
static void
scan_line_ends(struct smtp_data *d, struct sv s)
{
	const char *p = s.p, *end = s.p + s.len;

	while (p < end) {
		if (d->state == SMTP_DATA_CR && *p != '\n') {
			d->seen |= SMTP_SEEN_BARE_CR;
		}
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		const char *stop = lf != NULL ? lf : end;
		const char *cr = memchr(p, '\r', (size_t)(stop - p));

		while (cr != NULL && cr + 1 < stop) {
			d->seen |= SMTP_SEEN_BARE_CR;
			cr = memchr(cr + 1, '\r', (size_t)(stop - cr - 1));
		}
		bool after_cr =
		    cr != NULL || (stop == p && d->state == SMTP_DATA_CR);

		d->line_len += (uint64_t)(stop - p);
		if (lf == NULL) {
			d->state = after_cr ? SMTP_DATA_CR : SMTP_DATA_TEXT;
			break;
		}
		/* Only CRLF ends a line. */
		d->line_len++;
		if (!after_cr) {
			d->seen |= SMTP_SEEN_BARE_LF;
			d->state = SMTP_DATA_TEXT;
		} else {
			d->state = SMTP_DATA_LINE;
		}
		if (d->line_len > d->longest) {
			d->longest = d->line_len;
		}
		if (after_cr) {
			d->line_len = 0;
		}
		p = lf + 1;
	}
}

static bool
any_8bit(struct sv s)
{
	uint64_t bits = 0;
	size_t i = 0;

	for (; i + sizeof(bits) <= s.len; i += sizeof(bits)) {
		uint64_t word;

		memcpy(&word, s.p + i, sizeof(word));
		bits |= word;
	}
	for (; i < s.len; i++) {
		bits |= (unsigned char)s.p[i];
	}
	return (bits & 0x8080808080808080u) != 0;
}

static void
note_octets(struct smtp_data *d, struct sv s)
{
	if (s.len == 0) {
		return;
	}
	if ((d->seen & SMTP_SEEN_NUL) == 0
	    && memchr(s.p, '\0', s.len) != NULL) {
		d->seen |= SMTP_SEEN_NUL;
	}
	if ((d->seen & SMTP_SEEN_8BIT) == 0 && any_8bit(s)) {
		d->seen |= SMTP_SEEN_8BIT;
	}
}

/*
 * How much of `s`, which begins inside a line or at the start of one without
 * a dot, is content up to a line that begins with a dot: that line's place.
 */
static size_t
run_len(struct sv s)
{
	size_t at = 0;

	for (;;) {
		const char *lf = memchr(s.p + at, '\n', s.len - at);

		if (lf == NULL) {
			return s.len;
		}
		at = (size_t)(lf - s.p) + 1;
		if (at == s.len) {
			return at;
		}
		if (s.p[at] == '.' && at >= 2 && s.p[at - 2] == '\r') {
			return at;
		}
	}
}

/*
 * Take what follows a dot at the start of a line.  True if `*run_out` holds
 * an octet that was held back.
 */
static bool
after_dot(struct smtp_data *d, struct sv *in, struct sv *run_out)
{
	static const char cr[] = "\r";

	if (d->state == SMTP_DATA_DOT) {
		if (in->p[0] == '\r') {
			d->state = SMTP_DATA_DOT_CR;
			*in = sv_from(*in, 1);
		} else {
			d->state = SMTP_DATA_TEXT; /* the dot is dropped */
		}
		return false;
	}
	if (in->p[0] == '\n') {
		d->state = SMTP_DATA_END;
		*in = sv_from(*in, 1);
		return false;
	}
	/* The line was ".CR" and something else: CR is content, and what
	 * follows shows whether it is a bare one. */
	d->state = SMTP_DATA_CR;
	d->line_len = 1;
	*run_out = sv_make(cr, 1);
	return true;
}

bool
smtp_data_next(struct smtp_data *d, struct sv *in, struct sv *run_out)
{
	while (in->len > 0 && d->state != SMTP_DATA_END) {
		if (d->state == SMTP_DATA_DOT || d->state == SMTP_DATA_DOT_CR) {
			if (after_dot(d, in, run_out)) {
				return true;
			}
			continue;
		}
		if (d->state == SMTP_DATA_LINE && in->p[0] == '.') {
			d->state = SMTP_DATA_DOT;
			*in = sv_from(*in, 1);
			continue;
		}
		/* A CR from the last buffer and LF here are a line end too. */
		size_t n = d->state == SMTP_DATA_CR && in->p[0] == '\n'
			       ? 1
			       : run_len(*in);

		*run_out = sv_sub(*in, 0, n);
		*in = sv_from(*in, n);
		scan_line_ends(d, *run_out);
		note_octets(d, *run_out);
		return true;
	}
	return false;
}

void
smtp_chunk_scan(struct smtp_data *d, struct sv chunk)
{
	scan_line_ends(d, chunk);
	note_octets(d, chunk);
}

void
smtp_chunk_end(struct smtp_data *d)
{
	if (d->state == SMTP_DATA_CR) {
		d->seen |= SMTP_SEEN_BARE_CR;
	}
	if (d->line_len > d->longest) {
		d->longest = d->line_len;
	}
	d->state = SMTP_DATA_END;
}
