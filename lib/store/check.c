/*
 * Verify all that an account consists of, and mend what can be mended.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/check_priv.h"
#include "store/journal_priv.h"
#include "store/packs_priv.h"

/* ---- the journal ---- */

/* A SEAL that is not there, or stands in for one that was not. */
static int
check_seal(const struct check *c, struct segment *seg, const struct scan *scan,
    const char *name, struct fail *f)
{
	struct rec_seal seal = scan->seal;
	bool sealed = scan->end == SCAN_SEAL;

	if (!sealed
	    && journal_look_ahead(c->account, seg, scan->at, &sealed, &seal, f)
		   != 0) {
		return -1;
	}
	if (sealed ? seal.kind == SEAL_MENDED : seg->cut) {
		check_report(c, "journal/%s: its end was lost", name);
	}
	return !sealed && seg->cut && c->conf->repair
		   ? journal_rotate(c->account, seg, 0, 0, f)
		   : 0;
}

/* What cannot be read is a finding as well: the rest is still looked at. */
static void
check_segment(
    const struct check *c, const struct seg_name *name, struct fail *f)
{
	struct account *a = c->account;
	char text[SEG_NAME_SIZE];
	struct segment *seg;
	struct scan scan;
	int rc;

	c->sum->segments++;
	check_progress(c);
	seg_name_write(name, text);
	if (segment_open(a->store->fs, a->dir, name, &seg, f) != 0) {
		/* Gone: collected since it was listed. */
		if (f->kind != FAIL_ABSENT) {
			check_report(c, "journal/%s: %s", text, f->text);
		}
		fail_clear(f);
		return;
	}
	scan_init(&scan, seg, SEG_HEADER);
	do {
		rc = scan_next(&scan, f);
	} while (rc == 0 && scan.end == SCAN_MORE);
	if (rc == 0 && scan.gaps != 0) {
		check_report(c,
		    "journal/%s: %llu octets are no record, or of a change "
		    "that is not all there",
		    text, (unsigned long long)scan.gaps);
	}
	if (rc == 0) {
		rc = check_seal(c, seg, &scan, text, f);
	}
	if (rc != 0) {
		check_report(c, "journal/%s: %s", text, f->text);
		fail_clear(f);
	}
	scan_deinit(&scan);
	segment_unref(&seg);
}

static int
check_journal(const struct check *c, struct fail *f)
{
	struct seg_name *names;
	size_t n;
	int rc = 0;

	if (journal_list(c->account, &names, &n, f) != 0) {
		return -1;
	}
	for (size_t i = 0; rc == 0 && i < n; i++) {
		check_segment(c, &names[i], f);
	}
	free(names);
	return rc;
}

/* ---- snapshots ---- */

/* Removed since it was listed, by whoever made the next ones. */
static bool
snapshot_is_gone(const struct account *a, const struct snap_name *name)
{
	char path[SNAP_PATH_SIZE];
	struct fs_stat st;

	snap_path(name, NULL, path);
	return fs_stat_at(a->store->fs, a->dir, path, &st) == -ENOENT;
}

/* 1: damaged, 0: whole or gone, -1. */
static int
check_snapshot(
    const struct check *c, const struct snap_name *name, struct fail *f)
{
	struct account *a = c->account;
	struct snap_manifest m;
	struct replay r;
	int rc;

	c->sum->snapshots++;
	rc = snap_open(a->store->fs, a->dir, name, &m, f);
	if (rc == 0) {
		rc = snap_load(a->store->fs, a->dir, name, &r, f);
		if (rc == 0 && replay_hash(&r) != m.hash) {
			rc = fail_set(f, FAIL_CORRUPT,
			    "its state is not the one it was made of");
		}
		if (rc == 0 || r.view != NULL) {
			replay_deinit(&r);
		}
		snap_manifest_deinit(&m);
	}
	if (rc == 0) {
		return 0;
	}
	if (f->kind == FAIL_ABSENT && snapshot_is_gone(a, name)) {
		fail_clear(f);
		return 0;
	}
	if (f->kind != FAIL_CORRUPT && f->kind != FAIL_ABSENT) {
		return -1;
	}
	check_report(
	    c, "snapshot %016llx: %s", (unsigned long long)name->at, f->text);
	fail_clear(f);
	return 1;
}

/* Write a snapshot that shares nothing, then remove those that are damaged:
 * there are two generations again. */
static int
renew_snapshots(const struct check *c, const struct snap_name *names,
    const bool *damaged, size_t n, struct fail *f)
{
	struct account *a = c->account;
	struct freeze z;
	int rc;

	if (freeze_take(a, &z, f) != 0) {
		return -1;
	}
	rc = journal_flush(a, z.segment, z.r.offset, f);
	if (rc == 0) {
		rc = checkpoint_write(a, &z, true, f);
	}
	freeze_drop(&z);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (damaged[i]) {
			rc = snapshots_remove(a, &names[i], 1, f);
		}
	}
	return rc;
}

static int
check_snapshots(const struct check *c, struct fail *f)
{
	struct account *a = c->account;
	struct snap_name *names;
	bool *damaged;
	bool any = false;
	size_t n;
	int rc = 0;

	if (snap_list(a->store->fs, a->dir, &names, &n, f) != 0) {
		return -1;
	}
	damaged = xcalloc(n + 1, sizeof(*damaged));
	for (size_t i = 0; rc >= 0 && i < n; i++) {
		rc = check_snapshot(c, &names[i], f);
		damaged[i] = rc == 1;
		any |= damaged[i];
	}
	if (rc >= 0 && any && c->conf->repair) {
		rc = renew_snapshots(c, names, damaged, n, f);
	}
	free(damaged);
	free(names);
	return rc < 0 ? -1 : 0;
}

/*
 * The journal does not lead from the older snapshots to the newest, which is
 * what all begin with: octets of it went bad in between, most likely.  Nothing
 * could be collected any more.  Two new generations of what all see take the
 * place of those that there are.
 */
static int
renew_generations(
    const struct check *c, const struct generations *g, struct fail *f)
{
	struct account *a = c->account;
	struct freeze z;
	int rc;

	if (freeze_take(a, &z, f) != 0) {
		return -1;
	}
	rc = journal_flush(a, z.segment, z.r.offset, f);
	for (int i = 0; rc == 0 && i < 2; i++) {
		rc = checkpoint_write(a, &z, true, f);
	}
	freeze_drop(&z);
	return rc == 0 ? snapshots_remove(a, g->names, g->n, f) : -1;
}

static int
check_generations(const struct check *c, struct fail *f)
{
	struct account *a = c->account;
	struct generations g;
	int rc;

	if (generations_open(a->store->fs, a->dir, &g, f) != 0) {
		return f->kind == FAIL_CORRUPT ? 0 : -1; /* said already */
	}
	rc =
	    g.older < g.n ? generations_verify(a->store->fs, a->dir, &g, f) : 0;
	if (rc != 0 && f->kind == FAIL_CORRUPT) {
		check_report(c, "%s", f->text);
		fail_clear(f);
		rc = c->conf->repair ? renew_generations(c, &g, f) : 0;
	}
	generations_deinit(&g);
	return rc;
}

/* ---- packs ---- */

static int
check_packs(const struct check *c, struct fail *f)
{
	uint64_t missing;

	if (packs_check(c->account, c->conf->repair, &missing, f) != 0) {
		return -1;
	}
	if (missing != 0) {
		check_report(c, "pack/: %llu digests are missing or damaged",
		    (unsigned long long)missing);
	}
	return 0;
}

/* ---- all ---- */

int
account_check(struct account *account, const struct check_conf *conf,
    struct checked *sum, struct fail *f)
{
	struct check c = {.account = account, .conf = conf, .sum = sum};
	struct freeze z;
	int rc;

	if (check_journal(&c, f) != 0 || check_snapshots(&c, f) != 0
	    || check_generations(&c, f) != 0 || check_packs(&c, f) != 0
	    || freeze_take(account, &z, f) != 0) {
		return -1;
	}
	rc = check_lost(&c, z.r.view, f);
	if (rc == 0) {
		rc = check_strays(&c, z.r.view, f);
	}
	freeze_drop(&z);
	return rc;
}
