#include "store/checkpoint_priv.h"

#include <stdlib.h>

#include "base/mem.h"
#include "store/account_priv.h"
#include "store/collect_priv.h"
#include "store/journal_priv.h"
#include "store/mutate_priv.h"

enum { FREEZE_TRIES = 16 };

/* ---- the state, frozen ---- */

static void
replay_copy(struct replay *to, const struct replay *from)
{
	*to = *from;
	to->view = view_ref(from->view);
	to->keys.table = NULL;
	to->keys.table_size = 0;
	to->keys.ring = NULL;
	if (from->keys.n != 0) {
		to->keys.ring = xmemdup(
		    from->keys.ring, from->keys.n * sizeof(*to->keys.ring));
	}
	to->keys.cap = from->keys.n;
}

/* False: another thread moved on between the look at both. */
static bool
freeze_try(struct account *a, struct freeze *out)
{
	bool same;

	lock_acquire(&a->lock);
	same = a->loaded && a->segment != NULL
	       && seg_name_eq(&a->segment->header.name, &a->replay.segment);
	if (same) {
		replay_copy(&out->r, &a->replay);
		out->segment = segment_ref(a->segment);
	}
	lock_release(&a->lock);
	return same;
}

int
freeze_take(struct account *a, struct freeze *out, struct fail *f)
{
	*out = (struct freeze){.segment = NULL};
	for (unsigned i = 0; i < FREEZE_TRIES; i++) {
		if (journal_catch_up(a, f) != 0) {
			return -1;
		}
		if (freeze_try(a, out)) {
			return 0;
		}
	}
	return fail_set(f, FAIL_TEMP, "the journal is not to be caught");
}

void
freeze_drop(struct freeze *z)
{
	replay_deinit(&z->r);
	segment_unref(&z->segment);
}

/* ---- making a snapshot ---- */

/* As if there were one snapshot only, replaced by rename. */
static int
replace_all(struct account *a, const struct freeze *z, struct fail *f)
{
	place_t at = place_make(z->r.segment.number, z->r.offset);
	struct snap_name *names;
	char path[SNAP_PATH_SIZE];
	size_t n;
	int rc = 0;

	if (snap_list(a->store->fs, a->dir, &names, &n, f) != 0) {
		return -1;
	}
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (names[i].at != at) {
			snap_path(&names[i], NULL, path);
			rc = snap_remove(a->store->fs, a->dir, path, f);
		}
	}
	free(names);
	return rc;
}

int
account_checkpoint(struct account *a, struct fail *f)
{
	struct freeze z;
	int rc = -1;

	if (freeze_take(a, &z, f) != 0) {
		return -1;
	}
	/* A snapshot ahead of the journal that survives would begin its
	 * replay in the middle of other records. */
	if (MUTATION(F10) || journal_flush(a, z.segment, z.r.offset, f) == 0) {
		rc = checkpoint_write(a, &z, false, f);
	}
	if (rc == 0 && MUTATION(F1)) {
		rc = replace_all(a, &z, f);
	}
	freeze_drop(&z);
	return rc != 0 ? -1 : snapshots_thin(a, f);
}

/* ---- when it is time ---- */

enum { TAIL_PART = 4 }; /* of what a checkpoint writes */

/* How long a tail may grow: to a part of what the last checkpoint wrote, for
 * the next will write about as much.  So snapshots take at most TAIL_PART
 * times the journal's octets, and there is never more to replay than that
 * part of the state. */
static uint64_t
tail_max(struct account *a, uint64_t fresh)
{
	uint64_t max = a->store->conf.checkpoint_tail;

	return fresh / TAIL_PART > max ? fresh / TAIL_PART : max;
}

static void
tail_begins(struct account *a, uint64_t fresh)
{
	lock_acquire(&a->lock);
	a->tail = 0;
	a->tail_max = tail_max(a, fresh);
	lock_release(&a->lock);
}

/* Another process may have made this snapshot: the tail begins behind it. */
static void
tail_cut(struct account *a, const struct snap_manifest *m)
{
	uint64_t tail = UINT64_MAX;

	lock_acquire(&a->lock);
	if (a->segment != NULL) {
		const struct seg_name *at = &a->segment->header.name;

		if (at->number < m->segment.number) {
			tail = 0;
		} else if (seg_name_eq(at, &m->segment)) {
			tail = a->size > m->offset ? a->size - m->offset : 0;
		}
	}
	a->tail = tail < a->tail ? tail : a->tail;
	lock_release(&a->lock);
}

/* Octets that the newest checkpoint wrote; 0: there is none. */
static uint64_t
newest_fresh(struct account *a)
{
	struct snap_manifest m;
	struct snap_name *names;
	struct fail ignored;
	uint64_t fresh = 0;
	size_t n;

	if (snap_list(a->store->fs, a->dir, &names, &n, &ignored) != 0) {
		return 0;
	}
	if (n != 0
	    && snap_open(a->store->fs, a->dir, &names[0], &m, &ignored) == 0) {
		fresh = m.fresh;
		tail_cut(a, &m);
		snap_manifest_deinit(&m);
	}
	free(names);
	return fresh;
}

static bool
floor_is_old(struct account *a)
{
	int64_t now = fs_now_ms(a->store->fs);

	lock_acquire(&a->lock);
	bool old = a->segment != NULL
		   && a->segment->header.floor_ms + ACCOUNT_COLLECT_MS < now;
	lock_release(&a->lock);
	return old;
}

/* Nothing was recorded since the last collection, and nothing that was left
 * then is past its retention now. */
static bool
at_rest(struct account *a, const struct segment *seg)
{
	struct fs_stat st;
	int64_t mature = seg->header.created_ms
			 + (int64_t)a->store->conf.retention_ms
			 + COLLECT_DAY_MS;

	return fs_stat(seg->fs, seg->fd, &st) == 0 && st.size == SEG_HEADER
	       && fs_now_ms(seg->fs) < mature;
}

int
account_upkeep(struct account *a, bool *done, struct fail *f)
{
	struct segment *seg;

	*done = false;
	if (journal_segment(a, &seg, f) != 0) {
		return -1;
	}
	uint64_t max = tail_max(a, newest_fresh(a));
	bool collect = floor_is_old(a) && !at_rest(a, seg);

	segment_unref(&seg);

	lock_acquire(&a->lock);
	bool longer = a->tail > max;
	a->tail_max = max;
	lock_release(&a->lock);

	*done = longer || collect;
	if (*done && account_checkpoint(a, f) != 0) {
		return -1;
	}
	if (collect && account_collect(a, f) != 0) {
		return -1;
	}
	if (*done) {
		tail_begins(a, newest_fresh(a));
	}
	return 0;
}
