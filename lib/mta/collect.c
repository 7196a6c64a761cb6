#include "mta/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/block.h"
#include "base/mem.h"

enum {
	FREE_OCTETS = 32 * 1024, /* of a message that the pool does not count */
	FILE_PIECE = 32 * 1024,	 /* written to a file at a time */
};

static struct collect_pool pool;
static atomic_size_t pool_used; /* a bound: no order with other data */

int
collect_init_pool(const struct collect_pool *conf, struct fail *f)
{
	pool = *conf;
	if (mkdir(pool.spool, 0700) != 0 && errno != EEXIST) {
		return fail_sys(f, "make %s", pool.spool);
	}
	return 0;
}

static bool
pool_take(struct collect *m, size_t want)
{
	size_t more = want - m->reserved;
	size_t was =
	    atomic_fetch_add_explicit(&pool_used, more, memory_order_relaxed);

	if (was + more > pool.pool_max) {
		(void)atomic_fetch_sub_explicit(
		    &pool_used, more, memory_order_relaxed);
		return false;
	}
	m->reserved = want;
	return true;
}

static void
pool_give(struct collect *m)
{
	(void)atomic_fetch_sub_explicit(
	    &pool_used, m->reserved, memory_order_relaxed);
	m->reserved = 0;
}

void
collect_deinit(struct collect *m)
{
	buf_deinit(&m->mem);
	pool_give(m);
	if (m->fd > 0) {
		(void)close(m->fd);
	}
	memset(m, 0, sizeof(*m));
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
settle(struct collect *m)
{
	if (m->settle != NULL) {
		m->settle(m, m->settle_arg);
		m->settle = NULL;
	}
}

/* Move what is in memory into the file, making one if there is none. */
static int
spill(struct collect *m, struct fail *f)
{
	int rc = 0;

	settle(m);
	block_begin();
	if (m->fd <= 0) {
		m->fd = open(pool.spool, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (m->fd < 0) {
			rc = fail_sys(f, "file in %s", pool.spool);
		}
	}
	if (rc == 0) {
		rc = write_all(m->fd, buf_sv(&m->mem), f);
	}
	block_end();
	if (rc == 0) {
		m->written += m->mem.len;
		buf_clear(&m->mem);
	}
	if (m->mem.cap > FILE_PIECE) {
		buf_deinit(&m->mem);
		pool_give(m);
	}
	return rc;
}

/* What the message may hold in memory before the next spill. */
static bool
fits(struct collect *m, size_t len)
{
	size_t want = m->mem.len + len;

	if (m->fd > 0) {
		return want <= FILE_PIECE;
	}
	if (want <= FREE_OCTETS || want <= m->reserved) {
		return true;
	}
	/* In doubling steps, as the buffer grows. */
	return want <= pool.memory_max
	       && pool_take(
		   m, 2 * want < pool.memory_max ? 2 * want : pool.memory_max);
}

int
collect_add(struct collect *m, struct sv piece, struct fail *f)
{
	if (!fits(m, piece.len)) {
		if (spill(m, f) != 0) {
			return -1;
		}
		if (piece.len > FILE_PIECE) {
			block_begin();
			int rc = write_all(m->fd, piece, f);

			block_end();
			m->written += piece.len;
			return rc;
		}
	}
	buf_add_sv(&m->mem, piece);
	return 0;
}

uint64_t
collect_size(const struct collect *m)
{
	return m->written + m->mem.len;
}

bool
collect_in_memory(const struct collect *m)
{
	return m->fd <= 0;
}

int
collect_end(struct collect *m, struct fail *f)
{
	settle(m);
	return collect_in_memory(m) || m->mem.len == 0 ? 0 : spill(m, f);
}

void
collect_insert(struct collect *m, size_t at, struct sv text)
{
	ASSERT(collect_in_memory(m) && at <= m->mem.len);
	if (text.len == 0 || buf_reserve(&m->mem, text.len) == NULL) {
		return;
	}
	memmove(m->mem.data + at + text.len, m->mem.data + at, m->mem.len - at);
	memcpy(m->mem.data + at, text.p, text.len);
	m->mem.len += text.len;
}
