#include "base/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/block.h"
#include "base/mem.h"

enum {
	FREE_OCTETS = 32 * 1024, /* of a spool that the pool does not count */
	FILE_PIECE = 32 * 1024,	 /* written to a file at a time */
};

static struct spool_pool pool;
static atomic_size_t pool_used; /* a bound: no order with other data */

int
spool_init_pool(const struct spool_pool *conf, struct fail *f)
{
	pool = *conf;
	if (mkdir(pool.dir, 0700) != 0 && errno != EEXIST) {
		return fail_sys(f, "make %s", pool.dir);
	}
	return 0;
}

static bool
pool_take(struct spool *s, size_t want)
{
	size_t more = want - s->reserved;
	size_t was =
	    atomic_fetch_add_explicit(&pool_used, more, memory_order_relaxed);

	if (was + more > pool.pool_max) {
		(void)atomic_fetch_sub_explicit(
		    &pool_used, more, memory_order_relaxed);
		return false;
	}
	s->reserved = want;
	return true;
}

static void
pool_give(struct spool *s)
{
	(void)atomic_fetch_sub_explicit(
	    &pool_used, s->reserved, memory_order_relaxed);
	s->reserved = 0;
}

void
spool_deinit(struct spool *s)
{
	buf_deinit(&s->mem);
	pool_give(s);
	if (s->map != NULL) {
		(void)munmap(s->map, s->written);
	}
	if (s->fd > 0) {
		(void)close(s->fd);
	}
	memset(s, 0, sizeof(*s));
}

static int
write_all(int fd, struct sv text, struct fail *f)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.p, text.len);

		if (n < 0 && errno != EINTR) {
			return fail_sys(f, "write to the spool");
		}
		text = sv_from(text, n > 0 ? (size_t)n : 0);
	}
	return 0;
}

static void
settle(struct spool *s)
{
	if (s->settle != NULL) {
		s->settle(s, s->settle_arg);
		s->settle = NULL;
	}
}

/* Move what is in memory into the file, making one if there is none. */
static int
spill(struct spool *s, struct fail *f)
{
	int rc = 0;

	settle(s);
	block_begin();
	if (s->fd <= 0) {
		s->fd = open(pool.dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (s->fd < 0) {
			rc = fail_sys(f, "file in %s", pool.dir);
		}
	}
	if (rc == 0) {
		rc = write_all(s->fd, buf_sv(&s->mem), f);
	}
	block_end();
	if (rc == 0) {
		s->written += s->mem.len;
		buf_clear(&s->mem);
	}
	if (s->mem.cap > FILE_PIECE) {
		buf_deinit(&s->mem);
		pool_give(s);
	}
	return rc;
}

/* May it hold `len` more octets in memory before the next spill? */
static bool
fits(struct spool *s, size_t len)
{
	size_t want = s->mem.len + len;

	if (s->fd > 0) {
		return want <= FILE_PIECE;
	}
	if (want <= FREE_OCTETS || want <= s->reserved) {
		return true;
	}
	/* In doubling steps, as the buffer grows. */
	return want <= pool.memory_max
	       && pool_take(
		   s, 2 * want < pool.memory_max ? 2 * want : pool.memory_max);
}

int
spool_add(struct spool *s, struct sv piece, struct fail *f)
{
	if (!fits(s, piece.len)) {
		if (spill(s, f) != 0) {
			return -1;
		}
		if (piece.len > FILE_PIECE) {
			block_begin();
			int rc = write_all(s->fd, piece, f);

			block_end();
			s->written += piece.len;
			return rc;
		}
	}
	buf_add_sv(&s->mem, piece);
	return 0;
}

uint64_t
spool_size(const struct spool *s)
{
	return s->written + s->mem.len;
}

bool
spool_in_memory(const struct spool *s)
{
	return s->fd <= 0;
}

int
spool_end(struct spool *s, struct fail *f)
{
	settle(s);
	return spool_in_memory(s) || s->mem.len == 0 ? 0 : spill(s, f);
}

int
spool_text(struct spool *s, struct sv *out, struct fail *f)
{
	void *map;

	if (spool_in_memory(s)) {
		*out = buf_sv(&s->mem);
		return 0;
	}
	ASSERT(s->mem.len == 0 && s->map == NULL);
	/* Only this process has the file, so it stays as long as it is. */
	map = mmap(NULL, s->written, PROT_READ, MAP_SHARED, s->fd, 0);
	if (map == MAP_FAILED) {
		return fail_sys(f, "map a spool file");
	}
	s->map = map;
	*out = sv_make(map, s->written);
	return 0;
}

void
spool_insert(struct spool *s, size_t at, struct sv text)
{
	ASSERT(spool_in_memory(s) && at <= s->mem.len);
	if (text.len == 0 || buf_reserve(&s->mem, text.len) == NULL) {
		return;
	}
	memmove(s->mem.data + at + text.len, s->mem.data + at, s->mem.len - at);
	memcpy(s->mem.data + at, text.p, text.len);
	s->mem.len += text.len;
}
