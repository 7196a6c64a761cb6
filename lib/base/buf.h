/*
 * buf: octets that grow.
 *
 * Invariant: data[0..len) is the content, cap >= len; data is NULL only while
 * cap is 0.  A zeroed struct buf is an empty one.  Appending may move data,
 * so slices into a buf are good until the next append.
 *
 * A `limit` other than 0 bounds len: appends past it set `overflow` and
 * change nothing more; whoever feeds peer bytes sets one and looks.
 *
 * Threads: owned by one runner at a time.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/sv.h"

struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t limit; /* octets, 0 = none */
	bool overflow;
};

void buf_deinit(struct buf *b);		    /* frees; leaves an empty buf */
void buf_wipe(struct buf *b);		    /* the same for secrets */
void buf_clear(struct buf *b);		    /* len = 0, keeps the memory */
char *buf_reserve(struct buf *b, size_t n); /* room for n more at data+len;
					     * NULL past the limit */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_sv(struct buf *b, struct sv s);
void buf_add_str(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t v); /* decimal */
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vaddf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

static inline struct sv
buf_sv(const struct buf *b)
{
	return (struct sv){b->data, b->len};
}

/* NUL behind the content, which is not counted.  Borrowed until an append. */
const char *buf_cstr(struct buf *b);
