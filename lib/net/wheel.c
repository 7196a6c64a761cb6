#include "net/wheel.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/lock.h"

enum { PLACES = 1024, BATCH = 64 };

static struct {
	struct lock lock;
	struct session *places[PLACES]; /* guarded by lock */
	int64_t turned;			/* the last tick done; wheel_turn's */
} wheel = {.lock = LOCK_INITIALIZER(LOCK_PARK)};

static void
unlink_locked(struct session *s)
{
	if (s->wheel_prev == NULL) {
		return;
	}
	*s->wheel_prev = s->wheel_next;
	if (s->wheel_next != NULL) {
		s->wheel_next->wheel_prev = s->wheel_prev;
	}
	s->wheel_prev = NULL;
	atomic_store(&s->wheel_when, 0);
}

static void
link_locked(struct session *s, int64_t when)
{
	int64_t tick = when / WHEEL_TICK_MS + 1;
	struct session **place;

	if (tick <= wheel.turned) {
		tick = wheel.turned + 1;
	}
	place = &wheel.places[tick % PLACES];
	s->wheel_next = *place;
	s->wheel_prev = place;
	if (*place != NULL) {
		(*place)->wheel_prev = &s->wheel_next;
	}
	*place = s;
	atomic_store(&s->wheel_when, when);
}

/*
 * Sequentially consistent on both sides: either this sees that the wheel has
 * let go of the session, or the wheel sees the new deadline.
 */
void
wheel_set(struct session *s, int64_t when)
{
	int64_t looks;

	atomic_store(&s->deadline, when);
	looks = atomic_load(&s->wheel_when);
	if (when == 0 || (looks != 0 && looks <= when)) {
		return;
	}
	lock_acquire(&wheel.lock);
	unlink_locked(s);
	link_locked(s, when);
	lock_release(&wheel.lock);
}

void
wheel_remove(struct session *s)
{
	lock_acquire(&wheel.lock);
	unlink_locked(s);
	lock_release(&wheel.lock);
}

/* Take what is due out of a place, at most BATCH; the rest moves on. */
static size_t
collect_locked(struct session **place, int64_t now, struct park_ref *due)
{
	struct session *s = *place;
	struct session *next;
	size_t n = 0;

	for (; s != NULL && n < BATCH; s = next) {
		int64_t when;

		next = s->wheel_next;
		if (atomic_load(&s->wheel_when) > now) {
			continue; /* of a later round */
		}
		unlink_locked(s);
		when = atomic_load(&s->deadline);
		if (when > now) {
			link_locked(s, when);
		} else if (when != 0) {
			due[n++] = s->ref;
		}
	}
	return n;
}

static void
turn_place(struct session **place, int64_t now, void (*fire)(struct park_ref))
{
	struct park_ref due[BATCH];
	size_t n;

	do {
		lock_acquire(&wheel.lock);
		n = collect_locked(place, now, due);
		lock_release(&wheel.lock);
		for (size_t i = 0; i < n; i++) {
			fire(due[i]);
		}
	} while (n == BATCH);
}

void
wheel_turn(int64_t now, void (*fire)(struct park_ref ref))
{
	int64_t tick = now / WHEEL_TICK_MS;
	int64_t from;

	lock_acquire(&wheel.lock);
	from = wheel.turned;
	if (tick > wheel.turned) {
		wheel.turned = tick;
	}
	lock_release(&wheel.lock);
	if (tick - from > PLACES) {
		from = tick - PLACES;
	}
	while (from < tick) {
		from++;
		turn_place(&wheel.places[from % PLACES], now, fire);
	}
}
