/*
 * account_priv: the table of accounts that a process has in memory.
 *
 * An account that nobody holds stays a while, since the next delivery or
 * login will want it; the oldest of these go when there are too many.
 *
 * Threads: safe from any thread.
 */
#pragma once

#include "store/store_priv.h"

/* Drop idle accounts, the longest unused first, until at most `keep` are left
 * and they take at most `octets`. */
void accounts_drop_idle(struct store *s, unsigned keep, uint64_t octets);

/* A hint came: what is below `flushed` is on disk; wake the watches. */
void account_heard(struct account *a, place_t flushed);

/* References to the accounts that are watched, or that have been changed by
 * this process, in an array that the caller frees. */
size_t accounts_watched(struct store *s, struct account ***out);

/* The floor is a day behind: one that stands so long was not raised today. */
enum { ACCOUNT_COLLECT_MS = 2 * 24 * 3600 * 1000 };

/* Does it ask for a checkpoint or for collection? */
bool account_is_due(struct account *a, int64_t now_ms);

/* One that asks for a checkpoint or for collection, a reference; or NULL. */
struct account *account_due(struct store *s, int64_t now_ms);

/* One whose names are to be shown anew, a reference, and no more to be named
 * here until they change again; or NULL. */
struct account *account_stale_names(struct store *s);

/* Close, and drop it at once if nobody else holds it. */
void account_leave(struct account **a);

/* Is its state in memory? */
bool account_is_loaded(struct account *a);

/* Its history changed below us: the next account_open() begins anew. */
void account_forget(struct account *a);
