/*
 * receiver_priv: reading the text of a message, for receiver.c.
 *
 * Threads: session-owned.
 */
#pragma once

#include "mta/receiver.h"

/* Read the text behind DATA and see to the message.  What to answer, or NULL
 * if that has been done or nobody is there. */
const struct smtp_reply *receiver_read_data(struct receiver *r);

/* Read the chunk of a BDAT, and see to the message behind the last. */
const struct smtp_reply *receiver_read_chunk(
    struct receiver *r, const struct smtp_bdat *bdat);

/* Read and drop; false if the peer has gone or it is too much. */
bool receiver_skip(struct receiver *r, uint64_t n);
