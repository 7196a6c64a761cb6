/*
 * The digests that an account's messages have.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "store/packs_priv.h"

static int
by_place(const void *pa, const void *pb)
{
	const struct want *a = pa;
	const struct want *b = pb;

	if (a->place != b->place) {
		return a->place < b->place ? -1 : 1;
	}
	return a->mbox < b->mbox ? -1 : a->mbox > b->mbox;
}

int
want_by_mbox(const void *pa, const void *pb)
{
	const struct want *a = pa;
	const struct want *b = pb;

	if (a->mbox != b->mbox) {
		return a->mbox < b->mbox ? -1 : 1;
	}
	return a->place < b->place ? -1 : a->place > b->place;
}

static void
add(struct wants *w, uint64_t mbox, const struct msg *m)
{
	if (m->digest_at != 0) {
		w->want[w->n++] = (struct want){
		    .place = m->digest_at, .mbox = mbox, .msg = m};
	}
}

static void
sort_unique(struct wants *w)
{
	size_t n = 0;

	if (w->n != 0) {
		qsort(w->want, w->n, sizeof(*w->want), by_place);
	}
	for (size_t i = 0; i < w->n; i++) {
		if (n == 0 || w->want[n - 1].place != w->want[i].place) {
			w->want[n++] = w->want[i];
		}
	}
	w->n = n;
}

int
wants_init(struct wants *w, const struct view *v, struct fail *f)
{
	size_t most = 0;
	void *room;

	*w = (struct wants){.n = 0};
	for (uint32_t i = 0; i < v->boxes.n; i++) {
		const struct box *b = view_box(v, i);

		most += b != NULL ? (size_t)b->msgs.n + b->graves.n : 0;
	}
	if (try_alloc((most + 1) * sizeof(*w->want), &room, f) != 0) {
		return -1;
	}
	w->want = room;
	for (uint32_t i = 0; i < v->boxes.n; i++) {
		const struct box *b = view_box(v, i);

		for (uint32_t n = 0; b != NULL && n < b->msgs.n; n++) {
			add(w, b->pub.id, vec_at(&b->msgs, n));
		}
		for (uint32_t n = 0; b != NULL && n < b->graves.n; n++) {
			const struct grave *g = vec_at(&b->graves, n);

			add(w, b->pub.id, &g->msg);
		}
	}
	sort_unique(w);
	return 0;
}

void
wants_deinit(struct wants *w)
{
	free(w->want);
	*w = (struct wants){.n = 0};
}

size_t
wants_from(const struct wants *w, place_t place)
{
	size_t lo = 0;
	size_t hi = w->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (w->want[mid].place < place) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

const struct want *
wants_find(const struct wants *w, place_t place)
{
	size_t i = wants_from(w, place);

	return i < w->n && w->want[i].place == place ? &w->want[i] : NULL;
}
