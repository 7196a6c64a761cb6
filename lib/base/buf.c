#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { BUF_FIRST = 128 };

void
buf_deinit(struct buf *b)
{
	free(b->data);
	*b = (struct buf){.limit = b->limit};
}

void
buf_wipe(struct buf *b)
{
	if (b->data != NULL) {
		mem_wipe(b->data, b->cap);
	}
	buf_deinit(b);
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	b->overflow = false;
}

char *
buf_reserve(struct buf *b, size_t n)
{
	size_t need;

	if (b->overflow || __builtin_add_overflow(b->len, n, &need)
	    || (b->limit != 0 && need > b->limit)) {
		b->overflow = true;
		return NULL;
	}
	if (need > b->cap || b->cap == 0) {
		size_t cap = b->cap != 0 ? b->cap : BUF_FIRST;

		while (cap < need) {
			cap = cap > SIZE_MAX / 2 ? need : cap * 2;
		}
		b->data = xrealloc(b->data, cap);
		b->cap = cap;
	}
	return b->data + b->len;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	char *to = buf_reserve(b, n);

	if (to != NULL && n != 0) {
		memcpy(to, p, n);
		b->len += n;
	}
}

void
buf_add_sv(struct buf *b, struct sv s)
{
	buf_add(b, s.p, s.len);
}

void
buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_add_char(struct buf *b, char c)
{
	if (b->len < b->cap && (b->limit == 0 || b->len < b->limit)
	    && !b->overflow) {
		b->data[b->len++] = c;
		return;
	}
	buf_add(b, &c, 1);
}

void
buf_add_u64(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	buf_add(b, digits + at, sizeof(digits) - at);
}

void
buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char small[256];
	char *to;
	int n;

	va_copy(again, ap);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	ASSERT(n >= 0);
	if ((size_t)n < sizeof(small)) {
		buf_add(b, small, (size_t)n);
	} else {
		to = buf_reserve(b, (size_t)n + 1);
		if (to != NULL) {
			(void)vsnprintf(to, (size_t)n + 1, fmt, again);
			b->len += (size_t)n;
		}
	}
	va_end(again);
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
}

const char *
buf_cstr(struct buf *b)
{
	size_t limit = b->limit;
	bool overflow = b->overflow;
	char *to;

	/* The terminator does not count against the limit. */
	b->limit = 0;
	b->overflow = false;
	to = buf_reserve(b, 1);
	b->limit = limit;
	b->overflow = overflow;
	*to = '\0';
	return b->data;
}
