/*
 * park: runs sessions on a few worker threads.
 *
 * An idle session is parked: a socket in an epoll set and a struct.  A wake
 * (input, park_wake, a timer, shutdown) gives it a coroutine and a worker.
 * At most `running` workers run or wait for events; a thread between
 * block_begin() and block_end() (base/block.h, hooked here) is not counted
 * and another takes its place, up to `threads_max`; a monitor adds workers
 * when none has come free for a while.  docs/sessions.md has the design.
 *
 * There is one park a process.
 *
 * Threads: park_wake and park_ref_of are for any thread; the others say.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/fail.h"
#include "net/session.h"

struct park_conf {
	unsigned running;	/* workers, 0 = 2 a core and at least 4 */
	unsigned threads_max;	/* with those that block; 0 = 256 */
	unsigned suspended_max; /* coroutines at a time; 0 = 10000 */
	unsigned burst;		/* commands in a row; 0 = 32 */
	unsigned monitor_ms;	/* 0 = 5 */
	size_t stack;		/* octets reserved a coroutine; 0 = 128 KiB */
};

/* Start the workers.  Once, from main; FAIL_LIMIT or FAIL_TEMP. */
int park_start(const struct park_conf *conf, struct fail *f) MUST_CHECK;

/*
 * Wake every session with WHY_SHUTDOWN, wait until `deadline` (clock_mono_ms)
 * for them to end, then make every wait return -ECANCELED, and join the
 * threads.  Returns the number of sessions that had to be cut.  From main,
 * after the listeners have stopped.
 */
unsigned park_stop(int64_t deadline);

/* Let `s` (taken) run: WHY_START comes soon.  Any thread. */
void park_add(struct session *s);

static inline struct park_ref
park_ref_of(const struct session *s)
{
	return s->ref;
}

/*
 * Have run() called with WHY_WAKE at the session's next idle point.  Stale
 * references are harmless, several wakes become one.  Never blocks, takes
 * only LOCK_LEAF locks: may be called under any other lock.
 */
void park_wake(struct park_ref ref);

/* WHY_TIMER at `when` (clock_mono_ms) if the session is parked by then; 0
 * takes it back.  Once; set again for the next.  From within run only. */
void park_timer(struct session *s, int64_t when);

/* Within a long command: let others run if this one has had its share.
 * Between messages, not between octets.  From within run only. */
void park_yield(struct session *s);

/* Suspend the command for a time, as after a wrong password.  0, -ECANCELED
 * at shutdown.  From within run only. */
int park_sleep(struct session *s, int64_t ms) MUST_CHECK;

/*
 * Suspend until park_resume(), or `deadline`: for work that another thread
 * finishes.  A resume that came before is not lost.  0, -ETIMEDOUT,
 * -ECANCELED; may return 0 without a resume: test the condition again.
 */
int park_suspend(struct session *s, int64_t deadline) MUST_CHECK;
void park_resume(struct park_ref ref); /* any thread */

struct park_stats {
	unsigned threads;    /* all of them */
	unsigned running;    /* the bound at present */
	unsigned sessions;   /* parked, suspended and running */
	unsigned coroutines; /* running or suspended */
	uint64_t turns;	     /* times that a session was run */
};

void park_stats(struct park_stats *out); /* any thread */
