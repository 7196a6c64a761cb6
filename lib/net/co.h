/*
 * co: stackful coroutines.
 *
 * A coroutine runs on a stack of its own, from co_resume() to its next
 * co_suspend(), and may be resumed on another thread than before.  Stacks
 * are reserved, not used: only touched pages cost memory, and a guard page
 * ends each.  Finished ones are kept for the next: one per thread, then a
 * bounded stack of them.
 *
 * Address and thread sanitizer are told of each switch, valgrind of each
 * stack.
 *
 * Threads: one runner at a time; co_new and co_resume from any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

struct co;

/* Octets reserved for each stack made from now on; from main. */
void co_stack_size(size_t size);

/* Free the stacks that are kept: of this thread, or all. */
void co_release_thread(void);
void co_release(void);

/* A coroutine that will call fn(arg); NULL if there is no memory for it. */
struct co *co_new(void (*fn)(void *arg), void *arg) MUST_CHECK;

/* Run it until it suspends (false) or its function returns (true); in the
 * second case `co` is gone. */
bool co_resume(struct co *co) MUST_CHECK;

/* Back to whoever resumed; called on the coroutine itself. */
void co_suspend(struct co *co);

/* The coroutine has used much of its stack once and will not again: give
 * back the pages when it ends. */
void co_used_deep(struct co *co);
