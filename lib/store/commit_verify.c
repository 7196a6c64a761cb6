/*
 * What became of records that were appended: flush them, read them back.
 */
#include "store/account_priv.h"
#include "store/commit_priv.h"
#include "store/mutate_priv.h"

enum {
	VERIFY_TRIES = 1000,
	TORN_TRIES = 3,
	READ_BACK_MAX = 64 * 1024, /* above, listing the folder is cheaper */
};

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
	return c->torn || flush(c, f) == 0 ? 0 : commit_failed(c, f);
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
		return account_is_loaded(a) ? journal_catch_up(a, f) : 0;
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
	for (int i = 0; i < VERIFY_TRIES; i++) {
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
			commit_stop_waiting(c);
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
		commit_stop_waiting(c);
		*again = true;
		return ++c->torn_n <= TORN_TRIES
			   ? 0
			   : fail_set(f, FAIL_LIMIT, "disk full");
	}
	rc = c->warm ? verify_warm(c, again, f) : verify_cold(c, again, f);
	if (rc != 0) {
		return commit_failed(c, f);
	}
	if (!*again && c->durable) {
		c->flushed = place_make(c->segment->header.name.number, c->end);
	}
	return 0;
}
