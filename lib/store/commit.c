#include "store/commit_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/account_priv.h"
#include "store/mutate_priv.h"

enum {
	COMMIT_TRIES = 1000, /* each was lost to another writer's SEAL */
	TORN_TRIES = 3,
	READ_BACK_MAX = 64 * 1024, /* above, listing the folder is cheaper */
};

void
commit_init(struct commit *c, struct account *a)
{
	*c = (struct commit){
	    .account = a,
	    .durable = true,
	    .warm = true,
	    .floor_ms = INT64_MAX,
	};
}

/* Take what still waits out of the account's list. */
static void
stop_waiting(struct commit *c)
{
	struct account *a = c->account;

	if (!c->waiting) {
		return;
	}
	lock_acquire(&a->lock);
	for (struct pending **at = &a->pending; *at != NULL;) {
		if (*at >= c->pending && *at < c->pending + c->n) {
			*at = (*at)->next;
		} else {
			at = &(*at)->next;
		}
	}
	lock_release(&a->lock);
	c->waiting = false;
}

void
commit_deinit(struct commit *c)
{
	stop_waiting(c);
	segment_unref(&c->segment);
	buf_deinit(&c->body);
	buf_deinit(&c->framed);
	free(c->pending);
	free(c->rec);
	*c = (struct commit){.account = NULL};
}

void
commit_add(struct commit *c, enum record_type type, struct outcome *out)
{
	size_t at = c->n != 0 ? c->rec[c->n - 1].at + c->rec[c->n - 1].len : 0;

	ASSERT(c->pending == NULL && c->body.len - at <= RECORD_BODY_MAX);
	c->rec = xgrow(c->rec, c->n, &c->cap, sizeof(*c->rec));
	c->rec[c->n++] = (struct commit_record){
	    .type = type,
	    .at = at,
	    .len = c->body.len - at,
	    .out = out,
	};
}

/* ---- append ---- */

static void
frame(struct commit *c)
{
	struct store *s = c->account->store;
	/* One range of counters for a group: its records are told by it. */
	uint32_t counter = atomic_fetch_add(&s->counter, (uint32_t)c->n);
	int64_t now = fs_now_ms(s->fs);

	buf_clear(&c->framed);
	for (size_t i = 0; i < c->n; i++) {
		struct record r = {
		    .type = c->rec[i].type,
		    .more = i + 1 < c->n,
		    .continues = i != 0,
		    .time_ms = now,
		    .actor = c->actor,
		    .id = {s->process, counter + (uint32_t)i},
		    .body = sv_make(c->body.data + c->rec[i].at, c->rec[i].len),
		};

		c->pending[i] = (struct pending){
		    .id = r.id,
		    .out = c->rec[i].out,
		};
		record_write(&c->framed, &c->segment->key, &r);
	}
}

/* From now on whoever applies our records leaves their outcomes.  Only if the
 * state stands in our segment: one loaded later may have passed them.  False:
 * it does not. */
static bool
start_waiting(struct commit *c)
{
	struct account *a = c->account;

	lock_acquire(&a->lock);
	c->waiting = a->loaded && a->segment == c->segment;
	for (size_t i = c->n; c->waiting && i-- > 0;) {
		c->pending[i].next = a->pending;
		a->pending = &c->pending[i];
	}
	lock_release(&a->lock);
	return c->waiting;
}

static bool
is_loaded(struct account *a)
{
	lock_acquire(&a->lock);
	bool loaded = a->loaded;
	lock_release(&a->lock);
	return loaded;
}

static int
rotate(struct commit *c, struct fail *f)
{
	struct account *a = c->account;

	return journal_rotate(a, c->segment, 0, 0, f) != 0
		       || (is_loaded(a) && journal_catch_up(a, f) != 0)
		   ? -1
		   : 0;
}

/* The segment is full.  One thread of ours makes the next; what the others
 * append meanwhile, or if it cannot be made, still has room here. */
static int
rotate_full(struct commit *c, uint64_t size, struct fail *f)
{
	struct account *a = c->account;
	bool mine;
	int rc = 0;

	lock_acquire(&a->lock);
	mine = !a->rotating;
	a->rotating = true;
	lock_release(&a->lock);
	if (!mine) {
		return 0;
	}
	rc = rotate(c, f);
	if (rc != 0 && f->kind == FAIL_LIMIT && size < SEG_LIMIT) {
		fail_clear(f);
		rc = 0;
	}
	lock_acquire(&a->lock);
	a->rotating = false;
	lock_release(&a->lock);
	return rc;
}

/* The account's segment as it is now, and where to read back from. */
static int
take_segment(struct commit *c, uint64_t *size, struct fail *f)
{
	struct account *a = c->account;

	if (a->store->read_only) {
		return store_is_read_only(f);
	}
	if (c->warm && !is_loaded(a) && journal_catch_up(a, f) != 0) {
		return -1;
	}
	segment_unref(&c->segment);
	if (journal_segment(a, &c->segment, f) != 0) {
		return -1;
	}
	lock_acquire(&a->lock);
	bool same = a->segment == c->segment;

	*size = same ? a->size : 0;
	c->from = same ? a->clean : SEG_HEADER;
	lock_release(&a->lock);
	return 0;
}

/* A segment that this process may append to. */
static int
writable_segment(struct commit *c, struct fail *f)
{
	struct store *s = c->account->store;
	bool tried = false;

	for (int i = 0; i < COMMIT_TRIES; i++) {
		uint64_t size = 0;

		if (take_segment(c, &size, f) != 0) {
			return -1;
		}
		if (!journal_ours(s, c->segment) || c->segment->bad
		    || size >= SEG_LIMIT) {
			if (rotate(c, f) != 0) {
				return -1;
			}
		} else if (size >= s->conf.segment_max && !tried) {
			tried = true;
			if (rotate_full(c, size, f) != 0) {
				return -1;
			}
		} else {
			return 0;
		}
	}
	return fail_set(f, FAIL_TEMP, "no segment to append to");
}

/*
 * Room that a full disk cannot take away: kept ahead of the end, so that
 * EXPUNGE can still be recorded when ADD is refused.
 */
static int
keep_room(struct commit *c, struct fail *f)
{
	struct account *a = c->account;
	struct segment *seg = c->segment;

	lock_acquire(&a->lock);
	uint64_t need = (a->segment == seg ? a->size : SEG_HEADER)
			+ c->framed.len + SEG_RESERVE;
	lock_release(&a->lock);
	if (need <= seg->allocated) {
		return 0;
	}
	uint64_t want = need + SEG_ALLOCATE;
	int rc = fs_allocate(a->store->fs, seg->fd, want);

	if (rc == 0 || (rc != -ENOSPC && rc != -EDQUOT)) {
		seg->allocated = want;
		return 0;
	}
	return c->adds ? fail_err(f, -rc, "journal") : 0;
}

/* A failure after the records were appended says nothing of what they do. */
static int
failed(const struct commit *c, struct fail *f)
{
	if (c->open) {
		f->kind = FAIL_UNKNOWN;
	}
	return -1;
}

/* Such an answer says that nothing was written. */
static bool
wrote_nothing(ssize_t n)
{
	return n == -ENOSPC || n == -EDQUOT || n == -EFBIG;
}

int
commit_append(struct commit *c, struct fail *f)
{
	struct account *a = c->account;

	ASSERT(c->n > 0);
	if (c->pending == NULL) {
		c->pending = xcalloc(c->n, sizeof(*c->pending));
	}
	if (c->body.len + c->n * RECORD_MIN > GROUP_MAX
	    || c->n > GROUP_RECORDS) {
		return fail_set(f, FAIL_LIMIT, "too much for one change");
	}
	do {
		if (writable_segment(c, f) != 0) {
			return -1;
		}
		frame(c);
		if (keep_room(c, f) != 0) {
			return -1;
		}
	} while (c->warm && !start_waiting(c));
	struct iovec v = {c->framed.data, c->framed.len};
	ssize_t n = fs_writev(a->store->fs, c->segment->fd, &v, 1);

	c->open = !wrote_nothing(n);
	if (n < 0) {
		stop_waiting(c);
		(void)fail_err(f, (int)-n, "append to journal");
		return failed(c, f);
	}
	/* What is not whole never takes effect. */
	c->torn = (size_t)n < c->framed.len;
	c->open = !c->torn;
	return 0;
}

/* ---- flush ---- */

static int
flush(struct commit *c, struct fail *f)
{
	struct account *a = c->account;
	struct fs_stat st;
	int rc;

	lock_acquire(&a->lock);
	uint64_t known = a->segment == c->segment ? a->size : 0;
	lock_release(&a->lock);
	/* What is in the file before the flush begins is on disk behind it. */
	rc = fs_stat(a->store->fs, c->segment->fd, &st);
	if (rc < 0) {
		return fail_err(f, -rc, "stat journal");
	}
	c->end = st.size;
	lock_acquire(&a->lock);
	a->tail += a->loaded ? 0 : c->framed.len;
	if (a->segment == c->segment && st.size > a->size) {
		a->size = st.size;
	}
	lock_release(&a->lock);
	if (st.size < known) {
		account_forget(a);
		return fail_set(f, FAIL_TEMP, "the journal was cut");
	}
	return c->durable ? journal_flush(a, c->segment, st.size, f) : 0;
}

int
commit_flush(struct commit *c, struct fail *f)
{
	return c->torn || flush(c, f) == 0 ? 0 : failed(c, f);
}

/* ---- verify ---- */

/* After rm -r nobody will ever read what we wrote.  A segment without a name
 * that has a SEAL was collected: a snapshot holds what stands before it. */
static int
check_links(struct commit *c, struct fail *f)
{
	struct rec_seal seal;
	struct fs_stat st;
	bool sealed = false;
	int rc = fs_stat(c->account->store->fs, c->segment->fd, &st);

	if (rc < 0) {
		return fail_err(f, -rc, "stat journal");
	}
	if (st.links == 0
	    && journal_seal(c->segment, c->from, &sealed, &seal, f) != 0) {
		return -1;
	}
	return st.links != 0 || sealed
		   ? 0
		   : fail_set(f, FAIL_ABSENT, "account %s was removed",
		       c->account->id);
}

static bool
note_higher(void *arg, const char *text)
{
	struct seg_name *own = arg;
	struct seg_name name;

	if (seg_name_read(text, &name) && name.number > own->number) {
		own->number = UINT64_MAX;
		return false;
	}
	return true;
}

/*
 * The short cut for one machine: if no segment of a higher number is there,
 * and then our own still is, no SEAL can stand before our record, since the
 * segment that it names was there before it (F2) and is not removed before
 * ours.  False: not known, read back.
 */
static int
nothing_newer(struct commit *c, bool *so, struct fail *f)
{
	struct account *a = c->account;
	struct seg_name own = c->segment->header.name;
	struct fs_stat st;
	int rc;

	*so = false;
	if (!a->store->traits.local) {
		return 0;
	}
	rc = fs_list(a->store->fs, a->dir, "journal", note_higher, &own);
	if (rc < 0) {
		return fail_err(f, -rc, "list journal");
	}
	if (own.number == UINT64_MAX) {
		return 0;
	}
	/* A list is not one instant: of a chain that was collected meanwhile
	 * it may show nothing.  Then our own has gone, before the others. */
	rc = fs_stat(a->store->fs, c->segment->fd, &st);
	*so = rc == 0 && st.links != 0;
	return rc == 0 ? 0 : fail_err(f, -rc, "stat journal");
}

/* Scan for our last record.  *found, or *sealed by what. */
static int
read_back(struct commit *c, bool *found, bool *sealed, struct rec_seal *seal,
    struct fail *f)
{
	struct account *a = c->account;
	const struct record_id *own = &c->pending[c->n - 1].id;
	struct scan scan;
	int rc;

	*found = *sealed = false;
	scan_init(&scan, c->segment, c->from);
	scan_until(&scan, c->end);
	do {
		rc = scan_next(&scan, f);
		for (size_t i = 0; rc == 0 && i < scan.n; i++) {
			const struct record *r = &scan.rec[i];

			*found |= r->id.process == own->process
				  && r->id.counter == own->counter;
		}
	} while (rc == 0 && !*found && scan.end == SCAN_MORE);
	if (rc == 0 && scan.end == SCAN_SEAL) {
		*sealed = true;
		*seal = scan.seal;
	} else if (rc == 0) {
		lock_acquire(&a->lock);
		if (a->segment == c->segment && !a->loaded
		    && scan.at > a->clean) {
			a->clean = scan.at;
		}
		lock_release(&a->lock);
	}
	scan_deinit(&scan);
	return rc;
}

/* Another thread has found no SEAL up to behind our record. */
static bool
read_by_other(struct commit *c)
{
	struct account *a = c->account;

	lock_acquire(&a->lock);
	bool so = a->store->traits.local && a->segment == c->segment
		  && a->clean >= c->end;
	lock_release(&a->lock);
	return so;
}

/* There was no SEAL before c->end: read back from there the next time.  It
 * may be in the middle of a record of another writer, which a scan survives. */
static void
note_clean(struct commit *c)
{
	struct account *a = c->account;

	lock_acquire(&a->lock);
	if (a->segment == c->segment && !a->loaded && c->end > a->clean) {
		a->clean = c->end;
	}
	lock_release(&a->lock);
}

static int
done_cold(struct commit *c, struct fail *f)
{
	if (check_links(c, f) != 0) {
		return -1;
	}
	if (!MUTATION(F4) && c->floor_ms < c->segment->header.floor_ms) {
		c->open = false;
		return fail_set(f, FAIL_EXISTS,
		    "the message's placement is below the floor");
	}
	return 0;
}

static int
verify_cold(struct commit *c, bool *again, struct fail *f)
{
	struct account *a = c->account;
	struct rec_seal seal;
	bool found;
	bool sealed;

	*again = false;
	if (MUTATION(F3) || read_by_other(c)) {
		return done_cold(c, f);
	}
	found = false;
	if (c->end > c->from + READ_BACK_MAX
	    && nothing_newer(c, &found, f) != 0) {
		return -1;
	}
	if (found) {
		note_clean(c);
		return done_cold(c, f);
	}
	if (read_back(c, &found, &sealed, &seal, f) != 0) {
		return -1;
	}
	if (found) {
		return done_cold(c, f);
	}
	/* Not there: void for ever once a SEAL is before it.  Without one the
	 * file system did not do what it said: make one. */
	*again = true;
	if (sealed) {
		c->open = false;
		if (journal_follow(a, c->segment, &seal, f) != 0) {
			return -1;
		}
		return is_loaded(a) ? journal_catch_up(a, f) : 0;
	}
	return journal_rotate(a, c->segment, 0, 0, f);
}

/* Have all outcomes come?  If the state has left our segment without them,
 * a SEAL stood before our records. */
enum waited { WAITED_DONE, WAITED_VOID, WAITED_OPEN };

static enum waited
look_at_pending(struct commit *c)
{
	struct account *a = c->account;
	enum waited w;

	lock_acquire(&a->lock);
	if (c->pending[c->n - 1].done) {
		w = WAITED_DONE;
	} else {
		w = a->segment == c->segment ? WAITED_OPEN : WAITED_VOID;
	}
	lock_release(&a->lock);
	return w;
}

static int
verify_warm(struct commit *c, bool *again, struct fail *f)
{
	struct account *a = c->account;

	*again = false;
	for (int i = 0; i < COMMIT_TRIES; i++) {
		int rc = i == 0 ? journal_catch_up_to(a, c->segment, c->end, f)
				: journal_catch_up(a, f);

		if (rc != 0) {
			/* A SEAL of the closed kind may stand behind us. */
			if (look_at_pending(c) != WAITED_DONE) {
				return -1;
			}
			fail_clear(f);
		}
		switch (look_at_pending(c)) {
		case WAITED_DONE:
			return check_links(c, f);
		case WAITED_VOID:
			c->open = false;
			stop_waiting(c);
			*again = true;
			return 0;
		case WAITED_OPEN:
			if (journal_rotate(a, c->segment, 0, 0, f) != 0) {
				return -1;
			}
			break;
		}
	}
	return fail_set(f, FAIL_TEMP, "own record does not appear");
}

int
commit_verify(struct commit *c, bool *again, struct fail *f)
{
	int rc;

	*again = false;
	if (c->torn) {
		/* It will never be whole: append it anew. */
		stop_waiting(c);
		*again = true;
		return ++c->torn_n <= TORN_TRIES
			   ? 0
			   : fail_set(f, FAIL_LIMIT, "disk full");
	}
	rc = c->warm ? verify_warm(c, again, f) : verify_cold(c, again, f);
	if (rc != 0) {
		return failed(c, f);
	}
	if (!*again && c->durable) {
		c->flushed = place_make(c->segment->header.name.number, c->end);
	}
	return 0;
}

int
commit_run(struct commit *c, struct fail *f)
{
	bool again = true;

	for (int i = 0; again && i < COMMIT_TRIES; i++) {
		if (commit_append(c, f) != 0 || commit_flush(c, f) != 0
		    || commit_verify(c, &again, f) != 0) {
			return -1;
		}
	}
	return again ? fail_set(f, FAIL_TEMP, "journal is sealed too often")
		     : 0;
}
