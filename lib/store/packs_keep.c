/*
 * Making packs of what is about to be collected, and of other packs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/checkpoint_priv.h"
#include "store/journal_priv.h"
#include "store/packs_priv.h"

enum {
	KEEP_TRIES = 8, /* a file may go before it is read */
	HOLE_TRIES = 3,
	FRESH_MAX = 16 * 1024 * 1024, /* octets of digests taken from segments
				       * into one pack */
	SHRINKS = 4,		      /* to about this part, when packed */
};

/* A digest that some message has, by place; or where it is to be written. */
struct want {
	place_t place;
	uint64_t mbox;
};

/* One found in a segment: its octets in `fresh`. */
struct found_digest {
	place_t place;
	size_t at, len;
};

struct keeper {
	struct account *account;
	struct fs *fs;
	struct want *want; /* of the whole account, by place */
	size_t n_want;
	struct seg_name *names; /* of segments, ascending */
	size_t n_names;
	struct packset *set;
	struct pack_finder *finder; /* in `set` */

	struct found_digest *found; /* by place, from the end of `set` on */
	size_t n_found, found_cap;
	struct buf fresh;
	place_t fresh_end; /* behind the places that were looked at */

	char path[PATH_SIZE]; /* below tmp/, of what is being made */
	uint64_t lost;	      /* digests that are damaged */
};

/* ---- what is wanted ---- */

static int
by_place(const void *pa, const void *pb)
{
	const struct want *a = pa;
	const struct want *b = pb;

	if (a->place != b->place) {
		return a->place < b->place ? -1 : 1;
	}
	return a->mbox < b->mbox ? -1 : a->mbox > b->mbox;
}

static int
by_mbox(const void *pa, const void *pb)
{
	const struct want *a = pa;
	const struct want *b = pb;

	if (a->mbox != b->mbox) {
		return a->mbox < b->mbox ? -1 : 1;
	}
	return a->place < b->place ? -1 : a->place > b->place;
}

static void
want_add(struct keeper *k, uint64_t mbox, const struct msg *m)
{
	if (m->digest_at != 0) {
		k->want[k->n_want++] =
		    (struct want){.place = m->digest_at, .mbox = mbox};
	}
}

/* Copies share a digest: it goes with the oldest mailbox that shows one. */
static void
want_unique(struct keeper *k)
{
	size_t n = 0;

	if (k->n_want != 0) {
		qsort(k->want, k->n_want, sizeof(*k->want), by_place);
	}
	for (size_t i = 0; i < k->n_want; i++) {
		if (n == 0 || k->want[n - 1].place != k->want[i].place) {
			k->want[n++] = k->want[i];
		}
	}
	k->n_want = n;
}

/* Of all that lives, and of all that could be brought back. */
static int
want_all(struct keeper *k, const struct view *v, struct fail *f)
{
	size_t most = 0;
	void *room;

	for (uint32_t i = 0; i < v->boxes.n; i++) {
		const struct box *b = view_box(v, i);

		most += b != NULL ? (size_t)b->msgs.n + b->graves.n : 0;
	}
	if (try_alloc((most + 1) * sizeof(*k->want), &room, f) != 0) {
		return -1;
	}
	k->want = room;
	for (uint32_t i = 0; i < v->boxes.n; i++) {
		const struct box *b = view_box(v, i);

		for (uint32_t n = 0; b != NULL && n < b->msgs.n; n++) {
			want_add(k, b->pub.id, vec_at(&b->msgs, n));
		}
		for (uint32_t n = 0; b != NULL && n < b->graves.n; n++) {
			const struct grave *g = vec_at(&b->graves, n);

			want_add(k, b->pub.id, &g->msg);
		}
	}
	want_unique(k);
	return 0;
}

/* Position of the first want at or behind `place`. */
static size_t
want_from(const struct keeper *k, place_t place)
{
	size_t lo = 0;
	size_t hi = k->n_want;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (k->want[mid].place < place) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

static bool
is_wanted(const struct keeper *k, place_t place)
{
	size_t i = want_from(k, place);

	return i < k->n_want && k->want[i].place == place;
}

/* ---- what the segments have ---- */

static void
fresh_take(struct keeper *k, const struct record *rec)
{
	struct rec_add add;

	if (rec->type != RECORD_ADD || !is_wanted(k, rec->place)
	    || !rec_add_read(rec->body, &add) || add.digest.len == 0
	    || add.digest.len > STORE_DIGEST_MAX) {
		return;
	}
	k->found =
	    xgrow(k->found, k->n_found, &k->found_cap, sizeof(*k->found));
	k->found[k->n_found++] = (struct found_digest){
	    .place = rec->place, .at = k->fresh.len, .len = add.digest.len};
	buf_add_sv(&k->fresh, add.digest);
}

static int
fresh_segment(struct keeper *k, const struct seg_name *name, struct fail *f)
{
	struct segment *seg;
	struct scan scan;
	int rc;

	if (segment_open(k->fs, k->account->dir, name, &seg, f) != 0) {
		return -1;
	}
	scan_init(&scan, seg, SEG_HEADER);
	scan_ahead(&scan);
	do {
		rc = scan_next(&scan, f);
		for (size_t i = 0; rc == 0 && i < scan.n; i++) {
			fresh_take(k, &scan.rec[i]);
		}
	} while (rc == 0 && scan.end == SCAN_MORE);
	scan_deinit(&scan);
	segment_unref(&seg);
	return rc;
}

/* Some of the segments numbered below `below` that no pack has, the oldest
 * first, up to where `fresh_end` then says. */
static int
fresh_gather(struct keeper *k, uint64_t below, struct fail *f)
{
	place_t from = packset_end(k->set);

	k->n_found = 0;
	buf_clear(&k->fresh);
	k->fresh_end = place_make(below, 0);
	for (size_t i = 0; i < k->n_names; i++) {
		uint64_t number = k->names[i].number;

		if (place_make(number, 0) < from) {
			continue;
		}
		if (number >= below) {
			break;
		}
		/* Those of one number stay together. */
		if (k->fresh.len >= FRESH_MAX
		    && k->names[i - 1].number != number) {
			k->fresh_end = place_make(number, 0);
			break;
		}
		/* One without a good header has no records for anyone. */
		if (fresh_segment(k, &k->names[i], f) != 0
		    && f->kind != FAIL_CORRUPT) {
			return -1;
		}
	}
	return 0;
}

static int
by_found(const void *pa, const void *pb)
{
	const struct found_digest *a = pa;
	const struct found_digest *b = pb;

	return a->place < b->place ? -1 : a->place > b->place;
}

/* 1: here it is, 0: nowhere, -1. */
static int
digest_at(struct keeper *k, place_t place, struct sv *out, struct fail *f)
{
	struct found_digest key = {.place = place};
	const struct found_digest *d = NULL;
	bool bad;

	if (k->n_found != 0) {
		d = bsearch(&key, k->found, k->n_found, sizeof(key), by_found);
	}
	if (d != NULL) {
		*out = sv_make(k->fresh.data + d->at, d->len);
		return 1;
	}
	int rc = pack_finder_get(k->finder, place, out, &bad, f);

	k->lost += bad;
	return rc;
}

/* ---- which packs are made anew ---- */

/* Over half of what it has is wanted no more. */
static bool
is_stale(const struct keeper *k, const struct pack *p)
{
	uint64_t wanted = want_from(k, p->name.hi) - want_from(k, p->name.lo);

	return wanted < p->n / 2;
}

/* Octets that what was found will have, going by what there is. */
static uint64_t
fresh_size(const struct keeper *k)
{
	uint64_t octets = 0;
	uint64_t n = 0;

	for (size_t i = 0; i < k->set->n; i++) {
		octets += k->set->pack[i]->size;
		n += k->set->pack[i]->n;
	}
	return n == 0 ? k->fresh.len / SHRINKS : k->n_found * (octets / n);
}

/* The first of those that go into the new one with all that follow: what is
 * not larger than all younger ones together, and what is stale. */
static size_t
first_to_merge(const struct keeper *k)
{
	uint64_t younger = fresh_size(k);
	size_t first = k->set->n;

	for (size_t i = k->set->n; i-- > 0;) {
		const struct pack *p = k->set->pack[i];

		if (p->size <= younger || is_stale(k, p)) {
			first = i;
		}
		younger += p->size;
	}
	return first;
}

/* ---- making one ---- */

static int
write_wanted(struct keeper *k, struct pack_writer *w,
    const struct pack_name *name, struct fail *f)
{
	size_t from = want_from(k, name->lo);
	size_t n = want_from(k, name->hi) - from;
	struct want *order = NULL;
	void *room;
	int rc = 0;

	if (n == 0) {
		return 0;
	}
	if (try_alloc(n * sizeof(*order), &room, f) != 0) {
		return -1;
	}
	order = room;
	memcpy(order, k->want + from, n * sizeof(*order));
	qsort(order, n, sizeof(*order), by_mbox);
	for (size_t i = 0; rc >= 0 && i < n; i++) {
		struct sv digest;

		rc = digest_at(k, order[i].place, &digest, f);
		if (rc == 1) {
			rc = pack_writer_add(w, order[i].place, digest, f);
		}
	}
	free(order);
	return rc < 0 ? -1 : 0;
}

static int
write_file(struct keeper *k, const struct pack_name *name, struct fail *f)
{
	struct account *a = k->account;
	struct pack_writer *w;
	int rc;

	if (pack_writer_new(a->store, a->dir, k->path, name, &w, f) != 0) {
		return -1;
	}
	rc = write_wanted(k, w, name, f);
	if (rc == 0) {
		rc = pack_writer_end(w, f);
	}
	pack_writer_free(&w);
	return rc;
}

/* pack/, which the first that is made brings with it. */
static int
folder_make(struct keeper *k, struct fail *f)
{
	struct account *a = k->account;
	int rc = fs_mkdir(k->fs, a->dir, "pack", FOLDER_MODE);

	/* Another that made it may not have come to the flush yet. */
	return rc != 0 && rc != -EEXIST
		   ? fail_err(f, -rc, "mkdir pack")
		   : store_sync_path(a->store, a->dir, ".", f);
}

static int
publish(struct keeper *k, const struct pack_name *name, struct fail *f)
{
	struct account *a = k->account;
	char path[PACK_PATH_SIZE];

	pack_path(name, path);
	if (k->set->n == 0 && folder_make(k, f) != 0) {
		return -1;
	}
	int rc = fs_rename(k->fs, a->dir, k->path, a->dir, path);

	return rc != 0 ? fail_err(f, -rc, "rename to %s", path) : 0;
}

/* Of what was found in segments, and of the packs from `first` on. */
static int
make_one(struct keeper *k, size_t first, struct fail *f)
{
	struct pack_name name = {
	    .lo = first < k->set->n ? k->set->pack[first]->name.lo
				    : packset_end(k->set),
	    .hi = k->fresh_end,
	    .random = fs_random(k->fs),
	};

	(void)snprintf(k->path, sizeof(k->path), "tmp/%016llx.pack",
	    (unsigned long long)name.random);
	k->lost = 0;
	if (write_file(k, &name, f) != 0 || publish(k, &name, f) != 0) {
		(void)fs_unlink(k->fs, k->account->dir, k->path);
		return -1;
	}
	if (k->lost != 0) {
		LOG(LOG_WARN, "store.digests_lost",
		    kv_str("account", k->account->id), kv_u64("n", k->lost));
	}
	return 0;
}

/* ---- all ---- */

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

/* Nothing was ever collected below the oldest segment. */
static bool
is_first(const struct keeper *k, const struct seg_name *name)
{
	struct segment *seg;
	struct fail ignored;
	bool first;

	if (segment_open(k->fs, k->account->dir, name, &seg, &ignored) != 0) {
		return false;
	}
	first = seg->header.previous.number == 0;
	segment_unref(&seg);
	return first;
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
	return k->n_names != 0 && place_make(k->names[0].number, 0) > end
	       && !is_first(k, &k->names[0]);
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
		return fresh_gather(k, below, f) != 0
			       || make_one(k, first_to_merge(k), f) != 0
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
	free(k->want);
	free(k->found);
	buf_deinit(&k->fresh);
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
	if (want_all(&k, z.r.view, f) == 0) {
		for (unsigned i = 0; more && i < KEEP_TRIES;) {
			rc = keep_some(&k, below, &more, f);
			if (rc != 0 && f->kind != FAIL_ABSENT) {
				break;
			}
			i += rc != 0; /* another collector was faster */
		}
	}
	freeze_drop(&z);
	keeper_deinit(&k);
	if (rc != 0 && f->kind == FAIL_ABSENT) {
		f->kind = FAIL_TEMP;
	}
	return rc;
}
