#include "task.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "base/mem.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TASK_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define TASK_ASAN 1
#endif

#ifdef TASK_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

enum { STACK_SIZE = 512 * 1024, GUARD_SIZE = 4096, STACKS_KEPT = 16 };

struct task {
	ucontext_t here, caller;
	void (*run)(void *arg);
	void *arg;
	char *stack;
	bool done;
	void *fake;	  /* the sanitizer's, while it is paused */
	const void *back; /* stack of who resumed it */
	size_t back_size;
};

static struct task *current;
static char *kept[STACKS_KEPT];
static unsigned n_kept;

/* ---- what the address sanitizer must be told ---- */

#ifdef TASK_ASAN
static void
switch_begin(void **save, const void *stack, size_t size)
{
	__sanitizer_start_switch_fiber(save, stack, size);
}

static void
switch_end(void *saved, const void **stack, size_t *size)
{
	__sanitizer_finish_switch_fiber(saved, stack, size);
}
#else
static void
switch_begin(void **save, const void *stack, size_t size)
{
	(void)save;
	(void)stack;
	(void)size;
}

static void
switch_end(void *saved, const void **stack, size_t *size)
{
	(void)saved;
	(void)stack;
	(void)size;
}
#endif

static char *
stack_take(void)
{
	char *p;

	if (n_kept != 0) {
		return kept[--n_kept];
	}
	p = mmap(NULL, STACK_SIZE + GUARD_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT(p != MAP_FAILED);
	ASSERT(mprotect(p, GUARD_SIZE, PROT_NONE) == 0);
	return p;
}

static void
stack_give(char *p)
{
	if (n_kept < STACKS_KEPT) {
		kept[n_kept++] = p;
	} else {
		ASSERT(munmap(p, STACK_SIZE + GUARD_SIZE) == 0);
	}
}

static void
enter(void)
{
	struct task *t = current;

	switch_end(NULL, &t->back, &t->back_size);
	t->run(t->arg);
	t->done = true;
	switch_begin(NULL, t->back, t->back_size);
	ASSERT(setcontext(&t->caller) == 0);
}

struct task *
task_new(void (*run)(void *arg), void *arg)
{
	struct task *t = xmalloc(sizeof(*t));

	t->run = run;
	t->arg = arg;
	t->stack = stack_take();
	ASSERT(getcontext(&t->here) == 0);
	t->here.uc_stack.ss_sp = t->stack + GUARD_SIZE;
	t->here.uc_stack.ss_size = STACK_SIZE;
	t->here.uc_link = NULL;
	makecontext(&t->here, enter, 0);
	return t;
}

void
task_free(struct task **t)
{
	if (*t == NULL) {
		return;
	}
	ASSERT((*t)->done);
	stack_give((*t)->stack);
	free(*t);
	*t = NULL;
}

void
task_resume(struct task *t)
{
	void *fake = NULL;

	ASSERT(current == NULL && !t->done);
	current = t;
	switch_begin(&fake, t->stack + GUARD_SIZE, STACK_SIZE);
	ASSERT(swapcontext(&t->caller, &t->here) == 0);
	switch_end(fake, NULL, NULL);
	current = NULL;
}

void
task_pause(void)
{
	struct task *t = current;

	ASSERT(t != NULL);
	switch_begin(&t->fake, t->back, t->back_size);
	ASSERT(swapcontext(&t->here, &t->caller) == 0);
	switch_end(t->fake, &t->back, &t->back_size);
}

bool
task_running(void)
{
	return current != NULL;
}

bool
task_done(const struct task *t)
{
	return t->done;
}
