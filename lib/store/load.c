/*
 * load: an account's state in memory, brought to the end of its journal.
 *
 * Files are read without a lock, into a batch of records; the batch is
 * applied under the account's lock if the state still stands where the read
 * began.  If not, another thread was faster and the batch is dropped.
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/account_priv.h"
#include "store/journal_priv.h"
#include "store/mutate_priv.h"
#include "store/snapshot_priv.h"

enum {
	LOAD_TRIES = 16, /* what was to be read may be collected meanwhile */
};

/* ---- from nothing ---- */

static void
note_position(struct replay *r, const struct scan *scan)
{
	r->offset = scan->at;
	memcpy(r->before, scan->before, RECORD_TAIL);
}

/* All records of one segment into a replay that nobody else sees. */
static int
replay_segment(struct replay *r, struct segment *seg, bool *sealed,
    struct rec_seal *seal, struct fail *f)
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
		note_position(r, &scan);
		*sealed = scan.end == SCAN_SEAL;
		*seal = scan.seal;
	}
	scan_deinit(&scan);
	return rc;
}

static void
enter(struct replay *r, const struct segment *seg)
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
		rc = replay_segment(r, *seg, &sealed, &seal, f);
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
		enter(r, next);
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
 * segment in which it stands. */
static int
journal_load(
    struct account *a, struct replay *r, struct segment **out, struct fail *f)
{
	*out = NULL;
	for (int i = 0; i < LOAD_TRIES; i++) {
		fail_clear(f);
		if (load_start(a, r, out, f) == 0) {
			if (replay_chain(a, r, out, f) == 0) {
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

/*
 * As journal_load().  A segment that was put back from a copy or was cut gets
 * a successor before anything is told of it: UIDs that it lacks were given,
 * and one that it has may have been lost since it was copied, and given anew.
 */
static int
load_to_tell(
    struct account *a, struct replay *r, struct segment **seg, struct fail *f)
{
	for (int i = 0;; i++) {
		struct fail why = {0};

		if (journal_load(a, r, seg, f) != 0) {
			return -1;
		}
		if (i == LOAD_TRIES || r->gone || a->store->read_only
		    || !journal_suspect(*seg)) {
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

static int
load(struct account *a, struct fail *f)
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

/* ---- from where it stands ---- */

/* Where the state stood when a read began. */
struct stand {
	struct segment *segment; /* a reference */
	uint64_t offset;
	unsigned char before[RECORD_TAIL];
	int64_t seen; /* as a->seen */
};

static bool
take_stand(struct account *a, struct stand *s)
{
	bool loaded;

	lock_acquire(&a->lock);
	loaded = a->loaded;
	if (loaded) {
		s->segment = segment_ref(a->segment);
		s->offset = a->replay.offset;
		memcpy(s->before, a->replay.before, RECORD_TAIL);
		s->seen = a->seen;
	}
	lock_release(&a->lock);
	return loaded;
}

/* The outcome that the writer of `rec`, a thread of ours, waits for. */
static struct outcome *
claim_pending(struct account *a, const struct record *rec)
{
	if (rec->id.process != a->store->process) {
		return NULL;
	}
	for (struct pending **at = &a->pending; *at != NULL;
	     at = &(*at)->next) {
		struct pending *p = *at;

		if (p->id.counter == rec->id.counter) {
			*at = p->next;
			p->done = true;
			return p->out;
		}
	}
	return NULL;
}

/* Apply a batch that was read from `offset` on.  False: the state has moved
 * on since. */
static bool
apply_batch(struct account *a, const struct stand *s, uint64_t offset,
    const struct scan *scan)
{
	bool same;

	lock_acquire(&a->lock);
	same = a->segment == s->segment && a->replay.offset == offset;
	if (same) {
		for (size_t i = 0; i < scan->n; i++) {
			replay_apply(&a->replay, &scan->rec[i],
			    claim_pending(a, &scan->rec[i]));
		}
		a->tail += scan->at - a->replay.offset;
		note_position(&a->replay, scan);
		a->seen = 0;
		a->clean = scan->at;
		if (scan->at > a->size) {
			a->size = scan->at;
		}
	}
	lock_release(&a->lock);
	return same;
}

/* We slept so long that what follows was collected: begin with the newest
 * snapshot. */
static int
unload(struct account *a, const struct stand *s, struct fail *f)
{
	struct replay old = {.view = NULL};
	struct segment *seg = NULL;

	fail_clear(f);
	lock_acquire(&a->lock);
	if (a->loaded && a->segment == s->segment) {
		old = a->replay;
		seg = a->segment;
		a->loaded = false;
		a->segment = NULL;
	}
	lock_release(&a->lock);
	if (old.view != NULL) {
		replay_deinit(&old);
	}
	segment_unref(&seg);
	return 0;
}

/* Move the state to the segment that the SEAL names. */
static int
cross(struct account *a, const struct stand *s, const struct rec_seal *seal,
    struct fail *f)
{
	struct segment *next = NULL;

	if (seal->kind == SEAL_GONE) {
		lock_acquire(&a->lock);
		a->gone = true;
		a->replay.gone = true;
		lock_release(&a->lock);
		return account_usable(a, f);
	}
	/* See journal_follow() (F10). */
	if (!MUTATION(F10B)
	    && journal_flush_shown(a, s->segment, SEG_ALL, f) != 0) {
		return -1;
	}
	if (segment_open(a->store->fs, a->dir, &seal->next, &next, f) != 0) {
		return f->kind == FAIL_ABSENT ? unload(a, s, f) : -1;
	}
	lock_acquire(&a->lock);
	if (a->segment == s->segment) {
		struct segment *old = a->segment;

		a->segment = next;
		a->seen = 0;
		a->clean = SEG_HEADER;
		a->size = SEG_HEADER;
		enter(&a->replay, next);
		next = old;
	}
	lock_release(&a->lock);
	segment_unref(&next);
	return 0;
}

/* What is there is what was there: looked at once each time that the file
 * was written to. */
static bool
is_as_before(struct account *a, const struct stand *s, const struct fs_stat *st)
{
	unsigned char now[RECORD_TAIL];

	if (st->changed == s->seen) {
		return true;
	}
	if (fs_pread(s->segment->fs, s->segment->fd, now, sizeof(now),
		s->offset - RECORD_TAIL)
		!= RECORD_TAIL
	    || memcmp(now, s->before, RECORD_TAIL) != 0) {
		return false;
	}
	lock_acquire(&a->lock);
	if (a->segment == s->segment && a->replay.offset == s->offset) {
		a->seen = st->changed;
	}
	lock_release(&a->lock);
	return true;
}

/*
 * How the segment's file is: nothing has come since, and whether it has no
 * name any more.  That is asked before its end is read: one that was
 * collected has its SEAL by then, one that was removed has none.
 */
static void
look_at(
    struct account *a, const struct stand *s, bool *unchanged, bool *nameless)
{
	struct fs_stat st;

	*unchanged = *nameless = false;
	if (fs_stat(s->segment->fs, s->segment->fd, &st) == 0) {
		*nameless = st.links == 0;
		*unchanged = s->offset != SEG_HEADER && st.size == s->offset
			     && is_as_before(a, s, &st);
	}
}

/* Read on from `s` to the end of its segment, or to `end` in it if that is
 * not 0.  *again: not at the end of the journal yet. */
static int
advance(struct account *a, const struct stand *s, uint64_t end, bool *again,
    struct fail *f)
{
	struct scan scan;
	int rc;

	*again = true;
	scan_init(&scan, s->segment, s->offset);
	scan_until(&scan, end);
	if (s->offset != SEG_HEADER) {
		scan.check = true;
		memcpy(scan.before, s->before, RECORD_TAIL);
	}
	for (;;) {
		uint64_t from = scan.at;

		rc = scan_next(&scan, f);
		if (rc != 0 || !apply_batch(a, s, from, &scan)) {
			break;
		}
		if (scan.end == SCAN_SEAL) {
			rc = cross(a, s, &scan.seal, f);
			break;
		}
		if (scan.end == SCAN_TAIL || (end != 0 && scan.at >= end)) {
			*again = false;
			break;
		}
	}
	scan_deinit(&scan);
	return rc;
}

/* Restored, or removed, below us? */
static int
judge(struct account *a, struct fail *f)
{
	if (f->kind == FAIL_CORRUPT || f->kind == FAIL_ABSENT) {
		LOG(LOG_WARN, "account.history", kv_str("account", a->id),
		    kv_fail(f));
		account_forget(a);
		f->kind = FAIL_TEMP;
	}
	return -1;
}

/* From `s`, whose reference is taken, on. */
static int
go_on(struct account *a, struct stand *s, bool *again, struct fail *f)
{
	bool unchanged;
	bool nameless;
	int rc = 0;

	*again = false;
	look_at(a, s, &unchanged, &nameless);
	if (!unchanged) {
		rc = advance(a, s, 0, again, f);
	}
	if (rc == 0 && !*again && nameless) {
		rc = fail_set(f, FAIL_ABSENT, "account %s was removed", a->id);
	}
	segment_unref(&s->segment);
	return rc == 0 ? 0 : judge(a, f);
}

int
journal_catch_up(struct account *a, struct fail *f)
{
	bool again = true;

	while (again) {
		struct stand s;

		if (account_usable(a, f) != 0) {
			return -1;
		}
		if (!take_stand(a, &s)) {
			if (load(a, f) != 0) {
				return -1;
			}
		} else if (go_on(a, &s, &again, f) != 0) {
			return -1;
		}
	}
	return 0;
}

int
journal_catch_up_to(struct account *a, const struct segment *segment,
    uint64_t end, struct fail *f)
{
	bool again = true;

	while (again) {
		struct stand s;
		int rc = 0;

		if (account_usable(a, f) != 0) {
			return -1;
		}
		if (!take_stand(a, &s)) {
			return journal_catch_up(a, f);
		}
		again = s.segment == segment && s.offset < end;
		if (again) {
			rc = advance(a, &s, end, &again, f);
		}
		segment_unref(&s.segment);
		if (rc != 0) {
			return judge(a, f);
		}
	}
	return 0;
}

/* ---- for readers ---- */

/* What of a view must be on disk before it is shown? */
enum shown { SHOWN_ALL, SHOWN_FIRM };

static int
refresh(struct account *a, enum shown shown, struct view **out, struct fail *f)
{
	*out = NULL;
	if (journal_catch_up(a, f) != 0) {
		return -1;
	}
	lock_acquire(&a->lock);
	struct view *v = view_ref(a->replay.view);
	struct segment *seg = segment_ref(a->segment);
	uint64_t end = a->replay.offset;
	/* The last octet: a flush may have met a record half there. */
	place_t need = shown == SHOWN_ALL ? v->last : v->firm;
	bool flushed = need < a->flushed;
	lock_release(&a->lock);

	int rc = 0;

	if (!flushed) {
		store_flush_begin(a->store);
		rc = journal_flush_shown(a, seg, end, f);
		store_flush_end(a->store);
	}
	segment_unref(&seg);
	if (rc != 0) {
		view_unref(&v);
		return -1;
	}
	*out = v;
	return 0;
}

int
account_refresh(struct account *account, struct view **out, struct fail *f)
{
	return refresh(account, SHOWN_ALL, out, f);
}

int
account_peek(struct account *account, struct view **out, struct fail *f)
{
	return refresh(account, SHOWN_FIRM, out, f);
}
