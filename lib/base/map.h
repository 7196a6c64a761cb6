/*
 * map: octet strings to pointers, in a hash table with a per-process key.
 *
 * The map owns copies of its keys; values are the caller's.  Iteration is in
 * no order; entries may be removed while iterating, not added.
 *
 * A zeroed struct map is an empty one.
 *
 * Threads: owned by one runner at a time, or guarded by its owner's lock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sv.h"

struct map_entry;

struct map {
	struct map_entry **slots;
	size_t n_slots; /* a power of two, or 0 */
	size_t n;	/* entries */
};

void map_deinit(struct map *m);			   /* frees keys, not values */
void *map_get(const struct map *m, struct sv key); /* value or NULL */

/* Set and return the former value, or NULL. */
void *map_put(struct map *m, struct sv key, void *value);
void *map_remove(struct map *m, struct sv key); /* value or NULL */

struct map_iter {
	size_t slot;
	struct map_entry *next;
};

/* Start with a zeroed iterator.  The key is borrowed until removed. */
bool map_next(const struct map *m, struct map_iter *it, struct sv *key_out,
    void **value_out);
