/*
 * Scenes of what keeps an account in order.
 */
#include <errno.h>

#include "base/buf.h"
#include "sweep.h"

enum { DAYS_MS = 10 * 24 * 3600 * 1000 };

/* A pack that could not be read is damaged, and packs are a cache: then those
 * messages are read when they are listed. */
static bool
may_lose_digests(const struct run *r)
{
	return r->kind->answer == -EIO || r->kind->answer == SIM_SHORT;
}

/* Digests of all messages are where the next reader finds them. */
static void
check_digests(struct run *r)
{
	struct view *v = NULL;
	struct fail f;

	assert_int_equal(account_refresh(r->account[0], &v, &f), 0);
	const struct mbox *m = view_mbox_by_id(v, 1);
	struct digest_reader *digests = digest_reader_new(r->account[0], v, m);

	for (uint32_t i = 0; i < m->exists; i++) {
		struct buf want = {.len = 0};
		struct sv got;
		uint32_t k = 0;

		assert_true(content_of_size(mbox_msg(m, i)->size, &k));
		if (mbox_msg(m, i)->digest_at == 0) {
			continue; /* it came without one */
		}
		content_digest(k, &want);
		if (digest_reader_get(digests, mbox_msg(m, i), &got, &f) == 0) {
			assert_true(sv_eq(got, buf_sv(&want)));
		} else if (!may_lose_digests(r)) {
			fail_msg(
			    "%s: digest of %u: %s", sweep_where(), k, f.text);
		}
		buf_deinit(&want);
	}
	digest_reader_free(&digests);
	view_unref(&v);
}

/* ---- a segment that lost, or was never in, the race for a SEAL ---- */

/* Rotations that were begun and given up: candidates without a SEAL. */
static void
leave_candidates(struct run *r)
{
	for (unsigned i = 0; i < 3; i++) {
		run_end(r);
		/* Where the SEAL was to be written. */
		static const struct kind killed = {
		    .name = "killed", .kill = true};
		const struct kind *kind = r->kind;
		unsigned left = r->left;

		assert_true(run_begin(r));
		simfs_advance(r->fs, DAYS_MS);
		r->kind = &killed;
		r->left = 6;
		r->armed = true;
		op_collect(r, 0);
		assert_true(run_dead(r));
		r->kind = kind;
		r->left = left;
		r->armed = false;
	}
	run_end(r);
	assert_true(run_begin(r));
}

static void
tidy(struct run *r)
{
	op_deliver(r, 0, 3);
	op_checkpoint(r, 0);
	simfs_advance(r->fs, DAYS_MS);
	op_collect(r, 0);
	op_deliver(r, 0, 4);
	op_checkpoint(r, 0);
	op_collect(r, 0);
	op_append(r, 0, 5);
}

const struct scene scene_candidates = {.name = "candidates left",
    .set_up = leave_candidates,
    .act = tidy,
    .check = check_digests};

/* ---- packs ---- */

static void
some_history(struct run *r)
{
	for (uint32_t k = 3; k < 8; k++) {
		op_deliver(r, 0, k);
		op_checkpoint(r, 0);
		simfs_advance(r->fs, DAYS_MS);
		op_collect(r, 0);
	}
}

static void
pack(struct run *r)
{
	op_expunge(r, 0, 4);
	op_deliver(r, 0, 8);
	op_checkpoint(r, 0);
	simfs_advance(r->fs, DAYS_MS);
	op_collect(r, 0);
	op_deliver(r, 0, 10);
	op_checkpoint(r, 0);
	simfs_advance(r->fs, DAYS_MS);
	op_collect(r, 0);
}

const struct scene scene_packs = {.name = "packs",
    .set_up = some_history,
    .act = pack,
    .check = check_digests};
