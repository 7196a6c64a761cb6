/*
 * Segments that lost what they had: put back from a copy, cut off below a
 * snapshot, or with a segment behind them and no SEAL any more.
 */
#include <stdlib.h>

#include "base/log.h"
#include "store/journal_priv.h"
#include "store/mutate_priv.h"
#include "store/snapshot_priv.h"

enum { FILL_SIZE = 4096 };

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

static int
look_at_snapshots(struct account *a, struct segment *seg, struct fail *f)
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

int
journal_fill(struct account *a, struct segment *seg, struct fail *f)
{
	static const char zeros[FILL_SIZE];
	struct fs_stat st;

	for (int i = 0; i < (1 << SEG_PLACE_BITS) / FILL_SIZE; i++) {
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

/* It has gone, says nothing, or is none that this program could go on in. */
static bool
is_no_successor(const struct fail *why)
{
	return why->kind == FAIL_ABSENT || why->kind == FAIL_CORRUPT
	       || why->kind == FAIL_PERM;
}

/*
 * Of the segments that name `old` as the one before them that with most
 * octets.  A candidate without a record, if there is no other, is as good as
 * a new one, and better if somebody has it open.  *size 0: none is there.
 */
static int
find_successor(struct account *a, const struct segment *old,
    struct seg_name *out, uint64_t *size, struct fail *f)
{
	struct seg_name *names;
	size_t n;
	int rc = 0;

	*size = 0;
	if (journal_list(a, &names, &n, f) != 0) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		struct segment *seg;
		struct fail why = {0};

		if (rc != 0 || names[i].number <= old->header.name.number) {
			continue;
		}
		if (segment_open(a->store->fs, a->dir, &names[i], &seg, &why)
		    != 0) {
			/* One that cannot be looked at may be the one. */
			rc = is_no_successor(&why) ? 0 : -1;
			*f = rc == 0 ? *f : why;
			continue;
		}
		if (seg_name_eq(&seg->header.previous, &old->header.name)
		    && seg->size_at_open > *size) {
			*size = seg->size_at_open;
			*out = names[i];
		}
		segment_unref(&seg);
	}
	free(names);
	return rc;
}

int
journal_successor(struct account *a, const struct segment *old, bool *found,
    struct seg_name *out, struct fail *f)
{
	uint64_t size;

	*found = false;
	if (find_successor(a, old, out, &size, f) != 0) {
		return -1;
	}
	*found = size != 0;
	return 0;
}

int
journal_look_ahead(struct account *a, struct segment *seg, uint64_t from,
    bool *sealed, struct rec_seal *seal, struct fail *f)
{
	struct seg_name next;
	uint64_t size;

	*sealed = false;
	if (find_successor(a, seg, &next, &size, f) != 0) {
		return -1;
	}
	/* One that was cut may end before `from`. */
	if (size <= SEG_HEADER || seg->cut || MUTATION(F10D)) {
		return 0;
	}
	/* Nobody appended to that before the SEAL was there and read back: a
	 * read that begins now finds it. */
	if (journal_seal(seg, from, sealed, seal, f) != 0) {
		return -1;
	}
	if (!*sealed) {
		LOG(LOG_ERROR, "journal.seal_lost", kv_str("account", a->id),
		    kv_u64("segment", seg->header.name.number),
		    kv_u64("next", next.number));
		seg->cut = true;
	}
	return 0;
}

int
journal_look(struct account *a, struct segment *seg, struct fail *f)
{
	struct rec_seal seal;
	bool sealed;

	return look_at_snapshots(a, seg, f) != 0
		       || journal_look_ahead(
			      a, seg, SEG_HEADER, &sealed, &seal, f)
			      != 0
		   ? -1
		   : 0;
}
