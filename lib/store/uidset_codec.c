#include "store/uidset_codec_priv.h"

#include "base/mem.h"
#include "store/state_priv.h"

enum { SET_RANGES, SET_BITS };

static size_t
varint_len(uint64_t v)
{
	size_t n = 1;

	for (; v >= 0x80; v >>= 7) {
		n++;
	}
	return n;
}

static size_t
bits_len(uint32_t lo, uint32_t hi)
{
	return ((size_t)hi - lo) / 8 + 1;
}

static size_t
range_len(const struct uidset *s, size_t i)
{
	uint32_t before = i != 0 ? s->r[i - 1].hi : 0;

	return varint_len(s->r[i].lo - before)
	       + varint_len(s->r[i].hi - s->r[i].lo);
}

static void
put_bits(struct buf *to, const struct uidset *s)
{
	uint32_t lo = s->r[0].lo;
	size_t len = bits_len(lo, s->r[s->n - 1].hi);

	put_u8(to, SET_BITS);
	put_varint(to, lo);
	put_varint(to, len);
	char *bits = buf_reserve(to, len);

	ASSERT(bits != NULL);
	memset(bits, 0, len);
	to->len += len;
	for (size_t i = 0; i < s->n; i++) {
		for (uint64_t u = s->r[i].lo; u <= s->r[i].hi; u++) {
			uint64_t bit = u - lo;

			bits[bit / 8] = (char)(bits[bit / 8] | 1 << bit % 8);
		}
	}
}

void
put_uidset(struct buf *to, const struct uidset *s)
{
	size_t as_ranges = 0;

	for (size_t i = 0; i < s->n; i++) {
		as_ranges += range_len(s, i);
	}
	if (s->n != 0 && s->r[s->n - 1].hi <= STATE_UID_MAX
	    && bits_len(s->r[0].lo, s->r[s->n - 1].hi) < as_ranges) {
		put_bits(to, s);
		return;
	}
	put_u8(to, SET_RANGES);
	put_varint(to, s->n);
	for (size_t i = 0; i < s->n; i++) {
		put_varint(to, s->r[i].lo - (i != 0 ? s->r[i - 1].hi : 0));
		put_varint(to, s->r[i].hi - s->r[i].lo);
	}
}

static void
take_ranges(struct taker *t, struct uidset *s)
{
	uint64_t n = take_max(t, take_left(t));
	uint64_t before = 0;

	for (uint64_t i = 0; i < n && !t->bad; i++) {
		uint64_t lo = before + take_u32(t);
		uint64_t hi = lo + take_u32(t);

		if (t->bad || lo == before || hi > UINT32_MAX) {
			t->bad = true;
			return;
		}
		uidset_add_range(s, (uint32_t)lo, (uint32_t)hi);
		before = hi;
	}
}

static void
take_bits(struct taker *t, struct uidset *s)
{
	uint64_t lo = take_u32(t);
	struct sv bits = take_string(t);

	if (lo == 0 || lo + bits.len * 8 > UINT32_MAX) {
		t->bad = true;
		return;
	}
	for (size_t i = 0; i < bits.len; i++) {
		unsigned octet = (unsigned char)bits.p[i];

		for (; octet != 0; octet &= octet - 1) {
			unsigned bit = (unsigned)__builtin_ctz(octet);

			uidset_add(s, (uint32_t)(lo + i * 8 + bit));
		}
	}
}

bool
take_uidset(struct taker *t, struct uidset *s)
{
	*s = (struct uidset){0};
	switch (take_u8(t)) {
	case SET_RANGES:
		take_ranges(t, s);
		break;
	case SET_BITS:
		take_bits(t, s);
		break;
	default: /* an octet from a file, not an enum of ours */
		t->bad = true;
		break;
	}
	if (!take_done(t)) {
		uidset_deinit(s);
		return false;
	}
	return true;
}

void
uidset_take(struct uidset *from, struct uidset *taken, size_t room)
{
	size_t as_ranges = 0;
	size_t n = 0;

	*taken = (struct uidset){0};
	for (; n < from->n; n++) {
		as_ranges += range_len(from, n);
		if (n != 0 && as_ranges > room
		    && bits_len(from->r[0].lo, from->r[n].hi) > room) {
			break;
		}
		uidset_add_range(taken, from->r[n].lo, from->r[n].hi);
	}
	from->n -= n;
	if (from->n != 0) {
		memmove(from->r, from->r + n, from->n * sizeof(*from->r));
	}
}
