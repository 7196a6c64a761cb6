/*
 * opening: the octets of a message as they are sent, piece by piece.
 *
 * A client that did not ask for UTF-8 may not be sent any in a header
 * [RFC 6856 2.1]: it gets the header in ASCII (mail/downgrade.h), never a
 * refusal, over which clients get stuck.  RETR, TOP and the sizes that LIST
 * tells come from here, so that they agree.
 *
 * A header of any length passes through in pieces of whole fields.  Of a
 * field too long to be held, what is not ASCII becomes '?'.
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
	OPENING_PIECE = 16 * 1024,	 /* octets read at a time */
	OPENING_FIELD_MAX = 1024 * 1024, /* of a field that is held */
};

/* A file being read.  Begun by opening_begin(). */
struct opening {
	int fd; /* borrowed */
	uint64_t size;
	uint64_t at;  /* octets that were read, */
	uint32_t sum; /* and their CRC-32C as they stand there */
	bool header;  /* what comes is header, to be made ASCII */
	bool inside;  /* and goes on with a field that was too long */
	struct buf held;
};

/* FAIL_CORRUPT: the file has another size than `size`; FAIL_TEMP. */
int opening_begin(struct opening *o, int fd, uint64_t size, bool ascii,
    struct fail *f) MUST_CHECK;

/* The next octets to send, in place of those in `piece`: 1; 0 behind the
 * last; or -1: FAIL_CORRUPT, cut short; FAIL_TEMP. */
int opening_next(
    struct opening *o, struct buf *piece, struct fail *f) MUST_CHECK;

void opening_end(struct opening *o);
