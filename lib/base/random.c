#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/mem.h"

void
random_bytes(void *p, size_t len)
{
	unsigned char *to = p;

	while (len != 0) {
		ssize_t n = getrandom(to, len, 0);

		ASSERT(n > 0 || errno == EINTR);
		if (n > 0) {
			to += n;
			len -= (size_t)n;
		}
	}
}

uint64_t
random_u64(void)
{
	uint64_t v;

	random_bytes(&v, sizeof(v));
	return v;
}
