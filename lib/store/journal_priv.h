/*
 * journal: finding an account's newest segment, committing to it, following
 * and rotating it.  docs/store.md has the protocol and why each step is there.
 *
 * Threads: safe from any thread; no lock is held while a file is touched.
 */
#pragma once

#include "store/store_priv.h"

/* Records of one commit: bodies in `body`, framed anew at each attempt, since
 * mark and checksum come from the segment's key. */
struct commit_record {
	enum record_type type;
	size_t body_at, body_len;
	struct outcome *out; /* NULL: not asked for */
};

struct commit {
	struct account *account;
	bool durable;	  /* flushed before it counts as done */
	bool cold;	  /* do not load the state: outcomes stay unknown */
	bool frees;	  /* may use the room kept for a full disk */
	int64_t floor_ms; /* oldest placement added; INT64_MAX: none */
	uint64_t actor;
	struct buf body;
	struct commit_record *rec;
	size_t n, cap;
	place_t flushed; /* out: all below is on disk (durable) */
	/* Between the steps. */
	struct segment *segment;
	struct pending *pending;
	uint64_t written; /* file size behind our append, at least */
};

void commit_init(struct commit *c, struct account *a);
void commit_deinit(struct commit *c);
/* Begin a record: write its body to c->body, then commit_end(). */
void commit_add(struct commit *c, enum record_type type, struct outcome *out);
void commit_end(struct commit *c);

/*
 * Append, flush and read back until the outcome is known: STORE.md's Commit.
 * FAIL_PERM: the account is closed.  FAIL_LIMIT: disk full, nothing done.
 * FAIL_TEMP: flush failed, the outcome is open.  FAIL_EXISTS: a placement is
 * below the floor (cold): nothing was done, begin with a new one.
 */
int commit_run(struct commit *c, struct fail *f) MUST_CHECK;

/*
 * The same in steps, so that several journals can be appended to before the
 * first is flushed.  commit_verify() says whether to begin again.
 */
int commit_append(struct commit *c, struct fail *f) MUST_CHECK;
int commit_flush(struct commit *c, struct fail *f) MUST_CHECK;
int commit_verify(struct commit *c, bool *again, struct fail *f) MUST_CHECK;

/* The newest live segment, a reference.  Opens what `head` or a snapshot
 * names and follows SEALs. */
int journal_segment(
    struct account *a, struct segment **out, struct fail *f) MUST_CHECK;

/* Apply all records that are there; load the state if it is not.  Flushes a
 * segment when it follows its SEAL. */
int journal_catch_up(struct account *a, struct fail *f) MUST_CHECK;

/*
 * Close `old` and go on in a new segment with at least this floor and purge
 * place.  Others may win: *won says whether the account's segment now has
 * what was asked for.
 */
int journal_rotate(struct account *a, struct segment *old, int64_t floor_ms,
    place_t purge, bool *won, struct fail *f) MUST_CHECK;

/* Flush `s`; on failure it is bad and the volume read-only. */
int journal_flush(
    struct account *a, struct segment *s, struct fail *f) MUST_CHECK;
