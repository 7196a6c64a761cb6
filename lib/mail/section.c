#include "mail/section.h"

static const struct mime_span *
span_at(struct section_spans spans, uint32_t i)
{
	return (
	    const struct mime_span *)(const void *)((const char *)spans.first
						    + spans.stride * i);
}

/* The child of that number, from 1. */
static uint32_t
nth_child(struct section_spans spans, uint32_t i, uint32_t number)
{
	uint32_t child = span_at(spans, i)->first;

	while (child != MIME_NONE && number > 1) {
		child = span_at(spans, child)->next;
		number--;
	}
	return number == 1 ? child : MIME_NONE;
}

/*
 * One number further.  `*message` says if *i is a message, root or within:
 * then it has numbered parts even if it is not a multipart, namely its body
 * as part 1.
 */
static bool
step(struct section_spans spans, uint32_t *i, bool *message, uint32_t number)
{
	if (!*message && span_at(spans, *i)->kind == MIME_MESSAGE) {
		*i = span_at(spans, *i)->first;
		*message = true;
	}
	if (span_at(spans, *i)->kind == MIME_MULTIPART) {
		*i = nth_child(spans, *i, number);
		*message = false;
		return *i != MIME_NONE;
	}
	if (!*message || number != 1) {
		return false;
	}
	*message = false;
	return true;
}

/* The index of the part that `path` names, its body is what BODY[path] gives.
 * MIME_NONE if there is none. */
static uint32_t
section_part(struct section_spans spans, const uint32_t *path, size_t depth)
{
	uint32_t i = 0;
	bool message = true;

	for (size_t k = 0; k < depth; k++) {
		if (!step(spans, &i, &message, path[k])) {
			return MIME_NONE;
		}
	}
	return i;
}

static void
header_of(const struct mime_span *span, struct section_range *out)
{
	out->at = span->header_at;
	out->len = span->body_at - span->header_at;
}

static void
body_of(const struct mime_span *span, struct section_range *out)
{
	out->at = span->body_at;
	out->len = span->end - span->body_at;
}

bool
section_find(struct section_spans spans, const struct section *s,
    struct section_range *out)
{
	uint32_t i = section_part(spans, s->path, s->depth);

	if (i == MIME_NONE) {
		return false;
	}
	*out = (struct section_range){.part = i};
	if (s->what == SECTION_MIME) {
		header_of(span_at(spans, i), out);
		return s->depth > 0;
	}
	if (s->what == SECTION_ALL) {
		body_of(span_at(spans, i), out);
		if (s->depth == 0) {
			out->at = 0;
			out->len = span_at(spans, i)->end;
		}
		return true;
	}
	/* The others are of a message: this one, or one that is a part. */
	if (s->depth > 0) {
		if (span_at(spans, i)->kind != MIME_MESSAGE) {
			return false;
		}
		i = span_at(spans, i)->first;
		out->part = i;
	}
	if (s->what == SECTION_TEXT) {
		body_of(span_at(spans, i), out);
	} else {
		header_of(span_at(spans, i), out);
		out->filter = s->what != SECTION_HEADER;
	}
	return true;
}
