/*
 * An account's state from nothing: from the newest snapshot, or the first
 * segment, to the end of its journal.
 */
#include <string.h>

#include "base/log.h"
#include "store/journal_priv.h"
#include "store/mutate_priv.h"
#include "store/snapshot_priv.h"

enum {
	LOAD_TRIES = 16, /* what was to be read may be collected meanwhile */
};

void
journal_stand(struct replay *r, const struct scan *scan)
{
	r->offset = scan->at;
	memcpy(r->before, scan->before, RECORD_TAIL);
}

void
journal_tell_gaps(const struct account *a, const struct scan *scan)
{
	if (scan->gaps != 0) {
		LOG(LOG_WARN, "journal.gap", kv_str("account", a->id),
		    kv_u64("segment", scan->segment->header.name.number),
		    kv_u64("octets", scan->gaps));
	}
}

/* All records of one segment into a replay that nobody else sees. */
static int
replay_segment(const struct account *a, struct replay *r, struct segment *seg,
    bool *sealed, struct rec_seal *seal, struct fail *f)
{
	struct scan scan;
	int rc;

	scan_init(&scan, seg, r->offset);
	scan_ahead(&scan);
	do {
		rc = scan_next(&scan, f);
		for (size_t i = 0; rc == 0 && i < scan.n; i++) {
			replay_apply(r, &scan.rec[i], NULL);
		}
	} while (rc == 0 && scan.end == SCAN_MORE);
	if (rc == 0) {
		r->read += scan.at - r->offset;
		journal_stand(r, &scan);
		*sealed = scan.end == SCAN_SEAL;
		*seal = scan.seal;
		journal_tell_gaps(a, &scan);
	}
	scan_deinit(&scan);
	return rc;
}

void
journal_enter(struct replay *r, const struct segment *seg)
{
	r->segment = seg->header.name;
	r->offset = SEG_HEADER;
	replay_enter(r, &seg->header);
}

/* Follow the SEALs to the last segment; *seg is replaced on the way. */
static int
replay_chain(
    struct account *a, struct replay *r, struct segment **seg, struct fail *f)
{
	struct segment *before = NULL;
	struct segment *next;
	struct rec_seal seal;
	bool sealed;
	int rc;

	for (;;) {
		rc = replay_segment(a, r, *seg, &sealed, &seal, f);
		if (rc == 0 && !sealed) {
			rc = journal_look_ahead(
			    a, *seg, r->offset, &sealed, &seal, f);
			if (rc == 0 && sealed) {
				continue; /* meanwhile */
			}
		}
		if (rc != 0 || !sealed) {
			break;
		}
		if (seal.kind == SEAL_GONE) {
			r->gone = true;
			break;
		}
		rc = segment_open(a->store->fs, a->dir, &seal.next, &next, f);
		if (rc != 0) {
			break;
		}
		segment_unref(&before);
		before = *seg;
		*seg = next;
		journal_enter(r, next);
	}
	/* Whoever made the segment before the last one's successor live had
	 * flushed its own predecessor; only this one may not be (F10). */
	if (rc == 0 && before != NULL && !MUTATION(F10B)) {
		rc = journal_flush_shown(a, before, SEG_ALL, f);
	}
	segment_unref(&before);
	return rc;
}

/* A snapshot, or the beginning of the first segment. */
static int
load_start(
    struct account *a, struct replay *r, struct segment **seg, struct fail *f)
{
	struct fs *fs = a->store->fs;

	if (snapshot_load(fs, a->dir, r, f) == 0) {
		if (segment_open(fs, a->dir, &r->segment, seg, f) == 0) {
			journal_reaches(*seg, r->offset, (*seg)->size_at_open);
			return 0;
		}
		replay_deinit(r);
		return -1;
	}
	/* Damaged ones are made good by all the records, if they are there. */
	if (f->kind != FAIL_ABSENT && f->kind != FAIL_CORRUPT) {
		return -1;
	}
	fail_clear(f);
	if (journal_first(a, seg, f) != 0) {
		return -1;
	}
	replay_init(r, &(*seg)->header);
	return 0;
}

/* Load the newest state into `r` (to be deinited by the caller) and give the
 * segment in which it stands.  Where that was cut below the snapshot there is
 * nothing to go on with yet. */
static int
load(struct account *a, struct replay *r, struct segment **out, struct fail *f)
{
	*out = NULL;
	for (int i = 0; i < LOAD_TRIES; i++) {
		fail_clear(f);
		if (load_start(a, r, out, f) == 0) {
			if ((*out)->cut || replay_chain(a, r, out, f) == 0) {
				return 0;
			}
			replay_deinit(r);
			segment_unref(out);
		}
		/* A file that has gone was collected: a newer snapshot is
		 * there by now. */
		if (f->kind != FAIL_ABSENT) {
			break;
		}
	}
	return fail_wrap(f, "account %s", a->id);
}

/* Was put back from a copy, was cut, or is of before the disk was mended. */
static bool
outdated(const struct store *s, const struct segment *seg)
{
	return journal_suspect(seg)
	       || (!MUTATION(F31) && seg->header.generation < s->generation);
}

/*
 * As load().  An outdated segment gets a successor before anything is told of
 * it: UIDs that it lacks were given, and one that it has may have been lost
 * since it was copied, and given anew.
 */
static int
load_to_tell(
    struct account *a, struct replay *r, struct segment **seg, struct fail *f)
{
	for (int i = 0;; i++) {
		struct fail why = {0};

		if (load(a, r, seg, f) != 0) {
			return -1;
		}
		if (i == LOAD_TRIES || r->gone || a->store->read_only
		    || !outdated(a->store, *seg)) {
			return 0;
		}
		if (journal_rotate(a, *seg, 0, 0, &why) != 0) {
			LOG(LOG_WARN, "account.suspect",
			    kv_str("account", a->id), kv_fail(&why));
			return 0;
		}
		replay_deinit(r);
		segment_unref(seg);
	}
}

int
journal_load(struct account *a, struct fail *f)
{
	struct replay r;
	struct segment *seg;

	if (load_to_tell(a, &r, &seg, f) != 0) {
		return -1;
	}
	lock_acquire(&a->lock);
	if (!a->loaded) {
		struct segment *old = a->segment;

		a->segment = seg;
		a->seen = 0;
		a->clean = r.offset;
		a->size = r.offset;
		a->gone = a->gone || r.gone;
		a->tail = r.read;
		a->replay = r;
		a->loaded = true;
		seg = old;
		r.view = NULL;
	}
	lock_release(&a->lock);
	segment_unref(&seg);
	if (r.view != NULL) {
		replay_deinit(&r);
	}
	return 0;
}
