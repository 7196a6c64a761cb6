/*
 * charset_priv: pieces of UTF-8 handling, for the charset files only.
 *
 * Threads: pure functions.
 */
#pragma once

#include "mail/charset.h"

/* Octets that the character should have that `s` begins with, more than
 * s.len if it is cut; 0 if no character begins so. */
size_t utf8_expected(struct sv s);

/* Octets before the first above 0x7f. */
size_t ascii_run(struct sv s);

/* Append a scalar value below 0x110000. */
void utf8_encode(uint32_t c, struct buf *to);
