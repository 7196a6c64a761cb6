/*
 * shared: memory that all programs of one home have in common, by a file that
 * each of them maps.
 *
 * The file is for this machine until its next start: one of another boot,
 * size or version is replaced, and so is one that is not ours alone.  What is
 * in the memory may be anything: who uses it takes no index or pointer from
 * it unchecked.
 *
 * The lock passes over to who waits for it if its holder is killed, and is
 * waited for no longer than SHARED_WAIT_MS: a program that was stopped while
 * it held it stops no other.  So what it guards is counts, not structures.
 *
 * Threads: locked inside.
 */
#pragma once

#include <stddef.h>

#include "base/attr.h"
#include "base/fail.h"

enum { SHARED_WAIT_MS = 100 };

struct shared;

/* `size` octets, all 0 at first.  `path` NULL, or one that cannot be mapped
 * (a warning in the log): of this process alone. */
struct shared *shared_open(const char *path, size_t size) MUST_CHECK;
void shared_close(struct shared **s);

void *shared_memory(const struct shared *s);

/* For microseconds. */
void shared_enter(struct shared *s);
void shared_leave(struct shared *s);
