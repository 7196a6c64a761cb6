/*
 * Packs: any octets give digests or nothing, and what is read stays inside.
 *
 * The first octet says what follows: an index block and an unpacked data
 * block (their checksums are made right here, so that what they guard is
 * reached), or a whole file.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "one_file.h"
#include "store/pack_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_places(struct pack_reader *r, const struct pack *p)
{
	for (size_t i = 0; i < p->n_index && i < 16; i++) {
		for (place_t k = 0; k < 4000; k += k < 8 ? 1 : 496) {
			struct sv digest;
			struct fail f;
			bool bad;
			int rc = pack_reader_get(
			    r, p->index[i].first + k, &digest, &bad, &f);

			ASSERT(rc == 0 || rc == 1);
			ASSERT(digest.len <= PACK_RAW_MAX);
			ASSERT(digest.len == 0
			       || crc32c(0, digest.p, digest.len) + 1 != 0
			       || rc == 1); /* read all of it */
		}
	}
}

static void
try_file(struct sv s)
{
	struct fs fs = {.ops = &one_file_ops};
	struct pack_name name = {.lo = 0};
	struct pack *p;
	struct fail f;

	one_file = s;
	/* Of the name that it says it has. */
	if (s.len >= PACK_TRAILER) {
		memcpy(&name, s.p + s.len - PACK_TRAILER + 8, sizeof(name));
		name.lo = le64toh(name.lo);
		name.hi = le64toh(name.hi);
		name.random = le64toh(name.random);
	}
	if (pack_open(&fs, 0, &name, &p, &f) != 0) {
		return;
	}
	struct pack_reader *r = pack_reader_new(&fs, 0, p);

	try_places(r, p);
	pack_reader_free(&r);
	pack_free(&p);
}

/* ---- parts ---- */

static void
try_index(struct sv s)
{
	struct pack_entry *e = xcalloc(PACK_ENTRIES, sizeof(*e));
	struct buf stored = {.len = 0};
	uint32_t crc = htole32(crc32c(0, s.p, s.len));
	size_t n = 0;

	buf_add(&stored, &crc, sizeof(crc));
	buf_add_sv(&stored, s);
	if (pack_index_read(buf_sv(&stored), 1000, e, &n)) {
		ASSERT(n <= PACK_ENTRIES);
		for (size_t i = 0; i < n; i++) {
			ASSERT(e[i].slot < PACK_SLOTS
			       && e[i].stored <= PACK_STORED_MAX);
			ASSERT(i == 0 || e[i].place > e[i - 1].place);
		}
	}
	buf_deinit(&stored);
	free(e);
}

static void
try_slots(struct sv raw)
{
	for (uint32_t i = 0; i <= PACK_SLOTS; i++) {
		struct sv digest;

		if (pack_slot(raw, i, &digest)) {
			ASSERT(digest.len <= raw.len && digest.p >= raw.p
			       && digest.p + digest.len <= raw.p + raw.len);
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0) {
		return 0;
	}
	struct sv rest = sv_make(data + 1, size - 1);

	switch (data[0] % 3) {
	case 0:
		try_file(rest);
		break;
	case 1:
		try_index(rest);
		break;
	default: /* a number, not an enum */
		try_slots(rest);
		break;
	}
	return 0;
}
