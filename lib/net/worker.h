/*
 * worker: the threads that run sessions, and what they wait for.
 *
 * Workers take turns from two places: the epoll set, which holds the
 * descriptor of every resting session (EPOLLONESHOT, one event a time, so the
 * kernel hands each to one waiter without a lock of ours), and the run queue,
 * which holds sessions that were woken by something else than their
 * descriptor, and those that yield.  A worker that finds both takes from them
 * by turns.  The queue exists because a socket whose peer takes no octets can
 * not be made ready by EPOLLOUT, and because a descriptor may be closed while
 * another thread wakes its session.
 *
 * `running` counts the workers that are neither between block_begin() and
 * block_end() nor on the bench.  It is kept near `limit`: who blocks gives
 * up the place, who comes back and finds too many goes to the bench after
 * its turn.  `limit` is the configured number and what the monitor has added
 * because all of them were busy with long turns.
 *
 * Threads: as said at each.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/fail.h"
#include "net/park.h"
#include "net/session.h"

/* From main.  turn() runs a session that is in state RUNNING; tick() is called
 * by the monitor every WHEEL_TICK_MS or sooner. */
int worker_start(const struct park_conf *conf, void (*turn)(struct session *s),
    void (*tick)(int64_t now), struct fail *f) MUST_CHECK;

/* From main, when no session is left: ends the threads and waits for them;
 * or gives up waiting at `deadline`. */
void worker_stop(int64_t deadline);

/* Put a session in state QUEUED into the run queue.  Any thread. */
void worker_queue(struct session *s);

/* Have EV_FD posted to `s` once when fd is ready for `events` (EPOLLIN,
 * EPOLLOUT).  *registered belongs to the descriptor, false at first.  0 or a
 * negative errno.  By the session's runner. */
int worker_arm(
    struct session *s, int fd, bool *registered, uint32_t events) MUST_CHECK;

/* A worker waits for events: what can run is run, whoever goes on. */
bool worker_is_spare(void);

/* Is this thread between block_begin() and block_end()? */
bool worker_blocks(void);

void worker_stats(struct park_stats *out); /* threads, running, turns */
