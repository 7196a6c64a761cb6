/*
 * What the records about messages do.
 */
#include <stdlib.h>
#include <string.h>

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

/* Older than the floor: its file may be gone (F4). */
static bool
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

/* The first range that reaches `uid`, from range `at` on. */
static size_t
range_from(const struct uidset *s, size_t at, uint32_t uid)
{
	while (at < s->n && s->r[at].hi < uid) {
		at++;
	}
	return at;
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

			at = range_from(set, at, uid);
			if (at == set->n) {
				break;
			}
			if (uid >= set->r[at].lo) {
				edit_one(e, k, &c, i);
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

/* ---- EXPUNGE ---- */

static bool
is_victim(const struct victims *v, size_t *at, const struct msg *m)
{
	if (!v->any_flags && (m->flags & MSG_DELETED) == 0) {
		return false;
	}
	if (v->uids == NULL) {
		return true;
	}
	*at = range_from(v->uids, *at, m->uid);
	return *at < v->uids->n && m->uid >= v->uids->r[*at].lo;
}

static void
bury(struct apply *a, struct box *b, const struct msg *m, enum grave_kind kind)
{
	struct grave *g = vec_push(&b->graves);

	g->msg = *m;
	g->at = a->rec->place;
	g->at_ms = a->rec->time_ms;
	g->kind = kind;
	box_count(a->r->view, b, m, -1);
}

/* Bury the victims of one chunk from its first one, `from`, on. */
static void
expunge_chunk(struct apply *a, struct box *b, uint32_t chunk, uint32_t from,
    const struct victims *v, size_t *at)
{
	struct vec_chunk *c = vec_chunk_mut(&b->msgs, chunk);
	struct msg *m = (struct msg *)c->data;
	uint32_t kept = from;

	bury(a, b, &m[from], v->kind);
	for (uint32_t i = from + 1; i < c->n; i++) {
		if (is_victim(v, at, &m[i])) {
			bury(a, b, &m[i], v->kind);
		} else {
			m[kept++] = m[i];
		}
	}
	c->n = kept;
}

bool
expunge_from(struct apply *a, uint32_t slot, const struct victims *v)
{
	const struct box *b = view_box(a->r->view, slot);
	struct box *own = NULL;
	size_t at = 0;

	for (uint32_t k = 0; k < b->msgs.n_chunks; k++) {
		const struct vec_chunk *c = b->msgs.chunks[k];
		const struct msg *m = (const struct msg *)c->data;
		uint32_t i = 0;

		while (i < c->n && !is_victim(v, &at, &m[i])) {
			i++;
		}
		if (i == c->n) {
			continue;
		}
		if (own == NULL) {
			own = view_box_own(replay_own(a->r), slot);
			b = own;
		}
		expunge_chunk(a, own, k, i, v, &at);
	}
	if (own != NULL) {
		vec_tidy(&own->msgs);
		own->pub.highest_modseq = a->rec->place;
	}
	return own != NULL;
}

void
apply_expunge(struct apply *a)
{
	struct rec_expunge rec;

	if (!rec_expunge_read(a->rec->body, &rec)) {
		return;
	}
	ptrdiff_t slot = live_slot(a->r->view, rec.mbox);

	if (slot < 0) {
		a->out->code = OUTCOME_NO_MBOX;
	} else {
		struct victims v = {
		    .uids = rec.all ? NULL : &rec.uids,
		    .any_flags = rec.any_flags,
		    .kind = rec.lost ? GRAVE_LOST : GRAVE_EXPUNGED,
		};

		(void)expunge_from(a, (uint32_t)slot, &v);
		a->out->code = OUTCOME_DONE;
	}
	uidset_deinit(&rec.uids);
}

/* ---- COPY and MOVE ---- */

/* Keywords of one mailbox as bits of another's. */
struct keyword_map {
	struct apply *a;
	const struct box *from;
	struct box *to;
	uint64_t known;
	int8_t bit[STORE_KEYWORDS_MAX];
};

static uint64_t
map_keywords(struct keyword_map *k, uint64_t bits)
{
	uint64_t mapped = 0;

	for (; bits != 0; bits &= bits - 1) {
		unsigned i = (unsigned)__builtin_ctzll(bits);

		if ((k->known & UINT64_C(1) << i) == 0) {
			struct sv name = k->from->pub.keywords[i];

			k->bit[i] = (int8_t)box_keyword_make(k->to, name);
			k->known |= UINT64_C(1) << i;
		}
		if (k->bit[i] < 0) {
			k->a->out->keyword_lost = true;
		} else {
			mapped |= UINT64_C(1) << k->bit[i];
		}
	}
	return mapped;
}

/* Messages of `b` in `uids`, and their ranks in it, in arrays that the
 * caller frees. */
static size_t
pick(const struct box *b, const struct uidset *uids, struct msg **out,
    uint64_t **rank_out)
{
	size_t n = 0;
	size_t cap = 0;
	size_t rank_cap = 0;
	size_t at = 0;
	uint64_t before = 0; /* members in ranges before `at` */

	*out = NULL;
	*rank_out = NULL;
	for (uint32_t i = mbox_index(&b->pub, uidset_next(uids, 1));
	     i < b->msgs.n && at < uids->n; i++) {
		const struct msg *m = vec_at(&b->msgs, i);

		while (at < uids->n && uids->r[at].hi < m->uid) {
			before += uids->r[at].hi - uids->r[at].lo + 1;
			at++;
		}
		if (at == uids->n || m->uid < uids->r[at].lo) {
			continue;
		}
		*out = xgrow(*out, n, &cap, sizeof(**out));
		*rank_out = xgrow(*rank_out, n, &rank_cap, sizeof(**rank_out));
		(*out)[n] = *m;
		(*rank_out)[n++] = before + (m->uid - uids->r[at].lo);
	}
	return n;
}

static void
copy_one(struct keyword_map *map, const struct rec_copy *rec,
    const struct msg *from, uint64_t rank)
{
	struct apply *a = map->a;
	struct msg m = *from;

	m.uid = next_uid(map->to, rec->uidnext);
	if (m.uid == 0) {
		a->out->code = OUTCOME_LIMIT;
		return;
	}
	m.keywords = map_keywords(map, from->keywords);
	m.modseq = a->rec->place;
	/* A stay in a mailbox has a name of its own (F5). */
	if (!MUTATION(F5)) {
		m.placement[0] = rec->first.time_ms;
		m.placement[1] = rec->first.random + rank;
	}
	m.folder = rec->to;
	m.extra = 0;
	box_add_msg(a->r->view, map->to, &m);
	uidset_add(&a->out->from, from->uid);
	uidset_add(&a->out->to, m.uid);
}

static void
copy_all(struct apply *a, const struct rec_copy *rec, uint32_t from_slot,
    uint32_t to_slot)
{
	struct view *v = replay_own(a->r);
	struct msg *msgs;
	uint64_t *ranks;
	size_t n = pick(view_box(v, from_slot), &rec->uids, &msgs, &ranks);

	if (n != 0) {
		struct box *to = view_box_own(v, to_slot);
		struct keyword_map map = {
		    .a = a, .from = view_box(v, from_slot), .to = to};

		for (size_t i = 0; i < n; i++) {
			copy_one(&map, rec, &msgs[i], ranks[i]);
		}
		to->pub.highest_modseq = a->rec->place;
	}
	free(msgs);
	free(ranks);
	if (rec->move) {
		struct victims moved = {
		    .uids = &a->out->from,
		    .any_flags = true,
		    .kind = GRAVE_MOVED,
		};

		(void)expunge_from(a, from_slot, &moved);
	}
}

static void
copy_checked(struct apply *a, const struct rec_copy *rec)
{
	const struct view *v = a->r->view;
	ptrdiff_t to = live_slot(v, rec->to);
	ptrdiff_t from = live_slot(v, rec->from);

	if (below_floor(v, &rec->first)) {
		a->out->code = OUTCOME_VOID;
		return;
	}
	if (to < 0) {
		a->out->code = OUTCOME_NO_MBOX;
		return;
	}
	a->out->code = OUTCOME_DONE;
	a->out->mbox = rec->to;
	a->out->uidvalidity = view_box(v, (uint32_t)to)->pub.uidvalidity;
	if (from >= 0) {
		copy_all(a, rec, (uint32_t)from, (uint32_t)to);
	}
}

void
apply_copy(struct apply *a)
{
	struct rec_copy rec;

	if (rec_copy_read(a->rec->body, &rec)) {
		copy_checked(a, &rec);
		uidset_deinit(&rec.uids);
	}
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

/* ---- UNDELETE ---- */

/* True if it came back to life. */
static bool
raise_one(
    struct keyword_map *map, const struct rec_undelete *rec, struct grave *g)
{
	struct msg m = g->msg;

	m.uid = next_uid(map->to, rec->uidnext);
	if (m.uid == 0) {
		map->a->out->code = OUTCOME_LIMIT;
		return false;
	}
	m.flags &= ~(uint32_t)MSG_DELETED;
	m.modseq = map->a->rec->place;
	if (map->from != map->to) {
		m.keywords = map_keywords(map, g->msg.keywords);
		m.extra = 0;
	}
	g->kind = GRAVE_UNDELETED;
	box_add_msg(map->a->r->view, map->to, &m);
	uidset_add(&map->a->out->to, m.uid);
	map->a->out->count++;
	return true;
}

static void
undelete_all(
    struct apply *a, const struct rec_undelete *rec, uint32_t from, uint32_t to)
{
	struct view *v = replay_own(a->r);
	struct box *source = view_box_own(v, from);
	struct box *target = view_box_own(v, to);
	struct keyword_map map = {.a = a, .from = source, .to = target};

	for (uint32_t i = 0; i < source->graves.n; i++) {
		const struct grave *g = vec_at(&source->graves, i);

		if (g->kind == GRAVE_EXPUNGED && g->at_ms >= rec->since_ms
		    && !raise_one(&map, rec, vec_mut(&source->graves, i))) {
			break;
		}
	}
	if (a->out->count != 0) {
		target->pub.highest_modseq = a->rec->place;
	}
}

void
apply_undelete(struct apply *a)
{
	struct rec_undelete rec;

	if (!rec_undelete_read(a->rec->body, &rec)) {
		return;
	}
	ptrdiff_t from = view_slot(a->r->view, rec.from);
	ptrdiff_t to = live_slot(a->r->view, rec.to);

	if (to < 0 || from < 0) {
		a->out->code = OUTCOME_NO_MBOX;
		return;
	}
	a->out->code = OUTCOME_DONE;
	a->out->mbox = rec.to;
	undelete_all(a, &rec, (uint32_t)from, (uint32_t)to);
}
