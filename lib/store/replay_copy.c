/*
 * What the records do that bring messages from elsewhere in the account:
 * COPY, MOVE, and UNDELETE from among the dead.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "store/mutate_priv.h"
#include "store/replay_priv.h"

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
