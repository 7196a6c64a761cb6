/*
 * park_priv: what conn.c and session.c need of park.c.
 *
 * Threads: for the session's runner.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "net/park.h"
#include "net/session.h"

/* True on the coroutine of `s`: waits may suspend. */
static inline bool
park_on_coroutine(const struct session *s)
{
	return s != NULL && s->co != NULL;
}

/*
 * Suspend until fd is ready for `events` (EPOLLIN, EPOLLOUT) or `deadline`.
 * 0 (perhaps for nothing: try again), -ETIMEDOUT, -ECANCELED, -ENOMEM if too
 * many are suspended already, or what epoll_ctl(2) said.
 */
int park_wait_fd(struct session *s, int fd, bool *registered, uint32_t events,
    int64_t deadline) MUST_CHECK;

bool park_cancelled(void); /* waits fail from now on */

/* The session ended: the last that park.c hears of it. */
void park_forget(struct session *s);

/* Called when a turn begins and after each command in it: lets others run if
 * this session has had its share.  `now` is clock_mono_ns(). */
void park_burst_begin(struct session *s, int64_t now);
void park_burst_next(struct session *s, int64_t now);

/* In session.c: all of a turn, on the coroutine; then, if s->closing, the
 * session is freed off it. */
void session_turn(void *arg);
void session_free(struct session *s);
void session_give_up(struct session *s); /* no coroutine can be made */
