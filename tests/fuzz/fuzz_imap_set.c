/* A sequence set resolves to ascending, disjoint ranges that hold what the
 * set names and nothing else. */
#include <stdint.h>

#include "base/arena.h"
#include "base/mem.h"
#include "proto/imap_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
named(const struct imap_set *set, uint32_t last, uint32_t n)
{
	for (size_t i = 0; i < set->n; i++) {
		uint32_t a = set->r[i].lo != 0 ? set->r[i].lo : last;
		uint32_t b = set->r[i].hi != 0 ? set->r[i].hi : last;

		if ((n >= a && n <= b) || (n >= b && n <= a)) {
			return true;
		}
	}
	return false;
}

static void
check(const struct imap_set *set, uint32_t last)
{
	struct arena arena = {0};
	struct imap_set out;

	imap_set_resolve(set, last, &arena, &out);
	for (size_t i = 0; i < out.n; i++) {
		ASSERT(out.r[i].lo != 0 && out.r[i].lo <= out.r[i].hi);
		ASSERT(i == 0 || out.r[i].lo > out.r[i - 1].hi + 1);
	}
	for (uint32_t n = 1; n < 40; n++) {
		ASSERT(imap_set_has(&out, n) == named(set, last, n));
	}
	arena_deinit(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = {0};
	struct imap_lex lex = {.text = sv_make(data, size), .arena = &arena};
	struct imap_set set;

	if (imap_lex_set(&lex, &set) == 0 && set.n < 200) {
		check(&set, 0);
		check(&set, 20);
		check(&set, UINT32_MAX);
	}
	arena_deinit(&arena);
	return 0;
}
