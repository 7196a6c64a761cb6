#include "net/park.h"
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/block.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"

/*
 * A protocol of one-word commands over socket pairs.  Each session knows the
 * test it belongs to; what it did is counted there.
 */
struct counts {
	_Atomic unsigned starts, commands, wakes, timers, timeouts, shutdowns;
	_Atomic unsigned closes;
	_Atomic int last_error;
	_Atomic unsigned seen; /* of `posted`, at the last WHY_WAKE */
	_Atomic unsigned posted;
	_Atomic unsigned noop_at; /* commands done when the last NOOP ran */
	_Atomic unsigned release; /* lets HOLD and SPIN go on */
};

static struct counts counts;
static struct conn_limits limits;

struct test_session {
	struct session s;
	struct park_ref ref;
};

static _Atomic struct park_ref last_ref; /* of the last to start */

static int
drop_put(struct sink *to, struct sv piece)
{
	(void)to;
	(void)piece;
	return 0;
}

/* Without yielding, until the test releases it. */
static void
spin(void)
{
	while (atomic_load(&counts.release) == 0) {
	}
}

/* In the kernel, so to speak, until the test releases it: an operation of
 * calls that have brackets of their own. */
static void
hold(void)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	block_begin();
	while (atomic_load(&counts.release) == 0) {
		block_begin();
		(void)nanosleep(&pause, NULL);
		block_end();
	}
	block_end();
}

static int
pour(struct session *s, uint64_t octets)
{
	static const char piece[1000];
	int rc = 0;

	while (rc == 0 && octets >= sizeof(piece)) {
		rc = c_write(s->c, sv_make(piece, sizeof(piece)));
		park_yield(s);
		octets -= sizeof(piece);
	}
	return rc;
}

static uint64_t
number(struct sv *line)
{
	uint64_t n = 0;

	assert_true(sv_u64(sv_cut(line, ' '), &n));
	return n;
}

static int
command(struct session *s, struct sv line)
{
	struct arena copy = {.head = NULL};
	struct sv verb = arena_sv(&copy, sv_cut(&line, ' '));
	struct sink drop = {drop_put};
	int rc = 0;

	if (sv_eq(verb, SV("LITERAL"))) {
		rc = c_literal(s->c, number(&line), &drop);
	} else if (sv_eq(verb, SV("NOOP"))) {
		atomic_store(&counts.noop_at, atomic_load(&counts.commands));
	} else if (sv_eq(verb, SV("SPIN"))) {
		spin();
	} else if (sv_eq(verb, SV("HOLD"))) {
		hold();
	} else if (sv_eq(verb, SV("SLEEP"))) {
		rc = park_sleep(s, (int64_t)number(&line));
	} else if (sv_eq(verb, SV("POUR"))) {
		rc = pour(s, number(&line));
	} else if (sv_eq(verb, SV("TIMER"))) {
		park_timer(s, clock_mono_ms() + (int64_t)number(&line));
	} else if (sv_eq(verb, SV("SUSPEND"))) {
		rc = park_suspend(s, clock_mono_ms() + (int64_t)number(&line));
	}
	if (rc == 0) {
		rc = c_writef(s->c, "ok %.*s\r\n", SV_ARG(verb));
	}
	arena_deinit(&copy);
	return rc;
}

static enum verdict
run(struct session *s, unsigned why)
{
	struct sv line;
	int rc = 0;

	if (why & WHY_START) {
		counts.starts++;
		atomic_store(&last_ref, park_ref_of(s));
		(void)c_write(s->c, SV("hello\r\n"));
	}
	if (why & WHY_WAKE) {
		counts.wakes++;
		atomic_store(&counts.seen, atomic_load(&counts.posted));
		(void)c_write(s->c, SV("woken\r\n"));
	}
	if (why & WHY_TIMER) {
		counts.timers++;
		(void)c_write(s->c, SV("timer\r\n"));
	}
	if (why & WHY_TIMEOUT) {
		counts.timeouts++;
		(void)c_write(s->c, SV("timeout\r\n"));
		return V_CLOSE;
	}
	if (why & WHY_SHUTDOWN) {
		counts.shutdowns++;
		(void)c_write(s->c, SV("bye\r\n"));
		return V_CLOSE;
	}
	if (why & WHY_INPUT) {
		rc = c_line(s->c, 100, LINE_CRLF, &line);
		if (rc == 0 && sv_eq(line, SV("QUIT"))) {
			(void)c_write(s->c, SV("bye\r\n"));
			return V_CLOSE;
		}
		if (rc == 0) {
			counts.commands++;
			rc = command(s, line);
		}
	}
	if (rc != 0) {
		atomic_store(&counts.last_error, rc);
		return V_CLOSE;
	}
	return V_PARK;
}

static void
closed(struct session *s)
{
	(void)s;
	counts.closes++;
}

static struct protocol protocol = {
    .name = "test",
    .session_size = sizeof(struct test_session),
    .run = run,
    .close = closed,
    .limits = &limits,
};

/* ---- the client's side ---- */

static void
start(const struct park_conf *conf)
{
	struct fail f;

	memset(&counts, 0, sizeof(counts));
	limits = (struct conn_limits){.idle_ms = 60000};
	assert_int_equal(park_start(conf, &f), 0);
}

static void
stop(void)
{
	assert_int_equal(park_stop(clock_mono_ms() + 5000), 0);
}

static int
client(void)
{
	struct addr nobody = {.family = AF_UNIX};
	struct timeval patience = {.tv_sec = 20};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	(void)setsockopt(
	    fds[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	park_add(session_new(&protocol, fds[1], &nobody, &nobody));
	return fds[0];
}

static void
say(int fd, const char *text)
{
	size_t n = strlen(text);

	assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), (ssize_t)n);
}

static void
expect(int fd, const char *text)
{
	size_t n = strlen(text);
	char got[256] = "";
	ssize_t rc = recv(fd, got, n, MSG_WAITALL);

	if (rc != (ssize_t)n || memcmp(got, text, n) != 0) {
		print_error("expected %s, got %zd %s\n", text, rc, got);
	}
	assert_int_equal(rc, n);
	assert_memory_equal(got, text, n);
}

static void
expect_end(int fd)
{
	char octet;

	assert_int_equal(recv(fd, &octet, 1, 0), 0);
	assert_int_equal(close(fd), 0);
}

static void
leave(int fd)
{
	say(fd, "QUIT\r\n");
	expect(fd, "bye\r\n");
	expect_end(fd);
}

static bool
readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void
wait_until(_Atomic unsigned *value, unsigned least)
{
	const struct timespec pause = {.tv_nsec = 200000};
	int64_t until = clock_mono_ms() + 20000;

	while (atomic_load(value) < least) {
		assert_true(clock_mono_ms() < until);
		(void)nanosleep(&pause, NULL);
	}
}

/* ---- tests ---- */

static const struct park_conf small = {.running = 2, .threads_max = 16};

static void
it_greets_answers_and_ends(void **state)
{
	int fd;

	(void)state;
	start(&small);
	fd = client();
	expect(fd, "hello\r\n");
	say(fd, "NOOP\r\n");
	expect(fd, "ok NOOP\r\n");
	say(fd, "A\r\nB\r\nC");
	expect(fd, "ok A\r\nok B\r\n");
	say(fd, "\r\n");
	expect(fd, "ok C\r\n");
	leave(fd);
	stop();
	assert_int_equal(counts.starts, 1);
	assert_int_equal(counts.closes, 1);
}

static void
a_peer_that_leaves_is_noticed(void **state)
{
	int fd;

	(void)state;
	start(&small);
	fd = client();
	expect(fd, "hello\r\n");
	assert_int_equal(close(fd), 0);
	wait_until(&counts.closes, 1);
	assert_int_equal(counts.last_error, -EPIPE);
	fd = client();
	expect(fd, "hello\r\n");
	say(fd, "LITERAL 10\r\n123");
	assert_int_equal(close(fd), 0);
	wait_until(&counts.closes, 2);
	assert_int_equal(counts.last_error, -EPIPE);
	stop();
}

/* What a client sends before it shuts its side is still answered. */
static void
a_half_closed_connection_gets_its_answers(void **state)
{
	int fd;

	(void)state;
	start(&small);
	fd = client();
	say(fd, "A\r\nB\r\n");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	expect(fd, "hello\r\nok A\r\nok B\r\n");
	expect_end(fd);
	stop();
}

enum { WAKES = 20000, WAKERS = 3 };

static void *
wake_main(void *arg)
{
	struct park_ref *ref = arg;

	for (unsigned i = 0; i < WAKES; i++) {
		atomic_fetch_add(&counts.posted, 1);
		park_wake(*ref);
		if (i % 64 == 0) {
			(void)sched_yield();
		}
	}
	return NULL;
}

static void *
swallow_main(void *arg)
{
	char trash[4096];

	while (recv(*(int *)arg, trash, sizeof(trash), 0) > 0) {
	}
	return NULL;
}

/* A wake that comes while the session runs, parks or is parked leads to a
 * run after it: the last one always sees everything that was posted. */
static void
no_wake_is_lost(void **state)
{
	pthread_t wakers[WAKERS];
	pthread_t swallower;
	struct park_ref ref;
	int fd;

	(void)state;
	start(&small);
	fd = client();
	expect(fd, "hello\r\n");
	ref = atomic_load(&last_ref);
	assert_int_equal(
	    pthread_create(&swallower, NULL, swallow_main, &fd), 0);
	for (unsigned i = 0; i < WAKERS; i++) {
		assert_int_equal(
		    pthread_create(&wakers[i], NULL, wake_main, &ref), 0);
	}
	for (unsigned i = 0; i < 2000; i++) {
		say(fd, "NOOP\r\n");
	}
	for (unsigned i = 0; i < WAKERS; i++) {
		assert_int_equal(pthread_join(wakers[i], NULL), 0);
	}
	wait_until(&counts.seen, WAKES * WAKERS);
	wait_until(&counts.commands, 2000);
	say(fd, "QUIT\r\n");
	assert_int_equal(pthread_join(swallower, NULL), 0);
	assert_int_equal(close(fd), 0);
	stop();
}

/* One at a time: each wake of a resting session arrives by itself. */
static void
a_wake_reaches_a_resting_session(void **state)
{
	int fd;

	(void)state;
	start(&small);
	fd = client();
	expect(fd, "hello\r\n");
	for (unsigned i = 0; i < 500; i++) {
		park_wake(atomic_load(&last_ref));
		expect(fd, "woken\r\n");
	}
	leave(fd);
	stop();
}

static void
a_stale_reference_is_harmless(void **state)
{
	struct park_ref old;
	int fd;

	(void)state;
	start(&small);
	fd = client();
	expect(fd, "hello\r\n");
	old = atomic_load(&last_ref);
	leave(fd);
	wait_until(&counts.closes, 1);
	fd = client();
	expect(fd, "hello\r\n");
	for (unsigned i = 0; i < 100; i++) {
		park_wake(old);
		park_resume(old);
	}
	say(fd, "NOOP\r\n");
	expect(fd, "ok NOOP\r\n");
	assert_int_equal(counts.wakes, 0);
	leave(fd);
	stop();
}

static void
timers_and_idle_limits_wake(void **state)
{
	int fd;
	int64_t since;

	(void)state;
	start(&small);
	limits.idle_ms = 600;
	fd = client();
	since = clock_mono_ms();
	expect(fd, "hello\r\n");
	say(fd, "TIMER 100\r\n");
	expect(fd, "ok TIMER\r\n");
	expect(fd, "timer\r\n");
	assert_in_range(clock_mono_ms() - since, 95, 10000);
	expect(fd, "timeout\r\n");
	assert_in_range(clock_mono_ms() - since, 595, 10000);
	expect_end(fd);
	stop();
	assert_int_equal(counts.timers, 1);
}

static void
sleeping_and_suspending_hold_no_worker(void **state)
{
	static const struct park_conf one = {.running = 1, .threads_max = 1};
	enum { N = 20 };
	int fds[N];
	int64_t since;

	(void)state;
	start(&one);
	since = clock_mono_ms();
	for (unsigned i = 0; i < N; i++) {
		fds[i] = client();
		expect(fds[i], "hello\r\n");
		say(fds[i], "SLEEP 200\r\n");
	}
	for (unsigned i = 0; i < N; i++) {
		expect(fds[i], "ok SLEEP\r\n");
		leave(fds[i]);
	}
	assert_in_range(clock_mono_ms() - since, 195, 200 * N - 1000);
	stop();
}

static void
a_suspended_command_is_resumed_by_another_thread(void **state)
{
	int fd;

	(void)state;
	start(&small);
	fd = client();
	expect(fd, "hello\r\n");
	for (unsigned i = 0; i < 200; i++) {
		say(fd, "SUSPEND 10000\r\n");
		if (i % 2 == 0) {
			wait_until(&counts.commands, i + 1);
		}
		park_resume(atomic_load(&last_ref));
		expect(fd, "ok SUSPEND\r\n");
	}
	say(fd, "SUSPEND 50\r\n");
	expect_end(fd);
	assert_int_equal(counts.last_error, -ETIMEDOUT);
	stop();
}

/* [SESSIONS: slow peers] 40 senders stop within a literal, 40 readers take
 * nothing of a long answer; one worker still serves the others. */
static void
slow_peers_hold_no_worker(void **state)
{
	static const struct park_conf one = {.running = 1, .threads_max = 1};
	enum { SLOW = 40 };
	int slow[2 * SLOW];
	int fd;

	(void)state;
	start(&one);
	for (unsigned i = 0; i < 2 * SLOW; i++) {
		slow[i] = client();
		say(slow[i],
		    i < SLOW ? "LITERAL 100\r\nabc" : "POUR 3000000\r\n");
	}
	wait_until(&counts.commands, 2 * SLOW);
	fd = client();
	expect(fd, "hello\r\n");
	for (unsigned i = 0; i < 100; i++) {
		say(fd, "NOOP\r\n");
		expect(fd, "ok NOOP\r\n");
	}
	leave(fd);
	for (unsigned i = 0; i < SLOW; i++) {
		char rest[98] = {0};

		memset(rest, 'x', 97);
		say(slow[i], rest);
		expect(slow[i], "hello\r\nok LITERAL\r\n");
		leave(slow[i]);
	}
	for (unsigned i = SLOW; i < 2 * SLOW; i++) {
		assert_int_equal(close(slow[i]), 0);
	}
	wait_until(&counts.closes, 2 * SLOW + 1);
	stop();
}

static void
no_more_commands_wait_than_are_allowed(void **state)
{
	static const struct park_conf conf = {.running = 1, .suspended_max = 4};
	int fds[6];

	(void)state;
	start(&conf);
	for (unsigned i = 0; i < COUNT_OF(fds); i++) {
		fds[i] = client();
		expect(fds[i], "hello\r\n");
		say(fds[i], "LITERAL 2\r\na");
		if (i < 4) {
			wait_until(&counts.commands, i + 1);
		}
	}
	expect_end(fds[4]);
	expect_end(fds[5]);
	assert_int_equal(counts.last_error, -ENOMEM);
	for (unsigned i = 0; i < 4; i++) {
		say(fds[i], "b");
		expect(fds[i], "ok LITERAL\r\n");
		leave(fds[i]);
	}
	stop();
}

/* One session has thousands of commands in its buffers; another one's single
 * command does not wait for all of them. */
static void
pipelines_do_not_starve_others(void **state)
{
	static const struct park_conf one = {.running = 1, .threads_max = 1};
	enum { MANY = 4000 };
	struct buf b = {.data = NULL};
	int greedy;
	int fd;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		buf_add_str(&b, "A\r\n");
	}
	start(&one);
	fd = client();
	expect(fd, "hello\r\n");
	greedy = client();
	expect(greedy, "hello\r\n");
	say(greedy, "SPIN\r\n");
	say(greedy, buf_cstr(&b));
	wait_until(&counts.commands, 1);
	say(fd, "NOOP\r\n");
	atomic_store(&counts.release, 1);
	expect(fd, "ok NOOP\r\n");
	assert_in_range(counts.noop_at, 1, 100);
	expect(greedy, "ok SPIN\r\n");
	for (unsigned i = 0; i < MANY; i++) {
		expect(greedy, "ok A\r\n");
	}
	leave(greedy);
	leave(fd);
	buf_deinit(&b);
	stop();
}

static void
blocking_calls_give_their_places_to_others(void **state)
{
	static const struct park_conf one = {.running = 1, .threads_max = 8};
	enum { N = 5 };
	int fds[N];
	int fd;

	(void)state;
	start(&one);
	fd = client();
	expect(fd, "hello\r\n");
	for (unsigned i = 0; i < N; i++) {
		fds[i] = client();
		expect(fds[i], "hello\r\n");
		say(fds[i], "HOLD\r\n");
	}
	wait_until(&counts.commands, N);
	say(fd, "NOOP\r\n");
	expect(fd, "ok NOOP\r\n");
	atomic_store(&counts.release, 1);
	for (unsigned i = 0; i < N; i++) {
		expect(fds[i], "ok HOLD\r\n");
		leave(fds[i]);
	}
	leave(fd);
	stop();
}

static void
the_monitor_adds_a_worker_when_all_are_busy(void **state)
{
	static const struct park_conf one = {.running = 1, .threads_max = 4};
	int busy;
	int fd;

	(void)state;
	start(&one);
	fd = client();
	expect(fd, "hello\r\n");
	busy = client();
	expect(busy, "hello\r\n");
	say(busy, "SPIN\r\n");
	wait_until(&counts.commands, 1);
	say(fd, "NOOP\r\n");
	expect(fd, "ok NOOP\r\n");
	assert_false(readable(busy));
	atomic_store(&counts.release, 1);
	expect(busy, "ok SPIN\r\n");
	leave(busy);
	leave(fd);
	stop();
}

static void
shutdown_reaches_all_and_cuts_the_slow(void **state)
{
	int idle;
	int slow;

	(void)state;
	start(&small);
	idle = client();
	expect(idle, "hello\r\n");
	slow = client();
	say(slow, "LITERAL 2\r\na");
	wait_until(&counts.commands, 1);
	assert_int_equal(park_stop(clock_mono_ms() + 100), 1);
	expect(idle, "bye\r\n");
	expect_end(idle);
	expect(slow, "hello\r\n");
	expect_end(slow);
	assert_int_equal(counts.last_error, -ECANCELED);
	assert_int_equal(counts.closes, 2);
}

enum { HERD = 200, HERD_CLIENTS = 4, HERD_ROUNDS = 30 };

static void *
herd_main(void *arg)
{
	int fds[HERD / HERD_CLIENTS];

	(void)arg;
	for (unsigned round = 0; round < HERD_ROUNDS; round++) {
		for (unsigned i = 0; i < COUNT_OF(fds); i++) {
			if (round % 10 == 0) {
				fds[i] = client();
				expect(fds[i], "hello\r\n");
			}
			say(fds[i],
			    i % 3 == 0 ? "A\r\nLITERAL 3\r\na" : "A\r\nB\r\n");
		}
		for (unsigned i = 0; i < COUNT_OF(fds); i++) {
			if (i % 3 == 0) {
				say(fds[i], "bc");
				expect(fds[i], "ok A\r\nok LITERAL\r\n");
			} else {
				expect(fds[i], "ok A\r\nok B\r\n");
			}
			if (round % 10 == 9) {
				leave(fds[i]);
			}
		}
	}
	return NULL;
}

static void
many_sessions_come_and_go(void **state)
{
	pthread_t threads[HERD_CLIENTS];

	(void)state;
	start(&small);
	for (unsigned i = 0; i < HERD_CLIENTS; i++) {
		assert_int_equal(
		    pthread_create(&threads[i], NULL, herd_main, NULL), 0);
	}
	for (unsigned i = 0; i < HERD_CLIENTS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	stop();
	assert_int_equal(counts.commands, 2 * HERD * HERD_ROUNDS);
	assert_int_equal(counts.closes, counts.starts);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_greets_answers_and_ends),
	    cmocka_unit_test(a_peer_that_leaves_is_noticed),
	    cmocka_unit_test(a_half_closed_connection_gets_its_answers),
	    cmocka_unit_test(no_wake_is_lost),
	    cmocka_unit_test(a_wake_reaches_a_resting_session),
	    cmocka_unit_test(a_stale_reference_is_harmless),
	    cmocka_unit_test(timers_and_idle_limits_wake),
	    cmocka_unit_test(sleeping_and_suspending_hold_no_worker),
	    cmocka_unit_test(a_suspended_command_is_resumed_by_another_thread),
	    cmocka_unit_test(slow_peers_hold_no_worker),
	    cmocka_unit_test(no_more_commands_wait_than_are_allowed),
	    cmocka_unit_test(pipelines_do_not_starve_others),
	    cmocka_unit_test(blocking_calls_give_their_places_to_others),
	    cmocka_unit_test(the_monitor_adds_a_worker_when_all_are_busy),
	    cmocka_unit_test(shutdown_reaches_all_and_cuts_the_slow),
	    cmocka_unit_test(many_sessions_come_and_go),
	};

	log_init("test_park", LOG_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
