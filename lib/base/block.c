#include "base/block.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

static void
no_hook(void)
{
}

void (*_Atomic block_begin_hook)(void) = no_hook;
void (*_Atomic block_end_hook)(void) = no_hook;

/* Not inlined: a caller that is a coroutine may go on in another thread, and
 * the compiler may keep the address of errno. */
ssize_t __attribute__((noinline))
block_pread(int fd, void *to, size_t n, uint64_t at)
{
	struct iovec v = {.iov_base = to, .iov_len = n};
	ssize_t got = preadv2(fd, &v, 1, (off_t)at, RWF_NOWAIT);

	if (got > 0) {
		return got;
	}
	block_begin();
	got = pread(fd, to, n, (off_t)at);
	int err = errno;

	block_end();
	return got >= 0 ? got : -err;
}
