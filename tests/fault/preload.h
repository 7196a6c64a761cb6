/*
 * preload: how a test tells the injector what is to fail.
 *
 * The library is loaded before a program (LD_PRELOAD).  If there is a file of
 * the program's name in $FAULT_DIR, it is mapped when the program starts, and
 * is a struct fault_control, shared with the test that made it.  Without one
 * the library does nothing.
 *
 * Threads: atomic.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* What is done to the call whose turn it is. */
enum fault_mode {
	FAULT_ERROR, /* what a broken disk, or a table that is full, gives */
	FAULT_FULL,  /* ENOSPC or EMFILE, where such is possible */
	FAULT_SHORT, /* half of what was asked for is done */
	FAULT_AGAIN, /* EINTR, or EAGAIN where descriptors do not block */
};

struct fault_control {
	_Atomic uint32_t armed; /* calls count while it is 1 */
	uint32_t mode;		/* enum fault_mode */
	uint64_t first;		/* the first call that fails, from 1 */
	uint64_t times;		/* so many fail */
	_Atomic uint64_t count; /* calls that could have failed */
	_Atomic uint64_t met;	/* calls that have failed */
	char name[32];		/* of the last that has */
};
