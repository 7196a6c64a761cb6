#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GROW_FIRST = 8 };

static void NO_RETURN
out_of_memory(size_t size)
{
	(void)fprintf(stderr, "level=panic event=memory.out size=%zu\n", size);
	abort();
}

void
assert_failed(const char *what, const char *file, int line)
{
	(void)fprintf(stderr,
	    "level=panic event=assert what=\"%s\" file=%s line=%d\n", what,
	    file, line);
	abort();
}

void *
xcalloc(size_t n, size_t size)
{
	void *p = calloc(n != 0 ? n : 1, size != 0 ? size : 1);

	if (p == NULL) {
		out_of_memory(n * size);
	}
	return p;
}

void *
xmalloc(size_t size)
{
	return xcalloc(1, size);
}

void *
xrealloc(void *p, size_t size)
{
	void *q = realloc(p, size != 0 ? size : 1);

	if (q == NULL) {
		out_of_memory(size);
	}
	return q;
}

void *
xreallocarray(void *p, size_t n, size_t size)
{
	void *q = reallocarray(p, n != 0 ? n : 1, size != 0 ? size : 1);

	if (q == NULL) {
		out_of_memory(n);
	}
	return q;
}

void *
xmemdup(const void *p, size_t len)
{
	void *q = xmalloc(len);

	if (len != 0) {
		memcpy(q, p, len);
	}
	return q;
}

char *
xstrdup(const char *s)
{
	return xmemdup(s, strlen(s) + 1);
}

char *
xasprintf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0) {
		out_of_memory(0);
	}
	return s;
}

int
try_alloc(size_t size, void **out, struct fail *f)
{
	void *p = calloc(1, size != 0 ? size : 1);

	if (p == NULL) {
		return fail_set(
		    f, FAIL_LIMIT, "no memory for %zu octets", size);
	}
	*out = p;
	return 0;
}

void *
xgrow(void *items, size_t n, size_t *cap, size_t size)
{
	if (n < *cap) {
		return items;
	}
	*cap = *cap != 0 ? *cap * 2 : GROW_FIRST;
	return xreallocarray(items, *cap, size);
}

void
mem_wipe(void *p, size_t len)
{
	explicit_bzero(p, len);
}

int
mem_equal_ct(const void *a, const void *b, size_t len)
{
	const unsigned char *x = a;
	const unsigned char *y = b;
	unsigned char diff = 0;

	for (size_t i = 0; i < len; i++) {
		diff |= (unsigned char)(x[i] ^ y[i]);
	}
	return diff == 0;
}
