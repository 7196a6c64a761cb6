/*
 * quota: whether an account has room for more.  [RFC 5530 OVERQUOTA]
 *
 * Threads: session-owned.
 */
#pragma once

#include <stdint.h>

#include "base/attr.h"
#include "imapd/command.h"

/*
 * 0, or -1 with the command answered: `octets` in `messages` more are too
 * many, with what other sessions are adding at this moment.  With 0 the room
 * is taken until `out` is released; without `out` (NULL) it is only looked
 * whether it is there, and what others add does not count.
 */
int quota_take(struct command *cmd, uint64_t octets, uint64_t messages,
    struct room *out) MUST_CHECK;
