/*
 * objectid: mailbox and message ids as clients see them.  [RFC 8474]
 *
 * A mailbox is "F" and the hex digits of its id, a message "M" and those of
 * the id that all its copies share; there are no threads.
 *
 * Threads: pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/sv.h"

void objectid_put_mailbox(struct buf *to, uint64_t id);
void objectid_put_email(struct buf *to, const uint64_t id[2]);

/* Read what objectid_put_email() writes; false if it is anything else. */
bool objectid_parse_email(struct sv text, uint64_t out[2]);
