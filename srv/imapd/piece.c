#include "imapd/piece.h"

#include "mail/header.h"
#include "proto/imap_out.h"

/* The whole message needs no look at its parts. */
static bool
find_quickly(
    struct letter *l, const struct section *what, struct section_range *out)
{
	const struct digest *d;

	*out = (struct section_range){.len = l->msg->size};
	if (what->depth != 0) {
		return false;
	}
	if (what->what == SECTION_ALL) {
		return true;
	}
	d = letter_digest(l);
	if (d == NULL || d->header_size > l->msg->size) {
		return false;
	}
	switch (what->what) {
	case SECTION_TEXT:
		out->at = d->header_size;
		out->len = l->msg->size - d->header_size;
		return true;
	case SECTION_FIELDS:
	case SECTION_FIELDS_NOT:
		out->filter = true;
		out->len = d->header_size;
		return true;
	case SECTION_HEADER:
		out->len = d->header_size;
		return true;
	case SECTION_ALL:
	case SECTION_MIME:
		break;
	}
	return false;
}

/* Header fields picked from the section at `range`. */
static int
filter(struct letter *l, const struct section *what,
    const struct section_range *range, struct buf *to, struct fail *f)
{
	struct buf header = {0};
	int rc = letter_read(l, range->at, range->len, &header, f);

	if (rc == 0) {
		header_filter(buf_sv(&header), what->names, what->n_names,
		    what->what == SECTION_FIELDS_NOT, to);
	}
	buf_deinit(&header);
	return rc;
}

static int
find_range(struct letter *l, const struct section *what, bool *found_out,
    struct section_range *out, struct fail *f)
{
	struct section_spans spans;

	*found_out = true;
	if (find_quickly(l, what, out)) {
		return 0;
	}
	if (letter_spans(l, &spans, f) != 0) {
		return -1;
	}
	*found_out = section_find(spans, what, out);
	/* A digest that does not fit its message is worth nothing. */
	if (*found_out
	    && (out->at > l->msg->size || out->len > l->msg->size - out->at)) {
		return fail_set(f, FAIL_CORRUPT, "a part lies past the end");
	}
	return 0;
}

/* "<from.count>": what is left of `*p`. */
static void
cut(const struct imap_section *s, struct piece *p)
{
	uint64_t from = s->from < p->n ? s->from : p->n;

	if (!s->partial) {
		return;
	}
	p->at += from;
	p->n -= from;
	p->n = s->count < p->n ? s->count : p->n;
}

int
piece_find(struct letter *l, const struct imap_section *s, struct buf *texts,
    struct piece *out, struct fail *f)
{
	const struct section *what = &s->what;
	struct section_range range;
	size_t from = texts->len;
	const struct digest *d;
	bool found;

	*out = (struct piece){0};
	if (what->what == SECTION_FIELDS && what->depth == 0) {
		d = letter_digest(l);
		if (d != NULL
		    && digest_header_fields(
			d, what->names, what->n_names, texts)) {
			goto text;
		}
	}
	if (find_range(l, what, &found, &range, f) != 0) {
		return -1;
	}
	if (!found) {
		out->nil = true;
		return 0;
	}
	if (range.filter) {
		if (filter(l, what, &range, texts, f) != 0) {
			return -1;
		}
		goto text;
	}
	out->at = range.at;
	out->n = range.len;
	cut(s, out);
	if (out->at == 0 && out->n == l->msg->size) {
		return letter_verify(l, f);
	}
	return l->whole != NULL ? 0 : letter_open(l, f);
text:
	out->text = true;
	out->at = from;
	out->n = texts->len - from;
	cut(s, out);
	return 0;
}

int
piece_put(struct conn *c, struct letter *l, const struct imap_section *s,
    const struct buf *texts, const struct piece *p)
{
	struct buf *out = c_out(c);

	buf_add_sv(out, s->label);
	buf_add_char(out, ' ');
	if (p->nil) {
		buf_add_str(out, "NIL");
		return 0;
	}
	imap_put_literal(out, p->n);
	if (p->text) {
		buf_add(out, texts->data + p->at, p->n);
		return c_drain(c);
	}
	if (l->whole != NULL) {
		return c_write(c, sv_make(l->whole + p->at, p->n));
	}
	return p->n != 0 ? c_sendfile(c, l->fd, p->at, p->n) : 0;
}
