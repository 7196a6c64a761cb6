#include "net/worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/block.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/bench.h"
#include "net/co.h"
#include "net/runq.h"
#include "net/slot.h"
#include "net/wheel.h"

enum {
	WORKER_STACK = 256 * 1024,
	CALM_TICKS = 200,    /* before the monitor takes a worker back */
	STOP_POLL_US = 2000, /* worker_stop looks that often */
};

/* The epoll datum of the run queue's eventfd; no park_ref looks so. */
static const uint64_t kick_datum = UINT64_MAX;

static struct {
	unsigned base_limit;
	unsigned threads_max;
	int64_t tick_ms;
	void (*turn)(struct session *s);
	void (*tick)(int64_t now);
	int epoll_fd;
	int kick_fd; /* always readable; armed to wake one worker */
	pthread_t monitor;

	_Atomic unsigned threads;
	_Atomic unsigned running;
	_Atomic unsigned waiting; /* in epoll_wait, or about to be */
	_Atomic unsigned limit;
	_Atomic uint64_t turns;
	_Atomic bool stopping;
} pool;

static _Thread_local bool is_worker;
static _Thread_local unsigned brackets; /* open ones of this thread */

/* ---- the run queue ---- */

static void
kick(void)
{
	struct epoll_event ev = {
	    .events = EPOLLIN | EPOLLONESHOT, .data.u64 = kick_datum};

	ASSERT(epoll_ctl(pool.epoll_fd, EPOLL_CTL_MOD, pool.kick_fd, &ev) == 0);
}

void
worker_queue(struct session *s)
{
	runq_put(s);
	/* Sequentially consistent: either this sees the waiter, or that one
	 * sees the queue (wait_for_event). */
	if (atomic_load(&pool.waiting) != 0) {
		kick();
	}
}

static struct session *
queue_pop(void)
{
	struct session *s = runq_take();

	if (s == NULL) {
		return NULL;
	}
	slot_run(s);
	if (!runq_is_empty() && atomic_load(&pool.waiting) != 0) {
		kick();
	}
	return s;
}

bool
worker_is_spare(void)
{
	return atomic_load_explicit(&pool.waiting, memory_order_relaxed) != 0;
}

/* ---- the epoll set ---- */

int
worker_arm(struct session *s, int fd, bool *registered, uint32_t events)
{
	struct epoll_event ev = {
	    .events = events | EPOLLONESHOT,
	    .data.u64 = (uint64_t)s->ref.slot << 32 | s->ref.gen,
	};
	int op = *registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (epoll_ctl(pool.epoll_fd, op, fd, &ev) != 0) {
		return -errno;
	}
	*registered = true;
	return 0;
}

/* Wait for one event; the session that it hands to us, or NULL. */
static struct session *
wait_for_event(void)
{
	struct epoll_event ev;
	int timeout = -1;
	int n;

	atomic_fetch_add(&pool.waiting, 1);
	if (!runq_is_empty() || atomic_load(&pool.stopping)) {
		timeout = 0;
	}
	n = epoll_wait(pool.epoll_fd, &ev, 1, timeout);
	atomic_fetch_sub(&pool.waiting, 1);
	if (n <= 0) {
		return NULL;
	}
	if (ev.data.u64 == kick_datum) {
		return queue_pop();
	}
	return slot_claim((struct park_ref){(uint32_t)(ev.data.u64 >> 32),
			      (uint32_t)ev.data.u64},
	    EV_FD);
}

/* The next session to run, NULL when the pool stops. */
static struct session *
next_session(bool *queue_first)
{
	struct session *s = NULL;

	while (s == NULL && !atomic_load(&pool.stopping)) {
		if (*queue_first) {
			s = queue_pop();
		}
		*queue_first = s == NULL;
		if (s == NULL) {
			s = wait_for_event();
		}
	}
	return s;
}

/* ---- places ---- */

static void *worker_main(void *arg);

static bool
spawn(void *(*fn)(void *), pthread_t *out)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all;
	sigset_t old;
	bool ok;

	/* Signals are main's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	ASSERT(pthread_attr_init(&attr) == 0);
	(void)pthread_attr_setstacksize(&attr, WORKER_STACK);
	if (out == NULL) {
		(void)pthread_attr_setdetachstate(
		    &attr, PTHREAD_CREATE_DETACHED);
		out = &thread;
	}
	ok = pthread_create(out, &attr, fn, NULL) == 0;
	(void)pthread_attr_destroy(&attr);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ok;
}

/* Add a thread, for a place that is counted already. */
static bool
hire(void)
{
	if (atomic_fetch_add(&pool.threads, 1) < pool.threads_max
	    && spawn(worker_main, NULL)) {
		return true;
	}
	atomic_fetch_sub(&pool.threads, 1);
	return false;
}

/* If a place is free and nobody waits for events, have somebody take it. */
static void
fill_place(void)
{
	unsigned running = atomic_load(&pool.running);

	do {
		if (atomic_load(&pool.waiting) != 0
		    || running >= atomic_load(&pool.limit)
		    || atomic_load(&pool.stopping)) {
			return;
		}
	} while (!atomic_compare_exchange_weak(
	    &pool.running, &running, running + 1));
	if (!bench_call() && !hire()) {
		atomic_fetch_sub(&pool.running, 1);
	}
}

/* Give up the place if there are too many: true if so. */
static bool
leave_place(void)
{
	unsigned running = atomic_load(&pool.running);

	do {
		if (running <= atomic_load(&pool.limit)) {
			return false;
		}
	} while (!atomic_compare_exchange_weak(
	    &pool.running, &running, running - 1));
	return true;
}

static void
on_block_begin(void)
{
	if (is_worker && brackets++ == 0) {
		atomic_fetch_sub(&pool.running, 1);
		fill_place();
	}
}

static void
on_block_end(void)
{
	if (is_worker && --brackets == 0) {
		atomic_fetch_add(&pool.running, 1);
	}
}

bool
worker_blocks(void)
{
	return brackets != 0;
}

static void *
worker_main(void *arg)
{
	bool queue_first = true;
	bool placed = true;
	struct session *s;

	(void)arg;
	is_worker = true;
	while (placed && (s = next_session(&queue_first)) != NULL) {
		atomic_fetch_add_explicit(&pool.turns, 1, memory_order_relaxed);
		fill_place();
		pool.turn(s);
		if (leave_place()) {
			placed = bench_sit(&pool.stopping);
		}
	}
	if (placed) {
		atomic_fetch_sub(&pool.running, 1);
	}
	if (atomic_load(&pool.stopping)) {
		kick(); /* the next one */
	}
	co_release_thread();
	atomic_fetch_sub(&pool.threads, 1);
	return NULL;
}

/* ---- the monitor ---- */

static bool
work_waits(void)
{
	struct pollfd p = {.fd = pool.epoll_fd, .events = POLLIN};

	return !runq_is_empty() || poll(&p, 1, 0) > 0;
}

/* One worker more if all are in turns that have lasted since the last look
 * and somebody else could run; one less after a time without that. */
static void
adjust(uint64_t *last_turns, unsigned *calm)
{
	uint64_t turns = atomic_load(&pool.turns);
	bool stuck = turns == *last_turns && atomic_load(&pool.waiting) == 0
		     && work_waits();

	*last_turns = turns;
	if (stuck) {
		*calm = 0;
		if (atomic_load(&pool.limit) < pool.threads_max) {
			atomic_fetch_add(&pool.limit, 1);
			fill_place();
		}
		return;
	}
	if (++*calm >= CALM_TICKS
	    && atomic_load(&pool.limit) > pool.base_limit) {
		atomic_fetch_sub(&pool.limit, 1);
		*calm = 0;
	}
}

static void *
monitor_main(void *arg)
{
	uint64_t turns = 0;
	unsigned calm = 0;

	(void)arg;
	while (!atomic_load(&pool.stopping)) {
		bool idle = atomic_load(&pool.waiting) != 0;
		int64_t ms = idle ? WHEEL_TICK_MS : pool.tick_ms;
		struct timespec pause = {.tv_nsec = (long)ms * 1000000};

		(void)nanosleep(&pause, NULL);
		adjust(&turns, &calm);
		pool.tick(clock_mono_ms());
	}
	return NULL;
}

/* ---- start and stop ---- */

static int
open_set(struct fail *f)
{
	struct epoll_event ev = {
	    .events = EPOLLONESHOT, .data.u64 = kick_datum};

	pool.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (pool.epoll_fd < 0) {
		return fail_sys(f, "epoll_create");
	}
	pool.kick_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool.kick_fd < 0) {
		(void)fail_sys(f, "eventfd");
		(void)close(pool.epoll_fd);
		return -1;
	}
	if (epoll_ctl(pool.epoll_fd, EPOLL_CTL_ADD, pool.kick_fd, &ev) != 0) {
		(void)fail_sys(f, "epoll_ctl");
		(void)close(pool.kick_fd);
		(void)close(pool.epoll_fd);
		return -1;
	}
	return 0;
}

int
worker_start(const struct park_conf *conf, void (*turn)(struct session *s),
    void (*tick)(int64_t now), struct fail *f)
{
	pool.base_limit = conf->running;
	pool.threads_max = conf->threads_max;
	pool.tick_ms = conf->monitor_ms;
	pool.turn = turn;
	pool.tick = tick;
	atomic_store(&pool.limit, conf->running);
	atomic_store(&pool.stopping, false);
	if (open_set(f) != 0) {
		return -1;
	}
	block_begin_hook = on_block_begin;
	block_end_hook = on_block_end;
	for (unsigned i = 0; i < conf->running; i++) {
		atomic_fetch_add(&pool.running, 1);
		if (!hire()) {
			worker_stop(INT64_MAX);
			return fail_set(f, FAIL_LIMIT, "no threads");
		}
	}
	if (!spawn(monitor_main, &pool.monitor)) {
		worker_stop(INT64_MAX);
		return fail_set(f, FAIL_LIMIT, "no threads");
	}
	return 0;
}

/* Each is called with a place, as always, and finds that it is to end. */
static void
empty_bench(void)
{
	do {
		atomic_fetch_add(&pool.running, 1);
	} while (bench_call());
	atomic_fetch_sub(&pool.running, 1);
}

void
worker_stop(int64_t deadline)
{
	if (!atomic_exchange(&pool.stopping, true) && pool.monitor != 0) {
		(void)pthread_join(pool.monitor, NULL);
		pool.monitor = 0;
	}
	empty_bench();
	while (atomic_load(&pool.threads) != 0) {
		if (clock_mono_ms() >= deadline) {
			return; /* they use what would be closed */
		}
		kick();
		(void)usleep(STOP_POLL_US);
	}
	(void)close(pool.kick_fd);
	(void)close(pool.epoll_fd);
}

void
worker_stats(struct park_stats *out)
{
	out->threads = atomic_load(&pool.threads);
	out->running = atomic_load(&pool.limit);
	out->turns = atomic_load(&pool.turns);
}
