/*
 * collect: one incoming message, on its way from the network.
 *
 * It is gathered in memory.  Past `memory_max` octets, or when all messages
 * of the process together hold more than `pool_max`, it moves into a file
 * that has no name (O_TMPFILE), so that nothing is left behind however the
 * process ends.
 *
 * What is put in front (trace fields) goes in first, so that the whole is one
 * run of octets.
 *
 * Threads: a struct collect is session-owned; the pool's count is atomic.
 * collect_init_pool() is called once, before threads start.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/fail.h"
#include "base/sv.h"

struct collect_pool {
	const char *spool; /* folder for files; borrowed */
	size_t memory_max; /* octets of one message */
	size_t pool_max;   /* octets of all of them, past 32 KiB each */
};

/* Sets the pool of the process and makes its folder, mode 0700, if absent. */
int collect_init_pool(
    const struct collect_pool *pool, struct fail *f) MUST_CHECK;

struct collect {
	struct buf mem;	  /* the message, or what the file has not yet */
	size_t reserved;  /* octets counted in the pool */
	int fd;		  /* 0: none yet (a zeroed struct is an empty one) */
	uint64_t written; /* octets in the file */
	uint64_t prefix;  /* of them put in front */
	/* Called once, with as much of the message in memory as ever will be:
	 * before the first octet goes into a file, or in collect_end().  May
	 * insert.  NULL: nothing to do. */
	void (*settle)(struct collect *m, void *arg);
	void *settle_arg;
};

void collect_deinit(struct collect *m); /* leaves an empty one */

/* Append.  FAIL_LIMIT: disk full, or no spool; FAIL_TEMP. */
int collect_add(struct collect *m, struct sv piece, struct fail *f) MUST_CHECK;

uint64_t collect_size(const struct collect *m);

/* All of it has been added: write what the file lacks. */
int collect_end(struct collect *m, struct fail *f) MUST_CHECK;

/* True if the message is in memory: all of it in m->mem. */
bool collect_in_memory(const struct collect *m);

/* Put octets in at `at`, while it is in memory. */
void collect_insert(struct collect *m, size_t at, struct sv text);
