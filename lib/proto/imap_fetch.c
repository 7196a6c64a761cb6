#include "proto/imap_fetch.h"

#include "base/buf.h"
#include "proto/imap_out.h"

struct fetch_parse {
	struct imap_lex *lex;
	struct imap_fetch_args *args;
	size_t cap; /* of args->sections */
};

static const struct {
	struct sv name;
	uint32_t atts;
} plain_atts[] = {
    {{"BODY", 4}, ATT_BODY},
    {{"BODYSTRUCTURE", 13}, ATT_BODYSTRUCTURE},
    {{"EMAILID", 7}, ATT_EMAILID},
    {{"ENVELOPE", 8}, ATT_ENVELOPE},
    {{"FLAGS", 5}, ATT_FLAGS},
    {{"INTERNALDATE", 12}, ATT_INTERNALDATE},
    {{"MODSEQ", 6}, ATT_MODSEQ},
    {{"RFC822.SIZE", 11}, ATT_SIZE},
    {{"THREADID", 8}, ATT_THREADID},
    {{"UID", 3}, ATT_UID},
};

/* Allowed alone, not in a list. */
static const struct {
	struct sv name;
	uint32_t atts;
} macros[] = {
    {{"ALL", 3}, ATT_FLAGS | ATT_INTERNALDATE | ATT_SIZE | ATT_ENVELOPE},
    {{"FAST", 4}, ATT_FLAGS | ATT_INTERNALDATE | ATT_SIZE},
    {{"FULL", 4},
	ATT_FLAGS | ATT_INTERNALDATE | ATT_SIZE | ATT_ENVELOPE | ATT_BODY},
};

static const struct {
	struct sv name;
	enum section_what what;
	bool peek;
} rfc822_atts[] = {
    {{"RFC822", 6}, SECTION_ALL, false},
    {{"RFC822.HEADER", 13}, SECTION_HEADER, true},
    {{"RFC822.TEXT", 11}, SECTION_TEXT, false},
};

/* One more section, or NULL with the error set. */
static struct imap_section *
section_add(struct fetch_parse *p)
{
	struct imap_fetch_args *a = p->args;

	if (a->n_sections == IMAP_SECTIONS_MAX) {
		(void)imap_lex_fail(
		    p->lex, IMAP_ERR_LIMIT, "too many body sections");
		return NULL;
	}
	a->sections = arena_grow(p->lex->arena, a->sections, a->n_sections,
	    &p->cap, sizeof(*a->sections));
	a->sections[a->n_sections] = (struct imap_section){0};
	return &a->sections[a->n_sections++];
}

/* ---- BODY[...] ---- */

/* A field's name as RFC 5322 allows it, so that the answer can repeat it. */
static bool
is_field_name(struct sv s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == ':') {
			return false;
		}
	}
	return s.len != 0 && s.len <= IMAP_FIELD_NAME_MAX;
}

static int
lex_header_list(struct imap_lex *lex, struct imap_section *s)
{
	struct sv *fields = NULL;
	size_t cap = 0;

	if (imap_lex_sp(lex) != 0 || imap_lex_char(lex, '(') != 0) {
		return -1;
	}
	do {
		struct sv name;

		if (imap_lex_astring(lex, &name) != 0) {
			return -1;
		}
		if (!is_field_name(name)) {
			return imap_lex_bad(lex, "no header field has a name "
						 "like that");
		}
		if (s->what.n_names == IMAP_HEADER_FIELDS_MAX) {
			return imap_lex_fail(
			    lex, IMAP_ERR_LIMIT, "too many header field names");
		}
		fields = arena_grow(
		    lex->arena, fields, s->what.n_names, &cap, sizeof(*fields));
		fields[s->what.n_names++] = name;
	} while (imap_lex_take(lex, ' '));
	s->what.names = fields;
	return imap_lex_char(lex, ')');
}

static int
lex_section_text(struct imap_lex *lex, struct imap_section *s)
{
	struct sv word;

	if (imap_lex_word(lex, &word) != 0) {
		return -1;
	}
	if (sv_eq_nocase(word, SV("HEADER"))) {
		s->what.what = SECTION_HEADER;
	} else if (sv_eq_nocase(word, SV("TEXT"))) {
		s->what.what = SECTION_TEXT;
	} else if (sv_eq_nocase(word, SV("MIME"))) {
		s->what.what = SECTION_MIME;
		if (s->what.depth == 0) {
			return imap_lex_bad(lex, "MIME needs a part number");
		}
	} else if (sv_eq_nocase(word, SV("HEADER.FIELDS"))) {
		s->what.what = SECTION_FIELDS;
		return lex_header_list(lex, s);
	} else if (sv_eq_nocase(word, SV("HEADER.FIELDS.NOT"))) {
		s->what.what = SECTION_FIELDS_NOT;
		return lex_header_list(lex, s);
	} else {
		return imap_lex_bad(lex, "unknown section");
	}
	return 0;
}

/* "1.2" and, if a "." follows that no number follows, *more_out. */
static int
lex_section_part(struct imap_lex *lex, struct imap_section *s, bool *more_out)
{
	uint32_t part[IMAP_SECTION_DEPTH] = {0};
	uint32_t *copy;
	int c = imap_lex_peek(lex);

	*more_out = c != ']';
	while (c >= '0' && c <= '9') {
		if (s->what.depth == IMAP_SECTION_DEPTH) {
			return imap_lex_fail(
			    lex, IMAP_ERR_LIMIT, "a part number is too deep");
		}
		if (imap_lex_nz32(lex, &part[s->what.depth++]) != 0) {
			return -1;
		}
		*more_out = imap_lex_take(lex, '.');
		if (!*more_out) {
			break;
		}
		c = imap_lex_peek(lex);
	}
	copy = arena_array(lex->arena, s->what.depth, sizeof(*copy));
	for (size_t i = 0; i < s->what.depth; i++) {
		copy[i] = part[i];
	}
	s->what.path = copy;
	return 0;
}

/* "<0.1024>" behind the section. */
static int
lex_partial(struct imap_lex *lex, struct imap_section *s)
{
	if (!imap_lex_take(lex, '<')) {
		return 0;
	}
	s->partial = true;
	if (imap_lex_u64(lex, &s->from) != 0 || imap_lex_char(lex, '.') != 0
	    || imap_lex_u64(lex, &s->count) != 0
	    || imap_lex_char(lex, '>') != 0) {
		return -1;
	}
	if (s->count == 0 || s->from > INT64_MAX || s->count > INT64_MAX) {
		return imap_lex_bad(lex, "a partial range out of bounds");
	}
	return 0;
}

static void
put_label(struct buf *to, const struct imap_section *s)
{
	static const char *const names[] = {
	    [SECTION_ALL] = "",
	    [SECTION_HEADER] = "HEADER",
	    [SECTION_FIELDS] = "HEADER.FIELDS",
	    [SECTION_FIELDS_NOT] = "HEADER.FIELDS.NOT",
	    [SECTION_TEXT] = "TEXT",
	    [SECTION_MIME] = "MIME",
	};

	buf_add_str(to, "BODY[");
	for (size_t i = 0; i < s->what.depth; i++) {
		if (i != 0) {
			buf_add_char(to, '.');
		}
		buf_add_u64(to, s->what.path[i]);
	}
	if (s->what.depth != 0 && s->what.what != SECTION_ALL) {
		buf_add_char(to, '.');
	}
	buf_add_str(to, names[s->what.what]);
	for (size_t i = 0; i < s->what.n_names; i++) {
		buf_add_str(to, i == 0 ? " (" : " ");
		imap_put_astring(to, s->what.names[i]);
	}
	buf_add_str(to, s->what.n_names != 0 ? ")]" : "]");
	if (s->partial) {
		buf_add_char(to, '<');
		buf_add_u64(to, s->from);
		buf_add_char(to, '>');
	}
}

static int
lex_body_section(struct fetch_parse *p, bool peek)
{
	struct imap_lex *lex = p->lex;
	struct imap_section *s = section_add(p);
	struct buf label = {0};
	bool more = false;

	if (s == NULL || imap_lex_char(lex, '[') != 0
	    || lex_section_part(lex, s, &more) != 0
	    || (more && lex_section_text(lex, s) != 0)
	    || imap_lex_char(lex, ']') != 0 || lex_partial(lex, s) != 0) {
		return -1;
	}
	s->peek = peek;
	put_label(&label, s);
	s->label = arena_sv(lex->arena, buf_sv(&label));
	buf_deinit(&label);
	return 0;
}

/* ---- items ---- */

static int
lex_att(struct fetch_parse *p)
{
	struct imap_section *s;
	struct sv name;

	if (imap_lex_word(p->lex, &name) != 0) {
		return -1;
	}
	if (imap_lex_peek(p->lex) == '[') {
		if (sv_eq_nocase(name, SV("BODY"))) {
			return lex_body_section(p, false);
		}
		if (sv_eq_nocase(name, SV("BODY.PEEK"))) {
			return lex_body_section(p, true);
		}
		return imap_lex_bad(p->lex, "unknown fetch item");
	}
	for (size_t i = 0; i < COUNT_OF(plain_atts); i++) {
		if (sv_eq_nocase(name, plain_atts[i].name)) {
			p->args->atts |= plain_atts[i].atts;
			return 0;
		}
	}
	for (size_t i = 0; i < COUNT_OF(rfc822_atts); i++) {
		if (sv_eq_nocase(name, rfc822_atts[i].name)) {
			s = section_add(p);
			if (s == NULL) {
				return -1;
			}
			s->what.what = rfc822_atts[i].what;
			s->peek = rfc822_atts[i].peek;
			s->label = rfc822_atts[i].name;
			return 0;
		}
	}
	return imap_lex_bad(p->lex, "unknown fetch item");
}

static int
lex_atts(struct fetch_parse *p)
{
	if (imap_lex_take(p->lex, '(')) {
		do {
			if (lex_att(p) != 0) {
				return -1;
			}
		} while (imap_lex_take(p->lex, ' '));
		return imap_lex_char(p->lex, ')');
	}
	for (size_t i = 0; i < COUNT_OF(macros); i++) {
		if (imap_lex_take_word(p->lex, macros[i].name)) {
			p->args->atts = macros[i].atts;
			return 0;
		}
	}
	return lex_att(p);
}

static int
lex_modifier(struct imap_lex *lex, struct imap_fetch_args *out)
{
	if (imap_lex_take_word(lex, SV("CHANGEDSINCE"))) {
		out->changed = true;
		out->atts |= ATT_MODSEQ;
		if (imap_lex_sp(lex) != 0) {
			return -1;
		}
		return imap_lex_modseq(lex, &out->changed_since);
	}
	if (imap_lex_take_word(lex, SV("VANISHED"))) {
		out->vanished = true;
		return 0;
	}
	return imap_lex_bad(lex, "unknown fetch modifier");
}

int
imap_lex_fetch_items(struct imap_lex *lex, struct imap_fetch_args *out)
{
	struct fetch_parse p = {.lex = lex, .args = out};

	if (lex_atts(&p) != 0) {
		return -1;
	}
	if (imap_lex_at_end(lex)) {
		return 0;
	}
	if (imap_lex_sp(lex) != 0 || imap_lex_char(lex, '(') != 0) {
		return -1;
	}
	do {
		if (lex_modifier(lex, out) != 0) {
			return -1;
		}
	} while (imap_lex_take(lex, ' '));
	return imap_lex_char(lex, ')');
}

bool
imap_fetch_sets_seen(const struct imap_fetch_args *args)
{
	for (size_t i = 0; i < args->n_sections; i++) {
		if (!args->sections[i].peek) {
			return true;
		}
	}
	return false;
}
