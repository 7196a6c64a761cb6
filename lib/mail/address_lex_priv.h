/*
 * address_lex: the tokens of an address list, and texts made of them.
 *
 * No token is kept: who needs one again lexes it again.  Nothing is refused;
 * what is opened and not closed is an octet like others.
 *
 * Threads: owned by one runner at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/sv.h"

enum address_token_kind {
	TOKEN_END,
	TOKEN_ATOM, /* dots are of the atom that they stand in */
	TOKEN_QUOTED,
	TOKEN_LITERAL, /* [192.0.2.1] */
	TOKEN_COMMENT,
	TOKEN_SPECIAL, /* one of <>@,;: */
};

struct address_token {
	enum address_token_kind kind;
	size_t from, to; /* with quotes, brackets, parentheses */
	bool gap;	 /* blanks or comments stand before it */
};

struct address_lex {
	struct sv body;
	struct arena *arena; /* of texts that are no slices of the body */
	/* From here on '(', '"', '[' is an octet like others, as the one
	 * there has no end: finds that out once, not once for each. */
	size_t no_comment, no_quoted, no_literal;
};

static inline struct address_lex
address_lex_of(struct sv body, struct arena *arena)
{
	return (struct address_lex){body, arena, SIZE_MAX, SIZE_MAX, SIZE_MAX};
}

/* The token at or behind `at`, below `to`. */
struct address_token address_lex(struct address_lex *p, size_t at, size_t to);

/* The same, passing over comments, which count as a gap. */
struct address_token address_lex_word(
    struct address_lex *p, size_t at, size_t to);

/* What stands between quotes or parentheses; else the token as it is. */
struct sv address_lex_inner(
    const struct address_lex *p, const struct address_token *t);

/* Without backslashes, line ends and NULs. */
struct sv address_lex_unquoted(struct address_lex *p, struct sv s);

/* The text of a range, gaps as one space (`spaced`) or none; p NULL if it has
 * no token. */
struct sv address_lex_text(
    struct address_lex *p, size_t from, size_t to, bool spaced);
