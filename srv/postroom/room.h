/*
 * room: the folder run/, on a disk that may have no room for it.
 *
 * Programs need sockets and a few small tables to start.  So that a full disk
 * (or a quota, or no inode left, or a file system mounted read-only) keeps
 * none from starting, run/ is put in memory then (settings/rundir.h), where
 * it stays until a start that finds room again.  What is lost then, and at a
 * restart of the machine, are counts of failed log-ins and notes of
 * unfinished deliveries.
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

/* Does the disk copy what is written over?  Then a table that is mapped has
 * no blocks of its own there, and must be in memory. */
bool room_copies(const struct settings *set);

/* Does that failure of room_make() tell of a disk that takes nothing? */
bool room_lacks(const struct fail *f);

/* Make the folder in memory, for settings that are loaded after this: for all
 * of run/, or for the tables alone. */
int room_use_memory(const char *home, struct fail *f) MUST_CHECK;
int room_tables_to_memory(
    const struct settings *set, struct arena *arena, struct fail *f) MUST_CHECK;

/* Let the folder of an earlier start stand back until it is known whether it
 * is needed again: room_use_memory() takes what it holds.  Then take it away,
 * if it was not needed. */
void room_set_aside(const char *home);
void room_drop_aside(const char *home);
