/*
 * The octets of packs, read.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/codec_priv.h"
#include "store/pack_priv.h"

enum { INDEX_LEAST = 8 }; /* octets of an index block with one entry */

static const char magic[8] = "PRpack1\n";

/* ---- names ---- */

void
pack_name_write(const struct pack_name *name, char out[PACK_NAME_SIZE])
{
	(void)snprintf(out, PACK_NAME_SIZE, "%016llx-%016llx.%016llx",
	    (unsigned long long)name->lo, (unsigned long long)name->hi,
	    (unsigned long long)name->random);
}

bool
pack_name_read(const char *text, struct pack_name *out)
{
	return hex_part(&text, 16, '-', &out->lo)
	       && hex_part(&text, 16, '.', &out->hi)
	       && hex_part(&text, 16, '\0', &out->random) && out->lo < out->hi;
}

void
pack_path(const struct pack_name *name, char out[PACK_PATH_SIZE])
{
	char text[PACK_NAME_SIZE];

	pack_name_write(name, text);
	(void)snprintf(out, PACK_PATH_SIZE, "pack/%s", text);
}

void
pack_free(struct pack **p)
{
	if (*p != NULL) {
		free((*p)->index);
		free(*p);
		*p = NULL;
	}
}

/* ---- the end of the file ---- */

bool
pack_trailer_read(
    struct sv trailer, uint64_t size, struct pack *out, size_t *top_len)
{
	struct taker t = taker_of(trailer);
	uint64_t index_at;

	if (trailer.len != PACK_TRAILER || size < PACK_TRAILER
	    || !sv_eq(take_octets(&t, sizeof(magic)),
		sv_make(magic, sizeof(magic)))) {
		return false;
	}
	out->name.lo = take_u64(&t);
	out->name.hi = take_u64(&t);
	out->name.random = take_u64(&t);
	out->n = take_u64(&t);
	index_at = take_u64(&t);
	*top_len = take_fixed32(&t);
	(void)take_u64(&t);
	out->size = size;
	return take_fixed32(&t) == crc32c(0, trailer.p, PACK_TRAILER - 4)
	       && *top_len <= PACK_TOP_MAX && *top_len <= size - PACK_TRAILER
	       && index_at <= size - PACK_TRAILER - *top_len
	       && out->n <= (size - PACK_TRAILER) / 2;
}

/* Index blocks stand one behind the other, from index_at to the top. */
static bool
index_list(struct pack *p, struct taker *t, uint64_t at, uint64_t end)
{
	place_t first = 0;
	size_t cap = 0;

	while (take_left(t) != 0) {
		first += take_varint(t);
		uint64_t stored = take_max(t, PACK_INDEX_MAX);

		if (stored < INDEX_LEAST || stored > end - at) {
			return false;
		}
		p->index = xgrow(p->index, p->n_index, &cap, sizeof(*p->index));
		p->index[p->n_index++] = (struct pack_index){
		    .first = first, .offset = at, .stored = (uint32_t)stored};
		at += stored;
	}
	return at == end;
}

bool
pack_top_read(struct sv top_and_trailer, struct pack *out)
{
	struct taker t;
	struct sv top;
	uint64_t index_at;

	ASSERT(top_and_trailer.len >= PACK_TRAILER);
	top = sv_sub(top_and_trailer, 0, top_and_trailer.len - PACK_TRAILER);
	t = taker_of(sv_from(top_and_trailer, top.len + 40));
	index_at = take_u64(&t);
	(void)take_fixed32(&t);
	if (take_fixed32(&t) != crc32c(0, top.p, top.len)) {
		return false;
	}
	t = taker_of(top);
	return index_list(out, &t, index_at, out->size - top_and_trailer.len);
}

/* ---- blocks ---- */

/* False if what stands at the front is not the checksum of the rest. */
static bool
checked(struct sv stored, struct taker *t)
{
	*t = taker_of(stored);
	uint32_t crc = take_fixed32(t);

	return !t->bad && crc == crc32c(0, stored.p + 4, stored.len - 4);
}

static int64_t
unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1 ^ ((v & 1) != 0 ? UINT64_MAX : 0));
}

/* Behind `last`, which is changed into the entry read. */
static bool
entry_take(struct taker *t, struct pack_entry *last)
{
	last->place += take_varint(t);
	uint64_t where = take_varint(t);

	if (where == 0) {
		last->slot++;
	} else {
		last->offset += (uint64_t)unzigzag(where - 1);
		last->stored = (uint32_t)take_max(t, PACK_STORED_MAX);
		last->slot = (uint32_t)take_max(t, PACK_SLOTS);
	}
	return !t->bad && last->slot < PACK_SLOTS
	       && last->stored >= PACK_BLOCK_HEAD;
}

bool
pack_index_read(
    struct sv stored, place_t first, struct pack_entry *out, size_t *n_out)
{
	struct pack_entry e = {.place = first};
	struct taker t;
	size_t n = 0;

	if (stored.len > PACK_INDEX_MAX || !checked(stored, &t)) {
		return false;
	}
	while (take_left(&t) != 0) {
		if (n == PACK_ENTRIES || !entry_take(&t, &e)
		    || (n != 0 && e.place <= out[n - 1].place)) {
			return false;
		}
		out[n++] = e;
	}
	*n_out = n;
	return true;
}

static uint16_t
fixed16(struct sv s, size_t at)
{
	uint16_t v;

	memcpy(&v, s.p + at, sizeof(v));
	return le16toh(v);
}

bool
pack_slot(struct sv raw, uint32_t slot, struct sv *out)
{
	size_t n = raw.len >= 2 ? fixed16(raw, 0) : 0;
	size_t at = 2 + 2 * n;

	if (slot >= n || n > PACK_SLOTS || raw.len < at) {
		return false;
	}
	for (uint32_t i = 0; i < slot; i++) {
		at += fixed16(raw, 2 + 2 * (size_t)i);
	}
	size_t len = fixed16(raw, 2 + 2 * (size_t)slot);

	if (at > raw.len || len > raw.len - at) {
		return false;
	}
	*out = sv_sub(raw, at, len);
	return true;
}
