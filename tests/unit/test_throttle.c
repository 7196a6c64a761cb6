#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "auth/pwcache.h"
#include "auth/throttle.h"
#include "unit.h"

static const struct throttle_conf conf = {
    .delay_ms = 1000,
    .delay_max_ms = 8000,
    .backlog_ms = 20000,
    .forget_ms = 600000,
    .max = 1024,
};

static const uint64_t key[2] = {1, 2};

/* 192.0.2.n, or with n over 255 another network of IPv6. */
static struct throttle_who
who(unsigned n, const char *name)
{
	uint8_t ip[16] = {0};

	if (n > 255) {
		ip[0] = 0x20;
		ip[6] = (uint8_t)(n >> 8);
		ip[7] = (uint8_t)n;
		ip[15] = (uint8_t)(n * 7);
	} else {
		ip[10] = ip[11] = 0xff;
		ip[12] = 192;
		ip[14] = 2;
		ip[15] = (uint8_t)n;
	}
	return throttle_who_make(key, ip, false, sv_cstr(name));
}

/* One attempt with a wrong password: the wait, or 0 when it was refused. */
static uint64_t
fail_once(struct throttle *t, struct throttle_who *w, int64_t now)
{
	uint64_t wait;

	return throttle_admit(t, w, now, &wait) ? throttle_failed(t, w, now)
						: 0;
}

static void
delays_double_up_to_the_longest(void **state)
{
	static const uint64_t waits[] = {1000, 2000, 4000, 8000, 8000};
	struct throttle *t = throttle_new(&conf);
	struct throttle_who w = who(1, "ann");
	int64_t now = 1000;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(waits); i++) {
		assert_int_equal(fail_once(t, &w, now), waits[i]);
		now += (int64_t)waits[i];
	}
	throttle_free(&t);
}

static void
attempts_side_by_side_gain_nothing(void **state)
{
	struct throttle *t = throttle_new(&conf);
	struct throttle_who w = who(1, "ann");
	uint64_t before = 0, wait;
	int tried = 0;

	(void)state;
	while ((wait = fail_once(t, &w, 1000)) != 0) {
		assert_true(wait > before);
		before = wait;
		tried++;
	}
	/* 1 + 2 + 4 + 8 + 8: the sixth finds more than 20 s before it. */
	assert_int_equal(tried, 5);
	assert_false(throttle_admit(t, &w, 1000, &wait));
	assert_int_equal(wait, 21000);
	assert_true(throttle_admit(t, &w, 1000 + 3000, &wait));
	throttle_free(&t);
}

static void
attempts_being_checked_are_bounded(void **state)
{
	struct throttle *t = throttle_new(&conf);
	struct throttle_who w = who(1, "ann");
	uint64_t wait;
	int n = 0;

	(void)state;
	while (throttle_admit(t, &w, 1000, &wait)) {
		n++;
	}
	assert_int_equal(n, THROTTLE_PENDING_MAX);
	throttle_good(t, &w, 1000);
	assert_true(throttle_admit(t, &w, 1000, &wait));
	throttle_free(&t);
}

static void
a_peer_is_slowed_whatever_the_name(void **state)
{
	struct throttle *t = throttle_new(&conf);
	char name[] = "a";
	int tried = 0;

	(void)state;
	for (; name[0] <= 'z'; name[0]++) {
		struct throttle_who w = who(1, name);

		tried += fail_once(t, &w, 1000) != 0;
	}
	assert_int_equal(tried, 5);
	throttle_free(&t);
}

static void
a_local_peer_is_slowed_but_holds_nobody_up(void **state)
{
	struct throttle *t = throttle_new(&conf);
	struct throttle_who bob = who(1, "bob");
	struct throttle_who w;
	uint64_t before = 0, wait;

	(void)state;
	bob.local = true;
	for (int i = 0; i < 8; i++) {
		char name[2] = {(char)('c' + i), '\0'};

		w = who(1, name);
		w.local = true;
		wait = fail_once(t, &w, 1000);
		assert_true(wait > before || i > 5);
		before = wait;
	}
	for (int i = 0; i < THROTTLE_PENDING_MAX; i++) {
		char name[3] = {(char)('A' + i / 8), (char)('A' + i % 8)};

		w = who(1, name);
		w.local = true;
		assert_true(throttle_admit(t, &w, 1000, &wait));
	}
	assert_true(throttle_admit(t, &bob, 1000, &wait));
	throttle_good(t, &bob, 1000);
	throttle_free(&t);
}

static void
a_local_peer_gets_no_more_tries_at_a_name_than_others(void **state)
{
	struct throttle *t = throttle_new(&conf);
	uint64_t wait;

	(void)state;
	for (int known = 0; known < 2; known++) {
		struct throttle_who w = who(1, known == 0 ? "ann" : "bob");
		int tried = 0;

		w.local = true;
		if (known != 0) {
			assert_true(throttle_admit(t, &w, 1000, &wait));
			throttle_good(t, &w, 1000);
		}
		while (fail_once(t, &w, 1000) != 0) {
			tried++;
		}
		assert_int_equal(tried, 5);
	}
	throttle_free(&t);
}

static void
a_name_is_slowed_whatever_the_peer(void **state)
{
	struct throttle *t = throttle_new(&conf);
	int tried = 0;

	(void)state;
	for (unsigned n = 1; n < 100; n++) {
		struct throttle_who w = who(n, "ann");

		tried += fail_once(t, &w, 1000) != 0;
	}
	assert_int_equal(tried, 5);
	throttle_free(&t);
}

static void
who_signed_in_before_is_not_held_up_by_others(void **state)
{
	struct throttle *t = throttle_new(&conf);
	struct throttle_who home = who(1, "ann");
	struct throttle_who away = who(2, "ann");
	uint64_t wait;
	int64_t now;
	int tried;

	(void)state;
	assert_true(throttle_admit(t, &home, 1000, &wait));
	throttle_good(t, &home, 1000);
	for (unsigned n = 3; n < 100; n++) {
		struct throttle_who w = who(n, "ann");

		(void)fail_once(t, &w, 1000);
	}
	assert_true(throttle_admit(t, &home, 1000, &wait));
	assert_false(throttle_admit(t, &away, 1000, &wait));
	/* From there it may fail as often as anybody. */
	(void)throttle_failed(t, &home, 1000);
	for (tried = 1; fail_once(t, &home, 1000) != 0;) {
		tried++;
	}
	assert_int_equal(tried, 5);
	assert_false(throttle_admit(t, &home, 1000, &wait));
	/* What it did holds up nobody but itself. */
	now = 1000 + THROTTLE_QUEUE_MAX_MS;
	assert_true(throttle_admit(t, &away, now, &wait));
	throttle_good(t, &away, now);
	throttle_free(&t);
}

static void
an_ipv6_network_is_one_peer(void **state)
{
	uint8_t a[16] = {0x20, 1, 0xd, 0xb8}, b[16];

	(void)state;
	memcpy(b, a, sizeof(b));
	b[15] = 9;
	assert_true(throttle_who_make(key, a, false, SV("x")).peer
		    == throttle_who_make(key, b, false, SV("x")).peer);
	b[7] = 1;
	assert_true(throttle_who_make(key, a, false, SV("x")).peer
		    != throttle_who_make(key, b, false, SV("x")).peer);
	assert_true(who(1, "x").peer != who(2, "x").peer);
	assert_true(throttle_who_make(key, NULL, false, SV("x")).peer == 0);
}

static void
failures_are_forgotten(void **state)
{
	struct throttle *t = throttle_new(&conf);
	struct throttle_who w = who(1, "ann");
	int64_t now = 1000;

	(void)state;
	for (int i = 0; i < 4; i++) {
		now += (int64_t)fail_once(t, &w, now);
	}
	/* Four count as one after two halvings, as none after four. */
	now += 2 * 600000;
	assert_int_equal(fail_once(t, &w, now), 2000);
	now += 2000 + 4 * 600000;
	assert_int_equal(fail_once(t, &w, now), 1000);
	throttle_free(&t);
}

static void
a_flood_of_names_forgets_those_first_that_are_free(void **state)
{
	struct throttle *t = throttle_new(&conf);
	struct throttle_who w = who(1, "ann");
	uint64_t wait;

	(void)state;
	while (fail_once(t, &w, 1000) != 0) {
	}
	for (unsigned n = 0; n < 20000; n++) {
		char name[2] = {(char)n, (char)(n >> 8)};
		struct throttle_who other = throttle_who_make(key,
		    (const uint8_t[16]){0x20, 1, (uint8_t)n, (uint8_t)(n >> 8)},
		    false, sv_make(name, 2));

		(void)fail_once(t, &other, 1000);
	}
	assert_false(throttle_admit(t, &w, 1000, &wait));
	throttle_free(&t);
}

/* ---- pwcache ---- */

static void
a_right_password_is_kept_until_something_changes(void **state)
{
	struct pwcache *c = pwcache_new(100, 1000);
	struct pwcache_key k =
	    pwcache_key_make(c, SV("id"), SV("keys"), SV("secret"));
	struct pwcache_key others[] = {
	    pwcache_key_make(c, SV("id"), SV("keys"), SV("Secret")),
	    pwcache_key_make(c, SV("id"), SV("keyz"), SV("secret")),
	    pwcache_key_make(c, SV("ie"), SV("keys"), SV("secret")),
	    pwcache_key_make(c, SV("idk"), SV("eys"), SV("secret")),
	};

	(void)state;
	assert_false(pwcache_has(c, &k, 10));
	pwcache_add(c, &k, 10);
	assert_true(pwcache_has(c, &k, 10));
	assert_true(pwcache_has(c, &k, 1009));
	assert_false(pwcache_has(c, &k, 1010));
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		assert_false(pwcache_has(c, &others[i], 10));
	}
	pwcache_free(&c);
}

static void
the_cache_has_a_fixed_size(void **state)
{
	struct pwcache *c = pwcache_new(64, 1000);
	int kept = 0;

	(void)state;
	for (int round = 0; round < 2; round++) {
		kept = 0;
		for (int i = 0; i < 1000; i++) {
			struct pwcache_key k = pwcache_key_make(
			    c, sv_make(&i, sizeof(i)), SV_EMPTY, SV("secret"));

			if (round == 0) {
				pwcache_add(c, &k, 10);
			} else {
				kept += pwcache_has(c, &k, 10);
			}
		}
	}
	assert_in_range(kept, 1, 64);
	pwcache_free(&c);
}

static void
a_cache_of_none_keeps_none(void **state)
{
	struct pwcache *c = pwcache_new(0, 1000);
	struct pwcache_key k =
	    pwcache_key_make(c, SV("id"), SV("keys"), SV("secret"));

	(void)state;
	pwcache_add(c, &k, 10);
	assert_false(pwcache_has(c, &k, 10));
	pwcache_free(&c);
}

/* ---- between programs ---- */

static char dir[] = "/tmp/test_throttle.XXXXXX";
static char path[64];

static int
make_dir(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/throttle", dir);
	return 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

static struct throttle *
open_shared(size_t max)
{
	struct throttle_conf c = conf;

	c.path = path;
	c.max = max;
	return throttle_new(&c);
}

static void
programs_count_together(void **state)
{
	struct throttle *a = open_shared(1024), *b = open_shared(1024);
	struct throttle_who w = who(1, "ann");

	(void)state;
	assert_int_equal(fail_once(a, &w, 1000), 1000);
	assert_int_equal(fail_once(b, &w, 2000), 2000);
	throttle_free(&a);
	/* One that starts anew knows too. */
	a = open_shared(1024);
	assert_int_equal(fail_once(a, &w, 4000), 4000);
	throttle_free(&a);
	throttle_free(&b);
	assert_int_equal(unlink(path), 0);
}

static void
a_file_that_does_not_fit_is_replaced(void **state)
{
	struct throttle *a = open_shared(1024), *b = open_shared(64);
	struct throttle_who w = who(1, "ann");
	FILE *to;

	(void)state;
	assert_int_equal(fail_once(a, &w, 1000), 1000);
	assert_int_equal(fail_once(b, &w, 1000), 1000);
	throttle_free(&a);
	throttle_free(&b);
	to = fopen(path, "r+");
	assert_non_null(to);
	assert_int_equal(fputs("garbage", to), 1);
	assert_int_equal(fclose(to), 0);
	a = open_shared(64);
	b = open_shared(64);
	assert_int_equal(fail_once(a, &w, 1000), 1000);
	assert_int_equal(fail_once(b, &w, 2000), 2000);
	throttle_free(&a);
	throttle_free(&b);
	assert_int_equal(unlink(path), 0);
}

static void
a_file_that_others_can_write_is_not_used(void **state)
{
	struct throttle *a = open_shared(64), *b;
	struct throttle_who w = who(1, "ann");

	(void)state;
	assert_int_equal(chmod(path, 0660), 0);
	b = open_shared(64);
	assert_int_equal(fail_once(a, &w, 1000), 1000);
	assert_int_equal(fail_once(b, &w, 1000), 1000);
	throttle_free(&a);
	throttle_free(&b);
	assert_int_equal(unlink(path), 0);
}

/* Killed with passwords being checked, at any instruction. */
static void
a_program_that_is_killed_holds_nobody_up(void **state)
{
	struct throttle *t = open_shared(64);
	struct throttle_who w = who(1, "ann");
	uint64_t wait;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		const struct timespec pause = {.tv_nsec = 1000000 + 9000 * i};
		pid_t pid = fork();

		if (pid == 0) {
			struct throttle *own = open_shared(64);

			for (;;) {
				struct throttle_who x = who(1, "ann");

				if (throttle_admit(own, &x, 1000, &wait)) {
					continue;
				}
				x = who(2, "bob");
				(void)fail_once(own, &x, 1000);
			}
		}
		assert_true(pid > 0);
		(void)nanosleep(&pause, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	assert_true(throttle_admit(t, &w, 1000 + THROTTLE_CHECK_MS, &wait));
	(void)throttle_failed(t, &w, 1000 + THROTTLE_CHECK_MS);
	throttle_free(&t);
	assert_int_equal(unlink(path), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(delays_double_up_to_the_longest),
	    cmocka_unit_test(attempts_side_by_side_gain_nothing),
	    cmocka_unit_test(attempts_being_checked_are_bounded),
	    cmocka_unit_test(a_peer_is_slowed_whatever_the_name),
	    cmocka_unit_test(a_local_peer_is_slowed_but_holds_nobody_up),
	    cmocka_unit_test(
		a_local_peer_gets_no_more_tries_at_a_name_than_others),
	    cmocka_unit_test(a_name_is_slowed_whatever_the_peer),
	    cmocka_unit_test(who_signed_in_before_is_not_held_up_by_others),
	    cmocka_unit_test(an_ipv6_network_is_one_peer),
	    cmocka_unit_test(failures_are_forgotten),
	    cmocka_unit_test(
		a_flood_of_names_forgets_those_first_that_are_free),
	    cmocka_unit_test(a_right_password_is_kept_until_something_changes),
	    cmocka_unit_test(the_cache_has_a_fixed_size),
	    cmocka_unit_test(a_cache_of_none_keeps_none),
	    cmocka_unit_test(programs_count_together),
	    cmocka_unit_test(a_file_that_does_not_fit_is_replaced),
	    cmocka_unit_test(a_file_that_others_can_write_is_not_used),
	    cmocka_unit_test(a_program_that_is_killed_holds_nobody_up),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
