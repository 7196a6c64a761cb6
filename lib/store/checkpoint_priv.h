/*
 * checkpoint: write an account's state to disk, so that replay need not begin
 * at its first record.
 *
 * Threads: safe from any thread.
 */
#pragma once

#include "store/snapshot_priv.h"

/* The account's state as it is now, to be read without its lock. */
struct freeze {
	struct replay r;	 /* owned: a version, and a copy of the keys */
	struct segment *segment; /* a reference: where r stands */
};

/* Catch up, then freeze.  FAIL_PERM: the account is closed. */
int freeze_take(
    struct account *a, struct freeze *out, struct fail *f) MUST_CHECK;
void freeze_drop(struct freeze *z);

/* `again`: even if there is a snapshot of this very place; then nothing is
 * linked from older ones. */
int checkpoint_write(struct account *a, const struct freeze *z, bool again,
    struct fail *f) MUST_CHECK;

/* Checkpoint if the journal behind the newest snapshot is long for what the
 * account holds; collect if that was not done for a day.  *done: either. */
int account_upkeep(struct account *a, bool *done, struct fail *f) MUST_CHECK;

/* Remove snap/<name>/ or a folder in tmp/ with all in it; what is gone is no
 * failure. */
int snap_remove(struct fs *fs, int account_dir, const char *path,
    struct fail *f) MUST_CHECK;
