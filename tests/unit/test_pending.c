#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "lmtpd/pending.h"
#include "unit.h"

static char path[32];

static void
open_file(void)
{
	struct fail f;

	assert_int_equal(pending_open(path, &f), 0);
}

static int
setup(void **state)
{
	static const char name[] = "/tmp/pending.XXXXXX";
	int fd;

	(void)state;
	memcpy(path, name, sizeof(name));
	fd = mkstemp(path);
	assert_true(fd >= 0);
	(void)close(fd);
	open_file();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pending_close();
	(void)unlink(path);
	return 0;
}

static bool
same_key(struct claim a, struct claim b)
{
	return memcmp(a.key, b.key, sizeof(a.key)) == 0;
}

static struct fingerprint
print_of(uint64_t n)
{
	return (struct fingerprint){{n, n * 7919}};
}

static void
an_answered_message_may_come_again(void **state)
{
	struct claim one = pending_claim(print_of(1));

	(void)state;
	pending_settle(&one);
	struct claim two = pending_claim(print_of(1));

	assert_false(same_key(one, two));
	pending_settle(&two);
}

static void
one_on_its_way_is_not_taken_for_a_retry(void **state)
{
	struct claim one = pending_claim(print_of(1));
	struct claim two = pending_claim(print_of(1));

	(void)state;
	assert_false(same_key(one, two));
	pending_settle(&one);
	pending_settle(&two);
}

static void
a_lost_answer_gives_the_retry_its_key(void **state)
{
	struct claim one = pending_claim(print_of(1));

	(void)state;
	pending_lose(&one);
	struct claim other = pending_claim(print_of(2));
	struct claim again = pending_claim(print_of(1));

	assert_false(same_key(one, other));
	assert_true(same_key(one, again));
	/* Once: a third one while the retry runs is another message. */
	struct claim third = pending_claim(print_of(1));

	assert_false(same_key(one, third));
	pending_settle(&other);
	pending_settle(&again);
	pending_settle(&third);
}

static void
notes_outlive_the_process(void **state)
{
	struct claim kept = pending_claim(print_of(1));
	struct claim held = pending_claim(print_of(2));
	struct fingerprint before = pending_print(SV("a@b"), SV("text"));
	struct fingerprint after;

	(void)state;
	pending_settle(&kept);
	pending_close(); /* as kill -9 does: `held` was never settled */
	open_file();
	after = pending_print(SV("a@b"), SV("text"));
	assert_memory_equal(&before, &after, sizeof(before));
	assert_true(same_key(held, pending_claim(print_of(2))));
	assert_false(same_key(kept, pending_claim(print_of(1))));
}

static bool
same_print(struct fingerprint a, struct fingerprint b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

static void
a_fingerprint_is_of_sender_and_text_and_of_the_file(void **state)
{
	struct fingerprint print = pending_print(SV("a@b"), SV("text"));

	(void)state;
	assert_true(same_print(print, pending_print(SV("a@b"), SV("text"))));
	assert_false(same_print(print, pending_print(SV("a@c"), SV("text"))));
	assert_false(same_print(print, pending_print(SV("a@b"), SV("texT"))));
	/* No octet goes from one to the other. */
	assert_false(same_print(print, pending_print(SV("@b"), SV("texta"))));
	assert_false(same_print(print, pending_print(SV("ta@b"), SV("tex"))));
	assert_false(same_print(pending_print(SV_EMPTY, SV("a")),
	    pending_print(SV("a"), SV_EMPTY)));
	pending_close();
	(void)unlink(path);
	open_file();
	assert_false(same_print(print, pending_print(SV("a@b"), SV("text"))));
}

static void
the_oldest_lost_note_makes_room(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < PENDING_SLOTS; i++) {
		struct claim claim = pending_claim(print_of(i));

		assert_true(claim.slot < PENDING_SLOTS);
		if (i % 2 == 0) {
			pending_lose(&claim);
		}
	}
	struct claim more = pending_claim(print_of(PENDING_SLOTS));

	assert_true(more.slot < PENDING_SLOTS);
	for (uint64_t i = 1; i < PENDING_SLOTS / 2; i++) {
		assert_true(pending_claim(print_of(PENDING_SLOTS + i)).slot
			    < PENDING_SLOTS);
	}
	/* All are held now: no note, but a key. */
	struct claim none = pending_claim(print_of(3 * PENDING_SLOTS));

	assert_int_equal(none.slot, PENDING_SLOTS);
	assert_int_not_equal(none.key[0], 0);
	pending_settle(&none);
	pending_lose(&none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		an_answered_message_may_come_again, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		one_on_its_way_is_not_taken_for_a_retry, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_lost_answer_gives_the_retry_its_key, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		notes_outlive_the_process, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_fingerprint_is_of_sender_and_text_and_of_the_file, setup,
		teardown),
	    cmocka_unit_test_setup_teardown(
		the_oldest_lost_note_makes_room, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
