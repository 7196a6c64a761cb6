/*
 * commit: append records, flush them and read them back until their outcome
 * is known.
 *
 * Threads: a commit is owned by one runner.
 */
#pragma once

#include "store/journal_priv.h"

/* A record of a commit: its body stands in `body`, framed anew at each
 * attempt, since mark and checksum come from the segment's key. */
struct commit_record {
	enum record_type type;
	size_t at, len;
	struct outcome *out; /* NULL: not asked for */
};

struct commit {
	struct account *account; /* borrowed */
	bool durable;		 /* flushed before it counts as done */
	bool warm;		 /* outcomes are wanted: load the state */
	bool adds;		 /* leave the room kept for a full disk */
	bool flushing;		 /* the caller is in store_flush_begin() */
	int64_t floor_ms; /* time of the oldest placement; INT64_MAX: none */
	uint64_t actor;
	struct buf body;
	struct commit_record *rec;
	size_t n, cap;
	place_t flushed; /* out: all below is on disk */

	/* Between the steps. */
	struct segment *segment;
	struct buf framed;
	struct pending *pending; /* one a record */
	bool waiting;		 /* they are in the account's list */
	uint64_t end;		 /* size of the file behind our append */
	uint64_t from;		 /* no SEAL before it, nor our append */
	bool torn;		 /* the last append was short */
	bool open;		 /* they were appended, and may stand */
	unsigned torn_n;
};

void commit_init(struct commit *c, struct account *a);
void commit_deinit(struct commit *c);

/* Write the record's body to c->body, then say what it is.  More than one
 * take effect together. */
void commit_add(struct commit *c, enum record_type type, struct outcome *out);

/*
 * FAIL_UNKNOWN: the records were appended, and then something failed before
 * it was known what became of them: they may stand now, or yet come to.  With
 * every other kind they do not, and never will.  FAIL_PERM: the account is
 * closed.  FAIL_LIMIT: disk full.  FAIL_TEMP: the store is read-only.
 * FAIL_EXISTS: cold, and a placement is below the floor: begin with a new one.
 */
int commit_run(struct commit *c, struct fail *f) MUST_CHECK;

/*
 * The same in steps, so that several journals can be appended to before the
 * first is flushed.  commit_verify() says whether to begin *again.
 */
int commit_append(struct commit *c, struct fail *f) MUST_CHECK;
int commit_flush(struct commit *c, struct fail *f) MUST_CHECK;
int commit_verify(struct commit *c, bool *again, struct fail *f) MUST_CHECK;

/* ---- between commit.c and commit_verify.c ---- */

/* Take what still waits out of the account's list. */
void commit_stop_waiting(struct commit *c);

/* -1: a failure after the records were appended says nothing of what they
 * do. */
int commit_failed(const struct commit *c, struct fail *f);
