/*
 * hint: tell the other processes of this machine that an account changed.
 *
 * Each process binds a datagram socket in one folder, and sends to those of
 * the others that want to hear of the account.  A hint says which account, and up to which place its journal
 * is known to be on disk.  Hints are never truth: one may be lost (a full
 * queue, a process that has just started) or be late; whoever watches an
 * account also looks at its journal now and then.
 *
 * Sockets of processes that were killed are removed by the first sender that
 * finds nobody there.
 *
 * Threads: safe from any thread; the call-back runs on a thread of the hint's
 * own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/fail.h"

struct hint;

enum { HINT_ID_LEN = 32 };

/* `id` has HINT_ID_LEN characters and a NUL, and is borrowed for the call. */
typedef void hint_fn(void *arg, const char *id, uint64_t flushed);

/* Join those that share `dir`, which exists.  FAIL_DENIED, FAIL_LIMIT... */
int hint_open(const char *dir, hint_fn *heard, void *arg, struct hint **out,
    struct fail *f) MUST_CHECK;

/* Leave; no call-back runs once this returns.  NULL is a no-op. */
void hint_close(struct hint **h);

/* To every other process that wants it; never waits. */
void hint_send(struct hint *h, const char *id, uint64_t flushed);

/* From now on this process wants to hear of the account; `yes` once, then no
 * more.  Before its journal is read, what is appended behind that is told.
 * By one thread at a time. */
void hint_want(struct hint *h, const char *id, bool yes);
