/*
 * Two snapshots that check each other (F6).
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/collect_priv.h"
#include "store/mutate_priv.h"

/* ---- replaying from one to the other ---- */

static bool
stands_at(const struct replay *r, const struct snap_manifest *end)
{
	return seg_name_eq(&r->segment, &end->segment)
	       && r->offset >= end->offset;
}

/* One segment, as far as `end` if that is in it. */
static int
replay_one(struct replay *r, struct segment *seg,
    const struct snap_manifest *end, struct rec_seal *seal, struct fail *f)
{
	place_t stop = snap_manifest_at(end);
	struct scan scan;
	int rc;

	seal->kind = SEAL_GONE;
	scan_init(&scan, seg, r->offset);
	do {
		rc = scan_next(&scan, f);
		for (size_t i = 0; rc == 0 && i < scan.n; i++) {
			if (scan.rec[i].place < stop) {
				replay_apply(r, &scan.rec[i], NULL);
			}
		}
		if (rc == 0) {
			bool behind = seg_name_eq(&r->segment, &end->segment)
				      && scan.at > end->offset;

			r->offset = behind ? end->offset : scan.at;
		}
	} while (rc == 0 && scan.end == SCAN_MORE && !stands_at(r, end));
	if (rc == 0 && scan.end == SCAN_SEAL) {
		*seal = scan.seal;
	}
	scan_deinit(&scan);
	return rc;
}

static int
leads_nowhere(const struct snap_manifest *end, struct fail *f)
{
	return fail_set(f, FAIL_CORRUPT,
	    "the journal does not lead to snapshot %llx",
	    (unsigned long long)snap_manifest_at(end));
}

/* Replay from where `r` stands to `end`, which a later snapshot names.
 * FAIL_CORRUPT: the journal does not lead there. */
static int
replay_until(struct fs *fs, int account_dir, struct replay *r,
    const struct snap_manifest *end, struct fail *f)
{
	while (!stands_at(r, end)) {
		struct segment *seg;
		struct rec_seal seal;

		if (segment_open(fs, account_dir, &r->segment, &seg, f) != 0) {
			return -1;
		}
		int rc = replay_one(r, seg, end, &seal, f);

		segment_unref(&seg);
		if (rc != 0) {
			return -1;
		}
		if (stands_at(r, end)) {
			break;
		}
		if (seal.kind == SEAL_GONE
		    || seal.next.number > end->segment.number) {
			return leads_nowhere(end, f);
		}
		if (segment_open(fs, account_dir, &seal.next, &seg, f) != 0) {
			return -1;
		}
		r->segment = seal.next;
		r->offset = SEG_HEADER;
		replay_enter(r, &seg->header);
		segment_unref(&seg);
	}
	return 0;
}

/* ---- finding them ---- */

static bool
share_a_chunk(const struct snap_manifest *a, const struct snap_manifest *b)
{
	for (size_t i = 0; i < a->n_chunks; i++) {
		for (size_t k = 0; k < b->n_chunks; k++) {
			if (a->chunks[i].id == b->chunks[k].id) {
				return true;
			}
		}
	}
	return false;
}

/* The newest below the first that is not of its kin. */
static int
find_older(struct fs *fs, int dir, struct generations *g, struct fail *f)
{
	for (g->older = 1; g->older < g->n; g->older++) {
		struct fail why;

		if (snap_open(fs, dir, &g->names[g->older], &g->a, &why) != 0) {
			if (why.kind != FAIL_CORRUPT
			    && why.kind != FAIL_ABSENT) {
				*f = why;
				return -1;
			}
			continue; /* it cannot vouch for anything */
		}
		if (MUTATION(F6) || !share_a_chunk(&g->a, &g->b)) {
			return 0;
		}
		snap_manifest_deinit(&g->a);
	}
	g->older = g->n;
	return 0;
}

int
generations_open(
    struct fs *fs, int account_dir, struct generations *g, struct fail *f)
{
	*g = (struct generations){.names = NULL};
	if (snap_list(fs, account_dir, &g->names, &g->n, f) != 0) {
		return -1;
	}
	if (g->n == 0) {
		return 0;
	}
	if (snap_open(fs, account_dir, &g->names[0], &g->b, f) != 0
	    || find_older(fs, account_dir, g, f) != 0) {
		generations_deinit(g);
		return -1;
	}
	return 0;
}

void
generations_deinit(struct generations *g)
{
	snap_manifest_deinit(&g->a);
	snap_manifest_deinit(&g->b);
	free(g->names);
	g->names = NULL;
}

/* ---- comparing them ---- */

static int
differs(const char *what, const struct snap_manifest *m, struct fail *f)
{
	return fail_set(f, FAIL_CORRUPT, "snapshot %llx: %s",
	    (unsigned long long)snap_manifest_at(m), what);
}

static int
load_checked(struct fs *fs, int dir, const struct snap_name *name,
    const struct snap_manifest *m, struct replay *r, struct fail *f)
{
	if (snap_load(fs, dir, name, r, f) != 0) {
		return -1;
	}
	if (replay_hash(r) != m->hash) {
		replay_deinit(r);
		return differs("its state is not the one it was made of", m, f);
	}
	return 0;
}

/* `r` stands before `m`: replay to it gives its state. */
static int
replay_checked(struct fs *fs, int dir, struct replay *r,
    const struct snap_manifest *m, struct fail *f)
{
	if (replay_until(fs, dir, r, m, f) != 0) {
		return -1;
	}
	return replay_hash(r) != m->hash ? differs(
		   "replay from an older one gives another state", m, f)
					 : 0;
}

/* A failure to use the oldest snapshot that says nothing of the others: being
 * neither of the two, it may be damaged, or removed by now, or one that was
 * published so late that its segments had been collected. */
static bool
is_its_own(const struct fail *f)
{
	return f->kind == FAIL_CORRUPT || f->kind == FAIL_ABSENT;
}

/* From the oldest, if there is one below both. */
static int
verify_from_oldest(struct fs *fs, int dir, const struct generations *g,
    bool *done, struct fail *f)
{
	const struct snap_name *name = &g->names[g->n - 1];
	struct snap_manifest m;
	struct replay r;

	*done = false;
	if (g->n - 1 <= g->older) {
		return 0;
	}
	int rc = snap_open(fs, dir, name, &m, f);

	if (rc == 0) {
		rc = load_checked(fs, dir, name, &m, &r, f);
		snap_manifest_deinit(&m);
	}
	if (rc != 0) {
		return is_its_own(f) ? 0 : -1;
	}
	rc = replay_checked(fs, dir, &r, &g->a, f);
	if (rc == 0) {
		rc = replay_checked(fs, dir, &r, &g->b, f);
	}
	replay_deinit(&r);
	if (rc != 0 && f->kind == FAIL_ABSENT) {
		return 0;
	}
	*done = true;
	return rc;
}

int
generations_verify(
    struct fs *fs, int account_dir, const struct generations *g, struct fail *f)
{
	struct replay r;
	bool done;
	int rc;

	if (load_checked(fs, account_dir, &g->names[0], &g->b, &r, f) != 0) {
		return -1;
	}
	replay_deinit(&r);
	if (load_checked(fs, account_dir, &g->names[g->older], &g->a, &r, f)
	    != 0) {
		return -1;
	}
	rc = verify_from_oldest(fs, account_dir, g, &done, f);
	if (rc == 0 && !done) {
		rc = replay_checked(fs, account_dir, &r, &g->b, f);
	}
	replay_deinit(&r);
	return rc;
}
