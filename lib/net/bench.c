#include "net/bench.h"

#include <errno.h>
#include <semaphore.h>
#include <stddef.h>
#include <time.h>

#include "base/lock.h"
#include "base/mem.h"

enum { SECONDS = 10 };

/* A semaphore each: a condition variable and the lock with it take three
 * times the system calls. */
struct seat {
	struct seat *next;
	sem_t called;
	bool taken; /* out of the list */
};

static struct {
	struct lock lock;
	struct seat *top; /* GUARDED_BY(lock) */
} bench = {.lock = LOCK_INITIALIZER(LOCK_PARK)};

bool
bench_call(void)
{
	struct seat *seat;

	lock_acquire(&bench.lock);
	seat = bench.top;
	if (seat != NULL) {
		bench.top = seat->next;
		seat->taken = true;
	}
	lock_release(&bench.lock);
	if (seat == NULL) {
		return false;
	}
	ASSERT(sem_post(&seat->called) == 0);
	return true;
}

/* Out of the list, unless somebody has called it meanwhile. */
static bool
stand_up(struct seat *seat)
{
	lock_acquire(&bench.lock);
	for (struct seat **at = &bench.top; *at != NULL; at = &(*at)->next) {
		if (*at == seat) {
			*at = seat->next;
			break;
		}
	}
	bool called = seat->taken;
	lock_release(&bench.lock);
	return called;
}

static int
wait_in(struct seat *seat, const struct timespec *until)
{
	int rc;

	do {
		rc = until != NULL ? sem_timedwait(&seat->called, until)
				   : sem_wait(&seat->called);
	} while (rc != 0 && errno == EINTR);
	return rc;
}

bool
bench_sit(_Atomic bool *closed)
{
	struct seat seat = {.taken = false};
	struct timespec until;
	bool called;

	ASSERT(sem_init(&seat.called, 0, 0) == 0);
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += SECONDS;
	lock_acquire(&bench.lock);
	seat.next = bench.top;
	bench.top = &seat;
	lock_release(&bench.lock);
	called = (!atomic_load(closed) && wait_in(&seat, &until) == 0);
	if (!called && stand_up(&seat)) {
		/* Called just now: the call is on its way. */
		called = wait_in(&seat, NULL) == 0;
	}
	(void)sem_destroy(&seat.called);
	return called;
}
