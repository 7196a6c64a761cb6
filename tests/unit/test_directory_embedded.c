/*
 * The embedded directory: several at once, and what can happen to its file.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "directory_fixture.h"

/* ---- several processes ---- */

static void
a_change_by_another_is_seen_at_once(void **state)
{
	struct fixture *x = *state;
	struct fixture other = *x;
	struct sv id = sv_cstr(x->ann);

	open_with(&other, NULL, NULL);
	for (int i = 1; i <= 50; i++) {
		struct directory_account *got;

		assert_int_equal(directory_account_set_quota(
				     other.d, id, (uint64_t)i, 0, &x->f),
		    0);
		assert_int_equal(
		    directory_account_by_id(x->d, id, &got, &x->f), 0);
		assert_int_equal(got->quota_octets, i);
		directory_account_unref(&got);
	}
	directory_close(&other.d);
}

enum { WRITERS = 4, EACH = 25 };

static void
write_some(const char *path, int who)
{
	struct directory_conf conf = {.path = path};
	struct directory *d;
	struct fail f;

	if (directory_open(&conf, &d, &f) != 0) {
		_exit(2);
	}
	for (int i = 0; i < EACH; i++) {
		char text[64], id[DIRECTORY_ID_LEN + 1];
		struct mailaddr a;
		struct directory_account_spec spec = {.address = &a};

		(void)snprintf(
		    text, sizeof(text), "u%d.%d@example.org", who, i);
		if (mailaddr_parse(sv_cstr(text), &a, &f) != 0
		    || directory_account_add(d, &spec, id, NULL, &f) != 0) {
			_exit(3);
		}
	}
	directory_close(&d);
	_exit(0);
}

static void
processes_write_at_once(void **state)
{
	struct fixture *x = *state;
	struct directory_domain *list;
	pid_t pids[WRITERS];
	size_t n;

	for (int i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			write_some(x->path, i);
		}
	}
	for (int i = 0; i < WRITERS; i++) {
		int status = -1;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(
	    directory_domain_list(x->d, &x->arena, &list, &n, &x->f), 0);
	assert_int_equal(list[0].accounts, WRITERS * EACH + 2);
}

/* Adds accounts and writes the number of the last that stands. */
static void
write_until_killed(const char *path, int to)
{
	struct directory_conf conf = {.path = path};
	struct directory *d;
	struct fail f;

	if (directory_open(&conf, &d, &f) != 0) {
		_exit(2);
	}
	for (int i = 0;; i++) {
		char text[64], id[DIRECTORY_ID_LEN + 1];
		struct mailaddr a;
		struct directory_account_spec spec = {.address = &a};

		(void)snprintf(
		    text, sizeof(text), "k%d.%d@example.org", (int)getpid(), i);
		if (mailaddr_parse(sv_cstr(text), &a, &f) != 0
		    || directory_account_add(d, &spec, id, NULL, &f) != 0
		    || write(to, &i, sizeof(i)) != sizeof(i)) {
			_exit(3);
		}
	}
}

static void
what_was_reported_done_survives_kill_9(void **state)
{
	struct fixture *x = *state;

	for (int round = 0; round < 10; round++) {
		const struct timespec pause = {
		    .tv_nsec = (20 + 5 * round) * 1000 * 1000};
		int ends[2], status, i, last = -1;
		pid_t pid;

		assert_int_equal(pipe(ends), 0);
		pid = fork();
		if (pid == 0) {
			write_until_killed(x->path, ends[1]);
		}
		assert_true(pid > 0);
		(void)close(ends[1]);
		(void)nanosleep(&pause, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		while (read(ends[0], &i, sizeof(i)) == sizeof(i)) {
			last = i;
		}
		(void)close(ends[0]);
		for (i = 0; i <= last; i++) {
			char text[64];
			struct mailaddr a;
			struct directory_account *got;

			(void)snprintf(text, sizeof(text), "k%d.%d@example.org",
			    (int)pid, i);
			a = addr(text);
			assert_int_equal(
			    directory_account_by_address(x->d, &a, &got, &x->f),
			    0);
			directory_account_unref(&got);
		}
	}
	assert_int_equal(add(x, "after@example.org", NULL), 0);
}

/* ---- threads ---- */

struct reader {
	pthread_t thread;
	struct fixture *x;
	_Atomic bool *stop;
	uint64_t seen;
};

static void *
read_on(void *arg)
{
	struct reader *r = arg;
	struct fail f;

	while (!atomic_load(r->stop)) {
		struct directory_account *a;

		if (directory_account_by_id(r->x->d, sv_cstr(r->x->ann), &a, &f)
		    != 0) {
			return r;
		}
		/* What is read never goes back. */
		if (a->quota_octets < r->seen) {
			return r;
		}
		r->seen = a->quota_octets;
		directory_account_unref(&a);
	}
	return NULL;
}

static void
threads_never_see_an_older_state(void **state)
{
	struct fixture *x = *state;
	struct reader readers[4];
	_Atomic bool stop = false;

	for (size_t i = 0; i < COUNT_OF(readers); i++) {
		readers[i] = (struct reader){.x = x, .stop = &stop};
		assert_int_equal(pthread_create(&readers[i].thread, NULL,
				     read_on, &readers[i]),
		    0);
	}
	for (uint64_t i = 1; i <= 100; i++) {
		assert_int_equal(directory_account_set_quota(
				     x->d, sv_cstr(x->ann), i, 0, &x->f),
		    0);
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < COUNT_OF(readers); i++) {
		void *bad = NULL;

		assert_int_equal(pthread_join(readers[i].thread, &bad), 0);
		assert_null(bad);
	}
}

/* ---- the file ---- */

static void
the_file_is_private(void **state)
{
	struct fixture *x = *state;
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/directory.db", x->path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void
the_secret_stays(void **state)
{
	struct fixture *x = *state;
	uint8_t a[DIRECTORY_SECRET_LEN], b[DIRECTORY_SECRET_LEN];

	directory_secret(x->d, a);
	directory_close(&x->d);
	open_with(x, NULL, NULL);
	directory_secret(x->d, b);
	assert_memory_equal(a, b, sizeof(a));
}

static void
an_absent_directory_is_said_to_be(void **state)
{
	struct fixture *x = *state;
	struct directory_conf conf = {.path = "/tmp/directory-none"};
	struct directory *d = NULL;

	assert_int_equal(directory_open(&conf, &d, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_ABSENT);
	assert_null(d);
}

static void
a_directory_that_was_taken_away_is_not_made_anew(void **state)
{
	struct fixture *x = *state;
	struct directory_conf conf = {.path = x->path, .create = true};
	char from[128], to[128];

	directory_close(&x->d);
	(void)snprintf(from, sizeof(from), "%s/directory.db", x->path);
	(void)snprintf(to, sizeof(to), "%s/directory.db.old", x->path);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(directory_open(&conf, &x->d, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_ABSENT);
	assert_int_equal(rename(to, from), 0);
	assert_int_equal(directory_open(&conf, &x->d, &x->f), 0);
}

static void
a_backup_is_a_directory(void **state)
{
	struct fixture *x = *state;
	struct directory_conf conf;
	struct directory_account *a;
	struct directory *copy;
	struct stat st;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/copy.db", x->path);
	assert_int_equal(directory_backup(x->d, path, &x->f), 0);
	assert_int_equal(directory_backup(x->d, path, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_EXISTS);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(
	    directory_account_remove(x->d, sv_cstr(x->ann), &x->f), 0);
	conf = (struct directory_conf){.path = path};
	assert_int_equal(directory_open(&conf, &copy, &x->f), 0);
	assert_int_equal(
	    directory_account_by_id(copy, sv_cstr(x->ann), &a, &x->f), 0);
	directory_account_unref(&a);
	directory_close(&copy);
	assert_int_equal(
	    directory_backup(x->d, "/nonexistent/copy.db", &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_ABSENT);
}

static void
run_sql(const char *path, const char *sql)
{
	char command[512];

	(void)snprintf(command, sizeof(command),
	    "/usr/bin/python3 -c \"import sqlite3; c = "
	    "sqlite3.connect('%s/directory.db', isolation_level=None); "
	    "c.execute('%s')\"",
	    path, sql);
	assert_int_equal(system(command), 0);
}

static void
a_newer_or_foreign_file_is_left_alone(void **state)
{
	struct fixture *x = *state;
	struct directory_conf conf = {.path = x->path, .create = true};
	struct directory *d = NULL;

	directory_close(&x->d);
	run_sql(x->path, "PRAGMA user_version = 99");
	assert_int_equal(directory_open(&conf, &d, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_PERM);
	run_sql(x->path, "PRAGMA application_id = 1");
	assert_int_equal(directory_open(&conf, &d, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_PERM);
}

/* As other tools may leave it, or make it while programs run. */
static void
a_write_ahead_log_is_given_up(void **state)
{
	struct fixture *x = *state;
	struct directory_account *a;

	run_sql(x->path, "PRAGMA journal_mode = WAL");
	for (int i = 1; i <= 3; i++) {
		char sql[64];

		(void)snprintf(sql, sizeof(sql),
		    "UPDATE account SET quota_octets = %d", i);
		run_sql(x->path, sql);
		assert_int_equal(
		    directory_account_by_id(x->d, sv_cstr(x->ann), &a, &x->f),
		    0);
		assert_int_equal(a->quota_octets, i);
		directory_account_unref(&a);
	}
	directory_close(&x->d);
	open_with(x, NULL, NULL);
	assert_int_equal(
	    directory_account_by_id(x->d, sv_cstr(x->ann), &a, &x->f), 0);
	assert_int_equal(a->quota_octets, 3);
	directory_account_unref(&a);
	/* Of the header: read and written with a journal. */
	char path[128];
	char header[20];
	FILE *in;

	(void)snprintf(path, sizeof(path), "%s/directory.db", x->path);
	in = fopen(path, "re");
	assert_non_null(in);
	assert_int_equal(fread(header, 1, sizeof(header), in), sizeof(header));
	(void)fclose(in);
	assert_int_equal(header[18], 1);
	assert_int_equal(header[19], 1);
}

/* The file is looked for once a second. */
static int
wait_for_kind(struct fixture *x, enum fail_kind kind)
{
	int64_t until = clock_mono_ms() + 5000;
	const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};

	while (clock_mono_ms() < until) {
		struct directory_account *a = NULL;

		x->f.kind = FAIL_NONE;
		(void)!directory_account_by_id(
		    x->d, sv_cstr(x->ann), &a, &x->f);
		directory_account_unref(&a);
		if (x->f.kind == kind) {
			return 0;
		}
		(void)nanosleep(&pause, NULL);
	}
	return -1;
}

static void
a_directory_that_is_away_defers_and_comes_back(void **state)
{
	struct fixture *x = *state;
	char away[128];

	(void)snprintf(away, sizeof(away), "%s.away", x->path);
	assert_int_equal(rename(x->path, away), 0);
	assert_int_equal(wait_for_kind(x, FAIL_TEMP), 0);
	assert_int_equal(rename(away, x->path), 0);
	assert_int_equal(wait_for_kind(x, FAIL_NONE), 0);
}

static void
a_restored_file_is_taken_up(void **state)
{
	struct fixture *x = *state;
	struct fixture old = {.d = NULL};
	char away[128];

	/* Another directory, without Ann, takes its place. */
	(void)snprintf(old.path, sizeof(old.path), "%s", x->path);
	(void)snprintf(away, sizeof(away), "%s.away", x->path);
	assert_int_equal(rename(x->path, away), 0);
	open_with(&old, NULL, NULL);
	assert_int_equal(wait_for_kind(x, FAIL_ABSENT), 0);
	assert_int_equal(
	    directory_domain_add(old.d, SV("example.org"), &x->f), 0);
	assert_int_equal(add(x, "new@example.org", x->ann), 0);
	assert_int_equal(wait_for_kind(x, FAIL_NONE), 0);
	directory_close(&old.d);
	arena_deinit(&old.arena);
	scratch_remove(away);
}

static void
the_cache_is_bounded(void **state)
{
	struct fixture *x = *state;
	struct directory_conf conf = {.path = x->path, .cache_max = 4};

	directory_close(&x->d);
	assert_int_equal(directory_open(&conf, &x->d, &x->f), 0);
	for (int i = 0; i < 100; i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "n%d@example.org", i % 9);
		ASSERT_LEADS(x, text, ROUTE_UNKNOWN, "");
		ASSERT_LEADS(
		    x, "ann@example.org", ROUTE_LOCAL, "ann@example.org");
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_change_by_another_is_seen_at_once),
	    TEST(processes_write_at_once),
	    TEST(what_was_reported_done_survives_kill_9),
	    TEST(threads_never_see_an_older_state),
	    TEST(the_file_is_private),
	    TEST(the_secret_stays),
	    TEST(an_absent_directory_is_said_to_be),
	    TEST(a_directory_that_was_taken_away_is_not_made_anew),
	    TEST(a_backup_is_a_directory),
	    TEST(a_newer_or_foreign_file_is_left_alone),
	    TEST(a_write_ahead_log_is_given_up),
	    TEST(a_directory_that_is_away_defers_and_comes_back),
	    TEST(a_restored_file_is_taken_up),
	    TEST(the_cache_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
