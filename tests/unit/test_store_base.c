/* The ground that the store stands on: the file system calls and UID sets. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/fs.h"
#include "store/record_priv.h"
#include "store/uidset.h"
#include "unit.h"

static void
expect_set(const struct uidset *s, const char *text)
{
	struct buf b = {0};

	uidset_write(s, &b);
	assert_string_equal(buf_cstr(&b), text);
	buf_deinit(&b);
}

static void
uidset_merges_ranges_in_any_order(void **state)
{
	struct uidset s = {0};

	(void)state;
	uidset_add(&s, 5);
	uidset_add(&s, 3);
	expect_set(&s, "3,5");
	uidset_add(&s, 4);
	expect_set(&s, "3:5");
	uidset_add_range(&s, 10, 12);
	uidset_add(&s, 1);
	expect_set(&s, "1,3:5,10:12");
	uidset_add_range(&s, 2, 11);
	expect_set(&s, "1:12");
	uidset_add_range(&s, 4, 6);
	expect_set(&s, "1:12");
	uidset_add(&s, UINT32_MAX);
	uidset_add(&s, UINT32_MAX - 1);
	expect_set(&s, "1:12,4294967294:4294967295");
	uidset_deinit(&s);
}

static void
uidset_answers_questions(void **state)
{
	struct uidset s = {0};

	(void)state;
	assert_int_equal(uidset_next(&s, 1), 0);
	uidset_add_range(&s, 3, 5);
	uidset_add(&s, 9);
	assert_int_equal(uidset_count(&s), 4);
	assert_true(uidset_has(&s, 4));
	assert_false(uidset_has(&s, 6));
	assert_int_equal(uidset_next(&s, 1), 3);
	assert_int_equal(uidset_next(&s, 5), 5);
	assert_int_equal(uidset_next(&s, 6), 9);
	assert_int_equal(uidset_next(&s, 10), 0);
	uidset_deinit(&s);
}

/* Against a plain array of bits, over many small sets. */
static void
uidset_agrees_with_a_bitmap(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (int round = 0; round < 500; round++) {
		struct uidset s = {0};
		bool bits[64] = {false};
		uint64_t count = 0;

		for (int k = 0; k < 12; k++) {
			seed = seed * 1664525u + 1013904223u;
			uint32_t lo = 1 + (seed >> 8) % 60;
			uint32_t hi = lo + (seed >> 20) % 4;

			uidset_add_range(&s, lo, hi);
			for (uint32_t u = lo; u <= hi; u++) {
				bits[u] = true;
			}
		}
		size_t at = 0;

		for (uint32_t u = 1; u < 64; u++) {
			assert_int_equal(uidset_has(&s, u), bits[u]);
			assert_int_equal(uidset_has_next(&s, &at, u), bits[u]);
			count += bits[u];
		}
		assert_int_equal(uidset_count(&s), count);
		for (size_t i = 1; i < s.n; i++) {
			assert_true(s.r[i - 1].hi + 1 < s.r[i].lo);
		}
		uidset_deinit(&s);
	}
}

static bool
count_names(void *arg, const char *name)
{
	int *n = arg;

	assert_int_not_equal(name[0], '.');
	(*n)++;
	return *n < 200;
}

static void
fs_real_does_what_it_says(void **state)
{
	char root[] = "/tmp/test_store.XXXXXX";
	struct fail f = {0};
	struct fs *fs = NULL;
	struct fs_traits traits;
	struct fs_stat st;
	char got[8];
	struct iovec v[2] = {{got, 2}, {got + 2, 3}};
	int n = 0;

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_int_equal(fs_real_open(root, &fs, &f), 0);
	assert_int_equal(fs_traits(fs, &traits), 0);
	assert_int_equal(fs_mkdir(fs, FS_ROOT, "d", 0700), 0);
	assert_int_equal(fs_mkdir(fs, FS_ROOT, "d", 0700), -EEXIST);

	int dir = fs_open(fs, FS_ROOT, "d", O_RDONLY | O_DIRECTORY, 0);
	int fd = fs_open(fs, dir, "a", O_RDWR | O_CREAT | O_APPEND, 0600);

	assert_true(dir >= 0 && fd >= 0);
	assert_int_equal(fs_allocate(fs, fd, 65536), 0);
	memcpy(got, "12345", 5);
	assert_int_equal(fs_writev(fs, fd, v, 2), 5);
	assert_int_equal(fs_datasync(fs, fd), 0);
	assert_int_equal(fs_pread(fs, fd, got, sizeof(got), 3), 2);
	assert_memory_equal(got, "45", 2);
	assert_int_equal(fs_link(fs, dir, "a", FS_ROOT, "d/b"), 0);
	assert_int_equal(fs_stat(fs, fd, &st), 0);
	assert_true(st.size == 5 && st.links == 2 && !st.is_dir);
	assert_int_equal(fs_rename(fs, dir, "b", dir, "c"), 0);
	assert_int_equal(fs_stat_at(fs, dir, "b", &st), -ENOENT);
	assert_int_equal(fs_list(fs, FS_ROOT, "d", count_names, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(fs_unlink(fs, dir, "a"), 0);
	assert_int_equal(fs_unlink(fs, dir, "c"), 0);
	assert_int_equal(fs_stat(fs, fd, &st), 0);
	assert_int_equal(st.links, 0);
	assert_int_equal(fs->counts.syncs, 1);
	assert_int_equal(fs->counts.written, 5);
	fs_close(fs, &fd);
	fs_close(fs, &dir);
	assert_int_equal(dir, -1);
	assert_int_equal(fs_rmdir(fs, FS_ROOT, "d"), 0);
	fs_real_close(&fs);
	assert_int_equal(rmdir(root), 0);
}

/* What a power cut takes from behind a torn record is zeros; what comes behind
 * it else is a mark. */
static void
nothing_completes_a_record_cut_short(void **state)
{
	static const struct record_key key = {
	    .mark = 0x0102030405060708, .crc = 9};
	struct record r = {.type = RECORD_FILL, .time_ms = 5};
	struct buf whole = {0};

	(void)state;
	record_write(&whole, &key, &r);
	for (size_t cut = 1; cut < 8; cut++) {
		struct buf torn = {0};
		struct record got;

		buf_add_sv(&torn, sv_sub(buf_sv(&whole), 0, whole.len - cut));
		for (size_t i = 0; i < 64; i++) {
			buf_add_char(&torn, '\0');
		}
		assert_int_equal(
		    record_read(buf_sv(&torn), &key, &got), RECORD_INVALID);
		torn.len = whole.len - cut;
		buf_add_sv(&torn, buf_sv(&whole));
		assert_int_equal(
		    record_read(buf_sv(&torn), &key, &got), RECORD_INVALID);
		buf_deinit(&torn);
	}
	buf_deinit(&whole);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_completes_a_record_cut_short),
	    cmocka_unit_test(uidset_merges_ranges_in_any_order),
	    cmocka_unit_test(uidset_answers_questions),
	    cmocka_unit_test(uidset_agrees_with_a_bitmap),
	    cmocka_unit_test(fs_real_does_what_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
