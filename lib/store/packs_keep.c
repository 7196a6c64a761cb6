/*
 * Packs before their segments are collected, and mending them.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "store/checkpoint_priv.h"
#include "store/journal_priv.h"
#include "store/keeper_priv.h"

enum {
	KEEP_TRIES = 8, /* a file may go before it is read */
	HOLE_TRIES = 3,
};

/* ---- what there is ---- */

static int
look_once(struct keeper *k, struct fail *f)
{
	free(k->names);
	k->names = NULL;
	pack_finder_free(&k->finder);
	packset_unref(&k->set);
	/* In this order: see packs_priv.h. */
	if (journal_list(k->account, &k->names, &k->n_names, f) != 0
	    || packset_get(k->account, true, &k->set, f) != 0) {
		return -1;
	}
	k->finder = pack_finder_new(k->account, k->set);
	return 0;
}

/* Was a segment collected that begins at `end` or above?  The oldest one left
 * names it: numbers go by the clock, and say nothing. */
static bool
lacks_behind(const struct keeper *k, place_t end)
{
	struct segment *seg;
	struct fail ignored;

	if (k->n_names == 0 || place_make(k->names[0].number, 0) <= end) {
		return false;
	}
	if (segment_open(k->fs, k->account->dir, &k->names[0], &seg, &ignored)
	    != 0) {
		return true;
	}
	uint64_t before = seg->header.previous.number;

	segment_unref(&seg);
	return before != 0 && place_make(before, 0) >= end;
}

/* Places that were collected, and are in none of the packs that were listed:
 * one that is removed, and that which spans it, can both escape a listing
 * that goes on meanwhile. */
static bool
has_hole(const struct keeper *k)
{
	place_t end = 0;

	for (size_t i = 0; i < k->set->n; i++) {
		const struct pack_name *name = &k->set->pack[i]->name;

		if (name->lo > end) {
			return true;
		}
		end = name->hi;
	}
	return lacks_behind(k, end);
}

static int
look(struct keeper *k, struct fail *f)
{
	for (unsigned i = 0; i < HOLE_TRIES; i++) {
		if (look_once(k, f) != 0) {
			return -1;
		}
		if (!has_hole(k)) {
			return 0;
		}
	}
	/* Somebody removed one: its digests will be made anew. */
	LOG(LOG_WARN, "store.packs_missing", kv_str("account", k->account->id));
	return 0;
}

/* ---- keeping ---- */

static int
remove_spanned(struct keeper *k, struct fail *f)
{
	struct account *a = k->account;

	for (size_t i = 0; i < k->set->n_spanned; i++) {
		char path[PACK_PATH_SIZE];

		pack_path(&k->set->spanned[i], path);
		int rc = fs_unlink(k->fs, a->dir, path);

		if (rc != 0 && rc != -ENOENT) {
			return fail_err(f, -rc, "unlink %s", path);
		}
	}
	return 0;
}

/* *more: not all is packed yet. */
static int
keep_some(struct keeper *k, uint64_t below, bool *more, struct fail *f)
{
	struct account *a = k->account;

	if (look(k, f) != 0) {
		return -1;
	}
	*more = packset_end(k->set) < place_make(below, 0);
	if (*more) {
		return keeper_gather(k, below, f) != 0 || keeper_make(k, f) != 0
			   ? -1
			   : 0;
	}
	/* Whoever made them: their names, before what they stand for goes. */
	return store_sync_path(a->store, a->dir, "pack", f) != 0
		       || remove_spanned(k, f) != 0
		   ? -1
		   : 0;
}

static void
keeper_deinit(struct keeper *k)
{
	pack_finder_free(&k->finder);
	packset_unref(&k->set);
	free(k->names);
	wants_deinit(&k->wants);
	free(k->found);
	buf_deinit(&k->fresh);
	buf_deinit(&k->mended);
}

int
packs_keep(struct account *a, uint64_t below, struct fail *f)
{
	struct keeper k = {.account = a, .fs = a->store->fs};
	struct freeze z;
	bool more = true;
	int rc = -1;

	if (freeze_take(a, &z, f) != 0) {
		return -1;
	}
	if (wants_init(&k.wants, z.r.view, f) == 0) {
		for (unsigned i = 0; more && i < KEEP_TRIES;) {
			rc = keep_some(&k, below, &more, f);
			if (rc != 0 && f->kind != FAIL_ABSENT) {
				break;
			}
			i += rc != 0; /* another collector was faster */
		}
	}
	keeper_deinit(&k);
	freeze_drop(&z);
	if (rc != 0 && f->kind == FAIL_ABSENT) {
		f->kind = FAIL_TEMP;
	}
	return rc;
}

/* ---- checking ---- */

static int
count_missing(struct keeper *k, uint64_t *missing, struct fail *f)
{
	size_t n = wants_from(&k->wants, packset_end(k->set));

	*missing = 0;
	for (size_t i = 0; i < n; i++) {
		struct sv digest;
		bool bad;
		int rc = pack_finder_get(
		    k->finder, k->wants.want[i].place, &digest, &bad, f);

		if (rc < 0) {
			return -1;
		}
		*missing += rc == 0;
	}
	return 0;
}

/* One pack in the place of all, with what is missing made anew. */
static int
mend_all(struct keeper *k, struct fail *f)
{
	struct account *a = k->account;

	k->mend = true;
	k->fresh_end = packset_end(k->set);
	return keeper_make_anew(k, f) != 0
		       || store_sync_path(a->store, a->dir, "pack", f) != 0
		       || look(k, f) != 0 || remove_spanned(k, f) != 0
		   ? -1
		   : 0;
}

static int
check_once(struct keeper *k, bool mend, uint64_t *missing, struct fail *f)
{
	if (look(k, f) != 0 || count_missing(k, missing, f) != 0) {
		return -1;
	}
	return *missing != 0 && mend ? mend_all(k, f) : 0;
}

int
packs_check(struct account *a, bool mend, uint64_t *missing, struct fail *f)
{
	struct keeper k = {.account = a, .fs = a->store->fs};
	struct freeze z;
	int rc = -1;

	*missing = 0;
	if (freeze_take(a, &z, f) != 0) {
		return -1;
	}
	if (wants_init(&k.wants, z.r.view, f) == 0) {
		for (unsigned i = 0; rc != 0 && i < KEEP_TRIES; i++) {
			rc = check_once(&k, mend, missing, f);
			if (rc != 0 && f->kind != FAIL_ABSENT) {
				break;
			}
		}
	}
	keeper_deinit(&k);
	freeze_drop(&z);
	return rc;
}
