/*
 * utf8: characters as RFC 3629 has them: no surrogates, no overlong forms,
 * nothing above U+10FFFF.
 *
 * Threads: pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/sv.h"

/* Octets before the first above 0x7f. */
size_t utf8_ascii_run(struct sv s);

static inline bool
utf8_is_ascii(struct sv s)
{
	return utf8_ascii_run(s) == s.len;
}

/* Is it well-formed UTF-8? */
bool utf8_valid(struct sv s);

/* Octets of the well-formed character that `s` begins with; 0 if none. */
size_t utf8_length(struct sv s);

/* Octets that the character should have that `s` begins with, more than
 * s.len if it is cut; 0 if no character begins so. */
size_t utf8_expected(struct sv s);

/* Take the first character: 1; 0 if `*s` is empty; -1 if it begins with none,
 * and then an octet is skipped. */
int utf8_next(struct sv *s, uint32_t *out) MUST_CHECK;

/* Append a scalar value below 0x110000. */
void utf8_encode(uint32_t c, struct buf *to);

/* The longest prefix of at most `max` octets that cuts no character. */
struct sv utf8_cut(struct sv s, size_t max);
