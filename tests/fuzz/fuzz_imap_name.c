/* A name that decodes encodes to the same octets; any UTF-8 name that is
 * taken comes back from its wire form. */
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"
#include "proto/imap_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv in = sv_make(data, size);
	struct buf utf8 = {0}, wire = {0}, again = {0};

	if (imap_name_from_utf7(in, &utf8)) {
		imap_name_to_utf7(buf_sv(&utf8), &wire);
		/* But for the case of INBOX. */
		ASSERT(sv_eq_nocase(buf_sv(&wire), in));
	}
	buf_clear(&utf8);
	buf_clear(&wire);
	if (size <= IMAP_NAME_MAX / 3 && imap_name_from_utf8(in, &utf8)) {
		imap_name_to_utf7(buf_sv(&utf8), &wire);
		ASSERT(imap_name_from_utf7(buf_sv(&wire), &again));
		ASSERT(sv_eq(buf_sv(&again), buf_sv(&utf8)));
	}
	imap_put_name(&wire, in, false);
	imap_put_name(&wire, in, true);
	buf_deinit(&utf8);
	buf_deinit(&wire);
	buf_deinit(&again);
	return 0;
}
