/*
 * An account's state in memory, brought to the end of its journal.
 *
 * Files are read without a lock, into a batch of records; the batch is
 * applied under the account's lock if the state still stands where the read
 * began.  If not, another thread was faster and the batch is dropped.
 */
#include <string.h>

#include "base/log.h"
#include "store/account_priv.h"
#include "store/journal_priv.h"
#include "store/mutate_priv.h"

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

/*
 * What follows a SEAL in its segment is void, so the state comes to stand
 * before it, and leaves it for the next segment in one step, cross(): whoever
 * reads on from here meanwhile meets the SEAL too, however often crossing it
 * fails.
 */
static void
stand_before_seal(struct replay *r, const struct scan *scan)
{
	const struct record *seal = &scan->rec[scan->n - 1];
	const char *at = seal->body.p - RECORD_HEAD;

	r->offset = seal->place & SEG_ALL;
	memcpy(r->before, at - RECORD_TAIL, RECORD_TAIL);
}

/* Apply a batch that was read from `offset` on, but for a SEAL.  False: the
 * state has moved on since. */
static bool
apply_batch(struct account *a, const struct stand *s, uint64_t offset,
    const struct scan *scan)
{
	bool sealed = scan->end == SCAN_SEAL;
	bool same;

	lock_acquire(&a->lock);
	same = a->segment == s->segment && a->replay.offset == offset;
	if (same) {
		for (size_t i = 0; i < scan->n - sealed; i++) {
			replay_apply(&a->replay, &scan->rec[i],
			    claim_pending(a, &scan->rec[i]));
		}
		if (sealed) {
			stand_before_seal(&a->replay, scan);
		} else {
			journal_stand(&a->replay, scan);
		}
		a->tail += a->replay.offset - offset;
		a->seen = 0;
		a->clean = a->replay.offset;
		if (scan->at > a->size) {
			a->size = scan->at;
		}
	}
	lock_release(&a->lock);
	return same;
}

/* What follows was collected while we slept, or is not what it was: begin with
 * the newest snapshot. */
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

/* Move the state from before the SEAL, the batch's last record, to the segment
 * that it names. */
static int
cross(struct account *a, const struct stand *s, const struct scan *scan,
    struct fail *f)
{
	const struct rec_seal *seal = &scan->seal;
	struct segment *next = NULL;

	if (seal->kind == SEAL_GONE) {
		lock_acquire(&a->lock);
		a->replay.gone = true;
		lock_release(&a->lock);
		journal_set_gone(a);
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
	if (journal_look(a, next, f) != 0) {
		segment_unref(&next);
		return -1;
	}
	if (journal_suspect(next)) {
		/* Loading it anew gives it a successor first. */
		segment_unref(&next);
		return unload(a, s, f);
	}
	lock_acquire(&a->lock);
	if (a->segment == s->segment) {
		struct segment *old = a->segment;

		replay_apply(&a->replay, &scan->rec[scan->n - 1], NULL);
		a->segment = next;
		a->seen = 0;
		a->clean = SEG_HEADER;
		a->size = SEG_HEADER;
		journal_enter(&a->replay, next);
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
static int
look_at(struct account *a, const struct stand *s, bool *unchanged,
    bool *nameless, struct fail *f)
{
	struct fs_stat st;
	int rc = fs_stat(s->segment->fs, s->segment->fd, &st);

	if (rc != 0) {
		return fail_err(f, -rc, "stat journal");
	}
	*nameless = st.links == 0;
	/* Cut below the snapshot that the state is, it has nothing to read
	 * until it is filled. */
	*unchanged = (s->segment->cut && st.size < s->offset)
		     || (s->offset != SEG_HEADER && st.size == s->offset
			 && is_as_before(a, s, &st));
	return 0;
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
	/* What was cut below it has zeros there, once it is filled. */
	if (s->offset != SEG_HEADER && !s->segment->cut) {
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
			rc = cross(a, s, &scan, f);
			break;
		}
		if (scan.end == SCAN_TAIL || (end != 0 && scan.at >= end)) {
			*again = false;
			break;
		}
	}
	journal_tell_gaps(a, &scan);
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
	bool unchanged = false;
	bool nameless = false;

	*again = false;
	int rc = look_at(a, s, &unchanged, &nameless, f);

	if (rc == 0 && !unchanged) {
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
			if (journal_load(a, f) != 0) {
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
