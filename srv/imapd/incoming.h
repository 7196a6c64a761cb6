/*
 * incoming: the message of an APPEND on its way in.
 *
 * Failures are kept for when the command runs, as the octets have to be read
 * all the same.
 *
 * Threads: owned by one runner at a time; taking octets blocks, bracketed.
 */
#pragma once

#include "base/attr.h"
#include "base/fail.h"
#include "base/sv.h"
#include "net/conn.h"

struct incoming;

struct incoming *incoming_new(void) MUST_CHECK;
void incoming_free(struct incoming **in);

/* Takes the octets; borrowed. */
struct sink *incoming_sink(struct incoming *in);

/*
 * When all octets have been taken, once: `text_out` is all of them, borrowed
 * until incoming_free(), `fd_out` the file that holds them, borrowed too, or
 * -1 if they are in memory.  FAIL_SYNTAX if there is a NUL, which no literal
 * may hold [RFC 3501 4.3]; else what went wrong first.
 */
int incoming_message(struct incoming *in, struct sv *text_out, int *fd_out,
    struct fail *f) MUST_CHECK;
