#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/hint.h"
#include "unit.h"

static const char id[] = "00112233445566778899aabbccddeeff";

struct heard {
	int pipe[2]; /* one place for each hint */
};

static void
note(void *arg, const char *which, uint64_t flushed)
{
	struct heard *h = arg;

	if (strcmp(which, id) == 0) {
		(void)!write(h->pipe[1], &flushed, sizeof(flushed));
	}
}

static uint64_t
next_hint(struct heard *h)
{
	uint64_t v = 0;

	assert_int_equal(read(h->pipe[0], &v, sizeof(v)), sizeof(v));
	return v;
}

static int
names_in(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	while ((e = readdir(d)) != NULL) {
		n += e->d_name[0] != '.';
	}
	closedir(d);
	return n;
}

static void
hints_reach_all_others_also_those_that_come_later(void **state)
{
	char dir[] = "/tmp/test_hintXXXXXX";
	struct heard a;
	struct heard b;
	struct heard c;
	struct hint *ha;
	struct hint *hb;
	struct hint *hc;
	struct fail f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(pipe(a.pipe) | pipe(b.pipe) | pipe(c.pipe), 0);
	assert_int_equal(hint_open(dir, note, &a, &ha, &f), 0);
	assert_int_equal(hint_open(dir, note, &b, &hb, &f), 0);
	hint_want(hb, id, true);
	hint_send(ha, id, 7);
	assert_int_equal(next_hint(&b), 7);
	assert_int_equal(hint_open(dir, note, &c, &hc, &f), 0);
	hint_want(hc, id, true);
	hint_want(ha, id, true);
	hint_send(ha, id, 8);
	assert_int_equal(next_hint(&b), 8);
	assert_int_equal(next_hint(&c), 8);
	hint_send(hc, id, 9);
	assert_int_equal(next_hint(&a), 9);
	hint_close(&ha);
	hint_close(&hb);
	hint_close(&hc);
	hint_close(&hc);
	assert_int_equal(names_in(dir), 0);
	rmdir(dir);
	for (int i = 0; i < 2; i++) {
		close(a.pipe[i]);
		close(b.pipe[i]);
		close(c.pipe[i]);
	}
}

/* A table of bits: an id that begins otherwise is told from `id`. */
static void
hints_reach_only_those_that_want_them(void **state)
{
	static const char other[] = "11112233445566778899aabbccddeeff";
	char dir[] = "/tmp/test_hintXXXXXX";
	struct heard a;
	struct hint *ha;
	struct hint *hb;
	struct fail f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(pipe(a.pipe), 0);
	assert_int_equal(hint_open(dir, note, &a, &ha, &f), 0);
	assert_int_equal(hint_open(dir, note, &a, &hb, &f), 0);
	hint_want(ha, other, true);
	hint_send(hb, id, 1);
	hint_want(ha, id, true);
	hint_send(hb, id, 2);
	hint_want(ha, id, true);
	hint_want(ha, id, false);
	hint_send(hb, id, 3);
	hint_want(ha, id, false);
	hint_send(hb, id, 4);
	hint_want(ha, id, true);
	hint_send(hb, id, 5);
	assert_int_equal(next_hint(&a), 2);
	assert_int_equal(next_hint(&a), 3);
	assert_int_equal(next_hint(&a), 5);
	hint_close(&ha);
	hint_close(&hb);
	assert_int_equal(rmdir(dir), 0);
	close(a.pipe[0]);
	close(a.pipe[1]);
}

static void
sockets_of_killed_processes_are_removed(void **state)
{
	char dir[] = "/tmp/test_hintXXXXXX";
	struct heard a;
	struct hint *ha;
	struct fail f;
	int ready[2];
	char c;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(pipe(a.pipe) | pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct hint *h;

		if (hint_open(dir, note, &a, &h, &f) == 0) {
			(void)!write(ready[1], "r", 1);
		}
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(hint_open(dir, note, &a, &ha, &f), 0);
	hint_send(ha, id, 1);
	assert_int_equal(names_in(dir), 2);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	hint_send(ha, id, 2);
	hint_close(&ha);
	assert_int_equal(hint_open(dir, note, &a, &ha, &f), 0);
	hint_send(ha, id, 3);
	assert_int_equal(names_in(dir), 1);
	hint_close(&ha);
	rmdir(dir);
	for (int i = 0; i < 2; i++) {
		close(a.pipe[i]);
		close(ready[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hints_reach_all_others_also_those_that_come_later),
	    cmocka_unit_test(hints_reach_only_those_that_want_them),
	    cmocka_unit_test(sockets_of_killed_processes_are_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
