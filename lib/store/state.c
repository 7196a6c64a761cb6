/*
 * Views and mailboxes as values: made, shared, copied when they are changed.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/state_priv.h"

static void box_ptr_ref(const void *element);
static void box_ptr_unref(const void *element);

const struct vec_type msg_type = {
    .size = sizeof(struct msg),
    .chunk_max = 256,
};
const struct vec_type grave_type = {
    .size = sizeof(struct grave),
    .chunk_max = 128,
};
const struct vec_type extra_type = {
    .size = sizeof(struct extra),
    .chunk_max = 256,
};
const struct vec_type box_type = {
    .size = sizeof(struct box *),
    .chunk_max = 64,
    .ref = box_ptr_ref,
    .unref = box_ptr_unref,
};

/* Who adds a reference holds one: nothing to order. */
static void
refs_inc(_Atomic unsigned *refs)
{
	(void)atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
}

/* True for the last.  Release what was read, acquire before it is freed. */
static bool
refs_dec(_Atomic unsigned *refs)
{
	return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

/* Acquire: whoever dropped the other references has finished reading. */
static bool
refs_alone(_Atomic unsigned *refs)
{
	return atomic_load_explicit(refs, memory_order_acquire) == 1;
}

/* ---- names ---- */

struct shared_name *
shared_name_new(struct sv s)
{
	struct shared_name *n = xmalloc(sizeof(*n) + s.len);

	n->refs = 1;
	n->s = sv_make(n->data, s.len);
	if (s.len != 0) {
		memcpy(n->data, s.p, s.len);
	}
	return n;
}

struct shared_name *
shared_name_ref(struct shared_name *n)
{
	refs_inc(&n->refs);
	return n;
}

void
shared_name_unref(struct shared_name **n)
{
	if (*n != NULL && refs_dec(&(*n)->refs)) {
		free(*n);
	}
	*n = NULL;
}

static void
name_list_unref(struct name_list *l)
{
	if (l == NULL || !refs_dec(&l->refs)) {
		return;
	}
	for (size_t i = 0; i < l->n; i++) {
		shared_name_unref(&l->name[i]);
	}
	free(l);
}

/* ---- keywords ---- */

static void
keywords_unref(struct keyword_table *k)
{
	if (k != NULL && refs_dec(&k->refs)) {
		free(k);
	}
}

/* `old` (may be NULL) with one more. */
static struct keyword_table *
keywords_with(const struct keyword_table *old, struct sv name)
{
	unsigned n = old != NULL ? old->n : 0;
	size_t size = name.len;

	for (unsigned i = 0; i < n; i++) {
		size += old->name[i].len;
	}
	struct keyword_table *k = xmalloc(sizeof(*k) + size);
	char *at = k->data;

	k->refs = 1;
	k->n = n + 1;
	for (unsigned i = 0; i <= n; i++) {
		struct sv s = i < n ? old->name[i] : name;

		if (s.len != 0) { /* damage can make one */
			memcpy(at, s.p, s.len);
		}
		k->name[i] = sv_make(at, s.len);
		at += s.len;
	}
	return k;
}

int
box_keyword_make(struct box *b, struct sv name)
{
	int bit = mbox_keyword(&b->pub, name);

	if (bit >= 0 || b->pub.n_keywords == STORE_KEYWORDS_MAX) {
		return bit;
	}
	struct keyword_table *k = keywords_with(b->keywords, name);

	keywords_unref(b->keywords);
	b->keywords = k;
	b->pub.keywords = k->name;
	b->pub.n_keywords = k->n;
	return (int)k->n - 1;
}

/* ---- mailboxes ---- */

struct box *
box_new(uint64_t id, struct sv name)
{
	struct box *b = xmalloc(sizeof(*b));

	b->refs = 1;
	b->name = shared_name_new(name);
	b->pub.id = id;
	b->pub.name = b->name->s;
	b->pub.uidnext = 1;
	b->pub.recent_from = 1;
	b->pub.highest_modseq = id;
	b->msgs.type = &msg_type;
	b->graves.type = &grave_type;
	b->extras.type = &extra_type;
	return b;
}

static struct box *
box_copy(const struct box *from)
{
	struct box *b = xmalloc(sizeof(*b));

	/* Field by field: the count of `from` may change meanwhile. */
	b->pub = from->pub;
	b->refs = 1;
	b->deleted = from->deleted;
	b->forgotten = from->forgotten;
	b->name = from->name;
	b->keywords = from->keywords;
	refs_inc(&b->name->refs);
	if (b->keywords != NULL) {
		refs_inc(&b->keywords->refs);
	}
	vec_share(&b->msgs, &from->msgs);
	vec_share(&b->graves, &from->graves);
	vec_share(&b->extras, &from->extras);
	return b;
}

void
box_unref(struct box **b)
{
	struct box *old = *b;

	*b = NULL;
	if (old == NULL || !refs_dec(&old->refs)) {
		return;
	}
	shared_name_unref(&old->name);
	keywords_unref(old->keywords);
	vec_deinit(&old->msgs);
	vec_deinit(&old->graves);
	vec_deinit(&old->extras);
	free(old);
}

static void
box_ptr_ref(const void *element)
{
	struct box *const *b = element;

	refs_inc(&(*b)->refs);
}

static void
box_ptr_unref(const void *element)
{
	struct box *b = *(struct box *const *)element;

	box_unref(&b);
}

void
box_rename(struct box *b, struct sv name)
{
	struct shared_name *n = shared_name_new(name);

	shared_name_unref(&b->name);
	b->name = n;
	b->pub.name = n->s;
}

void
box_count(struct view *v, struct box *b, const struct msg *m, int sign)
{
	uint32_t one = sign > 0 ? 1 : UINT32_MAX;
	uint64_t octets = sign > 0 ? m->size : -m->size;

	b->pub.exists += one;
	b->pub.octets += octets;
	b->pub.unseen += (m->flags & MSG_SEEN) == 0 ? one : 0;
	b->pub.deleted += (m->flags & MSG_DELETED) != 0 ? one : 0;
	v->usage.messages += sign > 0 ? 1 : UINT64_MAX;
	v->usage.octets += octets;
}

void
box_add_msg(struct view *v, struct box *b, const struct msg *m)
{
	struct msg *to = vec_push(&b->msgs);

	*to = *m;
	box_count(v, b, m, 1);
	if (m->uid >= b->pub.uidnext) {
		b->pub.uidnext = m->uid + 1;
	}
}

void
box_set_uidl(struct box *b, struct msg *m, struct sv uidl)
{
	if (uidl.len == 0 || uidl.len > STATE_UIDL) {
		m->extra = 0;
		return;
	}
	struct extra *e = vec_push(&b->extras);

	e->uidl_len = (uint8_t)uidl.len;
	memcpy(e->uidl, uidl.p, uidl.len);
	m->extra = b->extras.n;
}

/* ---- views ---- */

struct view *
view_new(void)
{
	struct view *v = xmalloc(sizeof(*v));

	v->refs = 1;
	v->boxes.type = &box_type;
	v->order = xmalloc(sizeof(*v->order));
	v->order->refs = 1;
	v->subscriptions = xmalloc(sizeof(*v->subscriptions));
	v->subscriptions->refs = 1;
	return v;
}

struct view *
view_ref(struct view *view)
{
	refs_inc(&view->refs);
	return view;
}

void
view_unref(struct view **view)
{
	struct view *old = *view;

	*view = NULL;
	if (old == NULL || !refs_dec(&old->refs)) {
		return;
	}
	vec_deinit(&old->boxes);
	if (refs_dec(&old->order->refs)) {
		free(old->order);
	}
	name_list_unref(old->subscriptions);
	free(old);
}

struct view *
replay_own(struct replay *r)
{
	struct view *old = r->view;

	if (refs_alone(&old->refs)) {
		return old;
	}
	struct view *v = xmalloc(sizeof(*v));

	/* Field by field: the count of `old` may change meanwhile. */
	v->refs = 1;
	v->place = old->place;
	v->floor_ms = old->floor_ms;
	v->purge = old->purge;
	v->uidvalidity = old->uidvalidity;
	v->last = old->last;
	v->firm = old->firm;
	v->usage = old->usage;
	v->order = old->order;
	v->subscriptions = old->subscriptions;
	vec_share(&v->boxes, &old->boxes);
	refs_inc(&v->order->refs);
	refs_inc(&v->subscriptions->refs);
	r->view = v;
	view_unref(&old);
	return v;
}

const struct box *
view_box(const struct view *v, uint32_t slot)
{
	return *(struct box *const *)vec_at(&v->boxes, slot);
}

ptrdiff_t
view_slot(const struct view *v, uint64_t id)
{
	uint32_t lo = 0;
	uint32_t hi = v->boxes.n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (view_box(v, mid)->pub.id < id) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo < v->boxes.n && view_box(v, lo)->pub.id == id ? (ptrdiff_t)lo
								: -1;
}

struct box *
view_box_own(struct view *v, uint32_t slot)
{
	struct box **b = vec_mut(&v->boxes, slot);

	if (!refs_alone(&(*b)->refs)) {
		struct box *copy = box_copy(*b);

		box_unref(b);
		*b = copy;
	}
	return *b;
}

uint32_t
view_box_add(struct view *v, struct box *b)
{
	ASSERT(
	    v->boxes.n == 0 || view_box(v, v->boxes.n - 1)->pub.id < b->pub.id);
	*(struct box **)vec_push(&v->boxes) = b;
	return v->boxes.n - 1;
}

void
view_boxes_sweep(struct view *v)
{
	struct vec kept = {.type = &box_type};
	uint32_t gone = 0;

	for (uint32_t i = 0; i < v->boxes.n; i++) {
		const struct box *b = view_box(v, i);

		gone += b->deleted && b->graves.n == 0;
	}
	if (gone == 0) {
		return;
	}
	for (uint32_t i = 0; i < v->boxes.n; i++) {
		struct box *b = *(struct box *const *)vec_at(&v->boxes, i);

		if (!b->deleted || b->graves.n != 0) {
			refs_inc(&b->refs);
			*(struct box **)vec_push(&kept) = b;
		}
	}
	vec_deinit(&v->boxes);
	v->boxes = kept;
	view_order_rebuild(v);
}
