/*
 * size: how many octets a message has on the wire of POP3.  [RFC 1939 11]
 *
 * Nearly all messages are stored with CRLF alone, as their digests say, and
 * have the size that the store knows.  The others are read and counted.
 *
 * Threads: session-owned.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/fail.h"
#include "store/store.h"

struct sizer;

/* Borrows all three until freed.  `ascii`: for a client whose headers are sent
 * in ASCII. */
struct sizer *sizer_new(struct account *account, const struct view *view,
    const struct mbox *mbox, bool ascii) MUST_CHECK;
void sizer_free(struct sizer **s);

/* FAIL_ABSENT: the message is gone; FAIL_CORRUPT: its file is damaged. */
int sizer_get(struct sizer *s, const struct msg *msg, uint64_t *out,
    struct fail *f) MUST_CHECK;
