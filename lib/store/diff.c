/*
 * diff: what changed between two versions of a mailbox.
 *
 * Both are walked by UID.  Where a chunk of one meets the same chunk of the
 * other nothing changed, and both are passed over: so the price is that of
 * the changes, not of the mailbox.
 */
#include "base/mem.h"
#include "store/state_priv.h"

void
mbox_diff_begin(
    struct mbox_diff *d, const struct mbox *old, const struct mbox *new)
{
	ASSERT(old->id == new->id);
	*d = (struct mbox_diff){.old = old, .new = new};
}

static const struct vec *
msgs_of(const struct mbox *mbox)
{
	return &((const struct box *)mbox)->msgs;
}

/* Pass over a chunk that both have at this point.  False if there is none. */
static bool
skip_same(struct mbox_diff *d)
{
	const struct vec *a = msgs_of(d->old);
	const struct vec *b = msgs_of(d->new);
	uint32_t in_a;
	uint32_t in_b;

	if (a == b) {
		d->old_at = a->n;
		d->new_at = b->n;
		return true;
	}
	if (d->old_at >= a->n || d->new_at >= b->n) {
		return false;
	}
	uint32_t i = vec_chunk_of(a, d->old_at, &in_a);
	uint32_t k = vec_chunk_of(b, d->new_at, &in_b);

	if (in_a != 0 || in_b != 0 || a->chunks[i] != b->chunks[k]) {
		return false;
	}
	d->old_at += a->chunks[i]->n;
	d->new_at += b->chunks[k]->n;
	return true;
}

/* The next of `old` that is not the same in `new`. */
static bool
next_of_old(struct mbox_diff *d, struct mbox_change *out)
{
	while (d->old_at < d->old->exists) {
		if (skip_same(d)) {
			continue;
		}
		const struct msg *was = mbox_msg(d->old, d->old_at);
		const struct msg *is = d->new_at < d->new->exists
					   ? mbox_msg(d->new, d->new_at)
					   : NULL;

		if (is == NULL || is->uid > was->uid) {
			*out = (struct mbox_change){.kind = CHANGE_EXPUNGED,
			    .old_index = d->old_at++,
			    .msg = was};
			return true;
		}
		/* UIDs only ever rise: nothing was added in between. */
		ASSERT(is->uid == was->uid);
		d->old_at++;
		d->new_at++;
		if (is->modseq != was->modseq) {
			*out = (struct mbox_change){.kind = CHANGE_FLAGS,
			    .old_index = d->old_at - 1,
			    .new_index = d->new_at - 1,
			    .msg = is};
			return true;
		}
	}
	return false;
}

bool
mbox_diff_next(struct mbox_diff *d, struct mbox_change *out)
{
	if (next_of_old(d, out)) {
		return true;
	}
	if (d->new_at == d->new->exists) {
		return false;
	}
	*out = (struct mbox_change){.kind = CHANGE_ADDED,
	    .new_index = d->new_at,
	    .msg = mbox_msg(d->new, d->new_at)};
	d->new_at++;
	return true;
}
