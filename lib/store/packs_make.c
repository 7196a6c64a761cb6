/*
 * Making a pack.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/digest.h"
#include "store/keeper_priv.h"

enum {
	FRESH_MAX = 16 * 1024 * 1024, /* octets of digests taken from segments
				       * into one pack */
	SHRINKS = 4,		      /* to about this part, when packed */
	MEND_MAX = 64 * 1024 * 1024,  /* octets of a message that is read */
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

int
keeper_gather(struct keeper *k, uint64_t below, struct fail *f)
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
	if (done != m->size) {
		return false;
	}
	/* What is there is shown; but not without a word to the log. */
	(void)msg_is_intact(k->account, m, crc32c(0, to, m->size));
	return true;
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

int
keeper_make(struct keeper *k, struct fail *f)
{
	return make_one(k, first_to_merge(k), f);
}

int
keeper_make_anew(struct keeper *k, struct fail *f)
{
	return make_one(k, 0, f);
}
