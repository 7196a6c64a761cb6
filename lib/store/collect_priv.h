/*
 * collect: remove what no longer means anything: snapshots below the older
 * of two generations, segments below that, purged messages, files that no
 * record names, candidates that lost.
 *
 * Each act is safe because of a record or a name that came before it, never
 * because of time; clocks only say when to begin.  Any step may be done
 * twice, by two at once, or end anywhere.
 *
 * Threads: safe from any thread.
 */
#pragma once

#include "store/checkpoint_priv.h"

enum { COLLECT_DAY_MS = 24 * 3600 * 1000 };

/* The two generations: the newest snapshot, and the newest older one that
 * shares no chunk with it. */
struct generations {
	struct snap_name *names; /* all, newest first */
	size_t n;
	size_t older;		   /* index; n: there is none */
	struct snap_manifest b, a; /* newest, older */
};

/* FAIL_CORRUPT: the newest cannot be read. */
int generations_open(struct fs *fs, int account_dir, struct generations *g,
    struct fail *f) MUST_CHECK;
void generations_deinit(struct generations *g);

/* Load both; the newer is what replay from the older gives, or FAIL_CORRUPT. */
int generations_verify(struct fs *fs, int account_dir,
    const struct generations *g, struct fail *f) MUST_CHECK;

/* Out of sight first, then away.  What is gone is no failure. */
int snapshot_remove(
    struct account *a, const struct snap_name *name, struct fail *f) MUST_CHECK;

/* Files that a state names: live messages and graves. */
struct named;
struct named *named_new(const struct view *v);
void named_free(struct named **n);
bool named_has(
    const struct named *n, uint64_t folder, uint64_t time, uint64_t random);

/* Every message file there is; `each` returns false to stop. */
struct found {
	uint64_t folder;
	struct placement placement;
	uint64_t size;	  /* that its name says */
	const char *path; /* below the account; borrowed */
};
typedef bool found_fn(void *arg, const struct found *file);
int files_each(struct fs *fs, int account_dir, found_fn *each, void *arg,
    struct fail *f) MUST_CHECK;
