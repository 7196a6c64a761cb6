#include "net/co.h"
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/mem.h"

struct counting {
	struct co *co;
	unsigned steps;
	unsigned at;
	double sum;
};

static void
count_up(void *arg)
{
	struct counting *c = arg;
	double half = 0.5;

	for (c->at = 0; c->at < c->steps; c->at++) {
		c->sum += half;
		co_suspend(c->co);
	}
}

static void
it_goes_on_where_it_suspended(void **state)
{
	struct counting c = {.steps = 3};

	(void)state;
	c.co = co_new(count_up, &c);
	assert_non_null(c.co);
	for (unsigned i = 0; i < c.steps; i++) {
		assert_false(co_resume(c.co));
		assert_int_equal(c.at, i);
	}
	assert_true(co_resume(c.co));
	assert_true(c.sum == 1.5);
}

enum { MANY = 300 };

static void
many_are_interleaved(void **state)
{
	struct counting *all = xcalloc(MANY, sizeof(*all));
	unsigned left = MANY;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		all[i].steps = i % 7;
		all[i].co = co_new(count_up, &all[i]);
		assert_non_null(all[i].co);
	}
	while (left != 0) {
		for (unsigned i = 0; i < MANY; i++) {
			if (all[i].co != NULL && co_resume(all[i].co)) {
				assert_int_equal(all[i].at, i % 7);
				all[i].co = NULL;
				left--;
			}
		}
	}
	free(all);
}

static void *
resume_once(void *arg)
{
	struct counting *c = arg;

	if (co_resume(c->co)) {
		c->co = NULL;
	}
	co_release_thread();
	return NULL;
}

static void
it_moves_between_threads(void **state)
{
	struct counting c = {.steps = 5};

	(void)state;
	c.co = co_new(count_up, &c);
	while (c.co != NULL) {
		pthread_t t;

		assert_int_equal(pthread_create(&t, NULL, resume_once, &c), 0);
		assert_int_equal(pthread_join(t, NULL), 0);
	}
	assert_int_equal(c.at, 5);
}

/* Fills its frame, to find it dirty or overwritten later. */
static unsigned __attribute__((noinline)) deep(struct co *co, unsigned depth)
{
	volatile unsigned char page[512];
	unsigned sum = 0;

	for (unsigned i = 0; i < sizeof(page); i++) {
		page[i] = (unsigned char)depth;
	}
	if (depth == 0) {
		co_suspend(co);
	} else {
		sum = deep(co, depth - 1);
	}
	for (unsigned i = 0; i < sizeof(page); i++) {
		sum += page[i] == (unsigned char)depth;
	}
	return sum;
}

struct diving {
	struct co *co;
	unsigned sum;
};

static void
dive(void *arg)
{
	struct diving *d = arg;

	d->sum = deep(d->co, 99);
	co_used_deep(d->co);
}

static void
a_deep_stack_survives_being_trimmed(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		struct diving d = {.sum = 0};

		d.co = co_new(dive, &d);
		assert_false(co_resume(d.co));
		assert_true(co_resume(d.co));
		assert_int_equal(d.sum, 100 * 512);
	}
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static unsigned __attribute__((noinline)) bottomless(unsigned depth)
{
	volatile char page[1024] = {0};

	page[depth % sizeof(page)] = (char)depth;
	return depth == 0 ? 0 : bottomless(depth - 1) + (unsigned)page[0];
}

static void
overflow(void *arg)
{
	*(volatile unsigned *)arg = bottomless(1000000);
}

static void
an_overflow_hits_the_guard(void **state)
{
	int status = 0;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		unsigned result = 0;
		struct co *co = co_new(overflow, &result);

		(void)signal(SIGSEGV, SIG_DFL);
		_exit(co != NULL && co_resume(co) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
}
#else
static void
an_overflow_hits_the_guard(void **state)
{
	(void)state;
	skip();
}
#endif

static int
release(void **state)
{
	(void)state;
	co_release();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_goes_on_where_it_suspended),
	    cmocka_unit_test(many_are_interleaved),
	    cmocka_unit_test(it_moves_between_threads),
	    cmocka_unit_test(a_deep_stack_survives_being_trimmed),
	    cmocka_unit_test(an_overflow_hits_the_guard),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
