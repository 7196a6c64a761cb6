/*
 * preload: make system calls of a program fail.  See preload.h.
 *
 * Each function here stands before the C library's own: it counts, and when
 * its turn has come fails as the kernel could, with nothing done, or does a
 * part.  Calls of all threads count together.
 */
#include "preload.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { IOV_CUT_MAX = 64 };

static struct fault_control *control;

__attribute__((constructor)) static void
map_control(void)
{
	/* Before main(), there is one thread. */
	const char *dir = getenv("FAULT_DIR"); // NOLINT(concurrency-mt-unsafe)
	char path[PATH_MAX];

	if (dir == NULL) {
		return;
	}
	(void)snprintf(
	    path, sizeof(path), "%s/%s", dir, program_invocation_short_name);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		return;
	}
	void *p = mmap(
	    NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	(void)close(fd);
	if (p != MAP_FAILED) {
		control = p;
	}
}

/* Count this call; is it its turn? */
static bool
is_turn(const char *name)
{
	uint64_t n = atomic_fetch_add(&control->count, 1) + 1;

	if (n < control->first || n - control->first >= control->times) {
		return false;
	}
	atomic_fetch_add(&control->met, 1);
	(void)snprintf(control->name, sizeof(control->name), "%s", name);
	return true;
}

static bool
is_mode(enum fault_mode mode)
{
	return control != NULL && atomic_load(&control->armed) == 1
	       && control->mode == (uint32_t)mode;
}

/* Fail with the error of the present mode; 0 is one that this call does not
 * have. */
static bool
fails(const char *name, int error, int full, int again)
{
	int err = is_mode(FAULT_ERROR)	 ? error
		  : is_mode(FAULT_FULL)	 ? full
		  : is_mode(FAULT_AGAIN) ? again
					 : 0;

	if (err == 0 || !is_turn(name)) {
		return false;
	}
	errno = err;
	return true;
}

/* How many of `len` octets to move. */
static size_t
part(const char *name, size_t len)
{
	/* Eight are a counter of eventfd(2), which go whole or not at all. */
	return is_mode(FAULT_SHORT) && len > 8 && is_turn(name) ? len / 2 : len;
}

/* EAGAIN where `fd` does not block. */
static int
again_of(int fd, int flags)
{
	int err = errno;
	int status = fcntl(fd, F_GETFL);

	errno = err;
	return (flags & MSG_DONTWAIT) != 0
		       || (status >= 0 && (status & O_NONBLOCK) != 0)
		   ? EAGAIN
		   : EINTR;
}

/* A datagram goes and comes whole. */
static bool
is_stream(int fd)
{
	int err = errno, type = 0;
	socklen_t len = sizeof(type);
	int rc = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);

	errno = err;
	return rc == 0 && type == SOCK_STREAM;
}

/* Half of what `from` holds, in `to`; `from` itself if it is not the turn. */
static const struct iovec *
part_of(const char *name, const struct iovec *from, int *n, struct iovec *to)
{
	size_t all = 0, left;

	if (*n > IOV_CUT_MAX || !is_mode(FAULT_SHORT)) {
		return from;
	}
	for (int i = 0; i < *n; i++) {
		all += from[i].iov_len;
	}
	left = part(name, all);
	if (left == all) {
		return from;
	}
	for (int i = 0; i < *n; i++) {
		to[i] = from[i];
		if (to[i].iov_len >= left) {
			to[i].iov_len = left;
			*n = i + 1;
		}
		left -= to[i].iov_len;
	}
	return to;
}

/* `real`: the C library's function of this name. */
#define REAL(name)                                                             \
	static __typeof__(&(name)) real;                                       \
                                                                               \
	if (real == NULL) {                                                    \
		*(void **)&real = dlsym(RTLD_NEXT, #name);                     \
	}

/* A function that does all or nothing. */
#define CALL(type, failed, name, error, full, again, params, args)             \
	type name params                                                       \
	{                                                                      \
		REAL(name)                                                     \
		return fails(#name, error, full, again) ? (failed)             \
							: real args;           \
	}

/* One that moves `len` octets, or fewer. */
#define MOVE(name, error, full, again, params, len, args)                      \
	ssize_t name params                                                    \
	{                                                                      \
		REAL(name)                                                     \
		if (fails(#name, error, full, again)) {                        \
			return -1;                                             \
		}                                                              \
		(len) = part(#name, (len));                                    \
		return real args;                                              \
	}

/* Variadic ones, with a mode when a file may be made. */
#define OPEN(name, params, ...)                                                \
	int name params                                                        \
	{                                                                      \
		bool makes = (flags & (O_CREAT | __O_TMPFILE)) != 0;           \
		mode_t mode = 0;                                               \
		REAL(name)                                                     \
                                                                               \
		if (makes) {                                                   \
			va_list ap;                                            \
			va_start(ap, flags);                                   \
			mode = va_arg(ap, mode_t);                             \
			va_end(ap);                                            \
		}                                                              \
		return fails(#name, EIO, makes ? ENOSPC : EMFILE, EINTR)       \
			   ? -1                                                \
			   : real(__VA_ARGS__, mode);                          \
	}

/* clang-format off: one function a line */
OPEN(open, (const char *path, int flags, ...), path, flags)
OPEN(open64, (const char *path, int flags, ...), path, flags)
OPEN(openat, (int dir, const char *path, int flags, ...), dir, path, flags)
OPEN(openat64, (int dir, const char *path, int flags, ...), dir, path, flags)

MOVE(read, EIO, 0, EINTR, (int fd, void *p, size_t n), n, (fd, p, n))
MOVE(pread64, EIO, 0, EINTR, (int fd, void *p, size_t n, off64_t at), n,
    (fd, p, n, at))
MOVE(
    write, EIO, ENOSPC, EINTR, (int fd, const void *p, size_t n), n, (fd, p, n))
MOVE(pwrite64, EIO, ENOSPC, EINTR,
    (int fd, const void *p, size_t n, off64_t at), n, (fd, p, n, at))
MOVE(sendfile64, EIO, 0, again_of(out, 0),
    (int out, int in, off64_t *at, size_t n), n, (out, in, at, n))
MOVE(copy_file_range, EIO, ENOSPC, EINTR,
    (int in, off64_t *from, int out, off64_t *to, size_t n, unsigned flags), n,
    (in, from, out, to, n, flags))

CALL(int, -1, fsync, EIO, ENOSPC, 0, (int fd), (fd))
CALL(int, -1, fdatasync, EIO, ENOSPC, 0, (int fd), (fd))
CALL(int, -1, linkat, EIO, ENOSPC, 0,
    (int d, const char *p, int e, const char *q, int f), (d, p, e, q, f))
CALL(int, -1, symlinkat, EIO, ENOSPC, 0, (const char *to, int d, const char *p),
    (to, d, p))
CALL(int, -1, unlink, EIO, 0, 0, (const char *p), (p))
CALL(int, -1, unlinkat, EIO, 0, 0, (int d, const char *p, int f), (d, p, f))
CALL(int, -1, mkdir, EIO, ENOSPC, 0, (const char *p, mode_t m), (p, m))
CALL(int, -1, mkdirat, EIO, ENOSPC, 0, (int d, const char *p, mode_t m),
    (d, p, m))
CALL(int, -1, rename, EIO, ENOSPC, 0, (const char *p, const char *q), (p, q))
CALL(int, -1, renameat, EIO, ENOSPC, 0,
    (int d, const char *p, int e, const char *q), (d, p, e, q))
CALL(int, -1, ftruncate64, EIO, ENOSPC, EINTR, (int fd, off64_t n), (fd, n))
CALL(int, -1, fallocate64, EIO, ENOSPC, EINTR,
    (int fd, int mode, off64_t at, off64_t n), (fd, mode, at, n))
CALL(int, -1, fstat64, EIO, 0, 0, (int fd, struct stat64 *st), (fd, st))
CALL(int, -1, stat64, EIO, 0, 0, (const char *p, struct stat64 *st), (p, st))
CALL(int, -1, fstatat64, EIO, 0, 0,
    (int d, const char *p, struct stat64 *st, int f), (d, p, st, f))
CALL(DIR *, NULL, opendir, EIO, EMFILE, 0, (const char *p), (p))
CALL(DIR *, NULL, fdopendir, ENOMEM, ENOMEM, 0, (int fd), (fd))
CALL(struct dirent64 *, NULL, readdir64, EIO, 0, 0, (DIR * d), (d))
CALL(void *, MAP_FAILED, mmap64, ENOMEM, ENOMEM, 0,
    (void *p, size_t n, int prot, int flags, int fd, off64_t at),
    (p, n, prot, flags, fd, at))
CALL(int, -1, memfd_create, EMFILE, EMFILE, 0,
    (const char *name, unsigned flags), (name, flags))

CALL(int, -1, accept4, ECONNABORTED, EMFILE, again_of(fd, 0),
    (int fd, __SOCKADDR_ARG sa, socklen_t *n, int flags), (fd, sa, n, flags))
CALL(int, -1, socket, ENOBUFS, EMFILE, 0, (int d, int t, int p), (d, t, p))
CALL(int, -1, connect, ECONNREFUSED, EAGAIN, 0,
    (int fd, __CONST_SOCKADDR_ARG sa, socklen_t n), (fd, sa, n))
CALL(int, -1, eventfd, EMFILE, EMFILE, 0, (unsigned n, int flags), (n, flags))
CALL(int, -1, epoll_ctl, op == EPOLL_CTL_ADD ? ENOMEM : 0,
    op == EPOLL_CTL_ADD ? ENOSPC : 0, 0,
    (int fd, int op, int of, struct epoll_event *e), (fd, op, of, e))
CALL(int, -1, epoll_wait, 0, 0, EINTR,
    (int fd, struct epoll_event *e, int n, int ms), (fd, e, n, ms))
/* clang-format on */

int
pthread_create(
    pthread_t *id, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	REAL(pthread_create)
	return fails("pthread_create", EAGAIN, EAGAIN, 0)
		   ? EAGAIN
		   : real(id, attr, run, arg);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	struct iovec cut[IOV_CUT_MAX];
	REAL(writev)

	if (fails("writev", EIO, ENOSPC, EINTR)) {
		return -1;
	}
	v = part_of("writev", v, &n, cut);
	return real(fd, v, n);
}

ssize_t
preadv64v2(int fd, const struct iovec *v, int n, off64_t at, int flags)
{
	struct iovec cut[IOV_CUT_MAX];
	REAL(preadv64v2)

	if (fails("preadv2", EIO, 0, EAGAIN)) {
		return -1;
	}
	v = part_of("preadv2", v, &n, cut);
	return real(fd, v, n, at, flags);
}

ssize_t
recv(int fd, void *p, size_t n, int flags)
{
	REAL(recv)

	if (fails("recv", ECONNRESET, 0, again_of(fd, flags))) {
		return -1;
	}
	return real(fd, p, is_stream(fd) ? part("recv", n) : n, flags);
}

ssize_t
send(int fd, const void *p, size_t n, int flags)
{
	REAL(send)

	if (fails("send", ECONNRESET, ENOBUFS, again_of(fd, flags))) {
		return -1;
	}
	return real(fd, p, is_stream(fd) ? part("send", n) : n, flags);
}

ssize_t
recvmsg(int fd, struct msghdr *m, int flags)
{
	REAL(recvmsg)
	return fails("recvmsg", ECONNRESET, 0, again_of(fd, flags))
		   ? -1
		   : real(fd, m, flags);
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	struct iovec cut[IOV_CUT_MAX];
	struct msghdr some = *m;
	int n = (int)m->msg_iovlen;
	REAL(sendmsg)

	if (fails("sendmsg", ECONNRESET, ETOOMANYREFS, again_of(fd, flags))) {
		return -1;
	}
	if (is_stream(fd)
	    && part_of("sendmsg", m->msg_iov, &n, cut) != m->msg_iov) {
		some.msg_iov = cut;
		some.msg_iovlen = (size_t)n;
	}
	return real(fd, &some, flags);
}
