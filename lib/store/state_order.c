/*
 * The order of mailbox names, and subscriptions: sorted arrays that versions
 * share until one changes.  INBOX is always first [RFC 3501 5.1 leaves the
 * order to the server]; all else is in the order of octets.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/state_priv.h"

/* A copy of `old` with room for n, alone; drops the caller's reference. */
static struct name_order *
order_resized(struct name_order *old, uint32_t n)
{
	struct name_order *o = xmalloc(sizeof(*o) + n * sizeof(o->slot[0]));
	uint32_t keep = old->n < n ? old->n : n;

	o->refs = 1;
	o->n = keep;
	memcpy(o->slot, old->slot, keep * sizeof(o->slot[0]));
	/* Release what was read, acquire before it is freed. */
	if (atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel)
	    == 1) {
		free(old);
	}
	return o;
}

static struct sv
slot_name(const struct view *v, uint32_t slot)
{
	return view_box(v, slot)->pub.name;
}

uint32_t
view_order_find(const struct view *v, struct sv name)
{
	uint32_t lo = v->order->n != 0 ? 1 : 0; /* behind INBOX */
	uint32_t hi = v->order->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (sv_cmp(slot_name(v, v->order->slot[mid]), name) < 0) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

ptrdiff_t
view_slot_of_name(const struct view *v, struct sv name)
{
	uint32_t at;

	if (sv_eq(name, SV("INBOX"))) {
		return v->order->n != 0 ? (ptrdiff_t)v->order->slot[0] : -1;
	}
	at = view_order_find(v, name);
	if (at == v->order->n
	    || !sv_eq(slot_name(v, v->order->slot[at]), name)) {
		return -1;
	}
	return (ptrdiff_t)v->order->slot[at];
}

void
view_order_insert(struct view *v, uint32_t slot)
{
	uint32_t at = view_order_find(v, slot_name(v, slot));
	struct name_order *o = order_resized(v->order, v->order->n + 1);

	memmove(
	    &o->slot[at + 1], &o->slot[at], (o->n - at) * sizeof(o->slot[0]));
	o->slot[at] = slot;
	o->n++;
	v->order = o;
}

void
view_order_remove(struct view *v, uint32_t slot)
{
	uint32_t at = view_order_find(v, slot_name(v, slot));
	struct name_order *o = order_resized(v->order, v->order->n);

	ASSERT(at < o->n && o->slot[at] == slot);
	o->n--;
	memmove(
	    &o->slot[at], &o->slot[at + 1], (o->n - at) * sizeof(o->slot[0]));
	v->order = o;
}

static int
compare_slots(const void *a, const void *b, void *arg)
{
	const struct view *v = arg;
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;
	const struct box *bx = view_box(v, x);
	const struct box *by = view_box(v, y);

	if (bx->pub.id == INBOX_ID || by->pub.id == INBOX_ID) {
		return (bx->pub.id != INBOX_ID) - (by->pub.id != INBOX_ID);
	}
	return sv_cmp(bx->pub.name, by->pub.name);
}

void
view_order_rebuild(struct view *v)
{
	struct name_order *o = order_resized(v->order, v->boxes.n);

	o->n = 0;
	for (uint32_t i = 0; i < v->boxes.n; i++) {
		if (!view_box(v, i)->deleted) {
			o->slot[o->n++] = i;
		}
	}
	qsort_r(o->slot, o->n, sizeof(o->slot[0]), compare_slots, v);
	v->order = o;
}

/* ---- subscriptions ---- */

static size_t
list_find(const struct name_list *l, struct sv name)
{
	size_t lo = 0;
	size_t hi = l->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (sv_cmp(l->name[mid]->s, name) < 0) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

/* The same names with room for n, alone; drops the view's reference. */
static struct name_list *
list_resized(struct name_list *old, size_t n)
{
	struct name_list *l =
	    xmalloc(sizeof(*l) + n * sizeof(struct shared_name *));

	l->refs = 1;
	l->n = old->n;
	for (size_t i = 0; i < old->n; i++) {
		l->name[i] = shared_name_ref(old->name[i]);
	}
	/* Release what was read, acquire before it is freed. */
	if (atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel)
	    == 1) {
		for (size_t i = 0; i < old->n; i++) {
			shared_name_unref(&old->name[i]);
		}
		free(old);
	}
	return l;
}

bool
view_subscribe(struct view *v, struct sv name, bool on)
{
	size_t at = list_find(v->subscriptions, name);
	bool have = at < v->subscriptions->n
		    && sv_eq(v->subscriptions->name[at]->s, name);

	if (have == on || (on && v->subscriptions->n == STATE_SUBSCRIPTIONS)) {
		return false;
	}
	struct name_list *l =
	    list_resized(v->subscriptions, v->subscriptions->n + 1);

	v->subscriptions = l;
	if (on) {
		memmove(&l->name[at + 1], &l->name[at],
		    (l->n - at) * sizeof(struct shared_name *));
		l->name[at] = shared_name_new(name);
		l->n++;
		return true;
	}
	shared_name_unref(&l->name[at]);
	l->n--;
	memmove(&l->name[at], &l->name[at + 1],
	    (l->n - at) * sizeof(struct shared_name *));
	return true;
}

bool
view_subscribed(const struct view *view, struct sv name)
{
	size_t at = list_find(view->subscriptions, name);

	return at < view->subscriptions->n
	       && sv_eq(view->subscriptions->name[at]->s, name);
}

size_t
view_subscriptions(const struct view *view)
{
	return view->subscriptions->n;
}

struct sv
view_subscription_at(const struct view *view, size_t i)
{
	ASSERT(i < view->subscriptions->n);
	return view->subscriptions->name[i]->s;
}
