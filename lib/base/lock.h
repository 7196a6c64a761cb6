/*
 * lock: a mutex with a rank, for state that threads share.
 *
 * A lock is declared above the fields that it guards.  It is held for a few
 * microseconds, never across anything that waits: no call-back, no network
 * I/O, no c_*() call, no log line.  Locks are taken in rising rank; debug
 * builds (ASSERT_LOCKS) check that, and that a coroutine holds none when it
 * suspends (lock_none_held).
 *
 * Threads: that is what it is for.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "base/attr.h"

/* Lowest first.  A thread that holds one may take only higher ones. */
enum lock_rank {
	LOCK_SERVICE = 1, /* a program's session list and counters */
	LOCK_STORE,	  /* a store's table of open accounts */
	LOCK_ACCOUNT,	  /* one account's current version */
	LOCK_SEGMENT,	  /* one account's open journal segment */
	LOCK_CACHE,	  /* digest and file caches */
	LOCK_DIRECTORY,	  /* a directory connection pool */
	LOCK_AUTH,	  /* throttle and password cache */
	LOCK_PARK,	  /* sessions, timers, bench of threads */
	LOCK_LEAF,	  /* anything that takes no other */
};

struct CAPABILITY("mutex") lock {
	pthread_mutex_t mutex;
	enum lock_rank rank;
};

/* For a lock in static storage. */
#define LOCK_INITIALIZER(of_rank)                                              \
	{                                                                      \
		.mutex = PTHREAD_MUTEX_INITIALIZER, .rank = (of_rank)          \
	}

void lock_init(struct lock *l, enum lock_rank rank);
void lock_deinit(struct lock *l);
void lock_acquire(struct lock *l) ACQUIRES(l);
void lock_release(struct lock *l) RELEASES(l);
bool lock_none_held(void); /* by this thread; true in release */
