/*
 * Making packs of what is about to be collected, of other packs, and of
 * messages whose digest was lost.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "mail/digest.h"
#include "store/checkpoint_priv.h"
#include "store/journal_priv.h"
#include "store/packs_priv.h"

enum {
	KEEP_TRIES = 8, /* a file may go before it is read */
	HOLE_TRIES = 3,
	FRESH_MAX = 16 * 1024 * 1024, /* octets of digests taken from segments
				       * into one pack */
	SHRINKS = 4,		      /* to about this part, when packed */
	MEND_MAX = 64 * 1024 * 1024,  /* octets of a message that is read */
};

/* One found in a segment: its octets in `fresh`. */
struct found_digest {
	place_t place;
	size_t at, len;
};

struct keeper {
	struct account *account;
	struct fs *fs;
	struct wants wants;	/* of the whole account, by place */
	bool mend;		/* make anew what is lost, from the messages */
	struct seg_name *names; /* of segments, ascending */
	size_t n_names;
	struct packset *set;
	struct pack_finder *finder; /* in `set` */

	struct found_digest *found; /* by place, from the end of `set` on */
	size_t n_found, found_cap;
	struct buf fresh;
	place_t fresh_end; /* behind the places that were looked at */

	struct buf mended;    /* the digest made last */
	char path[PATH_SIZE]; /* below tmp/, of what is being made */
	uint64_t lost;	      /* digests that are damaged */
};

/* ---- what the segments have ---- */

static void
fresh_take(struct keeper *k, const struct record *rec)
{
	struct rec_add add;

	if (rec->type != RECORD_ADD || wants_find(&k->wants, rec->place) == NULL
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

/* All of a message, if it is there and not too large. */
static bool
message_read(struct keeper *k, const struct msg *m, char *to, struct fail *f)
{
	uint64_t done = 0;
	ssize_t n = 1;
	int fd;

	if (msg_open(k->account, m, &fd, f) != 0) {
		return false;
	}
	while (n > 0 && done < m->size) {
		n = fs_pread(k->fs, fd, to + done, m->size - done, done);
		done += n > 0 ? (uint64_t)n : 0;
	}
	msg_close(k->account, &fd);
	return done == m->size;
}

/* From the message that has it: 1, or 0. */
static int
digest_mend(struct keeper *k, place_t place, struct sv *out, struct fail *f)
{
	const struct want *w = wants_find(&k->wants, place);
	struct fail ignored;
	void *octets;

	if (w == NULL || w->msg->size > MEND_MAX) {
		return 0;
	}
	if (try_alloc(w->msg->size + 1, &octets, f) != 0) {
		return -1;
	}
	buf_clear(&k->mended);
	if (message_read(k, w->msg, octets, &ignored)) {
		(void)digest_build(sv_make(octets, w->msg->size), &k->mended);
	}
	free(octets);
	*out = buf_sv(&k->mended);
	return out->len != 0 && out->len <= STORE_DIGEST_MAX;
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

	if (rc == 0 && k->mend) {
		return digest_mend(k, place, out, f);
	}
	k->lost += bad;
	return rc;
}

/* ---- which packs are made anew ---- */

/* Over half of what it has is wanted no more. */
static bool
is_stale(const struct keeper *k, const struct pack *p)
{
	uint64_t wanted = wants_from(&k->wants, p->name.hi)
			  - wants_from(&k->wants, p->name.lo);

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
	size_t from = wants_from(&k->wants, name->lo);
	size_t n = wants_from(&k->wants, name->hi) - from;
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
	memcpy(order, k->wants.want + from, n * sizeof(*order));
	qsort(order, n, sizeof(*order), want_by_mbox);
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

/* Of two that span the same the one with the higher number stays. */
static void
random_above(struct pack_name *name, const struct pack_name *old)
{
	if (name->lo == old->lo && name->hi == old->hi
	    && name->random <= old->random) {
		name->random = old->random + 1 + (name->random >> 32);
	}
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

	if (first < k->set->n) {
		random_above(&name, &k->set->pack[first]->name);
	}
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
	return make_one(k, 0, f) != 0
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
