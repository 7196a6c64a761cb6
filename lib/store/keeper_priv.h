/*
 * keeper: packs of what is about to be collected, of other packs, and of
 * messages whose digest was lost.
 *
 *	packs_keep.c	what is to be made, and when
 *	packs_make.c	making one
 *
 * Threads: a keeper is owned by one runner.
 */
#pragma once

#include "store/packs_priv.h"

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

/* Some digests of the segments numbered below `below` that no pack has, the
 * oldest first, up to where `fresh_end` then says. */
int keeper_gather(struct keeper *k, uint64_t below, struct fail *f) MUST_CHECK;

/* One pack of what was gathered, and of the packs that are to go into it. */
int keeper_make(struct keeper *k, struct fail *f) MUST_CHECK;

/* One pack in the place of all. */
int keeper_make_anew(struct keeper *k, struct fail *f) MUST_CHECK;
