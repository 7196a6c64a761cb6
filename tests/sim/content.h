/*
 * content: the messages of a simulation.
 *
 * Message k has octets that follow from k, and a size that no other has, so
 * that whoever sees a size knows which message it must be.
 *
 * Threads: pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum { CONTENT_MAX = 1000 }; /* messages in a run */

void content_octets(uint32_t k, struct buf *to); /* appends */
uint64_t content_size(uint32_t k);
bool content_of_size(uint64_t size, uint32_t *k_out);

/*
 * Its digest: what a sender chose, and so full of what looks like records of
 * a journal whose key is known (F8B_KEY).  Not every message has one.
 */
void content_digest(uint32_t k, struct buf *to);
