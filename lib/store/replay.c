#include <string.h>

#include "base/mem.h"
#include "store/mutate_priv.h"
#include "store/replay_priv.h"

#define UIDVALIDITY_TIME_MAX INT64_C(4000000000) /* in the year 2096 */

void
outcome_deinit(struct outcome *o)
{
	uidset_deinit(&o->from);
	uidset_deinit(&o->to);
	uidset_deinit(&o->modified);
}

static uint32_t
seconds_of(int64_t ms)
{
	int64_t s = ms / 1000;

	if (s < 1) {
		return 1;
	}
	return s > UIDVALIDITY_TIME_MAX ? (uint32_t)UIDVALIDITY_TIME_MAX
					: (uint32_t)s;
}

void
replay_init(struct replay *r, const struct seg_header *first)
{
	struct box *inbox = box_new(INBOX_ID, SV("INBOX"));
	place_t start = place_make(first->name.number, 0);

	*r = (struct replay){
	    .view = view_new(),
	    .segment = first->name,
	    .offset = SEG_HEADER,
	};
	inbox->pub.uidvalidity = seconds_of(first->created_ms);
	inbox->pub.highest_modseq = start;
	r->view->place = start;
	r->view->last = start;
	r->view->firm = start;
	r->view->uidvalidity = inbox->pub.uidvalidity;
	(void)view_box_add(r->view, inbox);
	view_order_rebuild(r->view);
	replay_enter(r, first);
}

void
replay_deinit(struct replay *r)
{
	view_unref(&r->view);
	key_ring_deinit(&r->keys);
}

/* Graves below the purge place are gone; graves stand by place. */
static void
purge(struct view *v, place_t below)
{
	for (uint32_t i = 0; i < v->boxes.n; i++) {
		const struct box *b = view_box(v, i);
		uint32_t n = 0;

		while (n < b->graves.n
		       && ((const struct grave *)vec_at(&b->graves, n))->at
			      < below) {
			n++;
		}
		if (n == 0) {
			continue;
		}
		struct box *own = view_box_own(v, i);
		const struct grave *last = vec_at(&own->graves, n - 1);

		own->forgotten = last->at;
		vec_drop_front(&own->graves, n);
	}
	view_boxes_sweep(v);
}

/*
 * The tree before this segment was put back from a copy, or lost its end: what
 * was told since is lost, and its UIDs will be given again, or were given
 * anew.  A client that knows them must forget them all: no list of changes
 * could say what became of them.
 */
static void
renew_boxes(struct replay *r, const struct seg_header *h)
{
	struct view *v = replay_own(r);
	uint32_t now = seconds_of(
	    h->created_ms > r->mended_ms ? h->created_ms : r->mended_ms);
	uint32_t next = v->uidvalidity + (v->uidvalidity != UINT32_MAX);

	v->uidvalidity = now > next ? now : next;
	for (uint32_t i = 0; i < v->boxes.n; i++) {
		const struct box *b = view_box(v, i);

		if (b != NULL && !b->deleted && !b->pub.noselect) {
			struct box *own = view_box_own(v, i);

			own->pub.uidvalidity = v->uidvalidity;
			own->pub.highest_modseq = place_make(h->name.number, 0);
		}
	}
}

void
replay_enter(struct replay *r, const struct seg_header *h)
{
	struct view *v = replay_own(r);

	if ((h->restored || r->mended_ms != 0) && !MUTATION(F12B)) {
		renew_boxes(r, h);
	}
	r->mended_ms = 0;
	if (h->floor_ms > v->floor_ms) {
		v->floor_ms = h->floor_ms;
	}
	if (h->purge > v->purge) {
		v->purge = h->purge;
		purge(v, h->purge);
	}
}

ptrdiff_t
live_slot(const struct view *v, uint64_t id)
{
	ptrdiff_t slot = view_slot(v, id);

	if (slot >= 0) {
		const struct box *b = view_box(v, (uint32_t)slot);

		if (b->deleted || b->pub.noselect) {
			return -1;
		}
	}
	return slot;
}

uint32_t
next_uidvalidity(struct apply *a, uint32_t given)
{
	struct view *v = replay_own(a->r);
	uint32_t now = seconds_of(a->rec->time_ms);
	uint32_t next = v->uidvalidity + (v->uidvalidity != UINT32_MAX);

	if (given != 0) {
		next = given;
	} else if (now > next) {
		next = now;
	}
	if (next > v->uidvalidity) {
		v->uidvalidity = next;
	}
	return next;
}

uint32_t
next_uid(const struct box *b, uint32_t seen)
{
	/* A record that was lost took UIDs with it: its successors know (F12),
	 * so that theirs do not change. */
	uint32_t uid = b->pub.uidnext;

	if (seen > uid && !MUTATION(F12)) {
		uid = seen;
	}
	return uid <= STATE_UID_MAX ? uid : 0;
}

/* What it means shows when the next segment is entered. */
static void
apply_seal(struct apply *a)
{
	struct rec_seal seal;

	if (!rec_seal_read(a->rec->body, &seal)) {
		return;
	}
	if (seal.kind == SEAL_MENDED) {
		a->r->mended_ms = a->rec->time_ms > 0 ? a->rec->time_ms : 1;
	}
	a->out->code = OUTCOME_DONE;
}

static void
dispatch(struct apply *a)
{
	switch (a->rec->type) {
	case RECORD_ADD:
		apply_add(a);
		break;
	case RECORD_STORE:
		apply_store(a);
		break;
	case RECORD_COPY:
		apply_copy(a);
		break;
	case RECORD_EXPUNGE:
		apply_expunge(a);
		break;
	case RECORD_CLAIM:
		apply_claim(a);
		break;
	case RECORD_CREATE:
		apply_create(a);
		break;
	case RECORD_DELETE:
		apply_delete(a);
		break;
	case RECORD_RENAME:
		apply_rename(a);
		break;
	case RECORD_USE:
		apply_use(a);
		break;
	case RECORD_SUBSCRIBE:
		apply_subscribe(a);
		break;
	case RECORD_UNDELETE:
		apply_undelete(a);
		break;
	case RECORD_SEAL:
		apply_seal(a);
		break;
	case RECORD_FILL:
		a->out->code = OUTCOME_DONE;
		break;
	}
}

static bool
is_firm(enum record_type type)
{
	return type != RECORD_STORE && type != RECORD_CLAIM
	       && type != RECORD_FILL;
}

void
replay_apply(struct replay *r, const struct record *rec, struct outcome *out)
{
	struct outcome own = {0};
	struct apply a = {r, rec, out != NULL ? out : &own};
	struct view *v = replay_own(r);

	v->place = rec->place;
	v->last = rec->place + rec->len - 1;
	if (is_firm(rec->type)) {
		v->firm = v->last;
	}
	/* A body that does not decode leaves it so. */
	a.out->code = OUTCOME_REFUSED;
	a.out->place = rec->place;
	dispatch(&a);
	outcome_deinit(&own);
}
