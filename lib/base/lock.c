#include "base/lock.h"

#include "base/mem.h"

#ifdef ASSERT_LOCKS
enum { HELD_MAX = 16 };
static _Thread_local const struct lock *held[HELD_MAX];
static _Thread_local unsigned held_n;
#endif

void
lock_init(struct lock *l, enum lock_rank rank)
{
	ASSERT(pthread_mutex_init(&l->mutex, NULL) == 0);
	l->rank = rank;
}

void
lock_deinit(struct lock *l)
{
	ASSERT(pthread_mutex_destroy(&l->mutex) == 0);
}

void
lock_acquire(struct lock *l) NO_THREAD_SAFETY
{
#ifdef ASSERT_LOCKS
	ASSERT(held_n < HELD_MAX);
	ASSERT(held_n == 0 || held[held_n - 1]->rank < l->rank);
#endif
	ASSERT(pthread_mutex_lock(&l->mutex) == 0);
#ifdef ASSERT_LOCKS
	held[held_n++] = l;
#endif
}

void
lock_release(struct lock *l) NO_THREAD_SAFETY
{
#ifdef ASSERT_LOCKS
	unsigned i = held_n;

	while (i > 0 && held[i - 1] != l) {
		i--;
	}
	ASSERT(i > 0);
	for (; i < held_n; i++) {
		held[i - 1] = held[i];
	}
	held_n--;
#endif
	ASSERT(pthread_mutex_unlock(&l->mutex) == 0);
}

bool
lock_none_held(void)
{
#ifdef ASSERT_LOCKS
	return held_n == 0;
#else
	return true;
#endif
}
