/*
 * block: brackets round calls that may sleep in the kernel.
 *
 * Libraries that do file I/O put block_begin()/block_end() round what may
 * take more than about 20 us: fsync, open and rename on the store, name
 * look-ups, password hashing.  lib/net sets the hooks, so that another thread
 * takes the place of the one that sleeps; elsewhere they do nothing.
 *
 * An operation of several such calls may have a bracket round all of it: one
 * within another does nothing.  No c_*() call stands between the two, and no
 * lock of lib/base/lock.h is held where one begins or ends.
 *
 * Threads: hooks are set once, before sessions run; a library's own thread
 * may run already, for which they do nothing.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"

extern void (*_Atomic block_begin_hook)(void);
extern void (*_Atomic block_end_hook)(void);

static inline void
block_begin(void)
{
	atomic_load_explicit(&block_begin_hook, memory_order_relaxed)();
}

static inline void
block_end(void)
{
	atomic_load_explicit(&block_end_hook, memory_order_relaxed)();
}

/* pread(2), bracketed only where the disk has to be waited for: what the page
 * cache holds is read at once.  Octets, 0 at the end, or -errno. */
ssize_t block_pread(int fd, void *to, size_t n, uint64_t at) MUST_CHECK;
