/*
 * room: the folder run/, on a disk that may have no room for it.
 *
 * Programs need sockets and a few small tables to start.  So that a full disk
 * (or a quota, or no inode left, or a file system mounted read-only) keeps
 * none from starting, run/ is put in memory then (settings/rundir.h), where
 * it stays until the next start.  What is lost with it at a restart of the
 * machine are counts of failed log-ins and notes of unfinished deliveries,
 * which a full disk takes none of.
 *
 * Threads: for main(), while it holds the home's lock.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/fail.h"
#include "settings/settings.h"

/* Make what is missing of run/, where the settings have it, and see that
 * there is room for what the programs put there. */
int room_make(
    const struct settings *set, struct arena *arena, struct fail *f) MUST_CHECK;

/* Does that failure of room_make() tell of a disk that takes nothing? */
bool room_lacks(const struct fail *f);

/* Make the folder in memory, for settings that are loaded after this. */
int room_use_memory(const char *home, struct fail *f) MUST_CHECK;

/* Take it away, when it is there. */
void room_leave_memory(const char *home);
