#include "store/journal_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/head_priv.h"
#include "store/mutate_priv.h"
#include "store/snapshot_priv.h"

enum { FIND_TRIES = 16 };

/* ---- what is there ---- */

struct listing {
	struct seg_name *name;
	size_t n, cap;
};

static bool
collect(void *arg, const char *text)
{
	struct listing *l = arg;
	struct seg_name name;

	if (seg_name_read(text, &name)) {
		l->name = xgrow(l->name, l->n, &l->cap, sizeof(*l->name));
		l->name[l->n++] = name;
	}
	return true;
}

static int
compare_names(const void *a, const void *b)
{
	const struct seg_name *x = a;
	const struct seg_name *y = b;

	if (x->number != y->number) {
		return x->number < y->number ? -1 : 1;
	}
	return (x->random > y->random) - (x->random < y->random);
}

int
journal_list(
    struct account *a, struct seg_name **out, size_t *n, struct fail *f)
{
	struct listing l = {0};
	int rc = fs_list(a->store->fs, a->dir, "journal", collect, &l);

	*out = NULL;
	*n = 0;
	if (rc < 0) {
		free(l.name);
		return fail_err(f, -rc, "list journal of %s", a->id);
	}
	if (l.n != 0) {
		qsort(l.name, l.n, sizeof(*l.name), compare_names);
	}
	*out = l.name;
	*n = l.n;
	return 0;
}

int
journal_first(struct account *a, struct segment **out, struct fail *f)
{
	static const struct seg_name none = {0};
	struct seg_name *names;
	size_t n;
	int rc;

	*out = NULL;
	if (journal_list(a, &names, &n, f) != 0) {
		return -1;
	}
	rc = names != NULL
		 ? segment_open(a->store->fs, a->dir, &names[0], out, f)
		 : fail_set(f, FAIL_ABSENT, "account %s: no journal", a->id);
	free(names);
	if (rc == 0 && !seg_name_eq(&(*out)->header.previous, &none)) {
		segment_unref(out);
		return fail_set(f, FAIL_ABSENT,
		    "account %s: the first segment is gone", a->id);
	}
	return rc;
}

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

void
journal_reaches(struct segment *seg, uint64_t offset, uint64_t size)
{
	if (offset > seg->reach) {
		seg->reach = offset;
	}
	if (size < seg->reach) {
		seg->cut = true;
	}
}

bool
journal_suspect(const struct segment *seg)
{
	return seg->cut || seg->inode != seg->header.inode;
}

/* Is it as long as the snapshots say?  Whoever begins with one of them would
 * not see what is appended below its place. */
static int
look_for_cut(struct account *a, struct segment *seg, struct fail *f)
{
	struct snap_name *names;
	struct fs_stat st;
	size_t n;

	if (snap_list(a->store->fs, a->dir, &names, &n, f) != 0) {
		return -1;
	}
	/* Behind the list: what it had by then, it has now. */
	int rc = fs_stat(a->store->fs, seg->fd, &st);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (names[i].at >> SEG_PLACE_BITS == seg->header.name.number) {
			journal_reaches(seg,
			    names[i].at
				- place_make(seg->header.name.number, 0),
			    st.size);
		}
	}
	free(names);
	return rc == 0 ? 0 : fail_err(f, -rc, "stat journal");
}

static bool
is_astray(struct account *a)
{
	lock_acquire(&a->lock);
	bool astray = a->astray;
	lock_release(&a->lock);
	return astray;
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
	struct seg_name name;

	if (!is_astray(a) && head_get(a, &head) == 0) {
		int rc =
		    segment_open(a->store->fs, a->dir, &head->segment, out, f);

		head_unref(&head);
		if (rc == 0 || f->kind == FAIL_PERM) {
			return rc;
		}
		fail_clear(f);
	}
	for (int i = 0; i < FIND_TRIES; i++) {
		if (snapshot_segment(a->store->fs, a->dir, &name, f) != 0) {
			break;
		}
		if (segment_open(a->store->fs, a->dir, &name, out, f) == 0) {
			return 0;
		}
		if (f->kind != FAIL_ABSENT) {
			return -1;
		}
		/* Collected between the two: a newer snapshot is there. */
	}
	if (f->kind != FAIL_ABSENT && f->kind != FAIL_CORRUPT) {
		return -1;
	}
	fail_clear(f);
	return journal_first(a, out, f);
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
	if (look_for_cut(a, found, f) != 0) {
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

int
journal_flush(
    struct account *a, struct segment *seg, uint64_t end, struct fail *f)
{
	place_t place = place_make(seg->header.name.number, end);
	int rc;

	vouch(a->store, seg);
	rc = fs_datasync(a->store->fs, seg->fd);
	if (rc != 0) {
		if (rc != -ENOSPC && rc != -EDQUOT) {
			seg->bad = true;
		}
		return store_flush_failed(a->store, -rc, "journal", f);
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

static int
set_gone(struct account *a, struct fail *f)
{
	lock_acquire(&a->lock);
	a->gone = true;
	lock_release(&a->lock);
	return account_usable(a, f);
}

int
journal_follow(struct account *a, struct segment *old,
    const struct rec_seal *seal, struct fail *f)
{
	struct segment *next;

	if (seal->kind == SEAL_GONE) {
		return set_gone(a, f);
	}
	lock_acquire(&a->lock);
	bool loaded = a->loaded;
	lock_release(&a->lock);
	if (loaded) {
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
	if (next != NULL && look_for_cut(a, next, f) != 0) {
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

/* ---- rotating ---- */

enum {
	SEAL_TRIES = 4,
	SEAL_FILL = 4096, /* octets between two copies of a SEAL */
};
#define EPOCH_2020_MS INT64_C(1577836800000)

static uint64_t
minutes_since_2020(struct store *s)
{
	int64_t ms = fs_now_ms(s->fs) - EPOCH_2020_MS;

	return ms > 0 ? (uint64_t)ms / 60000 : 0;
}

struct seg_name
seg_name_next(struct store *s, uint64_t after)
{
	uint64_t number = minutes_since_2020(s);

	/* By the clock, so that a restored backup does not give out again the
	 * places of the days that it lost (F12). */
	if (number <= after || MUTATION(F12)) {
		number = after + 1;
	}
	return (struct seg_name){number, fs_random(s->fs)};
}

/* The SEAL twice with a block between, so that one bad block does not hide
 * where the journal goes on.  One write: nothing comes in between. */
static void
frame_seal(struct account *a, const struct segment *seg,
    const struct rec_seal *seal, struct buf *to)
{
	static const char zeros[SEAL_FILL];
	struct buf body = {0};
	struct record r = {
	    .type = RECORD_SEAL,
	    .time_ms = fs_now_ms(a->store->fs),
	    .id = {.process = a->store->process},
	};

	rec_seal_write(&body, seal);
	for (int i = 0; i < 3; i++) {
		r.type = i == 1 ? RECORD_FILL : RECORD_SEAL;
		r.body = i == 1 ? sv_make(zeros, sizeof(zeros)) : buf_sv(&body);
		r.id.counter = atomic_fetch_add(&a->store->counter, 1);
		record_write(to, &seg->key, &r);
	}
	buf_deinit(&body);
}

/* Zeros for what was cut away, so that the SEAL comes to stand where whoever
 * begins with a snapshot sees it. */
static int
fill_cut(struct account *a, struct segment *seg, struct fail *f)
{
	static const char zeros[SEAL_FILL];
	struct fs_stat st;

	for (int i = 0; i < (1 << SEG_PLACE_BITS) / SEAL_FILL; i++) {
		int rc = fs_stat(a->store->fs, seg->fd, &st);

		if (rc != 0) {
			return fail_err(f, -rc, "stat journal");
		}
		if (st.size >= seg->reach) {
			return 0;
		}
		uint64_t left = seg->reach - st.size;
		struct iovec v = {(void *)(uintptr_t)zeros,
		    left < sizeof(zeros) ? (size_t)left : sizeof(zeros)};
		ssize_t n = fs_writev(a->store->fs, seg->fd, &v, 1);

		if (n < 0) {
			return fail_err(f, (int)-n, "fill journal");
		}
	}
	return fail_set(f, FAIL_LIMIT, "no room to fill the journal");
}

/* Append the SEAL and read back which one is the first: *seal becomes it. */
static int
append_seal(struct account *a, struct segment *seg, uint64_t clean,
    struct rec_seal *seal, struct fail *f)
{
	if (seg->cut && fill_cut(a, seg, f) != 0) {
		return -1;
	}
	for (int i = 0; i < SEAL_TRIES; i++) {
		struct buf framed = {0};
		bool found;

		frame_seal(a, seg, seal, &framed);
		struct iovec v = {framed.data, framed.len};
		ssize_t n = fs_writev(a->store->fs, seg->fd, &v, 1);

		buf_deinit(&framed);
		if (n < 0) {
			return fail_err(f, (int)-n, "seal journal");
		}
		if (journal_flush(a, seg, 0, f) != 0
		    || journal_seal(seg, clean, &found, seal, f) != 0) {
			return -1;
		}
		if (found) {
			return 0;
		}
	}
	return fail_set(f, FAIL_LIMIT, "no room to seal the journal");
}

/* The candidate: on disk under its name before any SEAL can name it (F2). */
static int
make_candidate(struct account *a, struct segment *old,
    const struct seg_name *name, int64_t floor_ms, place_t purge,
    struct segment **out, struct fail *f)
{
	struct store *s = a->store;
	const struct seg_header *was = &old->header;
	struct seg_header h = {
	    .semantics = SEG_SEMANTICS,
	    .name = *name,
	    .previous = was->name,
	    .boot_id = {s->boot_id[0], s->boot_id[1]},
	    .generation = was->generation > s->generation ? was->generation
							  : s->generation,
	    .floor_ms = floor_ms > was->floor_ms ? floor_ms : was->floor_ms,
	    .purge = purge > was->purge ? purge : was->purge,
	    .created_ms = fs_now_ms(s->fs),
	    .restored = journal_suspect(old) || was->generation < s->generation,
	};

	if (segment_make(s->fs, a->dir, &h, out, f) != 0) {
		return -1;
	}
	/* On a full disk it begins without room: see keep_room(). */
	if (fs_allocate(s->fs, (*out)->fd, SEG_ALLOCATE) == 0) {
		(*out)->allocated = SEG_ALLOCATE;
	}
	/* With it the floor that it carries, before what that voids can go. */
	if (MUTATION(F10C) && floor_ms != 0) {
		return 0;
	}
	int rc = fs_sync(s->fs, (*out)->fd);

	if (rc != 0) {
		return store_flush_failed(s, -rc, "new journal", f);
	}
	if (!s->traits.fsync_covers_name) {
		return store_sync_path(s, a->dir, "journal", f);
	}
	return 0;
}

/*
 * If the cut took the SEAL, the segment that it named is there, with records
 * that count.  A candidate without a record is as good as a new one, and
 * better if somebody has it open.  *found: `out` is it.
 */
static int
lost_successor(struct account *a, const struct segment *old, bool *found,
    struct seg_name *out, struct fail *f)
{
	struct seg_name *names;
	uint64_t most = 0;
	size_t n;

	*found = false;
	if (journal_list(a, &names, &n, f) != 0) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		struct segment *seg;
		struct fail why = {0};

		if (names[i].number <= old->header.name.number
		    || segment_open(a->store->fs, a->dir, &names[i], &seg, &why)
			   != 0) {
			continue;
		}
		if (seg_name_eq(&seg->header.previous, &old->header.name)
		    && seg->size_at_open > most) {
			most = seg->size_at_open;
			*out = names[i];
			*found = true;
		}
		segment_unref(&seg);
	}
	free(names);
	return 0;
}

static void
remove_candidate(struct account *a, const struct segment *seg)
{
	char text[SEG_NAME_SIZE];
	char path[PATH_SIZE];

	seg_name_write(&seg->header.name, text);
	(void)snprintf(path, sizeof(path), "journal/%s", text);
	(void)fs_unlink(a->store->fs, a->dir, path);
}

static uint64_t
clean_offset(struct account *a, const struct segment *seg)
{
	lock_acquire(&a->lock);
	uint64_t at = a->segment == seg ? a->clean : SEG_HEADER;
	lock_release(&a->lock);
	return at;
}

/* Make the candidate, then seal with its name; *seal becomes the SEAL that
 * counts. */
static int
make_and_seal(struct account *a, struct segment *old, int64_t floor_ms,
    place_t purge, struct segment **mine, struct rec_seal *seal, struct fail *f)
{
	struct seg_name name = seg_name_next(a->store, old->header.name.number);
	bool late = MUTATION(F2);
	bool known = false;

	if (old->cut && lost_successor(a, old, &known, &name, f) != 0) {
		return -1;
	}
	if (!late && !known
	    && make_candidate(a, old, &name, floor_ms, purge, mine, f) != 0) {
		return -1;
	}
	*seal = (struct rec_seal){.kind = SEAL_NEXT, .next = name};
	if (append_seal(a, old, clean_offset(a, old), seal, f) != 0) {
		return -1;
	}
	return late && !known
		   ? make_candidate(a, old, &name, floor_ms, purge, mine, f)
		   : 0;
}

int
journal_rotate(struct account *a, struct segment *old, int64_t floor_ms,
    place_t purge, struct fail *f)
{
	struct segment *mine = NULL;
	struct rec_seal seal;
	int rc = -1;

	if (make_and_seal(a, old, floor_ms, purge, &mine, &seal, f) != 0) {
		goto out;
	}
	bool won = mine != NULL && seal.kind == SEAL_NEXT
		   && seg_name_eq(&seal.next, &mine->header.name);

	if (!won && mine != NULL) {
		remove_candidate(a, mine);
	}
	if (journal_follow(a, old, &seal, f) != 0) {
		goto out;
	}
	rc = 0;
	if (won) {
		head_renew(a, old, &mine->header.name);
	}
out:
	segment_unref(&mine);
	return rc;
}

/* A loaded account moves by replay alone. */
static int
journal_move_on(struct account *a, struct fail *f)
{
	lock_acquire(&a->lock);
	bool loaded = a->loaded;
	lock_release(&a->lock);
	return loaded ? journal_catch_up(a, f) : 0;
}

int
journal_close(struct account *a, struct fail *f)
{
	struct segment *seg;
	struct rec_seal seal;

	for (;;) {
		seal = (struct rec_seal){.kind = SEAL_GONE};
		if (journal_segment(a, &seg, f) != 0) {
			return -1;
		}
		int rc = append_seal(a, seg, clean_offset(a, seg), &seal, f);

		if (rc == 0 && seal.kind == SEAL_NEXT) {
			rc = journal_follow(a, seg, &seal, f);
		}
		if (rc == 0 && seal.kind == SEAL_NEXT) {
			rc = journal_move_on(a, f);
		}
		segment_unref(&seg);
		if (rc != 0) {
			return -1;
		}
		if (seal.kind == SEAL_GONE) {
			(void)set_gone(a, f);
			fail_clear(f);
			return 0;
		}
	}
}
