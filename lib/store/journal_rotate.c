/*
 * Sealing a segment: with the name of the next, or for ever.
 */
#include <stdio.h>

#include "store/account_priv.h"
#include "store/head_priv.h"
#include "store/journal_priv.h"
#include "store/mutate_priv.h"

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

/* Append the SEAL and read back which one is the first: *seal becomes it. */
static int
append_seal(struct account *a, struct segment *seg, uint64_t clean,
    struct rec_seal *seal, struct fail *f)
{
	if (seg->cut && journal_fill(a, seg, f) != 0) {
		return -1;
	}
	for (int i = 0; i < SEAL_TRIES; i++) {
		struct buf framed = {0};
		bool found;

		if (a->store->read_only) {
			return store_is_read_only(f);
		}

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
		return store_flush_new_failed(s, -rc, "new journal", f);
	}
	if (!s->traits.fsync_covers_name) {
		return store_sync_path(s, a->dir, "journal", f);
	}
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

/*
 * Make the candidate, then seal with its name; *seal becomes the SEAL that
 * counts.  If the SEAL was lost, the segment that it named has records that
 * count: the new one names it again, and says that what stood before may not
 * be all there.
 */
static int
make_and_seal(struct account *a, struct segment *old, int64_t floor_ms,
    place_t purge, struct segment **mine, struct rec_seal *seal, struct fail *f)
{
	struct seg_name name = seg_name_next(a->store, old->header.name.number);
	bool late = MUTATION(F2);
	bool known = false;
	bool sealed;

	if (journal_look_ahead(a, old, clean_offset(a, old), &sealed, seal, f)
	    != 0) {
		return -1;
	}
	if (sealed) {
		return 0;
	}
	if (old->cut && journal_successor(a, old, &known, &name, f) != 0) {
		return -1;
	}
	if (!late && !known
	    && make_candidate(a, old, &name, floor_ms, purge, mine, f) != 0) {
		return -1;
	}
	*seal = (struct rec_seal){
	    .kind = known ? SEAL_MENDED : SEAL_NEXT, .next = name};
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
	bool won = mine != NULL && seal.kind != SEAL_GONE
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

/* Seal it for ever; what was sealed before, or may be, is followed. */
static int
close_one(struct account *a, struct segment *seg, struct rec_seal *seal,
    struct fail *f)
{
	if (seg->cut) {
		seal->kind = SEAL_NEXT;
		return journal_rotate(a, seg, 0, 0, f);
	}
	*seal = (struct rec_seal){.kind = SEAL_GONE};
	if (append_seal(a, seg, clean_offset(a, seg), seal, f) != 0) {
		f->kind = FAIL_UNKNOWN; /* it may stand there */
		return -1;
	}
	return seal->kind != SEAL_GONE ? journal_follow(a, seg, seal, f) : 0;
}

int
journal_close(struct account *a, struct fail *f)
{
	struct segment *seg;
	struct rec_seal seal;

	for (;;) {
		if (a->store->read_only) {
			return store_is_read_only(f);
		}
		if (journal_segment(a, &seg, f) != 0) {
			return -1;
		}
		int rc = close_one(a, seg, &seal, f);

		/* A loaded account moves by replay alone. */
		if (rc == 0 && seal.kind != SEAL_GONE && account_is_loaded(a)) {
			rc = journal_catch_up(a, f);
		}
		segment_unref(&seg);
		if (rc != 0) {
			return -1;
		}
		if (seal.kind == SEAL_GONE) {
			journal_set_gone(a);
			return 0;
		}
	}
}
