/*
 * message: made-up mail of a given size with the shape of real mail, each
 * one with a number of its own in Message-ID and Subject.
 *
 * Threads: owned by one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct message {
	struct buf text; /* CRLF line ends, no line begins with a dot */
	size_t number_at[2];
};

/* About `size` octets: a multipart/alternative of text and HTML. */
void message_init(struct message *m, size_t size);
void message_deinit(struct message *m);

/* Put `number` into the headers.  The length never changes. */
void message_number(struct message *m, uint64_t number);
