#include "mail/digest_priv.h"

#include <string.h>

#include "base/utf8.h"
#include "mail/header.h"
#include "mail/imap_text.h"
#include "mail/param.h"

/* What goes into a digest, before it is known to fit. */
struct builder {
	const struct mime *m;
	unsigned flags;
	unsigned blank;
	struct date sent;
	unsigned char filter[DIGEST_FILTER_SIZE];
	uint64_t sizes[64]; /* of all fields with that number */
	uint64_t missing;
	struct buf fields;
	struct buf parts;
	struct buf envelope; /* not packed */
	struct buf structure;
};

/*
 * Ways to make it fit, tried in order: room for the fields, and what else is
 * kept.
 */
static const struct {
	size_t fields;
	unsigned keep;
} ways[] = {
    {3072, DIGEST_PARTS | DIGEST_ENVELOPE | DIGEST_STRUCTURE},
    {2048, DIGEST_PARTS | DIGEST_ENVELOPE | DIGEST_STRUCTURE},
    {1024, DIGEST_PARTS | DIGEST_ENVELOPE | DIGEST_STRUCTURE},
    {512, DIGEST_PARTS | DIGEST_ENVELOPE | DIGEST_STRUCTURE},
    /* many recipients, then many parts */
    {2048, DIGEST_PARTS | DIGEST_STRUCTURE},
    {2048, DIGEST_PARTS | DIGEST_ENVELOPE},
    {3072, DIGEST_PARTS},
    {3072, 0},
};

enum {
	PARTS_TABLE_MAX = 1024, /* octets */
	FIELD_COST = 3,		/* octets beside those of the field */
	DIGEST_DATE = 0,	/* number of a listed field */
};

/* Sizes, filter and date: one walk over the header. */
static void
survey_header(struct builder *b, struct sv header)
{
	struct header_field field;
	struct header_iter it;

	header_iter_init(&it, header);
	while (header_next(&it, &field)) {
		int n = digest_field_number(field.name, digest_n_listed);

		if (n < 0) {
			digest_filter_add(b->filter, field.name);
			continue;
		}
		if (n == DIGEST_DATE && b->sizes[n] == 0
		    && date_parse(field.body, &b->sent)) {
			b->flags |= DIGEST_SENT;
		}
		b->sizes[n] += field.raw.len + FIELD_COST;
	}
	b->blank = (unsigned)it.blank;
}

/* Take the listed fields in the order of the list as long as there is room
 * for all of a name. */
static void
choose_fields(struct builder *b, size_t room)
{
	b->missing = 0;
	for (unsigned n = 0; n < digest_n_listed; n++) {
		if (b->sizes[n] > room) {
			b->missing |= (uint64_t)1 << n;
		} else {
			room -= b->sizes[n];
		}
	}
}

static void
copy_fields(struct builder *b, struct sv header)
{
	struct header_field field;
	struct header_iter it;

	buf_clear(&b->fields);
	header_iter_init(&it, header);
	while (header_next(&it, &field)) {
		int n = digest_field_number(field.name, digest_n_listed);

		if (n < 0 || (b->missing >> n & 1) != 0) {
			continue;
		}
		buf_add_char(&b->fields, (char)n);
		digest_add_varint(&b->fields, field.raw.len);
		buf_add_sv(&b->fields, field.raw);
	}
}

static void
add_zigzag(struct buf *to, int64_t v)
{
	digest_add_varint(to, (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

static void
write_head(const struct builder *b, unsigned flags, struct buf *to)
{
	const struct mime_part *root = &b->m->parts[0];
	unsigned octets = flags | b->blank << 14;

	buf_add_char(to, DIGEST_VERSION);
	buf_add_char(to, (char)(octets & 0xff));
	buf_add_char(to, (char)(octets >> 8));
	digest_add_varint(to, b->m->message.len);
	digest_add_varint(to, root->span.body_at);
	digest_add_varint(to, root->body_lines);
	digest_add_varint(to, digest_n_listed);
	buf_add(to, b->filter, sizeof(b->filter));
	if ((flags & DIGEST_SENT) != 0) {
		add_zigzag(to, b->sent.unix_s);
		add_zigzag(to, b->sent.zone);
	}
	if ((flags & DIGEST_FIELDS) == 0) {
		digest_add_varint(to, b->missing);
	}
}

static void
write_block(struct sv s, struct buf *to)
{
	digest_add_varint(to, s.len);
	buf_add_sv(to, s);
}

static void
write_text(struct digest_packer *p, struct sv text, struct buf *to)
{
	struct buf packed = {.len = 0};

	digest_add_varint(&packed, text.len);
	digest_pack(p, text, &packed);
	write_block(buf_sv(&packed), to);
	buf_deinit(&packed);
}

static void
write_texts(const struct builder *b, unsigned flags, struct buf *to)
{
	struct digest_packer *p = digest_packer_new(buf_sv(&b->fields));

	if ((flags & DIGEST_ENVELOPE) != 0) {
		write_text(p, buf_sv(&b->envelope), to);
	}
	if ((flags & DIGEST_STRUCTURE) != 0) {
		write_text(p, buf_sv(&b->structure), to);
	}
	digest_packer_free(&p);
}

/* One of the ways.  False, with nothing appended, if it does not fit. */
static bool
write_digest(struct builder *b, struct sv header, size_t room, unsigned keep,
    struct buf *to)
{
	unsigned flags = b->flags & (keep | ~(unsigned)DIGEST_WHOLE);
	struct buf digest = {.limit = DIGEST_MAX};
	bool fits;

	choose_fields(b, room);
	copy_fields(b, header);
	flags |= b->missing == 0 ? DIGEST_FIELDS : 0;
	write_head(b, flags, &digest);
	write_block(buf_sv(&b->fields), &digest);
	if ((flags & DIGEST_PARTS) != 0) {
		write_block(buf_sv(&b->parts), &digest);
	}
	write_texts(b, flags, &digest);
	fits = !digest.overflow;
	if (fits) {
		b->flags = flags;
		buf_add_sv(to, buf_sv(&digest));
	}
	buf_deinit(&digest);
	return fits;
}

static bool
is_attachment(const struct mime_part *p, struct arena *a)
{
	struct sv disposition;

	if (p->span.kind != MIME_LEAF) {
		return false;
	}
	disposition = param_value(p->content_disposition, a);
	if (disposition.len > 0) {
		return sv_eq_nocase(disposition, SV("attachment"));
	}
	return sv_eq_nocase(p->type, SV("application"))
	       && !sv_ends_nocase(p->subtype, SV("-signature"));
}

static void
survey_parts(struct builder *b)
{
	struct section_spans spans = section_spans_of(b->m);
	struct arena arena = {.head = NULL};

	digest_add_varint(&b->parts, spans.n);
	if (!b->m->limited
	    && digest_pack_spans(spans, PARTS_TABLE_MAX, &b->parts)) {
		b->flags |= DIGEST_PARTS;
	}
	for (uint32_t i = 0; i < b->m->n_parts; i++) {
		if (is_attachment(&b->m->parts[i], &arena)) {
			b->flags |= DIGEST_ATTACHMENT;
			break;
		}
	}
	arena_deinit(&arena);
}

static bool
has_crlf_alone(struct sv s)
{
	size_t at = 0;

	if (s.len > 0 && s.p[s.len - 1] != '\n') {
		return false;
	}
	while (at < s.len) {
		const char *lf = memchr(s.p + at, '\n', s.len - at);

		if (lf == s.p || lf[-1] != '\r') {
			return false;
		}
		at = (size_t)(lf - s.p) + 1;
	}
	return true;
}

static void
make_texts(struct builder *b, struct sv header)
{
	b->envelope.limit = DIGEST_TEXT_MAX;
	imap_text_envelope(header, &b->envelope);
	b->flags |= b->envelope.overflow ? 0 : DIGEST_ENVELOPE;
	b->structure.limit = DIGEST_TEXT_MAX;
	imap_text_body(b->m, 0, true, &b->structure);
	b->flags |= b->structure.overflow ? 0 : DIGEST_STRUCTURE;
}

bool
digest_build_parsed(const struct mime *m, struct buf *to)
{
	struct builder b = {.m = m};
	struct sv header = mime_header(m, &m->parts[0]);

	survey_header(&b, header);
	survey_parts(&b);
	b.flags |= has_crlf_alone(m->message) ? DIGEST_CRLF : 0;
	b.flags |= utf8_is_ascii(header) ? DIGEST_ASCII : 0;
	make_texts(&b, header);
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		if (write_digest(
			&b, header, ways[i].fields, ways[i].keep, to)) {
			break;
		}
	}
	buf_deinit(&b.fields);
	buf_deinit(&b.parts);
	buf_deinit(&b.envelope);
	buf_deinit(&b.structure);
	return (b.flags & DIGEST_WHOLE) == DIGEST_WHOLE;
}

bool
digest_build(struct sv message, struct buf *to)
{
	struct arena arena = {.head = NULL};
	struct mime m;
	bool whole;

	mime_parse(message, NULL, &arena, &m);
	whole = digest_build_parsed(&m, to);
	arena_deinit(&arena);
	return whole;
}
