#include "mail/received.h"

#include "base/utf8.h"
#include "mail/header.h"

enum { CLAUSE_MAX = 512, FOLD_AT = 76 };

/* Octets that a comment cannot hold as they are, or that are no text; UTF-8
 * is text.  [RFC 6531 3.7.3] */
static void
add_safe(struct sv s, struct buf *to)
{
	bool utf8 = utf8_valid(s);

	s = utf8_cut(s, CLAUSE_MAX);
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool safe = c >= 0x80 ? utf8
				      : c > ' ' && c != 0x7f
					    && strchr("()\\\"<>;,", c) == NULL;

		buf_add_char(to, safe ? s.p[i] : '?');
	}
}

/* The same, where blanks may be. */
static void
add_safe_words(struct sv s, struct buf *to)
{
	while (s.len > 0) {
		add_safe(sv_cut(&s, ' '), to);
		if (s.len > 0) {
			buf_add_char(to, ' ');
		}
	}
}

/* An address literal.  [RFC 5321 4.1.3] */
static void
add_literal(struct sv address, struct buf *to)
{
	buf_add_char(to, '[');
	if (sv_chr(address, ':') >= 0
	    && !sv_starts_nocase(address, SV("IPv6:"))) {
		buf_add_str(to, "IPv6:");
	}
	add_safe(address, to);
	buf_add_char(to, ']');
}

/* Put a clause on the line, or on the next if it would be too long. */
static void
add_clause(struct buf *clause, size_t *line_at, struct buf *to)
{
	if (to->len - *line_at + 1 + clause->len > FOLD_AT) {
		buf_add_str(to, "\r\n\t");
		*line_at = to->len - 1;
	} else {
		buf_add_char(to, ' ');
	}
	buf_add_sv(to, buf_sv(clause));
	buf_clear(clause);
}

/* "from helo (name [address])" */
static void
make_from(const struct received *r, struct buf *clause)
{
	buf_add_str(clause, "from ");
	add_safe(r->helo.len > 0 ? r->helo : SV("unknown"), clause);
	if (r->address.len == 0) {
		return;
	}
	buf_add_str(clause, " (");
	if (r->name.len > 0) {
		add_safe(r->name, clause);
		buf_add_char(clause, ' ');
	}
	add_literal(r->address, clause);
	buf_add_char(clause, ')');
}

static void
make_with(const struct received *r, struct buf *clause)
{
	buf_add_str(clause, "with ");
	add_safe(r->with, clause);
	if (r->tls.len > 0) {
		buf_add_str(clause, " (");
		add_safe_words(r->tls, clause);
		buf_add_char(clause, ')');
	}
}

void
received_format(const struct received *r, struct buf *to)
{
	struct buf clause = {.len = 0};
	size_t line_at = to->len;

	buf_add_str(to, "Received:");
	make_from(r, &clause);
	add_clause(&clause, &line_at, to);
	buf_add_str(&clause, "by ");
	add_safe(r->by, &clause);
	add_clause(&clause, &line_at, to);
	make_with(r, &clause);
	add_clause(&clause, &line_at, to);
	if (r->id.len > 0) {
		buf_add_str(&clause, "id ");
		add_safe(r->id, &clause);
		add_clause(&clause, &line_at, to);
	}
	if (r->rcpt.len > 0) {
		buf_add_str(&clause, "for <");
		buf_add_sv(&clause, r->rcpt);
		buf_add_char(&clause, '>');
		add_clause(&clause, &line_at, to);
	}
	buf_add_char(to, ';');
	date_format(r->date, &clause);
	add_clause(&clause, &line_at, to);
	buf_add_str(to, "\r\n");
	buf_deinit(&clause);
}

void
received_return_path(struct sv address, struct buf *to)
{
	buf_add_str(to, "Return-Path: <");
	buf_add_sv(to, address);
	buf_add_str(to, ">\r\n");
}

unsigned
received_count(struct sv header, unsigned max)
{
	struct header_field field;
	struct header_iter it;
	unsigned n = 0;

	header_iter_init(&it, header);
	while (n < max && header_next(&it, &field)) {
		n += sv_eq_nocase(field.name, SV("Received"));
	}
	return n;
}
