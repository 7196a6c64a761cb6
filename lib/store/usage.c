/*
 * usage: what an account holds, without loading its state.
 *
 * The head says what was there when its segment was begun, or at a place in
 * it; the ADDs from there on are counted by reading them.  What was expunged
 * since is not: an estimate, soon put right by the next head.  Of copies it is
 * known that there were some, but not how large they are; and behind a SEAL
 * nothing is counted: then it is too low.
 */
#include "base/mem.h"
#include "store/change_priv.h"
#include "store/head_priv.h"

/* Where counting stands. */
struct count {
	struct usage sum;
	bool low;      /* something was not counted */
	uint64_t at;   /* offset in the segment */
	place_t after; /* only records behind this place */
};

static void
count_records(struct count *c, const struct scan *scan)
{
	for (size_t i = 0; i < scan->n; i++) {
		const struct record *r = &scan->rec[i];
		struct rec_add add;

		if (r->place <= c->after) {
			continue;
		}
		c->low |= r->type == RECORD_COPY || r->type == RECORD_UNDELETE;
		if (r->type == RECORD_ADD && rec_add_read(r->body, &add)) {
			c->sum.messages++;
			c->sum.octets += add.size;
		}
	}
}

static int
count_on(struct count *c, struct segment *seg, struct fail *f)
{
	struct scan scan;
	int rc;

	scan_init(&scan, seg, c->at);
	do {
		rc = scan_next(&scan, f);
		if (rc == 0) {
			count_records(c, &scan);
		}
	} while (rc == 0 && scan.end == SCAN_MORE);
	/* Others have gone on in the next segment. */
	c->low |= scan.end == SCAN_SEAL;
	c->at = scan.at;
	scan_deinit(&scan);
	return rc;
}

/* Where we stopped the last time in this segment, or what its head says.
 * False: neither. */
static bool
count_begin(struct account *a, const struct segment *seg, struct count *c)
{
	const struct seg_name *name = &seg->header.name;
	struct head *head;
	bool known;

	lock_acquire(&a->lock);
	known = a->counted_at != 0 && seg_name_eq(&a->counted_in, name);
	if (known) {
		*c = (struct count){.sum = a->counted,
		    .low = a->counted_low,
		    .at = a->counted_at};
	}
	lock_release(&a->lock);
	if (known) {
		return true;
	}
	if (head_fresh(a, &head) != 0) {
		return false;
	}
	known = seg_name_eq(&head->segment, name);
	*c = (struct count){
	    .sum = head->usage, .at = SEG_HEADER, .after = head->place};
	head_unref(&head);
	return known;
}

bool
usage_estimate(struct account *a, struct segment *seg, struct usage *out,
    bool *low_out, struct fail *f)
{
	struct count c;

	if (!count_begin(a, seg, &c) || count_on(&c, seg, f) != 0) {
		return false;
	}
	lock_acquire(&a->lock);
	a->counted = c.sum;
	a->counted_low = c.low;
	a->counted_in = seg->header.name;
	a->counted_at = c.at;
	lock_release(&a->lock);
	*out = c.sum;
	*low_out = c.low;
	return true;
}

static int
exact_usage(struct account *a, struct usage *out, struct fail *f)
{
	struct view *v;

	if (change_view(a, &v, f) != 0) {
		return -1;
	}
	*out = view_usage(v);
	view_unref(&v);
	return 0;
}

int
store_usage(struct store *store, const char *id, bool exact, struct usage *out,
    struct fail *f)
{
	struct account *a;
	struct segment *seg = NULL;
	bool low = false;
	int rc = 0;

	if (account_open(store, id, &a, f) != 0) {
		return -1;
	}
	lock_acquire(&a->lock);
	exact |= a->loaded;
	lock_release(&a->lock);
	if (!exact && journal_segment(a, &seg, f) != 0) {
		rc = -1;
	} else if (exact || !usage_estimate(a, seg, out, &low, f) || low) {
		rc = exact_usage(a, out, f);
	}
	segment_unref(&seg);
	account_close(&a);
	return rc;
}
