/*
 * Address lists: one pass finds where each entry's pieces begin and end, a
 * second over the same octets makes the text of a piece.  Both use the same
 * lexer, so neither keeps tokens, and each octet is lexed at most three
 * times.
 */
#include "mail/address.h"
#include "mail/address_lex_priv.h"

#define NOWHERE SIZE_MAX

/* Where the pieces of one entry are, as offsets into the body. */
struct entry {
	size_t from, to;  /* `to` is its terminator or the end */
	bool in_group;	  /* no other group begins in one */
	char terminator;  /* , ; : or 0 */
	size_t words;	  /* tokens before the angle */
	size_t at;	  /* last "@" before the angle */
	size_t name_to;	  /* the name ends there */
	size_t open;	  /* "<" */
	size_t close;	  /* ">" or where it should be */
	bool route;	  /* "@" stands first in the angle */
	size_t route_end; /* ":" behind the route */
	size_t angle_at;  /* last "@" in the angle, behind the route */
	struct address_token comment; /* the last one */
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
outside_angle(struct entry *e, char c, size_t at)
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
		       && !e->in_group;
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
note_route(struct address_lex *p, struct entry *e, char c, size_t at)
{
	if (c == '@' && !e->route && e->angle_at == NOWHERE) {
		e->route = address_lex_word(p, e->open + 1, at + 1).from == at;
	}
}

static void
scan_entry(struct address_lex *p, size_t from, bool in_group, struct entry *e)
{
	struct address_token t = address_lex(p, from, p->body.len);
	bool ended = false;

	*e = (struct entry){.from = from, .in_group = in_group, .at = NOWHERE};
	open_angle(e, NOWHERE);
	for (; t.kind != TOKEN_END; t = address_lex(p, t.to, p->body.len)) {
		char c = p->body.p[t.from];

		if (t.kind == TOKEN_COMMENT) {
			e->comment = t;
		} else if (t.kind != TOKEN_SPECIAL) {
			e->words += e->open == NOWHERE;
		} else if (e->open == NOWHERE || e->close != NOWHERE) {
			ended = outside_angle(e, c, t.from);
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

/* Do two tokens with a gap between them belong to one dotted name? */
static bool
dotted(const struct address_lex *p, const struct address_token *a,
    const struct address_token *b)
{
	return p->body.p[a->to - 1] == '.' || p->body.p[b->from] == '.';
}

/* Where the local part begins that ends at the "@": behind the last gap
 * that no dot bridges ("Ann ann@example.org"). */
static size_t
local_start(struct address_lex *p, size_t from, size_t at)
{
	struct address_token t = address_lex_word(p, from, at);
	struct address_token last = t;
	size_t start = t.from;

	for (; t.kind != TOKEN_END; t = address_lex_word(p, t.to, at)) {
		if (t.gap && t.from != last.from && !dotted(p, &last, &t)) {
			start = t.from;
		}
		last = t;
	}
	return start;
}

/* Where the domain ends that begins behind the "@". */
static size_t
domain_end(struct address_lex *p, size_t from, size_t to)
{
	struct address_token t = address_lex_word(p, from, to);
	struct address_token last = t;

	for (; t.kind != TOKEN_END; t = address_lex_word(p, t.to, to)) {
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
fill_angle(struct address_lex *p, const struct entry *e, struct address *out)
{
	size_t local = e->open + 1;
	size_t local_to = e->angle_at != NOWHERE ? e->angle_at : e->close;

	if (e->route_end != NOWHERE) {
		out->route = address_lex_text(p, local, e->route_end, false);
		local = e->route_end + 1;
	}
	out->name = address_lex_text(p, e->from, e->name_to, true);
	out->local = present(address_lex_text(p, local, local_to, false));
	if (e->angle_at != NOWHERE) {
		out->domain = present(
		    address_lex_text(p, e->angle_at + 1, e->close, false));
	}
}

static void
fill_bare(struct address_lex *p, const struct entry *e, struct address *out)
{
	size_t start;

	if (e->at == NOWHERE) {
		out->local = present(address_lex_text(p, e->from, e->to, true));
		return;
	}
	start = local_start(p, e->from, e->at);
	out->name = address_lex_text(p, e->from, start, true);
	out->local = present(address_lex_text(p, start, e->at, false));
	out->domain = present(address_lex_text(
	    p, e->at + 1, domain_end(p, e->at + 1, e->to), false));
}

/* False if there is nothing in it. */
static bool
fill(struct address_lex *p, const struct entry *e, struct address *out)
{
	*out = (struct address){.kind = ADDRESS_MAILBOX};
	if (e->terminator == ':') {
		out->kind = ADDRESS_GROUP;
		out->name = present(address_lex_text(p, e->from, e->to, true));
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
		out->name = address_lex_unquoted(
		    p, sv_trim(address_lex_inner(p, &e->comment)));
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
	struct address_lex p = address_lex_of(body, a);
	const struct address end = {.kind = ADDRESS_GROUP_END};
	struct list l = {.n = 0};
	bool in_group = false;
	size_t at = 0;

	*out = (struct address_list){.n = 0};
	while (at < body.len && !out->cut) {
		struct address entry;
		struct entry e;

		scan_entry(&p, at, in_group, &e);
		at = e.to + 1;
		if (l.n + in_group >= max) {
			out->cut = address_lex_word(&p, e.from, e.to).kind
				   != TOKEN_END;
		} else if (fill(&p, &e, &entry)) {
			add(&l, a, entry);
			in_group |= entry.kind == ADDRESS_GROUP;
		}
		if (in_group && e.terminator == ';') {
			add(&l, a, end);
			in_group = false;
		}
	}
	if (in_group) {
		add(&l, a, end);
	}
	out->at = l.at;
	out->n = l.n;
}
