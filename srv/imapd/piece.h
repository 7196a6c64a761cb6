/*
 * piece: what one BODY[...] of a message comes to.  [RFC 3501 6.4.5]
 *
 * In two steps: piece_find() learns what is to be sent and fails if
 * that cannot be had, piece_put() sends it; so that a FETCH response is
 * only begun when it can be ended.
 *
 * Threads: session-owned.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/fail.h"
#include "imapd/letter.h"
#include "net/conn.h"
#include "proto/imap_fetch.h"

struct piece {
	bool nil;	/* the message has no such part */
	bool text;	/* octets of `texts`, else of the file */
	uint64_t at, n; /* octets */
};

/* Octets that are not in the file as they stand are appended to `texts`. */
int piece_find(struct letter *l, const struct imap_section *s,
    struct buf *texts, struct piece *out, struct fail *f) MUST_CHECK;

/* " BODY[...] {n}..."; a failure is one of the connection. */
int piece_put(struct conn *c, struct letter *l, const struct imap_section *s,
    const struct buf *texts, const struct piece *p) MUST_CHECK;
