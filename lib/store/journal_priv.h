/*
 * journal: finding an account's newest segment, following and rotating it,
 * and replaying it.  docs/store.md has the protocol and why each step is
 * there.
 *
 *	journal.c		the account's segment, flushing and following it
 *	journal_list.c		the segments that are there
 *	journal_cut.c		those that lost what they had
 *	journal_rotate.c	sealing one, and going on in the next
 *	load.c, catch_up.c	the state
 *
 * Threads: safe from any thread; no lock is held while a file is touched.
 */
#pragma once

#include "store/store_priv.h"

/* The newest segment known to be live, a reference.  Opens what `head`, a
 * snapshot or the folder names if none is known.  FAIL_ABSENT: no account;
 * FAIL_PERM: closed; FAIL_CORRUPT. */
int journal_segment(
    struct account *a, struct segment **out, struct fail *f) MUST_CHECK;

/* May this process append to it?  No after a restart of the machine, a
 * restore, a cut, or a new generation of the store. */
bool journal_ours(const struct store *s, const struct segment *seg);

/*
 * `old` ended in `seal`: flush it and make its successor the account's
 * segment.  For an account with its state loaded only journal_catch_up()
 * moves on; then this does nothing.  FAIL_PERM: closed.
 */
int journal_follow(struct account *a, struct segment *old,
    const struct rec_seal *seal, struct fail *f) MUST_CHECK;

/* It ended in a SEAL that names no successor. */
void journal_set_gone(struct account *a);

/* Look for the SEAL of `seg` from `at` on: *found. */
int journal_seal(struct segment *seg, uint64_t at, bool *found,
    struct rec_seal *out, struct fail *f) MUST_CHECK;

/* ---- the state ---- */

/* Load it, unless another thread was faster. */
int journal_load(struct account *a, struct fail *f) MUST_CHECK;

/* `r` stands where the scan does; at the beginning of `seg`. */
void journal_stand(struct replay *r, const struct scan *scan);
void journal_enter(struct replay *r, const struct segment *seg);

/* Apply all records that are there, those appended before the call for sure;
 * load the state if it is not. */
int journal_catch_up(struct account *a, struct fail *f) MUST_CHECK;

/* The same up to `end` in `segment`, where its file has grown to; no further
 * if the state has left that segment. */
int journal_catch_up_to(struct account *a, const struct segment *segment,
    uint64_t end, struct fail *f) MUST_CHECK;

/* ---- what is there ---- */

/* The account's first segment, if it is still there; else FAIL_ABSENT. */
int journal_first(
    struct account *a, struct segment **out, struct fail *f) MUST_CHECK;

/* Names of the segments that are there, ascending, in an array that the
 * caller frees. */
int journal_list(struct account *a, struct seg_name **out, size_t *n,
    struct fail *f) MUST_CHECK;

/*
 * Close `old` and go on in a new segment with at least this floor and purge
 * place.  Others may win, with their own values: the account's segment is the
 * successor of `old` in any case; look at its header.
 */
int journal_rotate(struct account *a, struct segment *old, int64_t floor_ms,
    place_t purge, struct fail *f) MUST_CHECK;

/* Close the journal for ever. */
int journal_close(struct account *a, struct fail *f) MUST_CHECK;

/* Flush `seg`; then all below `end` in it is on disk (0: not said).  FAIL_TEMP
 * in a read-only store: what a flush says is not believed there. */
int journal_flush(struct account *a, struct segment *seg, uint64_t end,
    struct fail *f) MUST_CHECK;
/* The same for who only shows what it reads: he goes on in a read-only store,
 * where what is shown may be lost (docs/store.md, 9). */
int journal_flush_shown(struct account *a, struct segment *seg, uint64_t end,
    struct fail *f) MUST_CHECK;

/* ---- segments that lost what they had ---- */

/* Log the octets that a scan passed over: a record that a killed writer left
 * in the middle, or damage. */
void journal_tell_gaps(const struct account *a, const struct scan *scan);

/* A snapshot stands at `offset` of the segment, so its file has that many
 * octets.  It had `size` when looked at behind that: fewer, and it was cut. */
void journal_reaches(struct segment *seg, uint64_t offset, uint64_t size);

/* Was it put back from a copy, or cut?  Then what its end was is not known,
 * and what was told of it may not be so. */
bool journal_suspect(const struct segment *seg);

/*
 * To be asked of a segment where one comes to stand, before anything is told
 * of it or appended to it.  Is it as long as the snapshots say?  Whoever
 * begins with one of them would not see what is appended below its place.
 * And is it the last, if it has no SEAL?
 */
int journal_look(
    struct account *a, struct segment *seg, struct fail *f) MUST_CHECK;

/* The second half: if a segment that has records goes on from this one, this
 * one has a SEAL, at or behind `from`, or it was cut. */
int journal_look_ahead(struct account *a, struct segment *seg, uint64_t from,
    bool *sealed, struct rec_seal *seal, struct fail *f) MUST_CHECK;

/* Zeros for what was cut away, so that the SEAL comes to stand where whoever
 * begins with a snapshot sees it. */
int journal_fill(
    struct account *a, struct segment *seg, struct fail *f) MUST_CHECK;

/* If it was cut: the segment that its SEAL named, if that is there. */
int journal_successor(struct account *a, const struct segment *old, bool *found,
    struct seg_name *out, struct fail *f) MUST_CHECK;

/* Where the next segment's name is taken from. */
struct seg_name seg_name_next(struct store *s, uint64_t after);
