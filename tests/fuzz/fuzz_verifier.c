/* Stored keys, read and written again. */
#include <stdint.h>

#include "auth/verifier.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct verifier v, again;
	struct buf text = {.data = NULL}, same = {.data = NULL};
	struct buf prepared = {.data = NULL};
	struct fail f;

	if (verifier_parse(sv_make(data, size), &v, &f) == 0) {
		verifier_format(&v, &text);
		ASSERT(verifier_parse(buf_sv(&text), &again, &f) == 0);
		verifier_format(&again, &same);
		ASSERT(sv_eq(buf_sv(&text), buf_sv(&same)));
	}
	if (verifier_prepare(sv_make(data, size), &prepared, &f) == 0) {
		ASSERT(prepared.len != 0);
	}
	buf_wipe(&prepared);
	buf_deinit(&text);
	buf_deinit(&same);
	return 0;
}
