/*
 * quota: whether an account has room for more.  [RFC 5530 OVERQUOTA]
 *
 * Threads: session-owned.
 */
#pragma once

#include <stdint.h>

#include "base/attr.h"
#include "imapd/command.h"

/* 0, or -1 with the command answered: `octets` in `messages` more are too
 * many. */
int quota_check(struct command *cmd, const struct view *view, uint64_t octets,
    uint64_t messages) MUST_CHECK;

/* The same for what is about to be added, counting what other sessions add at
 * this moment; with 0 the room is taken, until it is released. */
int quota_take(struct command *cmd, uint64_t octets, uint64_t messages,
    struct room *out) MUST_CHECK;
