/*
 * What the records about mailboxes do.
 *
 * Invariant: every name but those of the first level has its parent in the
 * order (perhaps \Noselect), so a name that is not there has no children.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/replay_priv.h"

/* No empty level, not too many, not too long; INBOX as itself. */
static bool
name_valid(struct sv name)
{
	unsigned depth = 1;

	if (name.len == 0 || name.len > STORE_NAME_LEN || name.p[0] == '/'
	    || name.p[name.len - 1] == '/') {
		return false;
	}
	for (size_t i = 1; i < name.len; i++) {
		if (name.p[i] != '/') {
			continue;
		}
		depth++;
		if (name.p[i - 1] == '/') {
			return false;
		}
	}
	return depth <= STATE_DEPTH;
}

static bool
is_child(struct sv name, struct sv parent)
{
	return name.len > parent.len && name.p[parent.len] == '/'
	       && sv_starts(name, parent);
}

/* Position in the order of the first child of `name`; the others follow.
 * order.n if it has none. */
static uint32_t
first_child(const struct view *v, struct sv name)
{
	char prefix[STORE_NAME_LEN + 1];
	uint32_t at;

	memcpy(prefix, name.p, name.len);
	prefix[name.len] = '/';
	at = view_order_find(v, sv_make(prefix, name.len + 1));
	if (at < v->order->n
	    && is_child(view_box(v, v->order->slot[at])->pub.name, name)) {
		return at;
	}
	return v->order->n;
}

static bool
has_children(const struct view *v, struct sv name)
{
	return first_child(v, name) < v->order->n;
}

static struct sv
parent_of(struct sv name)
{
	ptrdiff_t slash = sv_rchr(name, '/');

	return slash < 0 ? SV_EMPTY : sv_sub(name, 0, (size_t)slash);
}

/* ---- CREATE ---- */

static void
make_box(struct apply *a, uint64_t id, struct sv name, unsigned use,
    uint32_t uidvalidity)
{
	struct view *v = replay_own(a->r);
	struct box *b = box_new(id, name);

	b->pub.uidvalidity = next_uidvalidity(a, uidvalidity);
	b->pub.special_use = use;
	b->pub.highest_modseq = a->rec->place;
	view_order_insert(v, view_box_add(v, b));
}

/* The levels above `name` that are missing.  Their ids are the octets of the
 * record behind the first, which is the mailbox's own: places that no other
 * record can have. */
static void
make_parents(struct apply *a, struct sv name)
{
	uint64_t id = a->rec->place;

	for (struct sv p = parent_of(name); p.len != 0; p = parent_of(p)) {
		if (view_slot_of_name(a->r->view, p) >= 0) {
			return;
		}
		make_box(a, ++id, p, 0, 0);
	}
}

static void
drop_box(struct apply *a, uint32_t slot)
{
	struct view *v = replay_own(a->r);
	struct victims all = {.any_flags = true, .kind = GRAVE_EXPUNGED};

	(void)expunge_from(a, slot, &all);
	view_order_remove(v, slot);
	view_box_own(v, slot)->deleted = true;
}

/* A \Noselect name becomes a mailbox: another one, with an id of its own,
 * since the name was only a level of others [RFC 8474 4.2]. */
static void
make_selectable(struct apply *a, uint32_t slot, const struct rec_create *rec)
{
	drop_box(a, slot);
	make_box(
	    a, a->rec->place, rec->name, rec->special_use, rec->uidvalidity);
}

void
apply_create(struct apply *a)
{
	struct rec_create rec;

	if (!rec_create_read(a->rec->body, &rec) || !name_valid(rec.name)) {
		return;
	}
	ptrdiff_t slot = view_slot_of_name(a->r->view, rec.name);

	if (slot < 0) {
		make_box(a, a->rec->place, rec.name, rec.special_use,
		    rec.uidvalidity);
		make_parents(a, rec.name);
	} else if (view_box(a->r->view, (uint32_t)slot)->pub.noselect) {
		make_selectable(a, (uint32_t)slot, &rec);
	} else {
		a->out->code = OUTCOME_EXISTS;
		return;
	}
	slot = view_slot_of_name(a->r->view, rec.name);
	ASSERT(slot >= 0);
	const struct box *b = view_box(a->r->view, (uint32_t)slot);

	a->out->code = OUTCOME_DONE;
	a->out->mbox = b->pub.id;
	a->out->uidvalidity = b->pub.uidvalidity;
}

/* ---- DELETE ---- */

/* A \Noselect name goes with its last child. */
static void
prune_parents(struct apply *a, struct sv name)
{
	for (struct sv p = parent_of(name); p.len != 0; p = parent_of(p)) {
		ptrdiff_t slot = view_slot_of_name(a->r->view, p);

		if (slot < 0
		    || !view_box(a->r->view, (uint32_t)slot)->pub.noselect
		    || has_children(a->r->view, p)) {
			return;
		}
		drop_box(a, (uint32_t)slot);
	}
}

static void
delete_box(struct apply *a, uint32_t slot)
{
	struct view *v = replay_own(a->r);
	struct shared_name *name = shared_name_ref(view_box(v, slot)->name);

	drop_box(a, slot);
	if (has_children(v, name->s)) {
		struct box *b = box_new(a->rec->place, name->s);

		b->pub.noselect = true;
		b->pub.highest_modseq = a->rec->place;
		view_order_insert(v, view_box_add(v, b));
	} else {
		prune_parents(a, name->s);
	}
	shared_name_unref(&name);
	a->out->code = OUTCOME_DONE;
}

void
apply_delete(struct apply *a)
{
	uint64_t id;

	if (!rec_delete_read(a->rec->body, &id)) {
		return;
	}
	ptrdiff_t slot = view_slot(a->r->view, id);

	if (slot < 0 || view_box(a->r->view, (uint32_t)slot)->deleted) {
		a->out->code = OUTCOME_NO_MBOX;
		return;
	}
	const struct box *b = view_box(a->r->view, (uint32_t)slot);

	if (id == INBOX_ID
	    || (b->pub.noselect && has_children(a->r->view, b->pub.name))) {
		return;
	}
	delete_box(a, (uint32_t)slot);
}

/* ---- RENAME ---- */

/* The name of a mailbox below `from`, or `from` itself, once that is `to`. */
static struct sv
moved_name(
    struct sv name, struct sv from, struct sv to, char out[2 * STORE_NAME_LEN])
{
	memcpy(out, to.p, to.len);
	memcpy(out + to.len, name.p + from.len, name.len - from.len);
	return sv_make(out, to.len + name.len - from.len);
}

/* Would every name below still be one? */
static bool
children_fit(const struct view *v, struct sv from, struct sv to)
{
	for (uint32_t i = first_child(v, from); i < v->order->n; i++) {
		struct sv name = view_box(v, v->order->slot[i])->pub.name;
		char moved[2 * STORE_NAME_LEN];

		if (!is_child(name, from)) {
			break;
		}
		if (!name_valid(moved_name(name, from, to, moved))) {
			return false;
		}
	}
	return true;
}

static void
rename_tree(struct apply *a, uint32_t slot, struct sv to)
{
	struct view *v = replay_own(a->r);
	struct shared_name *from = shared_name_ref(view_box(v, slot)->name);
	uint32_t first = first_child(v, from->s);
	uint32_t last = first;
	char moved[2 * STORE_NAME_LEN];

	while (
	    last < v->order->n
	    && is_child(view_box(v, v->order->slot[last])->pub.name, from->s)) {
		last++;
	}
	for (uint32_t i = first; i < last; i++) {
		struct box *b = view_box_own(v, v->order->slot[i]);

		box_rename(b, moved_name(b->pub.name, from->s, to, moved));
	}
	box_rename(view_box_own(v, slot), to);
	view_order_rebuild(v);
	make_parents(a, to);
	prune_parents(a, from->s);
	shared_name_unref(&from);
}

/* INBOX stays and its messages go to a new mailbox [RFC 3501 6.3.5]; their
 * files stay where they are. */
static void
rename_inbox(struct apply *a, struct sv to)
{
	struct view *v = replay_own(a->r);
	struct victims all = {.any_flags = true, .kind = GRAVE_RENAMED};

	make_box(a, a->rec->place, to, 0, 0);
	make_parents(a, to);

	uint32_t slot = (uint32_t)view_slot(v, a->rec->place);
	struct box *b = view_box_own(v, slot);
	const struct box *inbox = view_box(v, 0);

	for (unsigned i = 0; i < inbox->pub.n_keywords; i++) {
		(void)box_keyword_make(b, inbox->pub.keywords[i]);
	}
	for (uint32_t i = 0; i < inbox->msgs.n; i++) {
		struct msg m = *(const struct msg *)vec_at(&inbox->msgs, i);

		m.uid = b->pub.uidnext;
		m.modseq = a->rec->place;
		m.extra = 0;
		box_add_msg(v, b, &m);
	}
	(void)expunge_from(a, 0, &all);
}

void
apply_rename(struct apply *a)
{
	struct rec_rename rec;

	if (!rec_rename_read(a->rec->body, &rec) || !name_valid(rec.name)) {
		return;
	}
	const struct view *v = a->r->view;
	ptrdiff_t slot = view_slot(v, rec.mbox);

	if (slot < 0 || view_box(v, (uint32_t)slot)->deleted) {
		a->out->code = OUTCOME_NO_MBOX;
		return;
	}
	const struct box *b = view_box(v, (uint32_t)slot);

	if (view_slot_of_name(v, rec.name) >= 0) {
		a->out->code = OUTCOME_EXISTS;
		return;
	}
	if (is_child(rec.name, b->pub.name) && rec.mbox != INBOX_ID) {
		return;
	}
	if (rec.mbox == INBOX_ID) {
		rename_inbox(a, rec.name);
	} else if (children_fit(v, b->pub.name, rec.name)) {
		rename_tree(a, (uint32_t)slot, rec.name);
	} else {
		a->out->code = OUTCOME_LIMIT;
		return;
	}
	a->out->code = OUTCOME_DONE;
	a->out->mbox = rec.mbox;
}

/* ---- attributes and subscriptions ---- */

void
apply_use(struct apply *a)
{
	struct rec_use rec;

	if (!rec_use_read(a->rec->body, &rec)) {
		return;
	}
	ptrdiff_t slot = live_slot(a->r->view, rec.mbox);

	if (slot < 0) {
		a->out->code = OUTCOME_NO_MBOX;
		return;
	}
	view_box_own(replay_own(a->r), (uint32_t)slot)->pub.special_use =
	    rec.special_use;
	a->out->code = OUTCOME_DONE;
}

void
apply_subscribe(struct apply *a)
{
	struct rec_subscribe rec;

	if (!rec_subscribe_read(a->rec->body, &rec)) {
		return;
	}
	if (rec.on && !view_subscribed(a->r->view, rec.name)
	    && a->r->view->subscriptions->n == STATE_SUBSCRIPTIONS) {
		a->out->code = OUTCOME_LIMIT;
		return;
	}
	(void)view_subscribe(replay_own(a->r), rec.name, rec.on);
	a->out->code = OUTCOME_DONE;
}
