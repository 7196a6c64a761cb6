#include "net/park.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "net/co.h"
#include "net/park_priv.h"
#include "net/slot.h"
#include "net/wheel.h"
#include "net/worker.h"

enum {
	RUNNING_LEAST = 4,
	RUNNING_PER_CORE = 2,
	THREADS_MAX = 256,
	SUSPENDED_MAX = 10000,
	BURST = 32,
	BURST_NS = 1000000,
	MONITOR_MS = 5,
	STACK = 128 * 1024,
	CUT_MS = 2000, /* for sessions to notice that they were cut */
	CROWD = 1000,  /* sessions that are one when they go */
	CROWD_GONE_MS = 1000,
};

static struct {
	unsigned suspended_max;
	unsigned burst;
	_Atomic unsigned sessions;
	_Atomic unsigned coroutines;
	_Atomic unsigned suspended;
	_Atomic bool stopping;
	_Atomic bool cancelled;
} park;

/* Note events and queue the session if that ends its rest. */
static void
post(struct park_ref ref, unsigned events)
{
	struct session *s = slot_post(ref, events);

	if (s != NULL) {
		worker_queue(s);
	}
}

void
park_wake(struct park_ref ref)
{
	post(ref, EV_WAKE);
}

void
park_resume(struct park_ref ref)
{
	post(ref, EV_RESUME);
}

static void
post_timer(struct park_ref ref)
{
	post(ref, EV_TIMER);
}

static void
post_shutdown(struct park_ref ref)
{
	post(ref, EV_SHUTDOWN);
}

static void
post_cancel(struct park_ref ref)
{
	post(ref, EV_CANCEL);
}

void
park_timer(struct session *s, int64_t when)
{
	s->timer = when;
}

bool
park_cancelled(void)
{
	return atomic_load_explicit(&park.cancelled, memory_order_relaxed);
}

/* ---- turns ---- */

/* Without memory for a coroutine the session cannot even say goodbye. */
static bool
begin_coroutine(struct session *s)
{
	s->co = co_new(session_turn, s);
	if (s->co == NULL) {
		session_give_up(s);
		return false;
	}
	atomic_fetch_add_explicit(&park.coroutines, 1, memory_order_relaxed);
	return true;
}

/* Resume until it suspends (false) or ends (true). */
static bool
resume(struct session *s)
{
	if (!co_resume(s->co)) {
		return false;
	}
	s->co = NULL;
	atomic_fetch_sub_explicit(&park.coroutines, 1, memory_order_relaxed);
	return true;
}

/* Run a session until it rests, yields or ends; after that it is another
 * runner's, or gone. */
static void
turn(struct session *s)
{
	for (;;) {
		if (s->co == NULL && !begin_coroutine(s)) {
			return;
		}
		if (resume(s)) {
			if (s->closing) {
				session_free(s);
				return;
			}
			if (slot_rest(s, EV_IDLE)) {
				return;
			}
		} else if (s->yields) {
			s->yields = false;
			slot_queue(s);
			worker_queue(s);
			return;
		} else if (slot_rest(s, s->rest_mask)) {
			return;
		}
	}
}

/* Leave the coroutine until one of `mask` has come; what has. */
static unsigned
rest(struct session *s, unsigned mask)
{
	ASSERT(lock_none_held() && !worker_blocks());
	s->rest_mask = (uint8_t)mask;
	co_suspend(s->co);
	return slot_take(s, mask);
}

int
park_wait_fd(struct session *s, int fd, bool *registered, uint32_t events,
    int64_t deadline)
{
	int rc;

	if (park_cancelled()) {
		return -ECANCELED;
	}
	if (atomic_fetch_add_explicit(&park.suspended, 1, memory_order_relaxed)
	    >= park.suspended_max) {
		rc = -ENOMEM;
	} else {
		wheel_set(s, deadline);
		rc = worker_arm(s, fd, registered, events);
	}
	if (rc == 0) {
		unsigned ev = rest(s, EV_FD | EV_TIMER | EV_CANCEL);

		if (park_cancelled()) {
			rc = -ECANCELED;
		} else if ((ev & EV_FD) == 0 && clock_mono_ms() >= deadline) {
			rc = -ETIMEDOUT;
		}
	}
	atomic_fetch_sub_explicit(&park.suspended, 1, memory_order_relaxed);
	return rc;
}

int
park_suspend(struct session *s, int64_t deadline)
{
	unsigned ev;

	ASSERT(park_on_coroutine(s));
	wheel_set(s, deadline);
	ev = rest(s, EV_RESUME | EV_TIMER | EV_CANCEL);
	if ((ev & EV_RESUME) != 0) {
		return 0;
	}
	if (park_cancelled()) {
		return -ECANCELED;
	}
	return clock_mono_ms() >= deadline ? -ETIMEDOUT : 0;
}

int
park_sleep(struct session *s, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;

	ASSERT(park_on_coroutine(s));
	while (clock_mono_ms() < until) {
		if (park_cancelled()) {
			return -ECANCELED;
		}
		wheel_set(s, until);
		(void)rest(s, EV_TIMER | EV_CANCEL);
	}
	return 0;
}

/* ---- fairness ---- */

void
park_burst_begin(struct session *s, int64_t now)
{
	s->burst = 0;
	s->burst_from = now;
}

/* To the tail of the queue; but not for nobody: a worker that waits for
 * events takes all that could run in our place. */
static void
yield(struct session *s)
{
	ASSERT(lock_none_held() && !worker_blocks());
	if (worker_is_spare()) {
		park_burst_begin(s, clock_mono_ns());
		return;
	}
	s->yields = true;
	co_suspend(s->co);
	park_burst_begin(s, clock_mono_ns());
}

void
park_burst_next(struct session *s, int64_t now)
{
	s->burst++;
	if (s->burst >= park.burst || now - s->burst_from >= BURST_NS) {
		yield(s);
	}
}

void
park_yield(struct session *s)
{
	if (park_on_coroutine(s)
	    && clock_mono_ns() - s->burst_from >= BURST_NS) {
		yield(s);
	}
}

/* ---- from time to time ---- */

/*
 * When a crowd has gone, the allocator is left with memory that it would keep
 * for good: it is given back, at a moment when few are there to wait for it.
 */
static void
give_back(int64_t now)
{
	static unsigned most; /* the monitor's, as is `since` */
	static int64_t since;
	unsigned n = atomic_load_explicit(&park.sessions, memory_order_relaxed);

	if (n > most) {
		most = n;
	}
	if (most - n < CROWD || n > most / 2) {
		since = now;
	} else if (now - since >= CROWD_GONE_MS) {
		(void)malloc_trim(0);
		most = n;
	}
}

static void
tick(int64_t now)
{
	wheel_turn(now, post_timer);
	give_back(now);
}

/* ---- start, add, stop ---- */

static unsigned
or_default(unsigned value, unsigned fallback)
{
	return value != 0 ? value : fallback;
}

static unsigned
running_default(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = cores > 0 ? (unsigned)cores * RUNNING_PER_CORE : 0;

	return n > RUNNING_LEAST ? n : RUNNING_LEAST;
}

int
park_start(const struct park_conf *conf, struct fail *f)
{
	struct park_conf c = *conf;

	c.running = or_default(c.running, running_default());
	c.threads_max = or_default(c.threads_max, THREADS_MAX);
	if (c.threads_max < c.running) {
		c.threads_max = c.running;
	}
	c.monitor_ms = or_default(c.monitor_ms, MONITOR_MS);
	park.suspended_max = or_default(c.suspended_max, SUSPENDED_MAX);
	park.burst = or_default(c.burst, BURST);
	atomic_store(&park.stopping, false);
	atomic_store(&park.cancelled, false);
	co_stack_size(c.stack != 0 ? c.stack : STACK);
	return worker_start(&c, turn, tick, f);
}

void
park_add(struct session *s)
{
	unsigned events = EV_START;

	atomic_fetch_add(&park.sessions, 1);
	if (atomic_load(&park.stopping)) {
		events |= EV_SHUTDOWN;
	}
	ASSERT(slot_post(s->ref, events) == NULL);
	slot_queue(s);
	worker_queue(s);
}

void
park_forget(struct session *s)
{
	wheel_remove(s);
	slot_close(s);
	atomic_fetch_sub(&park.sessions, 1);
}

/* Until no session is left: their number at `deadline`. */
static unsigned
wait_for_end(int64_t deadline)
{
	const struct timespec pause = {.tv_nsec = 2000000};
	unsigned left;

	while ((left = atomic_load(&park.sessions)) != 0
	       && clock_mono_ms() < deadline) {
		(void)nanosleep(&pause, NULL);
	}
	return left;
}

unsigned
park_stop(int64_t deadline)
{
	unsigned cut;

	atomic_store(&park.stopping, true);
	slot_each(post_shutdown);
	cut = wait_for_end(deadline);
	if (cut != 0) {
		int64_t patience = clock_mono_ms() + CUT_MS;

		atomic_store(&park.cancelled, true);
		slot_each(post_cancel);
		(void)wait_for_end(patience);
	}
	worker_stop(clock_mono_ms() + CUT_MS);
	co_release();
	return cut;
}

void
park_stats(struct park_stats *out)
{
	worker_stats(out);
	out->sessions = atomic_load(&park.sessions);
	out->coroutines = atomic_load(&park.coroutines);
}
