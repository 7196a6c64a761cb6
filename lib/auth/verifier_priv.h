/*
 * verifier_priv: base64 as GNU SASL offers it, into storage of ours.
 *
 * Threads: pure functions.
 */
#pragma once

#include "auth/verifier.h"

/* Strict: no blanks, padding required.  False if malformed or over `max`. */
bool base64_decode(struct sv s, uint8_t *out, size_t max, size_t *len_out);
void base64_encode(const void *p, size_t len, struct buf *out);
