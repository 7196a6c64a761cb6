/*
 * runq: woken and yielding sessions, the oldest first.
 *
 * Threads: locked; any thread.
 */
#pragma once

#include <stdbool.h>

#include "net/session.h"

void runq_put(struct session *s);

/* The next one, or NULL. */
struct session *runq_take(void);

/* Sequentially consistent with runq_put(): a worker that is counted as a
 * waiter before it asks, and who looks for waiters behind runq_put(), cannot
 * miss each other. */
bool runq_is_empty(void);
