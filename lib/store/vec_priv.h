/*
 * vec: a sequence whose versions share what did not change.
 *
 * Elements of one fixed size stand in chunks; chunks are reference-counted.
 * vec_share() makes a second version for the price of the chunk table; a
 * change copies a chunk only if another version holds it too.  A chunk that
 * two versions have in common is the same in both: vec_chunk() lets a reader
 * skip it.
 *
 * A vec that was zeroed and given its `type` is empty.
 *
 * Threads: a vec is changed by one owner; versions that were shared may be
 * read, and dropped, from any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct vec_type {
	size_t size;	    /* of an element */
	uint32_t chunk_max; /* elements */
	/* Called for each element of a chunk that is copied or freed; NULL
	 * for plain values. */
	void (*ref)(const void *element);
	void (*unref)(const void *element);
};

struct vec_chunk {
	_Atomic uint32_t refs;
	uint32_t n, cap;
	_Alignas(16) unsigned char data[];
};

struct vec {
	const struct vec_type *type;
	struct vec_chunk **chunks;
	uint32_t *first; /* index of each chunk's first element */
	uint32_t n_chunks, cap_chunks;
	uint32_t n; /* elements */
};

void vec_deinit(struct vec *v);

/* Make `to` (overwritten) a second version of `from`. */
void vec_share(struct vec *to, const struct vec *from);

const void *vec_at(const struct vec *v, uint32_t i); /* i < n */
void *vec_mut(struct vec *v, uint32_t i);	     /* the same, to change */
void *vec_push(struct vec *v);			     /* zeroed, at the end */

/* The chunk that element i stands in, and i's index within it. */
uint32_t vec_chunk_of(const struct vec *v, uint32_t i, uint32_t *within);

/* A chunk's elements to change or to compact: set `n`, then vec_tidy() once
 * all are done.  The caller drops what elements refer to. */
struct vec_chunk *vec_chunk_mut(struct vec *v, uint32_t chunk);
void vec_tidy(struct vec *v);

/* Remove the first n elements. */
void vec_drop_front(struct vec *v, uint32_t n);
