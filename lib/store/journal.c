#include "store/journal_priv.h"

#include "base/block.h"
#include "base/mem.h"
#include "store/account_priv.h"
#include "store/head_priv.h"
#include "store/mutate_priv.h"
#include "store/snapshot_priv.h"

enum { FIND_TRIES = 16 };

/* ---- the account's segment ---- */

static struct segment *
known_segment(struct account *a)
{
	lock_acquire(&a->lock);
	struct segment *s = a->segment != NULL ? segment_ref(a->segment) : NULL;
	lock_release(&a->lock);
	return s;
}

/* With a->lock; takes the reference. */
static void
set_segment_locked(struct account *a, struct segment *s)
{
	struct segment *old = a->segment;

	a->segment = s;
	a->clean = SEG_HEADER;
	a->size = SEG_HEADER;
	segment_unref(&old);
}

static bool
is_astray(struct account *a)
{
	lock_acquire(&a->lock);
	bool astray = a->astray;
	lock_release(&a->lock);
	return astray;
}

/* The newest snapshot's segment; without one the account's first.  FAIL_ABSENT:
 * it was collected between the two looks. */
static int
find_once(struct account *a, struct segment **out, struct fail *f)
{
	struct seg_name name;

	if (snapshot_segment(a->store->fs, a->dir, &name, f) == 0) {
		return segment_open(a->store->fs, a->dir, &name, out, f);
	}
	if (f->kind != FAIL_ABSENT && f->kind != FAIL_CORRUPT) {
		return -1;
	}
	fail_clear(f);
	return journal_first(a, out, f);
}

/*
 * What the hint or, failing that, the newest snapshot or the account's first
 * segment gives: any of them is live, or ends in a SEAL that leads on.  But a
 * power loss may bring back a segment that was collected, and not the one
 * behind it: then the hint is no help.
 */
static int
find_segment(struct account *a, struct segment **out, struct fail *f)
{
	struct head *head = NULL;
	int rc = -1;

	if (!is_astray(a) && head_get(a, &head) == 0) {
		rc = segment_open(a->store->fs, a->dir, &head->segment, out, f);
		head_unref(&head);
		if (rc == 0 || f->kind == FAIL_PERM) {
			return rc;
		}
	}
	for (int i = 0; rc != 0 && i < FIND_TRIES; i++) {
		fail_clear(f);
		rc = find_once(a, out, f);
		if (rc != 0 && f->kind != FAIL_ABSENT) {
			break;
		}
		/* A newer snapshot is there by now. */
	}
	return rc;
}

int
journal_segment(struct account *a, struct segment **out, struct fail *f)
{
	struct segment *found;

	if (account_usable(a, f) != 0) {
		*out = NULL;
		return -1;
	}
	*out = known_segment(a);
	if (*out != NULL) {
		return 0;
	}
	if (find_segment(a, &found, f) != 0) {
		return -1;
	}
	if (journal_look(a, found, f) != 0) {
		segment_unref(&found);
		return -1;
	}
	lock_acquire(&a->lock);
	if (a->segment == NULL) {
		set_segment_locked(a, segment_ref(found));
	}
	*out = segment_ref(a->segment);
	lock_release(&a->lock);
	segment_unref(&found);
	return 0;
}

bool
journal_ours(const struct store *s, const struct segment *seg)
{
	const struct seg_header *h = &seg->header;

	return MUTATION(F31)
	       || (h->boot_id[0] == s->boot_id[0]
		   && h->boot_id[1] == s->boot_id[1]
		   && h->generation >= s->generation && !journal_suspect(seg));
}

/* Failures that happen while we have it open are told to us; of those before
 * there is a mark. */
static void
vouch(struct store *s, struct segment *seg)
{
	if (seg->vouched) {
		return;
	}
	if (seg->header.generation > s->generation) {
		store_look_at_generation(s);
	} else {
		store_look_for_mark(s);
	}
	seg->vouched = true;
}

/*
 * The kernel tells of what it has lost once for each open file, and our threads
 * share this one: who is told must have said so before another believes a flush
 * beside it.  So there is one at a time, also while the failure is marked, and
 * whoever waited for one that began behind its own records needs no other.
 */
static int
flush_in_turn(struct store *s, struct segment *seg, struct fail *f)
{
	uint64_t own = atomic_fetch_add(&seg->flushes_asked, 1) + 1;
	int rc = 0;

	block_begin(); /* the lock is held for as long as a flush takes */
	ASSERT(pthread_mutex_lock(&seg->flush) == 0);
	if (seg->flushes_done < own) {
		uint64_t asked = atomic_load(&seg->flushes_asked);

		rc = fs_datasync(s->fs, seg->fd);
		if (rc == 0) {
			seg->flushes_done = asked;
		} else {
			seg->bad = true;
			rc = store_flush_failed(s, -rc, "journal", f);
		}
	}
	ASSERT(pthread_mutex_unlock(&seg->flush) == 0);
	block_end();
	return rc;
}

int
journal_flush(
    struct account *a, struct segment *seg, uint64_t end, struct fail *f)
{
	place_t place = place_make(seg->header.name.number, end);

	vouch(a->store, seg);
	if (flush_in_turn(a->store, seg, f) != 0) {
		return -1;
	}
	if (a->store->read_only) {
		return store_is_read_only(f);
	}
	lock_acquire(&a->lock);
	if (place > a->flushed) {
		a->flushed = place;
	}
	lock_release(&a->lock);
	return 0;
}

int
journal_flush_shown(
    struct account *a, struct segment *seg, uint64_t end, struct fail *f)
{
	return a->store->read_only ? 0 : journal_flush(a, seg, end, f);
}

/* ---- following ---- */

int
journal_seal(struct segment *seg, uint64_t at, bool *found,
    struct rec_seal *out, struct fail *f)
{
	struct scan scan;
	int rc;

	*found = false;
	scan_init(&scan, seg, at);
	do {
		rc = scan_next(&scan, f);
	} while (rc == 0 && scan.end == SCAN_MORE);
	if (rc == 0 && scan.end == SCAN_SEAL) {
		*found = true;
		*out = scan.seal;
	}
	scan_deinit(&scan);
	return rc;
}

void
journal_set_gone(struct account *a)
{
	lock_acquire(&a->lock);
	a->gone = true;
	lock_release(&a->lock);
}

int
journal_follow(struct account *a, struct segment *old,
    const struct rec_seal *seal, struct fail *f)
{
	struct segment *next;

	if (seal->kind == SEAL_GONE) {
		journal_set_gone(a);
		return account_usable(a, f);
	}
	if (account_is_loaded(a)) {
		return 0;
	}
	/* Before the first flush in the next segment this one's SEAL must be
	 * on disk, or a power cut could take it and leave what follows (F10):
	 * UIDs told from there would then mean something else. */
	if (!MUTATION(F10B) && journal_flush_shown(a, old, 0, f) != 0) {
		return -1;
	}
	if (segment_open(a->store->fs, a->dir, &seal->next, &next, f) != 0) {
		if (f->kind != FAIL_ABSENT) {
			return -1;
		}
		/* Collected meanwhile: look for the newest anew. */
		fail_clear(f);
	}
	if (next != NULL && journal_look(a, next, f) != 0) {
		segment_unref(&next);
		return -1;
	}
	lock_acquire(&a->lock);
	if (a->segment == old && !a->loaded) {
		a->astray = a->astray || next == NULL;
		set_segment_locked(a, next);
		next = NULL;
	}
	lock_release(&a->lock);
	segment_unref(&next);
	return 0;
}
