#include "store/watch_priv.h"

#include <stdlib.h>

#include "base/mem.h"

struct watch *
account_watch(struct account *account, void (*wake)(void *arg), void *arg)
{
	struct watch *w = xmalloc(sizeof(*w));

	w->account = account_ref(account);
	w->wake = wake;
	w->arg = arg;
	lock_acquire(&account->lock);
	w->next = account->watches;
	if (w->next != NULL) {
		w->next->prev = w;
	}
	account->watches = w;
	lock_release(&account->lock);
	return w;
}

void
account_unwatch(struct watch **watch)
{
	struct watch *w = *watch;

	*watch = NULL;
	if (w == NULL) {
		return;
	}
	/* Wakes are called under this lock: none is under way behind it. */
	lock_acquire(&w->account->lock);
	if (w->prev != NULL) {
		w->prev->next = w->next;
	} else {
		w->account->watches = w->next;
	}
	if (w->next != NULL) {
		w->next->prev = w->prev;
	}
	lock_release(&w->account->lock);
	account_close(&w->account);
	free(w);
}

void
watches_wake_locked(struct account *a)
{
	for (struct watch *w = a->watches; w != NULL; w = w->next) {
		w->wake(w->arg);
	}
}

void
watch_poll(struct account *a)
{
	struct fs_stat st;

	lock_acquire(&a->lock);
	struct segment *s = a->segment != NULL ? segment_ref(a->segment) : NULL;
	uint64_t seen = a->size;
	bool watched = a->watches != NULL;
	lock_release(&a->lock);
	if (s != NULL && watched && fs_stat(a->store->fs, s->fd, &st) == 0
	    && (st.size != seen || st.links == 0)) {
		lock_acquire(&a->lock);
		if (a->segment == s) {
			a->size = st.size;
		}
		watches_wake_locked(a);
		lock_release(&a->lock);
	}
	segment_unref(&s);
}
