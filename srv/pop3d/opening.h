/*
 * opening: how a message begins on the wire of POP3.
 *
 * A client that did not ask for UTF-8 may not be sent any in a header
 * [RFC 6856 2.1]: it gets the header in ASCII (mail/downgrade.h), never a
 * refusal, over which clients get stuck.  RETR, TOP and the sizes that LIST
 * tells begin with this, so that they agree.
 *
 * Threads: session-owned.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/fail.h"

enum {
	OPENING_PIECE = 16 * 1024, /* octets read at a time */
	OPENING_MAX = 1024 * 1024, /* of a longer header: it is sent as it is */
};

/* How far a file was read. */
struct opened {
	uint64_t at;
	uint32_t sum; /* CRC-32C of the octets before, as they stand there */
};

/*
 * Read the first octets of a file of `size` octets: the header, and what of
 * the body comes with it.  `ascii`: in ASCII.  *to says how many octets of
 * the file they stand for.  FAIL_CORRUPT: cut short; FAIL_TEMP.
 */
int opening_read(int fd, uint64_t size, bool ascii, struct buf *out,
    struct opened *to, struct fail *f) MUST_CHECK;

/* The next octets of the file, as they stand, in place of those in `piece`;
 * *to moves on.  The same failures. */
int opening_next(int fd, uint64_t size, struct opened *to, struct buf *piece,
    struct fail *f) MUST_CHECK;
