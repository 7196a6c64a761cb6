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

enum {
	COLLECT_DAY_MS = 24 * 3600 * 1000,
	SNAPSHOTS_MAX = 3, /* that a checkpoint leaves */
};

/*
 * The two generations: the newest snapshot, and the newest older one that
 * shares no chunk with it.
 *
 * Between collections the oldest one stays, too: it is what the last
 * collection had replay begin with, so replay from it checks all that this
 * process and others wrote since; and whoever copies the tree finds one
 * snapshot that is not removed before the next collection, a day later.  All
 * others go with the next checkpoint.
 */
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

/* Load both; they are what replay from the oldest snapshot gives (or, if that
 * is damaged, the newer what replay from the older gives), or FAIL_CORRUPT. */
int generations_verify(struct fs *fs, int account_dir,
    const struct generations *g, struct fail *f) MUST_CHECK;

/* Remove a folder and the files in it: out of sight first, so that nobody
 * finds half of it or goes on making it.  What is gone is no failure. */
int folder_remove(
    struct account *a, const char *path, struct fail *f) MUST_CHECK;
/* The same of snapshots, none of which comes back after a power cut. */
int snapshots_remove(struct account *a, const struct snap_name *names, size_t n,
    struct fail *f) MUST_CHECK;

/* Remove the snapshots that are neither of the two generations nor the oldest
 * one. */
int snapshots_thin(struct account *a, struct fail *f) MUST_CHECK;

/* Files that a state names, those of live messages and graves.  Borrows the
 * view. */
struct named;
struct named *named_new(const struct view *v);
void named_free(struct named **n);
bool named_has(
    const struct named *n, uint64_t folder, uint64_t time, uint64_t random);
/* A message of that size and sum: it has most likely the same octets. */
const struct msg *named_twin(
    const struct named *n, uint64_t size, uint32_t sum);

/* Every message file there is; `each` returns false to stop. */
struct found {
	uint64_t folder;
	struct placement placement;
	uint64_t size; /* that its name says, as the others */
	int64_t date_ms;
	uint32_t sum;
	const char *path; /* below the account; borrowed */
};
typedef bool found_fn(void *arg, const struct found *file);
int files_each(struct fs *fs, int account_dir, found_fn *each, void *arg,
    struct fail *f) MUST_CHECK;
