#include "proto/pop3_dots.h"

#include <string.h>

void
pop3_dots_init(struct pop3_dots *d, bool top, uint32_t lines)
{
	*d = (struct pop3_dots){
	    .top = top,
	    .lines = lines,
	    .line_start = true,
	};
}

static void
end_line(struct pop3_dots *d, bool empty)
{
	d->line_start = true;
	d->dotted = false;
	d->last_cr = false;
	d->line_len = 0;
	if (d->in_body) {
		d->lines -= d->lines > 0 ? 1 : 0;
	} else {
		d->in_body = empty;
	}
	d->done = d->top && d->in_body && d->lines == 0;
}

/*
 * Go over lines that can be sent as they stand: to the end of `s`, to a line
 * that begins with a dot, to LF without CR, or to where TOP ends.
 */
static size_t
as_they_stand(struct pop3_dots *d, struct sv s)
{
	size_t at = 0;

	while (at < s.len && !d->done) {
		if (at > 0 && d->line_start && s.p[at] == '.') {
			return at;
		}
		const char *lf = memchr(s.p + at, '\n', s.len - at);
		size_t n = lf != NULL ? (size_t)(lf - s.p) : s.len;
		bool cr = n > at ? s.p[n - 1] == '\r' : d->last_cr;

		d->line_len += n - at;
		d->line_start = false;
		if (lf == NULL) {
			d->last_cr = cr;
			return n;
		}
		if (!cr) {
			d->lf_pending = true;
			return n;
		}
		end_line(d, d->line_len == 1);
		at = n + 1;
	}
	return at;
}

bool
pop3_dots_next(struct pop3_dots *d, struct sv *in, struct sv *run_out)
{
	if (d->done || in->len == 0) {
		return false;
	}
	if (d->line_start && in->p[0] == '.' && !d->dotted) {
		d->dotted = true;
		*run_out = SV(".");
		return true;
	}
	if (!d->lf_pending) {
		size_t n = as_they_stand(d, *in);

		*run_out = sv_sub(*in, 0, n);
		*in = sv_from(*in, n);
		if (n > 0) {
			return true;
		}
	}
	d->lf_pending = false;
	*in = sv_from(*in, 1);
	end_line(d, d->line_len == 0);
	*run_out = SV("\r\n");
	return true;
}

struct sv
pop3_dots_end(const struct pop3_dots *d)
{
	return d->line_start ? SV(".\r\n") : SV("\r\n.\r\n");
}

void
pop3_count_add(struct pop3_count *c, struct sv piece)
{
	const char *p = piece.p, *end = piece.p + piece.len;

	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));

		if (lf == NULL) {
			break;
		}
		char before = lf > piece.p ? lf[-1] : c->last;

		c->extra += before != '\r' ? 1 : 0;
		p = lf + 1;
	}
	if (piece.len > 0) {
		c->last = piece.p[piece.len - 1];
		c->any = true;
	}
}

uint64_t
pop3_wire_size(const struct pop3_count *c, uint64_t stored_size)
{
	return stored_size + c->extra + (c->any && c->last != '\n' ? 2 : 0);
}
