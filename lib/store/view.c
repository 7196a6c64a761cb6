/*
 * What readers ask of a view.
 */
#include "store/state_priv.h"

#include "base/mem.h"

/* Readers hold a struct mbox that is the first member of its box. */
static const struct box *
box_of(const struct mbox *mbox)
{
	return (const struct box *)mbox;
}

place_t
view_place(const struct view *view)
{
	return view->place;
}

struct usage
view_usage(const struct view *view)
{
	return view->usage;
}

size_t
view_mboxes(const struct view *view)
{
	return view->order->n;
}

const struct mbox *
view_mbox_at(const struct view *view, size_t i)
{
	ASSERT(i < view->order->n);
	return &view_box(view, view->order->slot[i])->pub;
}

const struct mbox *
view_mbox(const struct view *view, struct sv name)
{
	ptrdiff_t slot = view_slot_of_name(view, name);

	return slot < 0 ? NULL : &view_box(view, (uint32_t)slot)->pub;
}

const struct mbox *
view_mbox_by_id(const struct view *view, uint64_t id)
{
	ptrdiff_t slot = view_slot(view, id);

	if (slot < 0 || view_box(view, (uint32_t)slot)->deleted) {
		return NULL;
	}
	return &view_box(view, (uint32_t)slot)->pub;
}

const struct msg *
mbox_msg(const struct mbox *mbox, uint32_t index)
{
	return vec_at(&box_of(mbox)->msgs, index);
}

uint32_t
mbox_index(const struct mbox *mbox, uint32_t uid)
{
	const struct vec *msgs = &box_of(mbox)->msgs;
	uint32_t lo = 0;
	uint32_t hi = msgs->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (((const struct msg *)vec_at(msgs, mid))->uid < uid) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

int
mbox_keyword(const struct mbox *mbox, struct sv name)
{
	for (unsigned i = 0; i < mbox->n_keywords; i++) {
		if (sv_eq_nocase(mbox->keywords[i], name)) {
			return (int)i;
		}
	}
	return -1;
}

struct sv
mbox_uidl(const struct mbox *mbox, const struct msg *msg)
{
	const struct box *b = box_of(mbox);

	if (msg->extra == 0 || msg->extra > b->extras.n) {
		return SV_EMPTY;
	}
	const struct extra *e = vec_at(&b->extras, msg->extra - 1);

	return sv_make(e->uidl, e->uidl_len);
}

/* ---- what vanished ---- */

/* All of [lo, hi] that no message has now. */
static void
missing_in(
    const struct mbox *mbox, uint32_t lo, uint32_t hi, struct uidset *out)
{
	uint32_t i = mbox_index(mbox, lo);

	while (lo <= hi) {
		uint32_t next = i < mbox->exists ? mbox_msg(mbox, i)->uid : hi;
		bool there = i < mbox->exists && next <= hi;

		if (!there) {
			uidset_add_range(out, lo, hi);
			return;
		}
		if (next > lo) {
			uidset_add_range(out, lo, next - 1);
		}
		lo = next + 1;
		i++;
	}
}

static void
all_missing(
    const struct mbox *mbox, const struct uidset *known, struct uidset *out)
{
	uint32_t last = mbox->uidnext - 1;

	if (known == NULL) {
		if (last != 0) {
			missing_in(mbox, 1, last, out);
		}
		return;
	}
	for (size_t i = 0; i < known->n && known->r[i].lo <= last; i++) {
		uint32_t hi = known->r[i].hi;

		missing_in(mbox, known->r[i].lo, hi < last ? hi : last, out);
	}
}

int
mbox_vanished(const struct mbox *mbox, place_t since,
    const struct uidset *known, struct uidset *out, struct fail *f)
{
	const struct box *b = box_of(mbox);
	uint32_t i = b->graves.n;

	if (since < b->forgotten) {
		all_missing(mbox, known, out);
		return fail_set(f, FAIL_ABSENT, "tombstones from %llu on",
		    (unsigned long long)b->forgotten);
	}
	while (
	    i > 0
	    && ((const struct grave *)vec_at(&b->graves, i - 1))->at > since) {
		i--;
	}
	for (; i < b->graves.n; i++) {
		const struct grave *g = vec_at(&b->graves, i);

		if (known == NULL || uidset_has(known, g->msg.uid)) {
			uidset_add(out, g->msg.uid);
		}
	}
	return 0;
}
