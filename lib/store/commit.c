#include "store/commit_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/account_priv.h"

enum {
	COMMIT_TRIES = 1000, /* each was lost to another writer's SEAL */
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

void
commit_stop_waiting(struct commit *c)
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
	commit_stop_waiting(c);
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

static int
rotate(struct commit *c, struct fail *f)
{
	struct account *a = c->account;

	return journal_rotate(a, c->segment, 0, 0, f) != 0
		       || (account_is_loaded(a) && journal_catch_up(a, f) != 0)
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
	if (c->warm && !account_is_loaded(a) && journal_catch_up(a, f) != 0) {
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

int
commit_failed(const struct commit *c, struct fail *f)
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
	return n == -ENOSPC || n == -EDQUOT || n == -EFBIG || n == -EROFS;
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
		commit_stop_waiting(c);
		(void)fail_err(f, (int)-n, "append to journal");
		return commit_failed(c, f);
	}
	/* What is not whole never takes effect. */
	c->torn = (size_t)n < c->framed.len;
	c->open = !c->torn;
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
