#include "task.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/co.h"

enum { STACK_SIZE = 512 * 1024 };

struct task {
	struct co *co; /* NULL: it is done */
};

static struct task *current;

struct task *
task_new(void (*run)(void *arg), void *arg)
{
	struct task *t = xmalloc(sizeof(*t));

	co_stack_size(STACK_SIZE);
	t->co = co_new(run, arg);
	ASSERT(t->co != NULL);
	return t;
}

void
task_free(struct task **t)
{
	if (*t == NULL) {
		return;
	}
	ASSERT((*t)->co == NULL);
	free(*t);
	*t = NULL;
}

void
task_resume(struct task *t)
{
	ASSERT(current == NULL && t->co != NULL);
	current = t;
	if (co_resume(t->co)) {
		t->co = NULL;
	}
	current = NULL;
}

void
task_pause(void)
{
	ASSERT(current != NULL);
	co_suspend(current->co);
}

bool
task_running(void)
{
	return current != NULL;
}

bool
task_done(const struct task *t)
{
	return t->co == NULL;
}
