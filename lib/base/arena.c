#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { ARENA_ALIGN = 16, ARENA_FIRST = 1024, ARENA_MOST = 64 * 1024 };

struct arena_block {
	struct arena_block *next;
	size_t size; /* of data */
	size_t used;
	_Alignas(ARENA_ALIGN) char data[];
};

static void
free_blocks(struct arena_block *b)
{
	while (b != NULL) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
}

void
arena_deinit(struct arena *a)
{
	free_blocks(a->head);
	a->head = NULL;
	a->used = 0;
}

void
arena_reset(struct arena *a)
{
	struct arena_block *b = a->head;

	if (b == NULL || b->size > ARENA_FIRST) {
		arena_deinit(a);
		return;
	}
	free_blocks(b->next);
	b->next = NULL;
	memset(b->data, 0, b->used);
	b->used = 0;
	a->used = 0;
}

static struct arena_block *
block_new(struct arena *a, size_t size)
{
	size_t want = a->head != NULL ? a->head->size * 2 : ARENA_FIRST;
	struct arena_block *b;

	if (want > ARENA_MOST) {
		want = ARENA_MOST;
	}
	if (want < size) {
		want = size;
	}
	b = calloc(1, sizeof(*b) + want);
	if (b != NULL) {
		b->size = want;
		b->next = a->head;
		a->head = b;
	}
	return b;
}

void *
arena_try(struct arena *a, size_t size)
{
	struct arena_block *b = a->head;
	size_t n;
	void *p;

	if (__builtin_add_overflow(size, (size_t)(ARENA_ALIGN - 1), &n)) {
		return NULL;
	}
	n &= ~(size_t)(ARENA_ALIGN - 1);
	if (a->budget != 0 && (n > a->budget || a->used > a->budget - n)) {
		return NULL;
	}
	if (b == NULL || b->size - b->used < n) {
		b = block_new(a, n);
		if (b == NULL) {
			return NULL;
		}
	}
	p = b->data + b->used;
	b->used += n;
	a->used += n;
	return p;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	void *p = arena_try(a, size);

	ASSERT(p != NULL);
	return p;
}

void *
arena_array(struct arena *a, size_t n, size_t size)
{
	size_t total;

	ASSERT(!__builtin_mul_overflow(n, size, &total));
	return arena_alloc(a, total);
}

struct sv
arena_sv(struct arena *a, struct sv s)
{
	char *p = arena_alloc(a, s.len);

	if (s.len != 0) {
		memcpy(p, s.p, s.len);
	}
	return (struct sv){p, s.len};
}

char *
arena_cstr(struct arena *a, struct sv s)
{
	char *p = arena_alloc(a, s.len + 1);

	if (s.len != 0) {
		memcpy(p, s.p, s.len);
	}
	return p;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ASSERT(n >= 0);
	p = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	(void)vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

void *
arena_grow(struct arena *a, void *items, size_t n, size_t *cap, size_t size)
{
	void *p;

	if (n < *cap) {
		return items;
	}
	*cap = *cap != 0 ? *cap * 2 : 8;
	p = arena_array(a, *cap, size);
	if (n != 0) {
		memcpy(p, items, n * size);
	}
	return p;
}
