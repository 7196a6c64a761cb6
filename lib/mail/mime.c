/*
 * One pass over the lines.  Inside any multipart a line that begins with "--"
 * is compared with the boundaries that are open, which the depth bounds; all
 * other octets are read once, to find the next line.
 */
#include "mail/mime.h"

#include "mail/header.h"
#include "mail/param.h"

enum { BOUNDARY_MAX = 8192 }; /* 70 are allowed [RFC 2046 5.1.1] */

const struct mime_limits mime_limits_default = {
    .parts = 10000,
    .depth = 100,
    .params = PARAM_MAX,
    .header_max = 1024 * 1024,
};

/* A multipart whose closing boundary has not come. */
struct level {
	uint32_t part;
	uint32_t last_child; /* or MIME_NONE */
	struct sv boundary;
};

struct parser {
	struct mime *m;
	const struct mime_limits *limits;
	struct arena *arena;  /* keeps the tree */
	struct arena scratch; /* one part's parameters */
	size_t cap;	      /* of m->parts */
	struct level *levels; /* in `arena`: limits->depth of them */
	uint32_t n_levels;
	uint32_t current; /* innermost open part */
	size_t at;	  /* start of a line */
	uint64_t lines;	  /* LFs before `at` */
};

/* What stands at the start of a line. */
enum line_kind { LINE_TEXT, LINE_OPEN, LINE_CLOSE };

static struct mime_part *
part_at(struct parser *p, uint32_t i)
{
	return &p->m->parts[i];
}

static uint32_t
part_new(struct parser *p, uint32_t parent, size_t header_at)
{
	struct mime *m = p->m;
	struct mime_part *part;

	m->parts = arena_grow(
	    p->arena, m->parts, m->n_parts, &p->cap, sizeof(*m->parts));
	part = &m->parts[m->n_parts];
	*part = (struct mime_part){.span = {.parent = parent,
				       .first = MIME_NONE,
				       .next = MIME_NONE,
				       .header_at = header_at}};
	if (parent != MIME_NONE) {
		part->depth = m->parts[parent].depth + 1;
	}
	return m->n_parts++;
}

/* Move to the next line. */
static void
pass_line(struct parser *p)
{
	struct sv text = p->m->message;
	const char *lf = memchr(text.p + p->at, '\n', text.len - p->at);
	size_t next = lf != NULL ? (size_t)(lf - text.p) + 1 : text.len;

	p->lines += lf != NULL;
	p->m->work += next - p->at;
	p->at = next;
}

static struct sv
rest_of(const struct parser *p)
{
	return sv_from(p->m->message, p->at);
}

/*
 * Is this line a delimiter?  It is enough that it begins with one
 * [RFC 2046 5.1.2]; of several that fit the longest is meant, and of equal
 * ones that of the innermost.
 */
static enum line_kind
line_kind(struct parser *p, uint32_t *level_out)
{
	struct sv rest = rest_of(p);
	size_t best = 0;

	if (p->n_levels == 0 || rest.len < 3 || rest.p[0] != '-'
	    || rest.p[1] != '-') {
		return LINE_TEXT;
	}
	rest = sv_from(rest, 2);
	for (uint32_t i = p->n_levels; i-- > 0;) {
		struct sv b = p->levels[i].boundary;

		/* The last octet first: they tend to differ there. */
		if (b.len <= best || b.len > rest.len
		    || rest.p[b.len - 1] != b.p[b.len - 1]) {
			continue;
		}
		p->m->work += b.len;
		if (memcmp(rest.p, b.p, b.len) == 0) {
			best = b.len;
			*level_out = i;
		}
	}
	if (best == 0) {
		return LINE_TEXT;
	}
	return sv_starts(sv_from(rest, best), SV("--")) ? LINE_CLOSE
							: LINE_OPEN;
}

/* Octets of the line end before `at`, which belongs to the delimiter. */
static size_t
line_end_before(const struct parser *p)
{
	const char *text = p->m->message.p;

	if (p->at == 0 || text[p->at - 1] != '\n') {
		return 0;
	}
	return p->at >= 2 && text[p->at - 2] == '\r' ? 2 : 1;
}

/* LFs before the offset `end`, which is p->at or before its line end. */
static uint64_t
lines_before(const struct parser *p, uint64_t end)
{
	return p->lines - (end < p->at && line_end_before(p) > 0);
}

static void
set_default_type(struct mime_part *part)
{
	part->type = SV("text");
	part->subtype = SV("plain");
	part->by_default = true;
}

/* A multipart whose boundary never came: its body is one text. */
static void
add_whole_child(struct parser *p, uint32_t i)
{
	uint32_t child = part_new(p, i, part_at(p, i)->span.body_at);
	struct mime_part *multipart = part_at(p, i);
	struct mime_part *part = part_at(p, child);

	multipart->span.first = child;
	part->span.body_at = multipart->span.body_at;
	part->span.end = multipart->span.end;
	part->body_lines = multipart->body_lines;
	set_default_type(part);
}

/*
 * End all open parts below `stop` at `end`.  A body that has not begun before
 * `end` is empty.
 */
static void
end_parts(struct parser *p, uint32_t stop, uint64_t end)
{
	while (p->current != stop) {
		struct mime_part *part = part_at(p, p->current);
		uint32_t i = p->current;

		if (end < part->span.body_at) {
			end = part->span.body_at;
		}
		part->span.end = end;
		/* Until now it held the LFs before the body. */
		part->body_lines = lines_before(p, end) - part->body_lines;
		p->current = part->span.parent;
		if (part->span.kind == MIME_MULTIPART
		    && part->span.first == MIME_NONE) {
			add_whole_child(p, i);
		}
	}
}

/*
 * Header fields.
 */

static void
note(struct sv *to, const struct header_field *field)
{
	if (to->p == NULL) {
		*to = field->body;
	}
}

static void
note_field(struct mime_part *part, struct sv raw)
{
	static const struct sv prefix = {"Content-", 8};
	struct header_field field;
	struct header_iter it;
	struct sv name;

	if (!sv_starts_nocase(raw, prefix)) {
		return;
	}
	header_iter_init(&it, raw);
	if (!header_next(&it, &field)) {
		return;
	}
	name = sv_from(field.name, prefix.len);
	if (sv_eq_nocase(name, SV("Type"))) {
		note(&part->content_type, &field);
	} else if (sv_eq_nocase(name, SV("Transfer-Encoding"))) {
		note(&part->content_encoding, &field);
	} else if (sv_eq_nocase(name, SV("ID"))) {
		note(&part->content_id, &field);
	} else if (sv_eq_nocase(name, SV("Description"))) {
		note(&part->content_description, &field);
	} else if (sv_eq_nocase(name, SV("Disposition"))) {
		note(&part->content_disposition, &field);
	} else if (sv_eq_nocase(name, SV("Language"))) {
		note(&part->content_language, &field);
	} else if (sv_eq_nocase(name, SV("Location"))) {
		note(&part->content_location, &field);
	} else if (sv_eq_nocase(name, SV("MD5"))) {
		note(&part->content_md5, &field);
	}
}

static bool
is_empty_line(struct sv s)
{
	return s.len > 0
	       && (s.p[0] == '\n'
		   || (s.len > 1 && s.p[0] == '\r' && s.p[1] == '\n'));
}

/*
 * Read the header of the current part, up to its empty line, a delimiter or
 * the end.
 */
static void
read_header(struct parser *p)
{
	struct mime_part *part = part_at(p, p->current);
	uint64_t lines = p->lines;
	size_t field = p->at;
	size_t begin = p->at;
	uint32_t level;

	for (;;) {
		struct sv rest = rest_of(p);
		bool end = rest.len == 0 || is_empty_line(rest)
			   || line_kind(p, &level) != LINE_TEXT;

		if (end || (rest.p[0] != ' ' && rest.p[0] != '\t')) {
			if (p->at - begin <= p->limits->header_max) {
				note_field(part, sv_sub(p->m->message, field,
						     p->at - field));
			}
			field = p->at;
		}
		if (end && is_empty_line(rest)) {
			pass_line(p);
		}
		if (end) {
			break;
		}
		pass_line(p);
	}
	part->span.body_at = p->at;
	part->header_lines = p->lines - lines;
	part->body_lines = p->lines;
}

/*
 * What the header says of the body.
 */

static bool
is_token(struct sv s) /* [RFC 2045 5.1] */
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c >= 0x7f
		    || strchr("()<>@,;:\\\"/[]?=", s.p[i]) != NULL) {
			return false;
		}
	}
	return s.len > 0;
}

/* type "/" subtype, or what the part is by default. */
static void
settle_type(struct parser *p, struct mime_part *part)
{
	struct sv subtype = param_value(part->content_type, p->arena);
	struct sv type = sv_cut(&subtype, '/');

	if (is_token(type) && is_token(subtype)) {
		part->type = type;
		part->subtype = subtype;
		return;
	}
	/* What is malformed is text even in a digest.  [RFC 2045 5.2] */
	set_default_type(part);
	if (part->digest_child && part->content_type.p == NULL) {
		part->type = SV("message");
		part->subtype = SV("rfc822");
	}
}

static struct sv
boundary_of(struct parser *p, const struct mime_part *part)
{
	struct param_list params;
	struct sv b;

	param_parse(
	    part->content_type, p->limits->params, &p->scratch, &params);
	b = param_get(&params, SV("boundary"));
	while (b.len > 0 && (b.p[b.len - 1] == ' ' || b.p[b.len - 1] == '\t')) {
		b.len--;
	}
	b = b.len <= BOUNDARY_MAX ? arena_sv(p->arena, b) : SV_EMPTY;
	arena_reset(&p->scratch);
	return b;
}

static bool
may_descend(struct parser *p, struct mime_part *part)
{
	if (part->depth < p->limits->depth
	    && p->m->n_parts < p->limits->parts) {
		return true;
	}
	part->opaque = true;
	p->m->limited = true;
	return false;
}

static bool
is_message_type(const struct mime_part *part)
{
	return sv_eq_nocase(part->type, SV("message"))
	       && (sv_eq_nocase(part->subtype, SV("rfc822"))
		   || sv_eq_nocase(part->subtype, SV("global")));
}

static void
open_multipart(struct parser *p, struct mime_part *part)
{
	struct sv boundary = boundary_of(p, part);

	if (boundary.len == 0) {
		set_default_type(part);
		return;
	}
	part->span.kind = MIME_MULTIPART;
	p->levels[p->n_levels++] = (struct level){
	    .part = p->current, .last_child = MIME_NONE, .boundary = boundary};
}

/* Decide what the current part is.  True if a message begins in it. */
static bool
settle_part(struct parser *p)
{
	struct mime_part *part = part_at(p, p->current);

	settle_type(p, part);
	part->span.encoding = transfer_by_name(part->content_encoding);
	if (sv_eq_nocase(part->type, SV("multipart"))) {
		if (may_descend(p, part)) {
			open_multipart(p, part);
		}
		return false;
	}
	if (!is_message_type(part)) {
		return false;
	}
	if (part->span.encoding > TRANSFER_BINARY) {
		part->opaque = true;
		return false;
	}
	if (!may_descend(p, part)) {
		return false;
	}
	part->span.kind = MIME_MESSAGE;
	return true;
}

/* Read headers until a body begins that has no header of its own. */
static void
begin_part(struct parser *p)
{
	read_header(p);
	while (settle_part(p)) {
		uint32_t child = part_new(p, p->current, p->at);

		part_at(p, p->current)->span.first = child;
		p->current = child;
		read_header(p);
	}
}

static void
add_child(struct parser *p, struct level *level)
{
	struct mime_part *parent = part_at(p, level->part);
	bool digest = sv_eq_nocase(parent->subtype, SV("digest"));
	uint32_t child = part_new(p, level->part, p->at);

	part_at(p, child)->digest_child = digest;
	if (level->last_child == MIME_NONE) {
		part_at(p, level->part)->span.first = child;
	} else {
		part_at(p, level->last_child)->span.next = child;
	}
	level->last_child = child;
	p->current = child;
}

/* May no part be added?  Then the one in hand takes what follows. */
static bool
parts_are_out(struct parser *p)
{
	if (p->m->n_parts < p->limits->parts) {
		return false;
	}
	part_at(p, p->current)->opaque = true;
	p->m->limited = true;
	return true;
}

/* The delimiter of an open level. */
static void
take_delimiter(struct parser *p, enum line_kind kind, uint32_t level)
{
	uint64_t end = p->at - line_end_before(p);

	if (kind == LINE_OPEN && parts_are_out(p)) {
		pass_line(p);
		return;
	}
	end_parts(p, p->levels[level].part, end);
	p->n_levels = kind == LINE_CLOSE ? level : level + 1;
	pass_line(p);
	/* The end of a multipart without parts may have taken the last. */
	if (kind == LINE_OPEN && !parts_are_out(p)) {
		add_child(p, &p->levels[level]);
		begin_part(p);
	}
}

void
mime_parse(struct sv message, const struct mime_limits *limits, struct arena *a,
    struct mime *out)
{
	struct parser p = {.m = out, .arena = a};
	uint32_t level = 0;

	p.limits = limits != NULL ? limits : &mime_limits_default;
	*out = (struct mime){.message = message};
	p.levels =
	    arena_array(a, p.limits->depth + (size_t)1, sizeof(*p.levels));
	p.current = part_new(&p, MIME_NONE, 0);
	begin_part(&p);
	while (p.at < message.len) {
		enum line_kind kind = line_kind(&p, &level);

		if (kind == LINE_TEXT) {
			pass_line(&p);
		} else {
			take_delimiter(&p, kind, level);
		}
	}
	end_parts(&p, MIME_NONE, message.len);
	arena_deinit(&p.scratch);
}
