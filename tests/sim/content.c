#include "content.h"

#include "base/hash.h"
#include "base/mem.h"
#include "rng.h"
#include "store/mutate_priv.h"
#include "store/record_priv.h"

enum { SIZE_LEAST = 40, BIG_EVERY = 16, BIG_MORE = 2000 };

uint64_t
content_size(uint32_t k)
{
	ASSERT(k < CONTENT_MAX);
	return SIZE_LEAST + k + (k % BIG_EVERY == 0 ? BIG_MORE : 0);
}

bool
content_of_size(uint64_t size, uint32_t *k_out)
{
	uint64_t k = size - SIZE_LEAST;

	if (k >= BIG_MORE) {
		k -= BIG_MORE;
	}
	*k_out = (uint32_t)k;
	return k < CONTENT_MAX && content_size((uint32_t)k) == size;
}

void
content_octets(uint32_t k, struct buf *to)
{
	struct rng r = {.state = k};
	size_t end = to->len + content_size(k);

	buf_addf(to, "Subject: %u\r\n\r\n", k);
	while (to->len < end) {
		buf_add_char(to, (char)('a' + rng_below(&r, 26)));
	}
}

/* A delivery that nobody made, as the bytes of a journal with a known key. */
static void
forged_add(uint32_t k, struct buf *to)
{
	static const struct record_key known = {
	    .mark = F8B_KEY, .crc = (uint32_t)F8B_KEY};
	struct buf body = {.len = 0};
	struct rec_add add = {.delivery = true,
	    .mbox = 1,
	    .folder = 1,
	    .placement = {.time_ms = UINT64_C(1) << 41, .random = k},
	    .size = 7};

	rec_add_write(&body, &add);
	record_write(to, &known,
	    &(struct record){.type = RECORD_ADD,
		.time_ms = 1,
		.id = {.process = k, .counter = 1},
		.body = buf_sv(&body)});
	buf_deinit(&body);
}

void
content_digest(uint32_t k, struct buf *to)
{
	if (k % 3 == 0) {
		return;
	}
	buf_addf(to, "digest of %u ", k);
	for (uint32_t i = 0; i < k % 4; i++) {
		forged_add(k, to);
	}
}
