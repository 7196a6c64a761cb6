#include "base/random.h"

#include <errno.h>
#include <pthread.h>
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

/* One call of the system for many numbers; a child begins anew. */
enum { STOCK = 32 };
static _Thread_local struct {
	uint64_t number[STOCK];
	unsigned left;
} stock;

static void
drop_stock(void)
{
	stock.left = 0;
}

static void
watch_forks(void)
{
	ASSERT(pthread_atfork(NULL, NULL, drop_stock) == 0);
}

uint64_t
random_u64(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (stock.left == 0) {
		ASSERT(pthread_once(&once, watch_forks) == 0);
		random_bytes(stock.number, sizeof(stock.number));
		stock.left = STOCK;
	}
	uint64_t v = stock.number[--stock.left];

	stock.number[stock.left] = 0;
	return v;
}
