#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/spool.h"
#include "unit.h"

enum { MEMORY_MAX = 128 * 1024, POOL_MAX = 256 * 1024 };

static char folder[32];

static int
setup(void **state)
{
	static const char name[] = "/tmp/spool.XXXXXX";
	const struct spool_pool pool = {folder, MEMORY_MAX, POOL_MAX};
	struct fail f;

	(void)state;
	memcpy(folder, name, sizeof(name));
	assert_non_null(mkdtemp(folder));
	assert_int_equal(spool_init_pool(&pool, &f), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return rmdir(folder); /* fails if anything was left in it */
}

/* Octets that tell their place. */
static void
add(struct spool *m, size_t n)
{
	uint64_t at = spool_size(m);
	struct buf piece = {0};
	struct fail f;

	for (size_t i = 0; i < n; i++) {
		buf_add_char(&piece, (char)((at + i) % 251));
		if (piece.len == 1000 || i + 1 == n) {
			assert_int_equal(spool_add(m, buf_sv(&piece), &f), 0);
			buf_clear(&piece);
		}
	}
	buf_deinit(&piece);
}

static void
check(struct spool *m, size_t n)
{
	struct fail f;
	struct sv text;

	assert_int_equal(spool_end(m, &f), 0);
	assert_int_equal(spool_size(m), n);
	assert_int_equal(spool_text(m, &text, &f), 0);
	assert_int_equal(text.len, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(text.p[i], (char)(i % 251));
	}
}

static void
messages_stay_in_memory_up_to_the_limit(void **state)
{
	struct spool m = {0};

	(void)state;
	add(&m, MEMORY_MAX);
	assert_true(spool_in_memory(&m));
	check(&m, MEMORY_MAX);
	add(&m, 1);
	assert_false(spool_in_memory(&m));
	check(&m, MEMORY_MAX + 1);
	spool_deinit(&m);
}

static void
a_long_message_is_whole_in_its_file(void **state)
{
	struct spool m = {0};

	(void)state;
	add(&m, 1000 * 1000 + 7);
	check(&m, 1000 * 1000 + 7);
	spool_deinit(&m);
	add(&m, 5);
	assert_true(spool_in_memory(&m));
	spool_deinit(&m);
}

static void
large_pieces_pass_through(void **state)
{
	struct spool m = {0};
	char *piece = xmalloc(MEMORY_MAX * 2);
	struct fail f;

	(void)state;
	for (size_t i = 0; i < (size_t)MEMORY_MAX * 2; i++) {
		piece[i] = (char)(i % 251);
	}
	assert_int_equal(
	    spool_add(&m, sv_make(piece, (size_t)MEMORY_MAX * 2), &f), 0);
	check(&m, (size_t)MEMORY_MAX * 2);
	spool_deinit(&m);
	free(piece);
}

static void
the_pool_bounds_all_messages_together(void **state)
{
	struct spool m[8] = {0};
	unsigned in_memory = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(m); i++) {
		add(&m[i], MEMORY_MAX);
		in_memory += spool_in_memory(&m[i]);
		check(&m[i], MEMORY_MAX);
	}
	assert_int_equal(in_memory, POOL_MAX / MEMORY_MAX);
	for (size_t i = 0; i < COUNT_OF(m); i++) {
		spool_deinit(&m[i]);
	}
	add(&m[0], MEMORY_MAX);
	assert_true(spool_in_memory(&m[0]));
	spool_deinit(&m[0]);
}

static void
octets_are_put_in_where_asked(void **state)
{
	struct spool m = {0};
	struct fail f;

	(void)state;
	assert_int_equal(spool_add(&m, SV("ad"), &f), 0);
	spool_insert(&m, 1, SV("bc"));
	spool_insert(&m, 4, SV("e"));
	spool_insert(&m, 0, SV(""));
	assert_true(sv_eq(buf_sv(&m.mem), SV("abcde")));
	spool_deinit(&m);
}

static void
a_spool_that_is_gone_is_a_failure(void **state)
{
	const struct spool_pool pool = {"/proc/nowhere/spool", 1, 1};
	char piece[40000] = "";
	struct spool m = {0};
	struct fail f;

	(void)state;
	assert_int_equal(spool_init_pool(&pool, &f), -1);
	assert_int_equal(spool_add(&m, sv_make(piece, 30000), &f), 0);
	assert_int_equal(spool_add(&m, sv_make(piece, 30000), &f), -1);
	spool_deinit(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		messages_stay_in_memory_up_to_the_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_long_message_is_whole_in_its_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		large_pieces_pass_through, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		the_pool_bounds_all_messages_together, setup, teardown),
	    cmocka_unit_test(octets_are_put_in_where_asked),
	    cmocka_unit_test(a_spool_that_is_gone_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
