#include "mail_check.h"

#include "base/mem.h"
#include "mail/digest.h"
#include "mail/header.h"
#include "mail/imap_text.h"

#define MUST(x)                                                                \
	do {                                                                   \
		if (!(x)) {                                                    \
			return #x;                                             \
		}                                                              \
	} while (0)

static uint64_t
count_lf(struct sv s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		n += s.p[i] == '\n';
	}
	return n;
}

/* From the elder part's end to the younger's begin: the end of a line, then
 * a line that begins with "--". */
static const char *
check_delimiter(struct sv gap)
{
	size_t at = 0;

	if (gap.len > 0 && gap.p[0] == '\r') {
		at++;
	}
	if (gap.len > at && gap.p[at] == '\n') {
		at++;
	}
	MUST(sv_starts(sv_from(gap, at), SV("--")));
	MUST(gap.p[gap.len - 1] == '\n' || gap.len > 2);
	return NULL;
}

/* A statement and its words, so that many can be looked at in a row. */
struct statement {
	bool true_of_it;
	const char *words;
};

#define STATE(x)                                                               \
	{                                                                      \
		(x), #x                                                        \
	}

static const char *
first_untrue(const struct statement *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!all[i].true_of_it) {
			return all[i].words;
		}
	}
	return NULL;
}

static const char *
check_alone(const struct mime *m, const struct mime_part *p)
{
	const struct mime_span *s = &p->span;
	const struct statement all[] = {
	    STATE(s->header_at <= s->body_at && s->body_at <= s->end),
	    STATE(p->header_lines == count_lf(mime_header(m, p))),
	    STATE(p->body_lines == count_lf(mime_body(m, p))),
	    STATE(p->type.len > 0 && p->subtype.len > 0),
	    STATE((s->kind == MIME_LEAF) == (s->first == MIME_NONE)),
	};

	return first_untrue(all, COUNT_OF(all));
}

static const char *
check_root(const struct mime *m)
{
	const struct mime_span *s = &m->parts[0].span;
	const struct statement all[] = {
	    STATE(s->parent == MIME_NONE && s->next == MIME_NONE),
	    STATE(s->header_at == 0 && s->end == m->message.len),
	    STATE(s->body_at == header_size(m->message)),
	};

	return first_untrue(all, COUNT_OF(all));
}

static const char *
check_in_parent(const struct mime *m, uint32_t i)
{
	const struct mime_part *p = &m->parts[i];
	const struct mime_span *s = &p->span;
	const struct mime_part *parent = &m->parts[s->parent];
	bool message = parent->span.kind == MIME_MESSAGE;
	const struct statement all[] = {
	    STATE(p->depth == parent->depth + 1),
	    STATE(s->header_at >= parent->span.body_at),
	    STATE(s->end <= parent->span.end),
	    STATE(!message || parent->span.first == i),
	    STATE(!message || s->next == MIME_NONE),
	    STATE(!message || s->header_at == parent->span.body_at),
	    STATE(!message || s->end == parent->span.end),
	};

	return first_untrue(all, COUNT_OF(all));
}

static const char *
check_before_sibling(const struct mime *m, uint32_t i)
{
	const struct mime_span *s = &m->parts[i].span;
	const struct mime_span *next;

	MUST(s->next > i && s->next < m->n_parts);
	next = &m->parts[s->next].span;
	MUST(next->parent == s->parent);
	MUST(next->header_at >= s->end);
	return check_delimiter(
	    sv_sub(m->message, s->end, next->header_at - s->end));
}

static const char *
check_part(const struct mime *m, uint32_t i)
{
	const struct mime_span *s = &m->parts[i].span;
	const char *wrong = check_alone(m, &m->parts[i]);

	if (wrong != NULL) {
		return wrong;
	}
	if (i == 0) {
		return check_root(m);
	}
	MUST(s->parent < i);
	wrong = check_in_parent(m, i);
	if (wrong == NULL && s->next != MIME_NONE) {
		wrong = check_before_sibling(m, i);
	}
	return wrong;
}

const char *
check_tree(const struct mime *m)
{
	const char *wrong = NULL;
	uint32_t linked = 1;

	MUST(m->n_parts >= 1);
	for (uint32_t i = 0; i < m->n_parts && wrong == NULL; i++) {
		wrong = check_part(m, i);
		linked += m->parts[i].span.first != MIME_NONE;
		linked += m->parts[i].span.next != MIME_NONE;
	}
	if (wrong == NULL) {
		MUST(linked == m->n_parts);
	}
	return wrong;
}

/*
 * A strict reader of the values that IMAP data is made of.
 */

struct reader {
	struct sv s;
	unsigned depth;
	bool after_value;
};

static const char *
read_quoted(struct reader *r)
{
	size_t i = 1;

	while (i < r->s.len && r->s.p[i] != '"') {
		unsigned char c = (unsigned char)r->s.p[i];

		MUST(c != '\r' && c != '\n' && c != '\0' && c < 0x80);
		if (c == '\\') {
			i++;
			MUST(i < r->s.len
			     && (r->s.p[i] == '"' || r->s.p[i] == '\\'));
		}
		i++;
	}
	MUST(i < r->s.len);
	r->s = sv_from(r->s, i + 1);
	return NULL;
}

static const char *
read_literal(struct reader *r)
{
	struct sv rest = sv_from(r->s, 1);
	uint64_t n;

	MUST(sv_u64(sv_cut(&rest, '}'), &n));
	MUST(sv_starts(rest, SV("\r\n")));
	rest = sv_from(rest, 2);
	MUST(n <= rest.len);
	MUST(sv_chr(sv_sub(rest, 0, n), '\0') < 0);
	r->s = sv_from(rest, n);
	return NULL;
}

/* One string, number or NIL. */
static const char *
read_atom(struct reader *r)
{
	size_t n = 0;

	MUST(r->s.len > 0);
	if (r->s.p[0] == '"') {
		return read_quoted(r);
	}
	if (r->s.p[0] == '{') {
		return read_literal(r);
	}
	if (sv_starts(r->s, SV("NIL"))) {
		r->s = sv_from(r->s, 3);
		return NULL;
	}
	while (n < r->s.len && ascii_digit(r->s.p[n])) {
		n++;
	}
	MUST(n > 0 && (n == 1 || r->s.p[0] != '0'));
	r->s = sv_from(r->s, n);
	return NULL;
}

/* One token of a list: a parenthesis, a space, or a value. */
static const char *
read_token(struct reader *r, unsigned *n_out)
{
	char c;

	MUST(r->s.len > 0);
	c = r->s.p[0];
	if (c == ')') {
		MUST(r->depth > 0 && r->after_value);
		r->depth--;
	} else if (c == ' ') {
		MUST(r->after_value);
		r->after_value = false;
	} else {
		*n_out += r->depth == 1;
		r->depth += c == '(';
	}
	if (c == '(') {
		r->after_value = false;
	} else if (c != ')' && c != ' ') {
		MUST(!r->after_value);
		r->after_value = true;
		return read_atom(r);
	}
	r->s = sv_from(r->s, 1);
	return NULL;
}

/* A list of values with single spaces, which may be missing between lists;
 * *n_out counts those of the outermost. */
static const char *
read_list(struct sv text, unsigned *n_out)
{
	struct reader r = {.s = text};
	const char *wrong = NULL;

	*n_out = 0;
	do {
		wrong = read_token(&r, n_out);
	} while (wrong == NULL && r.depth > 0);
	MUST(wrong != NULL || r.s.len == 0);
	return wrong;
}

const char *
check_texts(const struct mime *m)
{
	struct buf text = {.len = 0}, body = {.len = 0}, reduced = {.len = 0};
	const char *wrong;
	unsigned n;

	imap_text_envelope(mime_header(m, &m->parts[0]), &text);
	wrong = read_list(buf_sv(&text), &n);
	if (wrong == NULL && n != 10) {
		wrong = "an envelope has ten values";
	}
	buf_clear(&text);
	imap_text_body(m, 0, true, &text);
	imap_text_body(m, 0, false, &body);
	if (wrong == NULL) {
		wrong = read_list(buf_sv(&text), &n);
	}
	if (wrong == NULL) {
		wrong = read_list(buf_sv(&body), &n);
	}
	if (wrong == NULL
	    && (!imap_text_body_from_structure(buf_sv(&text), &reduced)
		|| !sv_eq(buf_sv(&reduced), buf_sv(&body)))) {
		wrong = "BODY is not what BODYSTRUCTURE reduces to";
	}
	buf_deinit(&text);
	buf_deinit(&body);
	buf_deinit(&reduced);
	return wrong;
}

static const char *
check_digest_texts(const struct mime *m, const struct digest *d)
{
	struct buf a = {.len = 0}, b = {.len = 0};
	const char *wrong = NULL;

	if ((d->flags & DIGEST_ENVELOPE) != 0) {
		imap_text_envelope(mime_header(m, &m->parts[0]), &a);
		if (!digest_envelope(d, &b) || !sv_eq(buf_sv(&a), buf_sv(&b))) {
			wrong = "the digest's ENVELOPE differs";
		}
	}
	buf_clear(&a);
	buf_clear(&b);
	if ((d->flags & DIGEST_STRUCTURE) != 0) {
		imap_text_body(m, 0, true, &a);
		if (!digest_structure(d, &b)
		    || !sv_eq(buf_sv(&a), buf_sv(&b))) {
			wrong = "the digest's BODYSTRUCTURE differs";
		}
	}
	buf_deinit(&a);
	buf_deinit(&b);
	return wrong;
}

static bool
same_span(const struct mime_span *a, const struct mime_span *b)
{
	return a->parent == b->parent && a->first == b->first
	       && a->next == b->next && a->kind == b->kind
	       && a->encoding == b->encoding && a->header_at == b->header_at
	       && a->body_at == b->body_at && a->end == b->end;
}

static const char *
check_digest_spans(const struct mime *m, const struct digest *d)
{
	struct arena arena = {.head = NULL};
	struct section_spans spans;
	const char *wrong = NULL;

	if ((d->flags & DIGEST_PARTS) == 0) {
		return NULL;
	}
	if (!digest_spans(d, &arena, &spans) || spans.n != m->n_parts) {
		wrong = "the digest's part table does not read";
	}
	for (uint32_t i = 0; wrong == NULL && i < spans.n; i++) {
		if (!same_span(&spans.first[i], &m->parts[i].span)) {
			wrong = "the digest's part table differs";
		}
	}
	arena_deinit(&arena);
	return wrong;
}

/* For each field in the header: what the digest gives for its name, if it
 * does, is what the header has. */
static const char *
check_digest_fields(const struct mime *m, const struct digest *d)
{
	struct sv header = mime_header(m, &m->parts[0]);
	struct buf a = {.len = 0}, b = {.len = 0};
	const char *wrong = NULL;
	struct header_field field;
	struct header_iter it;
	unsigned left = 100;

	header_iter_init(&it, header);
	while (wrong == NULL && left-- > 0 && header_next(&it, &field)) {
		struct sv names[2] = {SV("X-Absent-For-Sure"), field.name};
		struct sv body = SV_EMPTY;
		struct header_field first;

		buf_clear(&a);
		buf_clear(&b);
		if (digest_header_fields(d, &names[1], 1, &a)) {
			header_filter(header, &names[1], 1, false, &b);
			if (!sv_eq(buf_sv(&a), buf_sv(&b))) {
				wrong = "the digest's fields differ";
			}
		}
		switch (digest_field(d, field.name, &body)) {
		case DIGEST_ABSENT:
			wrong = "the digest denies a field";
			break;
		case DIGEST_HELD:
			if (!header_find(header, field.name, &first)
			    || !sv_eq(first.body, body)) {
				wrong = "the digest's field differs";
			}
			break;
		case DIGEST_UNKNOWN:
			break;
		}
	}
	buf_deinit(&a);
	buf_deinit(&b);
	return wrong;
}

const char *
check_digest(const struct mime *m)
{
	struct buf octets = {.len = 0};
	const char *wrong = NULL;
	struct digest d;
	struct fail f;
	bool whole = digest_build_parsed(m, &octets);

	if (octets.len > DIGEST_MAX) {
		wrong = "the digest is too long";
	} else if (digest_open(buf_sv(&octets), &d, &f) != 0) {
		wrong = "the digest does not open";
	} else if (whole != ((d.flags & DIGEST_WHOLE) == DIGEST_WHOLE)
		   || d.size != m->message.len
		   || d.header_size != m->parts[0].span.body_at
		   || d.lines != m->parts[0].body_lines) {
		wrong = "the digest's head differs";
	}
	if (wrong == NULL) {
		wrong = check_digest_texts(m, &d);
	}
	if (wrong == NULL) {
		wrong = check_digest_spans(m, &d);
	}
	if (wrong == NULL) {
		wrong = check_digest_fields(m, &d);
	}
	buf_deinit(&octets);
	return wrong;
}

const char *
check_message(struct sv message)
{
	struct arena arena = {.head = NULL};
	const char *wrong;
	struct mime m;

	mime_parse(message, NULL, &arena, &m);
	wrong = check_tree(&m);
	if (wrong == NULL) {
		wrong = check_texts(&m);
	}
	if (wrong == NULL) {
		wrong = check_digest(&m);
	}
	arena_deinit(&arena);
	return wrong;
}
