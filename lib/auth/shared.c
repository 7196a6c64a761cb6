#include "auth/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum {
	MAGIC = 0x70726d31, /* with the version: raise it with the layout */
	BOOT_SIZE = 40,
	HEADER_SIZE = 4096,
	NS_PER_MS = 1000000,
	MS_PER_S = 1000,
};

/* The beginning of the file. */
struct header {
	uint32_t magic;
	uint32_t lock_size; /* of what made it */
	uint64_t size;
	char boot[BOOT_SIZE];
	pthread_mutex_t lock;
};

struct shared {
	struct header *header; /* of the map */
	size_t map_size;
};

_Static_assert(sizeof(struct header) <= HEADER_SIZE, "header");

static void
read_boot(char out[BOOT_SIZE])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	memset(out, 0, BOOT_SIZE);
	if (fd >= 0) {
		(void)!read(fd, out, BOOT_SIZE - 1);
		(void)close(fd);
	}
}

static void
init_header(struct header *h, size_t size)
{
	pthread_mutexattr_t attr;

	h->lock_size = sizeof(h->lock);
	h->size = size;
	read_boot(h->boot);
	(void)pthread_mutexattr_init(&attr);
	(void)pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	(void)pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	(void)pthread_mutex_init(&h->lock, &attr);
	(void)pthread_mutexattr_destroy(&attr);
	h->magic = MAGIC;
}

static bool
is_current(const struct header *h, size_t size)
{
	char boot[BOOT_SIZE];

	read_boot(boot);
	return h->magic == MAGIC && h->lock_size == sizeof(h->lock)
	       && h->size == size && memcmp(h->boot, boot, BOOT_SIZE) == 0;
}

static void *
map(int fd, size_t size)
{
	int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	return at != MAP_FAILED ? at : NULL;
}

/* A regular file of ours that nobody else can write, with its lock held while
 * it is open here; -1 and errno. */
static int
open_locked(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;

	if (fd < 0) {
		return -1;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)
	    || st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
		errno = EPERM;
	} else if (flock(fd, LOCK_EX) == 0) {
		return fd;
	}
	(void)close(fd);
	return -1;
}

/* A file that is new or just as it should be, mapped; NULL with the file's
 * name gone if it is another. */
static struct header *
map_file(int fd, const char *path, size_t size)
{
	size_t whole = HEADER_SIZE + size;
	struct header *h;
	struct stat st;

	if (fstat(fd, &st) != 0) {
		return NULL;
	}
	if (st.st_size != 0 && (size_t)st.st_size != whole) {
		(void)unlink(path);
		return NULL;
	}
	/* With blocks of its own, now if they could not be had before: where
	 * a full disk has none for a page that is written to, the process is
	 * killed. */
	int err = posix_fallocate(fd, 0, (off_t)whole);

	if (err != 0) {
		if (st.st_size == 0) {
			(void)!ftruncate(fd, 0);
		}
		errno = err;
		return NULL;
	}
	h = map(fd, whole);
	if (h == NULL) {
		return NULL;
	}
	if (st.st_size == 0) {
		init_header(h, size);
	} else if (!is_current(h, size)) {
		/* Those who have it mapped keep it. */
		(void)unlink(path);
		(void)munmap(h, whole);
		return NULL;
	}
	return h;
}

/* Has the file that was waited for been replaced meanwhile? */
static bool
is_named(int fd, const char *path)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 && stat(path, &named) == 0
	       && ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

static struct header *
open_file(const char *path, size_t size)
{
	enum { TRIES = 8 };
	struct header *h = NULL;

	for (int i = 0; h == NULL && i < TRIES; i++) {
		int fd = open_locked(path);

		if (fd < 0) {
			break;
		}
		if (is_named(fd, path)) {
			h = map_file(fd, path, size);
		}
		(void)flock(fd, LOCK_UN); /* which the map would keep */
		(void)close(fd);
	}
	if (h == NULL) {
		struct fail f;

		(void)fail_sys(&f, "map %s", path);
		LOG(LOG_WARN, "shared.private", kv_fail(&f));
	}
	return h;
}

struct shared *
shared_open(const char *path, size_t size)
{
	struct shared *s = xmalloc(sizeof(*s));

	s->map_size = HEADER_SIZE + size;
	s->header = path != NULL ? open_file(path, size) : NULL;
	if (s->header == NULL) {
		s->header = map(-1, s->map_size);
		ASSERT(s->header != NULL);
		init_header(s->header, size);
	}
	return s;
}

void
shared_close(struct shared **shared)
{
	struct shared *s = *shared;

	*shared = NULL;
	if (s != NULL) {
		/* The lock stays: others may use it. */
		(void)munmap(s->header, s->map_size);
		free(s);
	}
}

void *
shared_memory(const struct shared *s)
{
	return (char *)s->header + HEADER_SIZE;
}

void
shared_enter(struct shared *s)
{
	struct timespec until;
	int rc = pthread_mutex_trylock(&s->header->lock);

	if (rc == EBUSY) {
		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += SHARED_WAIT_MS * NS_PER_MS;
		if (until.tv_nsec >= MS_PER_S * (long)NS_PER_MS) {
			until.tv_nsec -= MS_PER_S * (long)NS_PER_MS;
			until.tv_sec++;
		}
		rc = pthread_mutex_clocklock(
		    &s->header->lock, CLOCK_MONOTONIC, &until);
	}
	if (rc == EOWNERDEAD) {
		(void)pthread_mutex_consistent(&s->header->lock);
	}
}

void
shared_leave(struct shared *s)
{
	/* Not ours if it could not be had: then this does nothing. */
	(void)pthread_mutex_unlock(&s->header->lock);
}
