#include "mail/address_lex_priv.h"

#include <string.h>

#define NOWHERE SIZE_MAX

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
opened_end(struct address_lex *p, size_t at, enum address_token_kind *kind_out)
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
atom_end(const struct address_lex *p, size_t at)
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

struct address_token
address_lex(struct address_lex *p, size_t at, size_t to)
{
	struct address_token t = {.kind = TOKEN_END};

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

struct address_token
address_lex_word(struct address_lex *p, size_t at, size_t to)
{
	struct address_token t = address_lex(p, at, to);
	bool gap = t.gap;

	while (t.kind == TOKEN_COMMENT) {
		t = address_lex(p, t.to, to);
		gap = true;
	}
	t.gap = gap;
	return t;
}

struct sv
address_lex_inner(const struct address_lex *p, const struct address_token *t)
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

struct sv
address_lex_unquoted(struct address_lex *p, struct sv s)
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
joined_copy(struct address_lex *p, size_t from, size_t to, bool spaced)
{
	char *text = arena_alloc(p->arena, to - from);
	struct address_token t = address_lex_word(p, from, to);
	size_t n = 0;

	while (t.kind != TOKEN_END) {
		if (t.gap && spaced && n > 0) {
			text[n++] = ' ';
		}
		if (t.kind == TOKEN_QUOTED) {
			n += copy_unquoted(address_lex_inner(p, &t), text + n);
		} else {
			memcpy(text + n, p->body.p + t.from, t.to - t.from);
			n += t.to - t.from;
		}
		t = address_lex_word(p, t.to, to);
	}
	return sv_make(text, n);
}

struct sv
address_lex_text(struct address_lex *p, size_t from, size_t to, bool spaced)
{
	struct address_token first = address_lex_word(p, from, to);
	struct address_token last = first;
	struct address_token t = first;
	bool plain = true;

	if (first.kind == TOKEN_END) {
		return SV_EMPTY;
	}
	while (t.kind != TOKEN_END) {
		if (t.from != first.from && t.gap
		    && !(spaced && t.from == last.to + 1
			 && p->body.p[last.to] == ' ')) {
			plain = false;
		}
		plain &= t.kind != TOKEN_QUOTED;
		last = t;
		t = address_lex_word(p, t.to, to);
	}
	if (first.kind == TOKEN_QUOTED && last.from == first.from) {
		return address_lex_unquoted(p, address_lex_inner(p, &first));
	}
	if (plain) {
		return sv_sub(p->body, first.from, last.to - first.from);
	}
	return joined_copy(p, first.from, last.to, spaced);
}
