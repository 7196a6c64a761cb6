/*
 * packs: all of an account's packs, and making them.
 *
 * Before segments of the journal are collected, the digests in them go into a
 * pack; so packs span the places from the first to where the journal begins,
 * and what is not in one is in the journal.  A pack is spanned by another if
 * that says that it holds all of its places; then it is removed.
 *
 * Two collectors may make packs of the same places.  Either will do, since
 * what was live or buried when the later one looked was so when the earlier
 * one did.  None says more than it holds: whoever makes one lists the
 * segments first and the packs then.  A segment that was not listed had been
 * collected before, so a pack of it, or one that spans that, was listed.  If
 * a file of either list has gone when it is to be read, both are listed anew.
 *
 * Many small packs would be slow to search, and one large one slow to make
 * anew each day.  So each pack is kept larger than all younger ones together:
 * a new one takes up those that are not.  Then there are at most as many as
 * the largest can be halved, and a digest is written again only into a pack
 * at least twice as large.
 *
 * Threads: a packset is immutable; a finder is owned by one runner.
 */
#pragma once

#include "store/pack_priv.h"

struct packset {
	_Atomic unsigned refs;
	struct pack **pack; /* owned; by rising lo and hi, none spanned */
	size_t n;
	struct pack_name *spanned; /* owned: those to be removed */
	size_t n_spanned;
};

void packset_unref(struct packset **s);

/* Behind the last place that a pack has; 0: there is none. */
place_t packset_end(const struct packset *s);

/* The account's packs, a reference: those last seen, or with `anew` those
 * that are there now. */
int packset_get(struct account *a, bool anew, struct packset **out,
    struct fail *f) MUST_CHECK;

/* Digests in a set, by place. */
struct pack_finder;
struct pack_finder *pack_finder_new(struct account *a, struct packset *s);
void pack_finder_free(struct pack_finder **p);
/* As pack_reader_get(). */
int pack_finder_get(struct pack_finder *p, place_t place, struct sv *out,
    bool *bad, struct fail *f) MUST_CHECK;

/* A digest that some message has.  Copies share one: it goes with the oldest
 * mailbox that shows it. */
struct want {
	place_t place;
	uint64_t mbox;
	const struct msg *msg; /* borrowed from the view */
};

/* Those of all that lives, and of all that could be brought back. */
struct wants {
	struct want *want; /* by place */
	size_t n;
};
int wants_init(
    struct wants *w, const struct view *v, struct fail *f) MUST_CHECK;
void wants_deinit(struct wants *w);
/* Index of the first at or behind `place`. */
size_t wants_from(const struct wants *w, place_t place);
const struct want *wants_find(const struct wants *w, place_t place);
/* For qsort(): by mailbox, then by place. */
int want_by_mbox(const void *a, const void *b);

/*
 * Every digest of the account whose record is in a segment numbered below
 * `below` is in a pack, and that on disk.  Removes packs that are spanned.
 * FAIL_LIMIT: no room.
 */
int packs_keep(struct account *a, uint64_t below, struct fail *f) MUST_CHECK;

/* Messages and graves whose digest should be in a pack and is not; with `mend`
 * it is made anew from the message, if that is there. */
int packs_check(
    struct account *a, bool mend, uint64_t *missing, struct fail *f) MUST_CHECK;
