#include "net/runq.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/lock.h"

static struct {
	struct lock lock;
	struct session *head;  /* GUARDED_BY(lock) */
	struct session **tail; /* GUARDED_BY(lock) */
	_Atomic unsigned n;
} queue = {.lock = LOCK_INITIALIZER(LOCK_LEAF)};

void
runq_put(struct session *s)
{
	lock_acquire(&queue.lock);
	s->queue_next = NULL;
	if (queue.head == NULL) {
		queue.tail = &queue.head;
	}
	*queue.tail = s;
	queue.tail = &s->queue_next;
	atomic_fetch_add(&queue.n, 1);
	lock_release(&queue.lock);
}

struct session *
runq_take(void)
{
	struct session *s;

	if (runq_is_empty()) {
		return NULL;
	}
	lock_acquire(&queue.lock);
	s = queue.head;
	if (s != NULL) {
		queue.head = s->queue_next;
		atomic_fetch_sub(&queue.n, 1);
	}
	lock_release(&queue.lock);
	return s;
}

bool
runq_is_empty(void)
{
	return atomic_load(&queue.n) == 0;
}
