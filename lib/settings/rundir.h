/*
 * rundir: where a home's run/ is: sockets, and tables that programs share.
 *
 * It is DIR/run.  Where the disk has no room for it, or cannot be written to,
 * `postroom serve` makes one in memory,
 *
 *	/dev/shm/postroom-DEVICE-INODE/run
 *
 * by the numbers of DIR in hexadecimal digits, and where the disk copies what
 * is written over, for the tables (and sockets of hints) alone
 *
 *	/dev/shm/postroom-DEVICE-INODE/tables
 *
 * Whoever is given DIR finds them there as long as they exist.  A folder of that name counts only if it is
 * root's, ours, or of whom DIR is, and nobody else may change it: anybody can
 * make one.
 *
 * Threads: from any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/fail.h"

enum { RUNDIR_SIZE = 80 };

/* The name of the folder in memory, which need not exist; FAIL_ABSENT when
 * there is no `home`. */
int rundir_name(
    const char *home, char out[RUNDIR_SIZE], struct fail *f) MUST_CHECK;

/* Is that folder there, and does it count? */
bool rundir_counts(const char *home, const char *name);
