/*
 * arena: memory of one request, message or configuration, freed whole.
 *
 * Blocks are zeroed and aligned to 16.  A `budget` other than 0 bounds what
 * one arena may take: past it arena_try() returns NULL, and arena_alloc()
 * aborts (use it only for sizes that the code bounds by itself).
 *
 * A zeroed struct arena is an empty one without a budget.
 *
 * Threads: owned by one runner at a time.
 */
#pragma once

#include <stddef.h>

#include "base/attr.h"
#include "base/sv.h"

struct arena_block;

struct arena {
	struct arena_block *head; /* newest first */
	size_t used;		  /* octets handed out */
	size_t budget;		  /* octets, 0 = none */
};

void arena_deinit(struct arena *a); /* frees all; the budget stays */
void arena_reset(struct arena *a);  /* the same, keeps one small block */
void *arena_try(struct arena *a, size_t size) MUST_CHECK;
void *arena_alloc(struct arena *a, size_t size) MUST_CHECK;
void *arena_array(struct arena *a, size_t n, size_t size) MUST_CHECK;
struct sv arena_sv(struct arena *a, struct sv s) MUST_CHECK; /* a copy */
char *arena_cstr(struct arena *a, struct sv s) MUST_CHECK;   /* with NUL */
char *arena_printf(struct arena *a, const char *fmt, ...) MUST_CHECK
    PRINTF_LIKE(2, 3);

/* As xgrow(), in an arena: the old block is left until the arena goes. */
void *arena_grow(struct arena *a, void *items, size_t n, size_t *cap,
    size_t size) MUST_CHECK;
