#include "store/wants_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum {
	DIGITS = 4, /* of an id: its bit */
	BITS = 1 << 4 * DIGITS,
	WORD_BITS = 32,
	PATH_MAX_OCTETS = 64,
};

struct table {
	_Atomic uint32_t word[BITS / WORD_BITS];
};

struct wants {
	struct table *table; /* shared with the others */
	uint16_t *counts;    /* of ours, one a bit; else NULL */
};

static void
file_name(const char *name, char out[PATH_MAX_OCTETS])
{
	(void)snprintf(out, PATH_MAX_OCTETS, ".%s", name);
}

static struct wants *
map_table(int fd, int protection)
{
	void *at =
	    mmap(NULL, sizeof(struct table), protection, MAP_SHARED, fd, 0);
	struct wants *w;

	if (at == MAP_FAILED) {
		return NULL;
	}
	w = xmalloc(sizeof(*w));
	w->table = at;
	return w;
}

int
wants_create(int dir, const char *name, struct wants **out, struct fail *f)
{
	char path[PATH_MAX_OCTETS];
	struct wants *w = NULL;

	*out = NULL;
	file_name(name, path);
	int fd = openat(dir, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0) {
		return fail_sys(f, "create %s", path);
	}
	/* With blocks of its own: where a full disk has none for a page that
	 * is written to, the process is killed. */
	int err = posix_fallocate(fd, 0, sizeof(struct table));

	if (err == 0) {
		w = map_table(fd, PROT_READ | PROT_WRITE);
		err = errno;
	}
	if (w == NULL) {
		(void)fail_err(f, err, "map %s", path);
		(void)unlinkat(dir, path, 0);
	} else {
		w->counts = xcalloc(BITS, sizeof(*w->counts));
		*out = w;
	}
	(void)close(fd);
	return w != NULL ? 0 : -1;
}

struct wants *
wants_open(int dir, const char *name)
{
	char path[PATH_MAX_OCTETS];
	struct wants *w = NULL;
	struct stat st;

	file_name(name, path);
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0) {
		return NULL;
	}
	if (fstat(fd, &st) == 0 && st.st_size == sizeof(struct table)) {
		w = map_table(fd, PROT_READ);
	}
	(void)close(fd);
	return w;
}

void
wants_close(struct wants **wp)
{
	struct wants *w = *wp;

	*wp = NULL;
	if (w != NULL) {
		(void)munmap(w->table, sizeof(*w->table));
		free(w->counts);
		free(w);
	}
}

void
wants_unlink(int dir, const char *name)
{
	char path[PATH_MAX_OCTETS];

	file_name(name, path);
	(void)unlinkat(dir, path, 0);
}

static unsigned
digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10) & 0xf;
}

static unsigned
bit_of(const char *id)
{
	unsigned bit = 0;

	for (unsigned i = 0; i < DIGITS; i++) {
		bit = bit << 4 | digit(id[i]);
	}
	return bit;
}

void
wants_set(struct wants *w, const char *id, bool yes)
{
	unsigned bit = bit_of(id);
	_Atomic uint32_t *word = &w->table->word[bit / WORD_BITS];
	uint32_t mask = UINT32_C(1) << bit % WORD_BITS;

	/* A full count stays full, and its bit set: no harm. */
	if (w->counts[bit] == UINT16_MAX) {
		return;
	}
	/* Sequentially consistent: the journal is read behind it. */
	if (yes && w->counts[bit]++ == 0) {
		(void)atomic_fetch_or(word, mask);
	} else if (!yes && --w->counts[bit] == 0) {
		(void)atomic_fetch_and(word, ~mask);
	}
}

bool
wants_has(const struct wants *w, const char *id)
{
	unsigned bit = bit_of(id);

	/* Behind what the caller has appended. */
	atomic_thread_fence(memory_order_seq_cst);
	return (atomic_load(&w->table->word[bit / WORD_BITS]) >> bit % WORD_BITS
		   & 1)
	       != 0;
}
