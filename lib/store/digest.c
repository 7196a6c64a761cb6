/*
 * Digests of messages, from the records that brought them, or from packs.
 *
 * A digest stands in its message's ADD record, in a segment of the journal,
 * until that is collected; from then on in a pack.  The reader keeps one
 * segment open and one window of it in memory: messages in ascending order
 * mostly find theirs in the window.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/journal_priv.h"
#include "store/packs_priv.h"

enum {
	WINDOW = 256 * 1024,
	LOOKS = 4, /* anew, in the life of a reader */
};

struct digest_reader {
	struct account *account; /* a reference */
	struct packset *packs;	 /* a reference; NULL: not looked yet */
	struct pack_finder *finder;
	unsigned looks; /* at the packs */

	struct seg_name *names; /* of the segments there are */
	size_t n_names;
	bool listed;
	struct segment *segment; /* NULL: none open */
	char *window;
	uint64_t at; /* offset of the window in the segment */
	size_t len;
};

struct digest_reader *
digest_reader_new(
    struct account *account, const struct view *view, const struct mbox *mbox)
{
	struct digest_reader *r = xmalloc(sizeof(*r));

	(void)view;
	(void)mbox;
	r->account = account_ref(account);
	return r;
}

void
digest_reader_free(struct digest_reader **r)
{
	struct digest_reader *old = *r;

	*r = NULL;
	if (old == NULL) {
		return;
	}
	pack_finder_free(&old->finder);
	packset_unref(&old->packs);
	segment_unref(&old->segment);
	account_close(&old->account);
	free(old->names);
	free(old->window);
	free(old);
}

/* ---- in the journal ---- */

/* Position of the next segment of this number below `before`; -1. */
static ptrdiff_t
find_number(const struct digest_reader *r, uint64_t number, size_t before)
{
	for (size_t i = before; i-- > 0;) {
		if (r->names[i].number == number) {
			return (ptrdiff_t)i;
		}
	}
	return -1;
}

static int
list_segments(struct digest_reader *r, struct fail *f)
{
	free(r->names);
	r->names = NULL;
	r->n_names = 0;
	return journal_list(r->account, &r->names, &r->n_names, f);
}

static int
open_segment(struct digest_reader *r, size_t i, struct fail *f)
{
	struct account *a = r->account;

	if (r->segment != NULL
	    && seg_name_eq(&r->segment->header.name, &r->names[i])) {
		return 0;
	}
	segment_unref(&r->segment);
	r->len = 0;
	return segment_open(a->store->fs, a->dir, &r->names[i], &r->segment, f);
}

/* What the window has from `offset` on. */
static struct sv
in_window(const struct digest_reader *r, uint64_t offset)
{
	if (offset < r->at || offset - r->at >= r->len) {
		return SV_EMPTY;
	}
	return sv_make(
	    r->window + (offset - r->at), r->len - (size_t)(offset - r->at));
}

static int
read_window(struct digest_reader *r, uint64_t offset, struct fail *f)
{
	if (r->window == NULL) {
		r->window = xrealloc(NULL, WINDOW); /* not zeroed */
	}
	r->len = 0;
	ssize_t n =
	    fs_pread(r->segment->fs, r->segment->fd, r->window, WINDOW, offset);

	if (n < 0) {
		return fail_err(f, (int)-n, "read journal");
	}
	r->at = offset;
	r->len = (size_t)n;
	return 0;
}

/* The digest of the record at `offset` of the open segment. */
static int
read_digest(
    struct digest_reader *r, uint64_t offset, struct sv *out, struct fail *f)
{
	const struct record_key *key = &r->segment->key;
	struct record rec;
	struct rec_add add;

	if (record_read(in_window(r, offset), key, &rec) != RECORD_WHOLE) {
		if (read_window(r, offset, f) != 0) {
			return -1;
		}
		if (record_read(in_window(r, offset), key, &rec)
		    != RECORD_WHOLE) {
			return fail_set(f, FAIL_ABSENT, "digest damaged");
		}
	}
	if (rec.type != RECORD_ADD || !rec_add_read(rec.body, &add)) {
		return fail_set(f, FAIL_ABSENT, "digest damaged");
	}
	*out = add.digest;
	return 0;
}

/* Segments younger than those that were listed ask for another look; older
 * ones that are not among them have been collected. */
static int
names_for(struct digest_reader *r, uint64_t number, struct fail *f)
{
	if (r->listed
	    && (r->n_names == 0 || number <= r->names[r->n_names - 1].number)) {
		return 0;
	}
	r->listed = list_segments(r, f) == 0;
	return r->listed ? 0 : -1;
}

/* 1: here it is, 0: it is not in the journal (any more), -1. */
static int
from_journal(
    struct digest_reader *r, place_t place, struct sv *out, struct fail *f)
{
	uint64_t number = place >> SEG_PLACE_BITS;
	uint64_t offset = place & ((UINT64_C(1) << SEG_PLACE_BITS) - 1);

	if (names_for(r, number, f) != 0) {
		return -1;
	}
	/* One that lost the race for a SEAL may have the number, too, until it
	 * is removed; it has no records. */
	for (ptrdiff_t i = find_number(r, number, r->n_names); i >= 0;
	     i = find_number(r, number, (size_t)i)) {
		if (open_segment(r, (size_t)i, f) == 0
		    && read_digest(r, offset, out, f) == 0) {
			return 1;
		}
	}
	return 0;
}

/* ---- in packs ---- */

static int
look(struct digest_reader *r, bool anew, struct fail *f)
{
	pack_finder_free(&r->finder);
	packset_unref(&r->packs);
	r->looks++;
	if (packset_get(r->account, anew, &r->packs, f) != 0) {
		return -1;
	}
	r->finder = pack_finder_new(r->account, r->packs);
	return 0;
}

/* 1: here it is, 0: not in those packs that we know of, -1: not known. */
static int
from_packs(
    struct digest_reader *r, place_t place, struct sv *out, struct fail *f)
{
	bool bad;

	if (r->packs == NULL && look(r, false, f) != 0) {
		return -1;
	}
	return pack_finder_get(r->finder, place, out, &bad, f);
}

int
digest_reader_get(struct digest_reader *r, const struct msg *msg,
    struct sv *out, struct fail *f)
{
	place_t place = msg->digest_at;

	*out = SV_EMPTY;
	if (place == 0) {
		return fail_set(f, FAIL_ABSENT, "the message has no digest");
	}
	for (;;) {
		int rc = from_packs(r, place, out, f);

		if (rc == 0) {
			rc = from_journal(r, place, out, f);
		}
		if (rc == 1) {
			fail_clear(f);
			return 0;
		}
		/* It may have gone from journal to pack, or from one pack to
		 * another, since we looked. */
		if (r->looks >= LOOKS
		    || (rc == 0 && place < packset_end(r->packs))) {
			break;
		}
		if (look(r, true, f) != 0) {
			return -1;
		}
	}
	return fail_set(f, FAIL_ABSENT, "the digest is lost");
}
