/*
 * mem: allocation that does not fail, and assertions that stay on.
 *
 * xmalloc() and its family abort when memory is out: sizes that come from a
 * peer are checked against a named limit first, and blocks over 64 KiB use
 * try_alloc(), which can say no.  Memory is zeroed.
 *
 * ASSERT() is for bugs only and must not be reachable from peer bytes.
 *
 * Threads: all calls are safe from any thread.
 */
#pragma once

#include <stddef.h>

#include "base/attr.h"
#include "base/fail.h"

void *xmalloc(size_t size) MUST_CHECK;		 /* zeroed, owned */
void *xcalloc(size_t n, size_t size) MUST_CHECK; /* zeroed, owned */
void *xrealloc(void *p, size_t size) MUST_CHECK; /* tail not zeroed */
void *xreallocarray(void *p, size_t n, size_t size) MUST_CHECK;
void *xmemdup(const void *p, size_t len) MUST_CHECK;
char *xstrdup(const char *s) MUST_CHECK;
char *xasprintf(const char *fmt, ...) MUST_CHECK PRINTF_LIKE(1, 2);

/* Zeroed block or FAIL_LIMIT: for sizes over 64 KiB. */
int try_alloc(size_t size, void **out, struct fail *f) MUST_CHECK;

/*
 * Room for one more element in a growing array: doubles `*cap` when `n` has
 * reached it.  `items` is the array pointer, `size` that of one element.
 */
void *xgrow(void *items, size_t n, size_t *cap, size_t size) MUST_CHECK;

/* memset(0) that the compiler keeps: for secrets. */
void mem_wipe(void *p, size_t len);

/* Equal or not in time that depends on `len` alone. */
int mem_equal_ct(const void *a, const void *b, size_t len) MUST_CHECK;

void assert_failed(const char *what, const char *file, int line) NO_RETURN;

#define ASSERT(x) (LIKELY(x) ? (void)0 : assert_failed(#x, __FILE__, __LINE__))
