/*
 * imap_set: sequence sets.  [RFC 3501 9 sequence-set, RFC 5182 "$"]
 *
 * A parsed set is a list of ranges as they were written, "*" being 0.  What
 * they mean depends on the mailbox: imap_set_resolve() turns them into
 * ascending, disjoint ranges of numbers.
 *
 * Threads: parsed sets are immutable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "proto/imap_lex.h"

enum { IMAP_SET_MAX = 32768 }; /* ranges in one set */

struct imap_range {
	uint32_t lo, hi; /* in any order while 0 means "*" */
};

struct imap_set {
	struct imap_range *r;
	size_t n;
	bool saved; /* "$": the result of the last SEARCH RETURN (SAVE) */
};

/* sequence-set as it stands, in the lexer's arena. */
int imap_lex_set(struct imap_lex *lex, struct imap_set *out) MUST_CHECK;

/* The same without "*" and "$" [RFC 7162 7 known-uids]. */
int imap_lex_known_set(struct imap_lex *lex, struct imap_set *out) MUST_CHECK;

/*
 * With `last` for "*": ascending disjoint ranges, none adjacent, in `arena`.
 * `last` 0 is an empty mailbox, where "*" alone names nothing.  The set may
 * not be "$".
 */
void imap_set_resolve(const struct imap_set *set, uint32_t last,
    struct arena *arena, struct imap_set *out);

/* Whether a resolved set holds `n`.  Binary search. */
bool imap_set_has(const struct imap_set *resolved, uint32_t n);

/* Highest number named, "*" not counted: to refuse sequence numbers that the
 * mailbox does not have.  `*star_out` tells whether there was a "*". */
uint32_t imap_set_highest(const struct imap_set *set, bool *star_out);
