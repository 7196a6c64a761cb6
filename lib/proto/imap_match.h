/*
 * imap_match: LIST patterns.  [RFC 3501 6.3.8]
 *
 * "*" matches any octets, "%" any but the hierarchy delimiter.  A pattern is
 * compiled once into the bit-parallel form of an automaton, so that matching
 * costs one step an octet of the name however many wildcards there are: work
 * is linear in the name for each 64 octets of pattern, never more.
 *
 * Patterns and names are compared in their wire form.  Of the name INBOX, and
 * of INBOX as first level, ASCII case does not count.
 *
 * Threads: a compiled pattern is immutable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/sv.h"

enum { IMAP_PATTERN_MAX = 3000 }; /* octets, as IMAP_NAME_MAX */

struct imap_match;

/* Reference and pattern are put one behind the other.  In `arena`; NULL if
 * they are longer than IMAP_PATTERN_MAX: then they match nothing. */
struct imap_match *imap_match_new(struct arena *arena, struct sv reference,
    struct sv pattern, char delimiter);

/* Does the pattern match all of `name`?  A NULL `m` matches nothing. */
bool imap_match(const struct imap_match *m, struct sv name);
