/* A PROXY header is wanted whole: each cut of one that is accepted asks for
 * more, and never for more than is allowed. */
#include <stdint.h>

#include "base/mem.h"
#include "net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv all = sv_make(data, size);
	struct addr peer = {.family = 0};
	struct addr local = {.family = 0};
	size_t len = 0;
	enum proxy_found found = proxy_read(all, &len, &peer, &local);

	if (found == PROXY_BAD) {
		return 0;
	}
	ASSERT(len >= PROXY_HEAD && len <= PROXY_MAX);
	ASSERT((found == PROXY_MORE) == (size < len));
	ASSERT((found == PROXY_WHOLE) == (peer.family != 0));
	for (size_t cut = 0; found != PROXY_MORE && cut < len; cut++) {
		size_t more = 0;

		ASSERT(proxy_read(sv_sub(all, 0, cut), &more, &peer, &local)
		       == PROXY_MORE);
		ASSERT(more > cut && more <= len);
	}
	return 0;
}
