#include "imapd/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/block.h"
#include "base/buf.h"
#include "base/mem.h"

struct spool {
	struct sink sink; /* first */
	const char *dir;
	struct buf mem; /* all of it, or what is not in the file yet */
	int fd;		/* -1: none */
	uint64_t in_file;
	void *map; /* of the file, or NULL */
	bool nul;
	struct fail fail; /* the first */
};

static int
write_all(int fd, const char *p, size_t n)
{
	while (n != 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR) {
			continue;
		}
		if (done < 0) {
			return -1;
		}
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

/* Move what is in memory to the file. */
static int
spill(struct spool *s)
{
	int rc = 0;

	block_begin();
	if (s->fd < 0) {
		s->fd = open(s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	}
	if (s->fd < 0 || write_all(s->fd, s->mem.data, s->mem.len) != 0) {
		rc = fail_sys(&s->fail, "spool in %s", s->dir);
	}
	block_end();
	s->in_file += s->mem.len;
	buf_clear(&s->mem);
	return rc;
}

static int
put(struct sink *to, struct sv piece)
{
	struct spool *s = (struct spool *)to;

	if (sv_chr(piece, '\0') >= 0) {
		s->nul = true;
		return -1;
	}
	buf_add_sv(&s->mem, piece);
	return s->mem.len >= SPOOL_MEMORY ? spill(s) : 0;
}

struct spool *
spool_new(const char *dir)
{
	struct spool *s = xmalloc(sizeof(*s));

	s->sink.put = put;
	s->dir = dir;
	s->fd = -1;
	return s;
}

void
spool_free(struct spool **spool)
{
	struct spool *s = *spool;

	if (s == NULL) {
		return;
	}
	if (s->map != NULL) {
		(void)munmap(s->map, s->in_file);
	}
	if (s->fd >= 0) {
		(void)close(s->fd);
	}
	buf_deinit(&s->mem);
	free(s);
	*spool = NULL;
}

struct sink *
spool_sink(struct spool *spool)
{
	return &spool->sink;
}

int
spool_fd(const struct spool *spool)
{
	return spool->fd;
}

int
spool_message(struct spool *spool, struct sv *out, struct fail *f)
{
	struct spool *s = spool;
	void *map;

	if (s->nul) {
		return fail_set(f, FAIL_SYNTAX, "NUL in a message");
	}
	if (s->fd >= 0 && s->mem.len != 0 && s->fail.kind == FAIL_NONE) {
		(void)spill(s);
	}
	if (s->fail.kind != FAIL_NONE) {
		*f = s->fail;
		return -1;
	}
	if (s->fd < 0) {
		*out = buf_sv(&s->mem);
		return 0;
	}
	/* Only this process has the file, so it stays as long as it is. */
	map = mmap(NULL, s->in_file, PROT_READ, MAP_PRIVATE, s->fd, 0);
	if (map == MAP_FAILED) {
		return fail_sys(f, "map a spool file");
	}
	s->map = map;
	*out = sv_make(map, s->in_file);
	return 0;
}
