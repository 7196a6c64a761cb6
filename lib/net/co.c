#include "net/co.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/mem.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(start, end) 0U
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define CO_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define CO_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define CO_TSAN 1
#include <sanitizer/tsan_interface.h>
#else
#define CO_TSAN 0
#endif

/* Linux 6.13: a guard without a mapping of its own.  [madvise(2)] */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#if !defined(__x86_64__) && !defined(__aarch64__)
#define CO_SWAPCONTEXT 1
#endif
#ifdef CO_SWAPCONTEXT
#include <ucontext.h>
#endif

enum {
	STACK_DEFAULT = 128 * 1024,
	STACK_LEAST = 16 * 1024,
	SANITIZER_FACTOR = CO_ASAN || CO_TSAN ? 4 : 1, /* larger frames */
	KEPT_MAX = 64,
	KEPT_HOT = 8, /* of these the pages stay */
	KEEP_PAGES = 8 * 1024,
};

/* Stands at the upper end of its own stack. */
struct co {
	void *sp;	 /* while suspended */
	void *caller_sp; /* while running */
	void (*fn)(void *arg);
	void *arg;
	char *map; /* the mapping, which begins with the guard page */
	size_t map_size;
	struct co *next; /* while kept */
	unsigned valgrind_id;
	bool ended;
	bool deep;
#ifdef CO_SWAPCONTEXT
	ucontext_t context;
	ucontext_t caller;
#endif
#if CO_ASAN
	void *fake_stack;
	const void *caller_bottom;
	size_t caller_size;
#endif
#if CO_TSAN
	void *fiber;
	void *caller_fiber;
#endif
};

static size_t stack_size = (size_t)STACK_DEFAULT * SANITIZER_FACTOR;

/* Finished coroutines, the newest first. */
static struct {
	struct lock lock;
	struct co *head;    /* guarded by lock */
	_Atomic unsigned n; /* written under the lock */
} kept = {.lock = LOCK_INITIALIZER(LOCK_LEAF)};

static _Thread_local struct co *spare;

static size_t
page_size(void)
{
	static size_t size;

	if (size == 0) {
		size = (size_t)sysconf(_SC_PAGESIZE);
	}
	return size;
}

static char *
stack_bottom(const struct co *co)
{
	return co->map + page_size();
}

/* ---- the switch and what must be told of it ---- */

#if CO_ASAN
static void
leave_caller(struct co *co, void **fake_out)
{
	__sanitizer_start_switch_fiber(fake_out, stack_bottom(co),
	    (size_t)((char *)co - stack_bottom(co)));
}

static void
enter_caller(void *fake)
{
	__sanitizer_finish_switch_fiber(fake, NULL, NULL);
}

static void
leave_co(struct co *co)
{
	/* NULL when it will not come back: its fake stack is freed. */
	__sanitizer_start_switch_fiber(co->ended ? NULL : &co->fake_stack,
	    co->caller_bottom, co->caller_size);
}

static void
enter_co(struct co *co)
{
	__sanitizer_finish_switch_fiber(
	    co->fake_stack, &co->caller_bottom, &co->caller_size);
}
#else
static void
leave_caller(struct co *co, void **fake_out)
{
	(void)co;
	*fake_out = NULL;
}

static void
enter_caller(void *fake)
{
	(void)fake;
}

static void
leave_co(struct co *co)
{
	(void)co;
}

static void
enter_co(struct co *co)
{
	(void)co;
}
#endif

static void co_main(void *arg) NO_RETURN;

#ifdef CO_SWAPCONTEXT

static void
context_main(unsigned high, unsigned low)
{
	co_main((void *)(((uintptr_t)high << 16 << 16) | low));
}

static void
prepare(struct co *co)
{
	uintptr_t self = (uintptr_t)co;

	ASSERT(getcontext(&co->context) == 0);
	co->context.uc_stack.ss_sp = stack_bottom(co);
	co->context.uc_stack.ss_size = (size_t)((char *)co - stack_bottom(co));
	co->context.uc_link = NULL;
	makecontext(&co->context, (void (*)(void))context_main, 2,
	    (unsigned)(self >> 16 >> 16), (unsigned)self);
}

static void
switch_to_co(struct co *co)
{
	ASSERT(swapcontext(&co->caller, &co->context) == 0);
}

static void
switch_to_caller(struct co *co)
{
	ASSERT(swapcontext(&co->context, &co->caller) == 0);
}

#else

/* In co_switch.S. */
void co_switch(void **save_sp, void *to_sp);
void co_entry(void);

/* The words that co_switch() pops, lowest first. */
#if defined(__x86_64__)
enum { FRAME_WORDS = 8, FRAME_FN = 4, FRAME_ARG = 5, FRAME_PC = 7 };
#else
enum { FRAME_WORDS = 22, FRAME_FN = 1, FRAME_ARG = 0, FRAME_PC = 11 };
#endif

static void
prepare(struct co *co)
{
	uintptr_t *frame = (uintptr_t *)(void *)co - FRAME_WORDS;

	memset(frame, 0, FRAME_WORDS * sizeof(*frame));
#if defined(__x86_64__)
	/* The control words of this thread: mxcsr, then the x87's. */
	__asm__ volatile("stmxcsr %0\n\tfnstcw %1"
			 : "=m"(((uint32_t *)(void *)frame)[0]),
			 "=m"(((uint32_t *)(void *)frame)[1]));
#else
	__asm__ volatile("mrs %0, fpcr" : "=r"(frame[20]));
#endif
	frame[FRAME_FN] = (uintptr_t)co_main;
	frame[FRAME_ARG] = (uintptr_t)co;
	frame[FRAME_PC] = (uintptr_t)co_entry;
	co->sp = frame;
}

static void
switch_to_co(struct co *co)
{
	co_switch(&co->caller_sp, co->sp);
}

static void
switch_to_caller(struct co *co)
{
	co_switch(&co->sp, co->caller_sp);
}

#endif

static void
co_main(void *arg)
{
	struct co *co = arg;

	enter_co(co);
	co->fn(co->arg);
	co->ended = true;
	co_suspend(co);
	__builtin_unreachable();
}

void
co_suspend(struct co *co)
{
	leave_co(co);
#if CO_TSAN
	__tsan_switch_to_fiber(co->caller_fiber, 0);
#endif
	switch_to_caller(co);
	enter_co(co);
}

/* ---- stacks ---- */

static void
guard(char *page)
{
	if (madvise(page, page_size(), MADV_GUARD_INSTALL) != 0) {
		/* An older kernel: costs a mapping of its own. */
		ASSERT(mprotect(page, page_size(), PROT_NONE) == 0);
	}
}

static struct co *
stack_new(void)
{
	size_t size = stack_size + page_size();
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	struct co *co;
	size_t at;

	if (map == MAP_FAILED) {
		return NULL;
	}
	/* Neighbouring stacks are one mapping: no huge page over several. */
	(void)madvise(map, size, MADV_NOHUGEPAGE);
	guard(map);
	at = (size - sizeof(*co)) & ~(size_t)63;
	co = (struct co *)(void *)(map + at);
	co->map = map;
	co->map_size = size;
	co->valgrind_id = VALGRIND_STACK_REGISTER(map + page_size(), co);
	return co;
}

static void
stack_free(struct co *co)
{
	VALGRIND_STACK_DEREGISTER(co->valgrind_id);
	(void)munmap(co->map, co->map_size);
}

static void
stack_trim(struct co *co)
{
	(void)madvise(stack_bottom(co), co->map_size - page_size() - KEEP_PAGES,
	    MADV_DONTNEED);
	co->deep = false;
}

static struct co *
take_kept(void)
{
	struct co *co = spare;

	if (co != NULL) {
		spare = NULL;
		return co;
	}
	lock_acquire(&kept.lock);
	co = kept.head;
	if (co != NULL) {
		kept.head = co->next;
		kept.n--;
	}
	lock_release(&kept.lock);
	return co;
}

static void
keep(struct co *co)
{
	/* A stale count makes a stack more or less, no harm. */
	unsigned n = atomic_load_explicit(&kept.n, memory_order_relaxed);

	if (spare != NULL && n >= KEPT_MAX) {
		stack_free(co);
		return;
	}
	if (co->deep || (spare != NULL && n >= KEPT_HOT)) {
		stack_trim(co);
	}
	if (spare == NULL) {
		spare = co;
		return;
	}
	lock_acquire(&kept.lock);
	co->next = kept.head;
	kept.head = co;
	kept.n++;
	lock_release(&kept.lock);
}

void
co_stack_size(size_t size)
{
	size_t page = page_size();

	ASSERT(size >= STACK_LEAST);
	stack_size = (size * SANITIZER_FACTOR + page - 1) / page * page;
}

void
co_release_thread(void)
{
	if (spare != NULL) {
		stack_free(spare);
		spare = NULL;
	}
}

void
co_release(void)
{
	struct co *co;

	co_release_thread();
	while ((co = take_kept()) != NULL) {
		stack_free(co);
	}
}

struct co *
co_new(void (*fn)(void *arg), void *arg)
{
	struct co *co = take_kept();

	if (co == NULL) {
		co = stack_new();
		if (co == NULL) {
			return NULL;
		}
	}
#if CO_ASAN
	ASAN_UNPOISON_MEMORY_REGION(
	    stack_bottom(co), (size_t)((char *)co - stack_bottom(co)));
	co->fake_stack = NULL;
#endif
#if CO_TSAN
	co->fiber = __tsan_create_fiber(0);
#endif
	co->fn = fn;
	co->arg = arg;
	co->ended = false;
	prepare(co);
	return co;
}

bool
co_resume(struct co *co)
{
	void *fake;

#if CO_TSAN
	co->caller_fiber = __tsan_get_current_fiber();
	__tsan_switch_to_fiber(co->fiber, 0);
#endif
	leave_caller(co, &fake);
	switch_to_co(co);
	enter_caller(fake);
	if (!co->ended) {
		return false;
	}
#if CO_TSAN
	__tsan_destroy_fiber(co->fiber);
#endif
	keep(co);
	return true;
}

void
co_used_deep(struct co *co)
{
	co->deep = true;
}
