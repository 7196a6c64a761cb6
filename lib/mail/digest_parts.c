/*
 * The part table of a digest: parts in the order of the text, each
 *
 *	what = kind | encoding << 2 | last child of its parent << 5
 *	varint header_at - where the part could begin first
 *	varint octets of the header section
 *	varint octets of the body
 *
 * A part can begin where its parent's body does or its elder sibling ends.
 * Of the first part only the `what` is there, the rest is in the digest's
 * head; a message within begins where its parent's body does and ends with
 * it, so it has only the header's size.
 */
#include "mail/digest_priv.h"

enum {
	KIND_MASK = 3,
	ENCODING_SHIFT = 2,
	ENCODING_MASK = 7,
	LAST_CHILD = 1 << 5,
};

static const struct mime_span *
span_at(struct section_spans spans, uint32_t i)
{
	return (
	    const struct mime_span *)(const void *)((const char *)spans.first
						    + spans.stride * i);
}

static void
add_part(struct section_spans spans, const struct mime_span *s,
    uint64_t could_begin, struct buf *to)
{
	bool last = s->next == MIME_NONE;
	unsigned what = (unsigned)s->kind
			| (unsigned)s->encoding << ENCODING_SHIFT
			| (last ? LAST_CHILD : 0U);
	bool message;

	buf_add_char(to, (char)what);
	if (s->parent == MIME_NONE) {
		return;
	}
	message = span_at(spans, s->parent)->kind == MIME_MESSAGE;
	if (!message) {
		digest_add_varint(to, s->header_at - could_begin);
	}
	digest_add_varint(to, s->body_at - s->header_at);
	if (!message) {
		digest_add_varint(to, s->end - s->body_at);
	}
}

bool
digest_pack_spans(struct section_spans spans, size_t max, struct buf *to)
{
	const struct mime_span *s = spans.first;
	size_t from = to->len;
	uint64_t could_begin = 0;

	for (;;) {
		add_part(spans, s, could_begin, to);
		if (to->len - from > max) {
			to->len = from;
			return false;
		}
		if (s->first != MIME_NONE) {
			could_begin = s->body_at;
			s = span_at(spans, s->first);
			continue;
		}
		while (s->next == MIME_NONE && s->parent != MIME_NONE) {
			s = span_at(spans, s->parent);
		}
		if (s->parent == MIME_NONE) {
			return true;
		}
		could_begin = s->end;
		s = span_at(spans, s->next);
	}
}

static bool
take_what(struct sv *table, struct mime_span *s)
{
	unsigned what;

	if (table->len == 0) {
		return false;
	}
	what = (unsigned char)table->p[0];
	*table = sv_from(*table, 1);
	if ((what & KIND_MASK) > MIME_MESSAGE
	    || (what >> ENCODING_SHIFT & ENCODING_MASK) > TRANSFER_UNKNOWN
	    || what >= LAST_CHILD << 1) {
		return false;
	}
	s->kind = (enum mime_kind)(what & KIND_MASK);
	s->encoding =
	    (enum transfer_encoding)(what >> ENCODING_SHIFT & ENCODING_MASK);
	s->first = MIME_NONE;
	/* 0 is the root, which is nobody's sibling: "one is to come". */
	s->next = (what & LAST_CHILD) != 0 ? MIME_NONE : 0;
	return true;
}

static bool
take_sizes(struct sv *table, struct mime_span *s,
    const struct mime_span *parent, uint64_t could_begin)
{
	bool message = parent->kind == MIME_MESSAGE;
	uint64_t room = parent->end - could_begin;
	uint64_t gap = 0;
	uint64_t header, body;

	if (!message && !digest_take_varint(table, &gap)) {
		return false;
	}
	if (gap > room || !digest_take_varint(table, &header)
	    || header > room - gap) {
		return false;
	}
	room -= gap + header;
	body = room;
	if (!message && (!digest_take_varint(table, &body) || body > room)) {
		return false;
	}
	s->header_at = could_begin + gap;
	s->body_at = s->header_at + header;
	s->end = s->body_at + body;
	return true;
}

/*
 * Where the part behind `i` hangs: parent and elder sibling, MIME_NONE if it
 * is a first child.  False if the tree ends here.
 */
static bool
next_place(const struct mime_span *spans, uint32_t i, uint32_t *parent_out,
    uint32_t *elder_out)
{
	if (spans[i].kind != MIME_LEAF) {
		*parent_out = i;
		*elder_out = MIME_NONE;
		return true;
	}
	while (spans[i].next == MIME_NONE && spans[i].parent != MIME_NONE) {
		i = spans[i].parent;
	}
	*parent_out = spans[i].parent;
	*elder_out = i;
	return spans[i].parent != MIME_NONE;
}

static bool
take_part(struct sv *table, struct mime_span *spans, uint32_t i)
{
	struct mime_span *s = &spans[i];
	uint32_t parent, elder;

	if (!next_place(spans, i - 1, &parent, &elder) || !take_what(table, s)
	    || !take_sizes(table, s, &spans[parent],
		elder != MIME_NONE ? spans[elder].end
				   : spans[parent].body_at)) {
		return false;
	}
	s->parent = parent;
	if (elder != MIME_NONE) {
		spans[elder].next = i;
	} else {
		spans[parent].first = i;
	}
	/* A message holds one message. */
	return spans[parent].kind != MIME_MESSAGE || s->next == MIME_NONE;
}

bool
digest_spans(const struct digest *d, struct arena *a, struct section_spans *out)
{
	struct sv table = d->parts;
	struct mime_span *spans;
	uint32_t parent, elder;

	if ((d->flags & DIGEST_PARTS) == 0 || d->n_parts == 0
	    || d->n_parts > table.len) {
		return false;
	}
	spans = arena_try(a, d->n_parts * sizeof(*spans));
	if (spans == NULL || !take_what(&table, &spans[0])
	    || spans[0].next != MIME_NONE) {
		return false;
	}
	spans[0].parent = MIME_NONE;
	spans[0].body_at = d->header_size;
	spans[0].end = d->size;
	for (uint32_t i = 1; i < d->n_parts; i++) {
		if (!take_part(&table, spans, i)) {
			return false;
		}
	}
	*out = (struct section_spans){spans, sizeof(*spans), d->n_parts};
	return table.len == 0
	       && !next_place(spans, d->n_parts - 1, &parent, &elder);
}
