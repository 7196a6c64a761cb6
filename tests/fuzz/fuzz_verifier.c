/* Stored keys, read and written again. */
#include <stdint.h>

#include "auth/verifier.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct verifier v, again;
	struct buf text = {.data = NULL}, prepared = {.data = NULL};
	struct fail f;

	if (verifier_parse(sv_make(data, size), &v, &f) == 0) {
		verifier_format(&v, &text);
		ASSERT(verifier_parse(buf_sv(&text), &again, &f) == 0);
		ASSERT(memcmp(&v, &again, sizeof(v)) == 0);
	}
	if (verifier_prepare(sv_make(data, size), &prepared, &f) == 0) {
		ASSERT(prepared.len != 0);
	}
	buf_wipe(&prepared);
	buf_deinit(&text);
	return 0;
}
