/*
 * spool: octets on their way in, gathered until all are there.
 *
 * They are gathered in memory.  Past `memory_max` octets, or when all spools
 * of the process together hold more than `pool_max`, they move into a file
 * that has no name (O_TMPFILE), so that nothing is left behind however the
 * process ends.
 *
 * Threads: a struct spool is session-owned; the pool's count is atomic.
 * spool_init_pool() is called once, before threads start.  Writing the file
 * blocks, bracketed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/fail.h"
#include "base/sv.h"

struct spool_pool {
	const char *dir;   /* folder for files; borrowed */
	size_t memory_max; /* octets of one spool */
	size_t pool_max;   /* octets of all of them, past 32 KiB each */
};

/* Sets the pool of the process and makes its folder, mode 0700, if absent. */
int spool_init_pool(const struct spool_pool *pool, struct fail *f) MUST_CHECK;

struct spool {
	struct buf mem;	  /* all of it, or what the file has not yet */
	size_t reserved;  /* octets counted in the pool */
	int fd;		  /* 0: none yet (a zeroed struct is an empty one) */
	uint64_t written; /* octets in the file */
	void *map;	  /* of the file, by spool_text(); or NULL */
	/* Called once, with as much in memory as ever will be: before the
	 * first octet goes into a file, or in spool_end().  May insert.  NULL:
	 * nothing to do. */
	void (*settle)(struct spool *s, void *arg);
	void *settle_arg;
};

void spool_deinit(struct spool *s); /* leaves an empty one */

/* Append.  FAIL_LIMIT: disk full; FAIL_ABSENT, FAIL_DENIED, FAIL_TEMP: no file
 * can be made or written. */
int spool_add(struct spool *s, struct sv piece, struct fail *f) MUST_CHECK;

uint64_t spool_size(const struct spool *s); /* octets */

/* All of it has been added: write what the file lacks.  Kinds as above. */
int spool_end(struct spool *s, struct fail *f) MUST_CHECK;

/* True if it is in memory: all of it in s->mem. */
bool spool_in_memory(const struct spool *s);

/* Behind spool_end(): all of it as one slice, borrowed until spool_deinit().
 * A file is mapped for it. */
int spool_text(struct spool *s, struct sv *out, struct fail *f) MUST_CHECK;

/* Put octets in at `at`, while it is in memory. */
void spool_insert(struct spool *s, size_t at, struct sv text);
