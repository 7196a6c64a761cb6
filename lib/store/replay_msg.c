/*
 * What the records do that add messages, change their flags, and claim what
 * is \Recent.
 */
#include "base/mem.h"
#include "store/mutate_priv.h"
#include "store/replay_priv.h"

/* Bits of keywords by name, made where they are new; what does not fit is
 * left out and told to the writer. */
static uint64_t
keyword_bits(struct apply *a, struct box *b, const struct keyword_list *list)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < list->n; i++) {
		int bit = box_keyword_make(b, list->name[i]);

		if (bit < 0) {
			a->out->keyword_lost = true;
		} else {
			bits |= UINT64_C(1) << bit;
		}
	}
	return bits;
}

/* ---- ADD ---- */

static uint32_t
uid_for_add(const struct box *b, const struct rec_add *add, bool moved)
{
	uint32_t uid = next_uid(b, moved ? 0 : add->uidnext);

	if (!moved && add->uid > uid && add->uid <= STATE_UID_MAX) {
		uid = add->uid;
	}
	return uid;
}

static void
add_to(struct apply *a, uint32_t slot, const struct rec_add *add, bool moved)
{
	struct view *v = replay_own(a->r);
	struct box *b = view_box_own(v, slot);
	uint32_t uid = uid_for_add(b, add, moved);

	if (uid == 0) {
		a->out->code = OUTCOME_LIMIT;
		return;
	}
	struct msg m = {
	    .uid = uid,
	    .flags = add->flags,
	    .keywords = keyword_bits(a, b, &add->keywords),
	    .modseq = a->rec->place,
	    .size = add->size,
	    .sum = add->sum,
	    .date_ms = add->date_ms,
	    .zone_min = add->zone_min,
	    .email_id = {add->email_id[0], add->email_id[1]},
	    .placement = {add->placement.time_ms, add->placement.random},
	    .folder = add->folder,
	    .digest_at = add->digest.len != 0 ? a->rec->place : 0,
	};

	box_set_uidl(b, &m, add->uidl);
	box_add_msg(v, b, &m);
	b->pub.highest_modseq = a->rec->place;
	a->out->code = OUTCOME_DONE;
	a->out->mbox = b->pub.id;
	a->out->uidvalidity = b->pub.uidvalidity;
	uidset_add(&a->out->to, uid);
}

bool
below_floor(const struct view *v, const struct placement *p)
{
	return !MUTATION(F4) && (int64_t)p->time_ms < v->floor_ms;
}

void
apply_add(struct apply *a)
{
	struct rec_add add;
	uint64_t key = 0;

	if (!rec_add_read(a->rec->body, &add)) {
		return;
	}
	if (below_floor(a->r->view, &add.placement)) {
		a->out->code = OUTCOME_VOID;
		return;
	}
	if ((add.key[0] | add.key[1]) != 0) {
		key = key_ring_hash(add.key);
		if (key_ring_has(&a->r->keys, key)) {
			a->out->code = OUTCOME_DUPLICATE;
			return;
		}
	}
	ptrdiff_t slot = live_slot(a->r->view, add.mbox);
	bool moved = slot < 0;

	if (moved && !add.delivery) {
		a->out->code = OUTCOME_NO_MBOX;
		return;
	}
	/* INBOX is the first of all mailboxes and cannot go. */
	add_to(a, moved ? 0 : (uint32_t)slot, &add, moved);
	if (key != 0 && a->out->code == OUTCOME_DONE) {
		key_ring_add(&a->r->keys, key);
	}
}

/* ---- STORE ---- */

struct flag_edit {
	struct apply *a;
	const struct rec_store *rec;
	uint32_t slot;
	struct box *own; /* NULL until something changes */
	uint64_t keywords;
};

static void
edited(const struct flag_edit *e, const struct msg *m, uint32_t *flags,
    uint64_t *keywords)
{
	switch (e->rec->how) {
	case FLAGS_SET:
		*flags = e->rec->flags;
		*keywords = e->keywords;
		break;
	case FLAGS_ADD:
		*flags = m->flags | e->rec->flags;
		*keywords = m->keywords | e->keywords;
		break;
	case FLAGS_REMOVE:
		*flags = m->flags & ~e->rec->flags;
		*keywords = m->keywords & ~e->keywords;
		break;
	}
}

static struct box *
edit_own(struct flag_edit *e)
{
	if (e->own == NULL) {
		e->own = view_box_own(replay_own(e->a->r), e->slot);
	}
	return e->own;
}

/* Adding and setting make keywords; removing only finds them. */
static void
edit_keywords(struct flag_edit *e)
{
	const struct box *b = view_box(e->a->r->view, e->slot);
	bool all_there = true;

	for (unsigned i = 0; i < e->rec->keywords.n; i++) {
		int bit = mbox_keyword(&b->pub, e->rec->keywords.name[i]);

		if (bit >= 0) {
			e->keywords |= UINT64_C(1) << bit;
		} else {
			all_there = false;
		}
	}
	if (!all_there && e->rec->how != FLAGS_REMOVE) {
		e->keywords =
		    keyword_bits(e->a, edit_own(e), &e->rec->keywords);
	}
}

/* Message i of a chunk; `c` is replaced when it had to be copied. */
static void
edit_one(
    struct flag_edit *e, uint32_t chunk, const struct vec_chunk **c, uint32_t i)
{
	const struct msg *m = (const struct msg *)(*c)->data + i;
	uint32_t flags = 0;
	uint64_t keywords = 0;

	if (e->rec->conditional && m->modseq > e->rec->unchanged_since) {
		uidset_add(&e->a->out->modified, m->uid);
		return;
	}
	edited(e, m, &flags, &keywords);
	if (flags == m->flags && keywords == m->keywords) {
		return; /* and no new MODSEQ [RFC 7162 3.1.3] */
	}
	struct box *b = edit_own(e);
	struct vec_chunk *own = vec_chunk_mut(&b->msgs, chunk);
	struct msg *to = (struct msg *)own->data + i;

	*c = own;
	b->pub.unseen += (uint32_t)((flags & MSG_SEEN) == 0)
			 - (uint32_t)((to->flags & MSG_SEEN) == 0);
	b->pub.deleted += (uint32_t)((flags & MSG_DELETED) != 0)
			  - (uint32_t)((to->flags & MSG_DELETED) != 0);
	to->flags = flags;
	to->keywords = keywords;
	to->modseq = e->a->rec->place;
	b->pub.highest_modseq = to->modseq;
}

static void
edit_all(struct flag_edit *e)
{
	const struct uidset *set = &e->rec->uids;
	const struct box *b = view_box(e->a->r->view, e->slot);
	size_t at = 0;

	for (uint32_t k = 0; k < b->msgs.n_chunks && at < set->n; k++) {
		const struct vec_chunk *c = b->msgs.chunks[k];
		const struct msg *last = (const struct msg *)c->data + c->n - 1;

		if (last->uid < set->r[at].lo) {
			continue;
		}
		for (uint32_t i = 0; i < c->n; i++) {
			uint32_t uid = ((const struct msg *)c->data + i)->uid;

			if (uidset_has_next(set, &at, uid)) {
				edit_one(e, k, &c, i);
			} else if (at == set->n) {
				break;
			}
		}
		b = view_box(e->a->r->view, e->slot);
	}
}

void
apply_store(struct apply *a)
{
	struct rec_store rec;

	if (!rec_store_read(a->rec->body, &rec)) {
		return;
	}
	ptrdiff_t slot = live_slot(a->r->view, rec.mbox);

	if (slot < 0) {
		a->out->code = OUTCOME_NO_MBOX;
	} else {
		struct flag_edit e = {
		    .a = a, .rec = &rec, .slot = (uint32_t)slot};

		edit_keywords(&e);
		edit_all(&e);
		a->out->code = OUTCOME_DONE;
	}
	uidset_deinit(&rec.uids);
}

/* ---- CLAIM ---- */

void
apply_claim(struct apply *a)
{
	struct rec_claim rec;

	if (!rec_claim_read(a->rec->body, &rec)) {
		return;
	}
	ptrdiff_t slot = live_slot(a->r->view, rec.mbox);

	if (slot < 0) {
		a->out->code = OUTCOME_NO_MBOX;
		return;
	}
	const struct box *b = view_box(a->r->view, (uint32_t)slot);
	uint32_t last =
	    rec.up_to < b->pub.uidnext ? rec.up_to : b->pub.uidnext - 1;

	a->out->code = OUTCOME_DONE;
	a->out->first = b->pub.recent_from;
	a->out->last = last;
	if (last >= b->pub.recent_from) {
		view_box_own(replay_own(a->r), (uint32_t)slot)
		    ->pub.recent_from = last + 1;
	}
}
