/*
 * Address lists: one pass finds where each entry's pieces begin and end, a
 * second over the same octets makes the text of a piece.  Both use the same
 * lexer, so neither keeps tokens, and each octet is lexed at most three
 * times.
 */
#include "mail/address.h"

#define NOWHERE SIZE_MAX

enum token_kind {
	TOKEN_END,
	TOKEN_ATOM, /* dots are of the atom that they stand in */
	TOKEN_QUOTED,
	TOKEN_LITERAL, /* [192.0.2.1] */
	TOKEN_COMMENT,
	TOKEN_SPECIAL, /* one of <>@,;: */
};

struct token {
	enum token_kind kind;
	size_t from, to; /* with quotes, brackets, parentheses */
	bool gap;	 /* blanks or comments stand before it */
};

struct parser {
	struct sv body;
	/* From here on '(', '"', '[' is an octet like others, as the one
	 * there has no end: finds that out once, not once for each. */
	size_t no_comment, no_quoted, no_literal;
	struct arena *arena;
	bool in_group;
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

/* Behind the quoted string or domain literal at `at`; NOWHERE if unended. */
static size_t
delimited_end(struct sv s, size_t at, char end)
{
	for (size_t i = at + 1; i < s.len; i++) {
		if (s.p[i] == '\\') {
			i++;
		} else if (s.p[i] == end) {
			return i + 1;
		}
	}
	return NOWHERE;
}

static size_t
comment_end(struct sv s, size_t at)
{
	size_t depth = 0;

	for (size_t i = at; i < s.len; i++) {
		if (s.p[i] == '\\') {
			i++;
		} else if (s.p[i] == '(') {
			depth++;
		} else if (s.p[i] == ')' && --depth == 0) {
			return i + 1;
		}
	}
	return NOWHERE;
}

/* Behind an encoded word at `at`, which may hold specials that it should
 * not; NOWHERE if there is none.  [RFC 2047 2] */
static size_t
encoded_word_end(struct sv s, size_t at)
{
	size_t i = at + 2;
	unsigned marks = 0;

	if (i > s.len || s.p[at] != '=' || s.p[at + 1] != '?') {
		return NOWHERE;
	}
	for (; i < s.len && !is_space(s.p[i]); i++) {
		if (s.p[i] == '?' && ++marks == 3) {
			break;
		}
	}
	return marks == 3 && i + 1 < s.len && s.p[i + 1] == '=' ? i + 2
								: NOWHERE;
}

/* The end of what is opened at `at`, if it is and has one; else NOWHERE. */
static size_t
opened_end(struct parser *p, size_t at, enum token_kind *kind_out)
{
	size_t *none;
	size_t end;

	switch (p->body.p[at]) {
	case '(':
		none = &p->no_comment;
		*kind_out = TOKEN_COMMENT;
		end = at < *none ? comment_end(p->body, at) : NOWHERE;
		break;
	case '"':
		none = &p->no_quoted;
		*kind_out = TOKEN_QUOTED;
		end = at < *none ? delimited_end(p->body, at, '"') : NOWHERE;
		break;
	case '[':
		none = &p->no_literal;
		*kind_out = TOKEN_LITERAL;
		end = at < *none ? delimited_end(p->body, at, ']') : NOWHERE;
		break;
	default:
		return NOWHERE;
	}
	if (end == NOWHERE && at < *none) {
		*none = at;
	}
	return end;
}

static bool
is_special(char c)
{
	return c == '<' || c == '>' || c == '@' || c == ',' || c == ';'
	       || c == ':';
}

/* Behind the atom at `at`, which holds at least one octet. */
static size_t
atom_end(const struct parser *p, size_t at)
{
	size_t i = at + 1;

	for (; i < p->body.len; i++) {
		char c = p->body.p[i];

		if (is_space(c) || is_special(c)
		    || (c == '(' && i < p->no_comment)
		    || (c == '"' && i < p->no_quoted)
		    || (c == '[' && i < p->no_literal)) {
			break;
		}
	}
	return i;
}

/* The token at or behind `at`, below `to`. */
static struct token
lex(struct parser *p, size_t at, size_t to)
{
	struct token t = {.kind = TOKEN_END};

	while (at < to && is_space(p->body.p[at])) {
		at++;
		t.gap = true;
	}
	t.from = at;
	t.to = at;
	if (at >= to) {
		return t;
	}
	if (is_special(p->body.p[at])) {
		t.kind = TOKEN_SPECIAL;
		t.to = at + 1;
		return t;
	}
	t.to = opened_end(p, at, &t.kind);
	if (t.to == NOWHERE) {
		t.kind = TOKEN_ATOM;
		t.to = encoded_word_end(p->body, at);
	}
	if (t.to == NOWHERE) {
		t.to = atom_end(p, at);
	}
	return t;
}

/* The same, passing over comments, which count as a gap. */
static struct token
lex_word(struct parser *p, size_t at, size_t to)
{
	struct token t = lex(p, at, to);
	bool gap = t.gap;

	while (t.kind == TOKEN_COMMENT) {
		t = lex(p, t.to, to);
		gap = true;
	}
	t.gap = gap;
	return t;
}

static char
octet(const struct parser *p, size_t at)
{
	return p->body.p[at];
}

/* Do two tokens with a gap between them belong to one dotted name? */
static bool
dotted(const struct parser *p, const struct token *a, const struct token *b)
{
	return octet(p, a->to - 1) == '.' || octet(p, b->from) == '.';
}

/* What stands between quotes, parentheses, brackets. */
static struct sv
token_text(const struct parser *p, const struct token *t)
{
	struct sv s = sv_sub(p->body, t->from, t->to - t->from);

	if (t->kind == TOKEN_QUOTED || t->kind == TOKEN_COMMENT) {
		s = sv_sub(s, 1, s.len - 2);
	}
	return s;
}

/* Does a quoted text stand for itself? */
static bool
is_literal_text(struct sv s)
{
	return sv_chr(s, '\\') < 0 && sv_chr(s, '\n') < 0 && sv_chr(s, '\r') < 0
	       && sv_chr(s, '\0') < 0;
}

/* Copy without backslashes, line ends and NULs. */
static size_t
copy_unquoted(struct sv s, char *to)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == '\\' && i + 1 < s.len) {
			c = s.p[++i];
		}
		if (c != '\r' && c != '\n' && c != '\0') {
			to[n++] = c;
		}
	}
	return n;
}

static struct sv
unquoted(struct parser *p, struct sv s)
{
	char *to;

	if (is_literal_text(s)) {
		return s;
	}
	to = arena_alloc(p->arena, s.len);
	return sv_make(to, copy_unquoted(s, to));
}

/*
 * Put the tokens of a range together, gaps as one space (`spaced`) or none.
 * In the arena, where it takes no more room than the range.
 */
static struct sv
joined_copy(struct parser *p, size_t from, size_t to, bool spaced)
{
	char *text = arena_alloc(p->arena, to - from);
	struct token t = lex_word(p, from, to);
	size_t n = 0;

	while (t.kind != TOKEN_END) {
		if (t.gap && spaced && n > 0) {
			text[n++] = ' ';
		}
		if (t.kind == TOKEN_QUOTED) {
			n += copy_unquoted(token_text(p, &t), text + n);
		} else {
			memcpy(text + n, p->body.p + t.from, t.to - t.from);
			n += t.to - t.from;
		}
		t = lex_word(p, t.to, to);
	}
	return sv_make(text, n);
}

/* The text of a range; p NULL if it has no token. */
static struct sv
joined(struct parser *p, size_t from, size_t to, bool spaced)
{
	struct token first = lex_word(p, from, to);
	struct token last = first;
	struct token t = first;
	bool plain = true;

	if (first.kind == TOKEN_END) {
		return SV_EMPTY;
	}
	while (t.kind != TOKEN_END) {
		if (t.from != first.from && t.gap
		    && !(spaced && t.from == last.to + 1
			 && octet(p, last.to) == ' ')) {
			plain = false;
		}
		plain &= t.kind != TOKEN_QUOTED;
		last = t;
		t = lex_word(p, t.to, to);
	}
	if (first.kind == TOKEN_QUOTED && last.from == first.from) {
		return unquoted(p, token_text(p, &first));
	}
	if (plain) {
		return sv_sub(p->body, first.from, last.to - first.from);
	}
	return joined_copy(p, first.from, last.to, spaced);
}

/* Where the pieces of one entry are, as offsets into the body. */
struct entry {
	size_t from, to;      /* `to` is its terminator or the end */
	char terminator;      /* , ; : or 0 */
	size_t words;	      /* tokens before the angle */
	size_t at;	      /* last "@" before the angle */
	size_t name_to;	      /* the name ends there */
	size_t open;	      /* "<" */
	size_t close;	      /* ">" or where it should be */
	bool route;	      /* "@" stands first in the angle */
	size_t route_end;     /* ":" behind the route */
	size_t angle_at;      /* last "@" in the angle, behind the route */
	struct token comment; /* the last one */
};

static void
open_angle(struct entry *e, size_t at)
{
	e->open = at;
	e->close = NOWHERE;
	e->route = false;
	e->route_end = NOWHERE;
	e->angle_at = NOWHERE;
}

/* A special before the angle or behind it.  True if it ends the entry. */
static bool
outside_angle(const struct parser *p, struct entry *e, char c, size_t at)
{
	bool before = e->open == NOWHERE;

	switch (c) {
	case '<':
		/* "Ann <work> <ann@example.org>" */
		if (before || e->angle_at == NOWHERE) {
			open_angle(e, at);
			e->name_to = at;
		}
		return false;
	case '@':
		if (before) {
			e->at = at;
		}
		return false;
	case ':':
		return before && e->words > 0 && e->at == NOWHERE
		       && !p->in_group;
	case ',':
	case ';':
		return true;
	default:
		return false;
	}
}

/* The same inside.  A "," where no route is means that ">" is missing. */
static bool
inside_angle(struct entry *e, char c, size_t at)
{
	bool in_route = e->route && e->route_end == NOWHERE;

	switch (c) {
	case '<':
		open_angle(e, at);
		return false;
	case '>':
		e->close = at;
		return false;
	case '@':
		e->angle_at = at;
		return false;
	case ':':
		if (in_route) {
			e->route_end = at;
			e->angle_at = NOWHERE;
		}
		return false;
	case ',':
		return !in_route;
	case ';':
		return true;
	default:
		return false;
	}
}

/* "<@a,@b:ann@example.org>": the first "@" says if there is a route. */
static void
note_route(struct parser *p, struct entry *e, char c, size_t at)
{
	if (c == '@' && !e->route && e->angle_at == NOWHERE) {
		e->route = lex_word(p, e->open + 1, at + 1).from == at;
	}
}

static void
scan_entry(struct parser *p, size_t from, struct entry *e)
{
	struct token t = lex(p, from, p->body.len);
	bool ended = false;

	*e = (struct entry){.from = from, .at = NOWHERE};
	open_angle(e, NOWHERE);
	for (; t.kind != TOKEN_END; t = lex(p, t.to, p->body.len)) {
		char c = octet(p, t.from);

		if (t.kind == TOKEN_COMMENT) {
			e->comment = t;
		} else if (t.kind != TOKEN_SPECIAL) {
			e->words += e->open == NOWHERE;
		} else if (e->open == NOWHERE || e->close != NOWHERE) {
			ended = outside_angle(p, e, c, t.from);
		} else {
			note_route(p, e, c, t.from);
			ended = inside_angle(e, c, t.from);
		}
		if (ended) {
			e->terminator = c;
			break;
		}
	}
	e->to = t.from;
	if (e->open != NOWHERE && e->close == NOWHERE) {
		e->close = e->to;
	}
}

/* Where the local part begins that ends at the "@": behind the last gap
 * that no dot bridges ("Ann ann@example.org"). */
static size_t
local_start(struct parser *p, size_t from, size_t at)
{
	struct token t = lex_word(p, from, at);
	struct token last = t;
	size_t start = t.from;

	for (; t.kind != TOKEN_END; t = lex_word(p, t.to, at)) {
		if (t.gap && t.from != last.from && !dotted(p, &last, &t)) {
			start = t.from;
		}
		last = t;
	}
	return start;
}

/* Where the domain ends that begins behind the "@". */
static size_t
domain_end(struct parser *p, size_t from, size_t to)
{
	struct token t = lex_word(p, from, to);
	struct token last = t;

	for (; t.kind != TOKEN_END; t = lex_word(p, t.to, to)) {
		if (t.gap && t.from != last.from && !dotted(p, &last, &t)) {
			break;
		}
		last = t;
	}
	return last.to;
}

/* Present even if empty: a mailbox has a local part, "@" has a domain. */
static struct sv
present(struct sv s)
{
	return s.p != NULL ? s : SV("");
}

static void
fill_angle(struct parser *p, const struct entry *e, struct address *out)
{
	size_t local = e->open + 1;
	size_t local_to = e->angle_at != NOWHERE ? e->angle_at : e->close;

	if (e->route_end != NOWHERE) {
		out->route = joined(p, local, e->route_end, false);
		local = e->route_end + 1;
	}
	out->name = joined(p, e->from, e->name_to, true);
	out->local = present(joined(p, local, local_to, false));
	if (e->angle_at != NOWHERE) {
		out->domain =
		    present(joined(p, e->angle_at + 1, e->close, false));
	}
}

static void
fill_bare(struct parser *p, const struct entry *e, struct address *out)
{
	size_t start;

	if (e->at == NOWHERE) {
		out->local = present(joined(p, e->from, e->to, true));
		return;
	}
	start = local_start(p, e->from, e->at);
	out->name = joined(p, e->from, start, true);
	out->local = present(joined(p, start, e->at, false));
	out->domain = present(
	    joined(p, e->at + 1, domain_end(p, e->at + 1, e->to), false));
}

/* False if there is nothing in it. */
static bool
fill(struct parser *p, const struct entry *e, struct address *out)
{
	*out = (struct address){.kind = ADDRESS_MAILBOX};
	if (e->terminator == ':') {
		out->kind = ADDRESS_GROUP;
		out->name = present(joined(p, e->from, e->to, true));
		p->in_group = true;
		return true;
	}
	if (e->open != NOWHERE) {
		fill_angle(p, e, out);
	} else if (e->words > 0 || e->at != NOWHERE) {
		fill_bare(p, e, out);
	} else {
		return false;
	}
	if (out->name.p == NULL && e->comment.kind == TOKEN_COMMENT) {
		out->name = unquoted(p, sv_trim(token_text(p, &e->comment)));
	}
	return true;
}

struct list {
	struct address *at;
	size_t n, cap;
};

static void
add(struct list *l, struct arena *a, struct address entry)
{
	l->at = arena_grow(a, l->at, l->n, &l->cap, sizeof(*l->at));
	l->at[l->n++] = entry;
}

void
address_list_parse(
    struct sv body, size_t max, struct arena *a, struct address_list *out)
{
	struct parser p = {.body = body,
	    .no_comment = NOWHERE,
	    .no_quoted = NOWHERE,
	    .no_literal = NOWHERE,
	    .arena = a};
	const struct address end = {.kind = ADDRESS_GROUP_END};
	struct list l = {.n = 0};
	size_t at = 0;

	*out = (struct address_list){.n = 0};
	while (at < body.len && !out->cut) {
		struct address entry;
		struct entry e;

		scan_entry(&p, at, &e);
		at = e.to + 1;
		if (l.n + p.in_group >= max) {
			out->cut = lex_word(&p, e.from, e.to).kind != TOKEN_END;
		} else if (fill(&p, &e, &entry)) {
			add(&l, a, entry);
		}
		if (p.in_group && e.terminator == ';') {
			add(&l, a, end);
			p.in_group = false;
		}
	}
	if (p.in_group) {
		add(&l, a, end);
	}
	out->at = l.at;
	out->n = l.n;
}
