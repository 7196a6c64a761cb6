/*
 * codec: numbers and strings in records, snapshots and heads.
 *
 * Varints have 7 bits an octet, low first, at most 10 octets; signed numbers
 * are zigzag.  A reader that meets what cannot be sets `bad`, gives zeros from
 * then on and never leaves its slice, so decoders look once, at the end.
 *
 * Threads: plain values.
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/sv.h"

static inline void
put_u8(struct buf *to, unsigned v)
{
	buf_add_char(to, (char)(unsigned char)v);
}

static inline void
put_fixed32(struct buf *to, uint32_t v)
{
	v = htole32(v);
	buf_add(to, &v, sizeof(v));
}

static inline void
put_u64(struct buf *to, uint64_t v)
{
	v = htole64(v);
	buf_add(to, &v, sizeof(v));
}

static inline void
put_varint(struct buf *to, uint64_t v)
{
	char out[10];
	size_t n = 0;

	for (; v >= 0x80; v >>= 7) {
		out[n++] = (char)(unsigned char)(v | 0x80);
	}
	out[n++] = (char)(unsigned char)v;
	buf_add(to, out, n);
}

static inline void
put_signed(struct buf *to, int64_t v)
{
	put_varint(to, (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

static inline void
put_string(struct buf *to, struct sv s)
{
	put_varint(to, s.len);
	buf_add_sv(to, s);
}

struct taker {
	const unsigned char *p, *end;
	bool bad;
};

static inline struct taker
taker_of(struct sv s)
{
	const unsigned char *p = (const unsigned char *)s.p;

	return (struct taker){.p = p, .end = s.len != 0 ? p + s.len : p};
}

static inline size_t
take_left(const struct taker *t)
{
	return (size_t)(t->end - t->p);
}

/* All was taken, and nothing was amiss. */
static inline bool
take_done(const struct taker *t)
{
	return !t->bad && t->p == t->end;
}

static inline struct sv
take_octets(struct taker *t, uint64_t n)
{
	struct sv s = {NULL, 0};

	if (t->bad || n > take_left(t)) {
		t->bad = true;
		return s;
	}
	s = sv_make(t->p, (size_t)n);
	t->p += n;
	return s;
}

static inline unsigned
take_u8(struct taker *t)
{
	if (t->bad || t->p == t->end) {
		t->bad = true;
		return 0;
	}
	return *t->p++;
}

/* An octet of at most `max`. */
static inline unsigned
take_u8_max(struct taker *t, unsigned max)
{
	unsigned v = take_u8(t);

	if (v > max) {
		t->bad = true;
		return 0;
	}
	return v;
}

static inline bool
take_bool(struct taker *t)
{
	return take_u8_max(t, 1) != 0;
}

static inline uint32_t
take_fixed32(struct taker *t)
{
	struct sv s = take_octets(t, 4);
	uint32_t v = 0;

	if (s.len == 4) {
		memcpy(&v, s.p, 4);
	}
	return le32toh(v);
}

static inline uint64_t
take_u64(struct taker *t)
{
	struct sv s = take_octets(t, 8);
	uint64_t v = 0;

	if (s.len == 8) {
		memcpy(&v, s.p, 8);
	}
	return le64toh(v);
}

static inline uint64_t
take_varint(struct taker *t)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		unsigned c = take_u8(t);

		if (shift == 63 && c > 1) {
			break;
		}
		v |= (uint64_t)(c & 0x7f) << shift;
		if ((c & 0x80) == 0) {
			return v;
		}
	}
	t->bad = true;
	return 0;
}

/* A varint of at most `max`. */
static inline uint64_t
take_max(struct taker *t, uint64_t max)
{
	uint64_t v = take_varint(t);

	if (v > max) {
		t->bad = true;
		return 0;
	}
	return v;
}

static inline uint32_t
take_u32(struct taker *t)
{
	return (uint32_t)take_max(t, UINT32_MAX);
}

static inline int64_t
take_signed(struct taker *t)
{
	uint64_t v = take_varint(t);

	return (int64_t)(v >> 1 ^ ((v & 1) != 0 ? UINT64_MAX : 0));
}

static inline struct sv
take_string(struct taker *t)
{
	return take_octets(t, take_varint(t));
}
