/*
 * preload: a faster clock, and flushes left out.
 *
 * Loaded before each program of a server under test (LD_PRELOAD);
 * $POWER_CONTROL names the page that disk.h describes.  Without one it does
 * nothing.
 *
 * The wall clock goes faster than the true one, by a factor, and the times of
 * files with it, so that days pass within a test and the store collects what
 * is past its retention.
 *
 * A flush that is left out is what a program does that forgets it: 0 at once.
 * Which one it is tell the call and the file's name.
 *
 * Threads: atomic.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "disk.h"

enum { SECOND_NS = 1000000000 };

static struct disk_control *control;

__attribute__((constructor)) static void
map_control(void)
{
	/* Before main(), there is one thread. */
	const char *path =
	    getenv("POWER_CONTROL"); // NOLINT(concurrency-mt-unsafe)
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);

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

/* `real`: the C library's function of this name. */
#define REAL(name)                                                             \
	static __typeof__(&(name)) real;                                       \
                                                                               \
	if (real == NULL) {                                                    \
		*(void **)&real = dlsym(RTLD_NEXT, #name);                     \
	}

/* ---- the clock ---- */

static void
hurry(struct timespec *ts)
{
	if (control == NULL || control->pace == 0) {
		return;
	}
	int64_t ns = (int64_t)ts->tv_sec * SECOND_NS + ts->tv_nsec;

	if (ns > control->since) {
		ns = control->since + (ns - control->since) * control->pace;
	}
	ts->tv_sec = ns / SECOND_NS;
	ts->tv_nsec = ns % SECOND_NS;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	REAL(clock_gettime)
	int rc = real(id, ts);

	if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
		hurry(ts);
	}
	return rc;
}

int
fstat64(int fd, struct stat64 *st)
{
	REAL(fstat64)
	int rc = real(fd, st);

	if (rc == 0) {
		hurry(&st->st_mtim);
	}
	return rc;
}

int
fstatat64(int dir, const char *path, struct stat64 *st, int flags)
{
	REAL(fstatat64)
	int rc = real(dir, path, st, flags);

	if (rc == 0) {
		hurry(&st->st_mtim);
	}
	return rc;
}

/* ---- flushes ---- */

static enum disk_without
kind_of(int fd, bool data_only)
{
	char link[64];
	char path[4096];

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);

	path[n < 0 ? 0 : n] = '\0';
	if (strstr(path, "/directory/") != NULL) {
		return WITHOUT_DIRECTORY;
	}
	if (strstr(path, "/box/") != NULL) {
		return WITHOUT_MESSAGE;
	}
	if (strstr(path, "/journal/") != NULL) {
		return data_only ? WITHOUT_JOURNAL : WITHOUT_ROTATION;
	}
	return WITHOUT_SNAPSHOT;
}

static bool
is_left_out(int fd, bool data_only)
{
	int err = errno;

	if (control == NULL || control->without == 0
	    || (control->without & kind_of(fd, data_only)) == 0) {
		errno = err;
		return false;
	}
	control->left_out_at[control->left_out++ % LEFT_OUT_MAX] =
	    control->count;
	return true;
}

int
fsync(int fd)
{
	REAL(fsync)
	return is_left_out(fd, false) ? 0 : real(fd);
}

int
fdatasync(int fd)
{
	REAL(fdatasync)
	return is_left_out(fd, true) ? 0 : real(fd);
}
