/*
 * Segments that lost what they had: cut off below a snapshot, or put back
 * from a copy.
 */
#include <stdlib.h>

#include "store/journal_priv.h"
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

int
journal_look(struct account *a, struct segment *seg, struct fail *f)
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

/*
 * If the cut took the SEAL, the segment that it named is there, with records
 * that count.  A candidate without a record is as good as a new one, and
 * better if somebody has it open.  *found: `out` is it.
 */
int
journal_successor(struct account *a, const struct segment *old, bool *found,
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
