#include "store/vec_priv.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { CHUNK_FIRST = 4 }; /* elements of a new chunk; grows by doubling */

static struct vec_chunk *
chunk_new(const struct vec_type *type, uint32_t cap)
{
	struct vec_chunk *c = xmalloc(sizeof(*c) + cap * type->size);

	c->refs = 1;
	c->cap = cap;
	return c;
}

static void
chunk_unref(const struct vec_type *type, struct vec_chunk *c)
{
	/* Release what was read before, acquire before it is freed. */
	if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) {
		return;
	}
	if (type->unref != NULL) {
		for (uint32_t i = 0; i < c->n; i++) {
			type->unref(c->data + i * type->size);
		}
	}
	free(c);
}

static struct vec_chunk *
chunk_copy(
    const struct vec_type *type, const struct vec_chunk *from, uint32_t cap)
{
	struct vec_chunk *c = chunk_new(type, cap);

	c->n = from->n;
	memcpy(c->data, from->data, from->n * type->size);
	if (type->ref != NULL) {
		for (uint32_t i = 0; i < c->n; i++) {
			type->ref(c->data + i * type->size);
		}
	}
	return c;
}

void
vec_deinit(struct vec *v)
{
	for (uint32_t i = 0; i < v->n_chunks; i++) {
		chunk_unref(v->type, v->chunks[i]);
	}
	free(v->chunks);
	free(v->first);
	*v = (struct vec){.type = v->type};
}

void
vec_share(struct vec *to, const struct vec *from)
{
	*to = *from;
	to->cap_chunks = from->n_chunks;
	to->chunks = NULL;
	to->first = NULL;
	if (from->n_chunks == 0) {
		return;
	}
	to->chunks =
	    xmemdup(from->chunks, from->n_chunks * sizeof(*to->chunks));
	to->first = xmemdup(from->first, from->n_chunks * sizeof(*to->first));
	for (uint32_t i = 0; i < to->n_chunks; i++) {
		/* The chunk is held by `from`: nothing to order. */
		(void)atomic_fetch_add_explicit(
		    &to->chunks[i]->refs, 1, memory_order_relaxed);
	}
}

/* Does element i stand in this chunk? */
static bool
chunk_has(const struct vec *v, uint32_t chunk, uint32_t i)
{
	return v->first[chunk] <= i
	       && i - v->first[chunk] < v->chunks[chunk]->n;
}

uint32_t
vec_chunk_of(const struct vec *v, uint32_t i, uint32_t *within)
{
	uint32_t lo = 0;
	uint32_t hi = v->n_chunks;

	ASSERT(i < v->n);
	/* Where it is if all chunks are full, as they mostly are. */
	uint32_t guess = i / v->type->chunk_max;

	if (chunk_has(v, guess, i)) {
		*within = i - v->first[guess];
		return guess;
	}
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (v->first[mid] <= i) {
			lo = mid;
		} else {
			hi = mid;
		}
	}
	*within = i - v->first[lo];
	return lo;
}

const void *
vec_at(const struct vec *v, uint32_t i)
{
	uint32_t within;
	uint32_t chunk = vec_chunk_of(v, i, &within);

	return v->chunks[chunk]->data + within * v->type->size;
}

/* Replace a chunk that others hold, or that is to get another size. */
static struct vec_chunk *
own_chunk(struct vec *v, uint32_t chunk, uint32_t cap)
{
	struct vec_chunk *c = v->chunks[chunk];

	/* Acquire: who dropped it last has finished reading it. */
	if (cap == c->cap
	    && atomic_load_explicit(&c->refs, memory_order_acquire) == 1) {
		return c;
	}
	v->chunks[chunk] = chunk_copy(v->type, c, cap);
	chunk_unref(v->type, c);
	return v->chunks[chunk];
}

struct vec_chunk *
vec_chunk_mut(struct vec *v, uint32_t chunk)
{
	ASSERT(chunk < v->n_chunks);
	return own_chunk(v, chunk, v->chunks[chunk]->cap);
}

void *
vec_mut(struct vec *v, uint32_t i)
{
	uint32_t within;
	uint32_t chunk = vec_chunk_of(v, i, &within);

	return vec_chunk_mut(v, chunk)->data + within * v->type->size;
}

static void
grow_table(struct vec *v)
{
	if (v->n_chunks < v->cap_chunks) {
		return;
	}
	v->cap_chunks = v->cap_chunks != 0 ? v->cap_chunks * 2 : 1;
	v->chunks = xreallocarray(v->chunks, v->cap_chunks, sizeof(*v->chunks));
	v->first = xreallocarray(v->first, v->cap_chunks, sizeof(*v->first));
}

/* The last chunk, owned, with room for one more. */
static struct vec_chunk *
chunk_with_room(struct vec *v)
{
	if (v->n_chunks == 0
	    || v->chunks[v->n_chunks - 1]->n == v->type->chunk_max) {
		uint32_t cap =
		    v->n_chunks == 0 ? CHUNK_FIRST : v->type->chunk_max;

		grow_table(v);
		v->chunks[v->n_chunks] = chunk_new(v->type, cap);
		v->first[v->n_chunks] = v->n;
		return v->chunks[v->n_chunks++];
	}
	uint32_t cap = v->chunks[v->n_chunks - 1]->cap;

	if (v->chunks[v->n_chunks - 1]->n == cap) {
		cap =
		    cap * 2 < v->type->chunk_max ? cap * 2 : v->type->chunk_max;
	}
	return own_chunk(v, v->n_chunks - 1, cap);
}

void *
vec_push(struct vec *v)
{
	struct vec_chunk *c = chunk_with_room(v);
	void *element = c->data + c->n * v->type->size;

	memset(element, 0, v->type->size);
	c->n++;
	v->n++;
	return element;
}

/* Move all of chunk `from` behind chunk `to`; both fit in one. */
static void
merge(struct vec *v, uint32_t to, uint32_t from)
{
	size_t size = v->type->size;
	uint32_t n = v->chunks[to]->n + v->chunks[from]->n;
	struct vec_chunk *a =
	    own_chunk(v, to, n > v->chunks[to]->cap ? n : v->chunks[to]->cap);
	struct vec_chunk *b = own_chunk(v, from, v->chunks[from]->cap);

	memcpy(a->data + a->n * size, b->data, b->n * size);
	a->n = n;
	b->n = 0; /* its references moved with the elements */
	chunk_unref(v->type, b);
}

void
vec_tidy(struct vec *v)
{
	uint32_t kept = 0;

	v->n = 0;
	for (uint32_t i = 0; i < v->n_chunks; i++) {
		uint32_t n = v->chunks[i]->n;

		if (n == 0) {
			chunk_unref(v->type, v->chunks[i]);
			continue;
		}
		v->n += n;
		v->chunks[kept] = v->chunks[i];
		if (kept > 0
		    && v->chunks[kept - 1]->n + n <= v->type->chunk_max / 2) {
			merge(v, kept - 1, kept);
			continue;
		}
		v->first[kept] = v->n - n;
		kept++;
	}
	v->n_chunks = kept;
}

void
vec_drop_front(struct vec *v, uint32_t n)
{
	ASSERT(n <= v->n);
	for (uint32_t i = 0; n > 0; i++) {
		struct vec_chunk *c = vec_chunk_mut(v, i);
		uint32_t cut = n < c->n ? n : c->n;

		if (v->type->unref != NULL) {
			for (uint32_t k = 0; k < cut; k++) {
				v->type->unref(c->data + k * v->type->size);
			}
		}
		c->n -= cut;
		memmove(c->data, c->data + cut * v->type->size,
		    c->n * v->type->size);
		n -= cut;
	}
	vec_tidy(v);
}
