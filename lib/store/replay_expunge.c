/*
 * What an EXPUNGE does, and whatever else buries messages.
 */
#include "store/replay_priv.h"

static bool
is_victim(const struct victims *v, size_t *at, const struct msg *m)
{
	if (!v->any_flags && (m->flags & MSG_DELETED) == 0) {
		return false;
	}
	if (v->uids == NULL) {
		return true;
	}
	return uidset_has_next(v->uids, at, m->uid);
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
