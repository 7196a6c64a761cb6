/*
 * imap_out: the tokens of a response.  [RFC 3501 4, 9]
 *
 * Everything is appended to a struct buf.  What may hold any octets is
 * written as a quoted string when it can be and as a literal otherwise; NUL,
 * which no string of IMAP can carry, is written as "?".
 *
 * Threads: the buf is owned by one runner at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/sv.h"

enum { IMAP_QUOTED_MAX = 1000 }; /* longer strings are literals */

void imap_put_string(struct buf *to, struct sv s);  /* quoted or literal */
void imap_put_astring(struct buf *to, struct sv s); /* atom if it can be */

/* "{n}" CRLF: the octets follow. */
void imap_put_literal(struct buf *to, uint64_t n);

/* Whether a name can stand where the grammar has a flag-keyword. */
bool imap_is_atom(struct sv s);
