/*
 * keeper: a process that opens files for one that has given up its rights.
 *
 * Private keys are often for root alone, and are renewed while we run.  A
 * program that becomes another user leaves a keeper behind, which stays root
 * with the right to read files and no other.  It opens what it is asked for if
 * that is one of the paths it was begun with, or below one, and passes the
 * descriptor on.  So the program can read again what it read at its start,
 * whatever becomes of it, and nothing else.
 *
 * A path of which any part could have been put there by somebody else than
 * root is not opened.  [symlink(7)]
 *
 * Threads: keeper_start() from main, before threads start; keeper_open() from
 * main.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/fail.h"
#include "net/confine.h"

enum { KEEPER_PATHS_MAX = 4 };

struct keeper_conf {
	const char *allowed[KEEPER_PATHS_MAX]; /* absolute; NULL behind them */
	/* What Landlock leaves to it, with where links lead. */
	const struct confine_path *paths;
	size_t n_paths;
	bool restricted; /* by Landlock, where the kernel has it */
};

/* It ends with this process.  FAIL_TEMP. */
int keeper_start(const struct keeper_conf *conf, struct fail *f) MUST_CHECK;

/* open(path, O_RDONLY | O_CLOEXEC | flags), by the keeper if we may not and
 * there is one.  A descriptor, or -1 and errno. */
int keeper_open(const char *path, int flags);

void keeper_stop(void);
