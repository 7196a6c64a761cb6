/*
 * The simulated file system does what docs/simulation.md says it does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/unit.h"
#include "base/mem.h"
#include "simfs.h"

struct world {
	struct simfs *s;
	struct simproc *p;
	struct fs *fs;
	/* what `fault` answers to its n-th call of `op` */
	enum simop op;
	int nth;
	int answer;
	/* kill the process before its n-th page of writing */
	int kill_at;
};

static void
step(void *arg, struct simproc *p, enum simop op)
{
	struct world *w = arg;

	if (op == SIMOP_WRITE_PAGE && w->kill_at > 0 && --w->kill_at == 0) {
		simproc_kill(p);
	}
}

static int
fault(void *arg, struct simproc *p, enum simop op, const char *path)
{
	struct world *w = arg;

	(void)p;
	(void)path;
	return op == w->op && w->nth > 0 && --w->nth == 0 ? w->answer : 0;
}

static void
start(struct world *w, uint64_t seed, bool covers)
{
	struct simfs_conf conf = {
	    .seed = seed,
	    .page = 16,
	    .fsync_covers_name = covers,
	    .step = step,
	    .fault = fault,
	    .arg = w,
	};

	*w = (struct world){.s = simfs_new(&conf)};
	w->p = simproc_new(w->s, 1);
	w->fs = simproc_fs(w->p);
}

static void
power(struct world *w, enum simloss how)
{
	simproc_free(&w->p);
	simfs_power_loss(w->s, how);
	w->p = simproc_new(w->s, 1);
	w->fs = simproc_fs(w->p);
}

static int
make(struct world *w, const char *path)
{
	int fd = fs_open(
	    w->fs, FS_ROOT, path, O_CREAT | O_EXCL | O_APPEND | O_RDWR, 0600);

	assert_true(fd >= 0);
	return fd;
}

static ssize_t
put(struct world *w, int fd, const char *text)
{
	struct iovec v = {.iov_base = xstrdup(text), .iov_len = strlen(text)};
	ssize_t n = fs_writev(w->fs, fd, &v, 1);

	free(v.iov_base);
	return n;
}

/* The file's octets with NUL shown as '.'; owned by the caller. */
static char *
text_of(struct world *w, const char *path)
{
	char *text = xmalloc(1000);
	int fd = fs_open(w->fs, FS_ROOT, path, O_RDONLY, 0);
	ssize_t n;

	if (fd < 0) {
		free(text);
		return NULL;
	}
	n = fs_pread(w->fs, fd, text, 999, 0);
	assert_true(n >= 0);
	for (ssize_t i = 0; i < n; i++) {
		text[i] = text[i] == '\0' ? '.' : text[i];
	}
	fs_close(w->fs, &fd);
	return text;
}

static void
flushed_octets_and_names_survive_power_loss(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct world w;
		int fd;
		char *text;

		start(&w, seed, true);
		fd = make(&w, "a");
		assert_int_equal(put(&w, fd, "hello, world, again"), 19);
		assert_int_equal(fs_sync(w.fs, fd), 0);
		assert_int_equal(put(&w, fd, "not flushed"), 11);
		fs_close(w.fs, &fd);
		power(&w, LOSS_MIXED);
		text = text_of(&w, "a");
		assert_non_null(text);
		assert_memory_equal(text, "hello, world, again", 19);
		free(text);
		simfs_free(&w.s);
	}
}

static void
unflushed_pages_may_be_zeros_behind_which_others_survive(void **state)
{
	bool zeros_before_data = false;
	bool nothing = false;
	bool all = false;

	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct world w;
		int fd;
		char *text;

		start(&w, seed, true);
		fd = make(&w, "a");
		assert_int_equal(fs_sync(w.fs, fd), 0);
		assert_int_equal(
		    put(&w, fd, "0123456789abcdef0123456789abcdef"), 32);
		fs_close(w.fs, &fd);
		power(&w, LOSS_MIXED);
		text = text_of(&w, "a");
		nothing |= strcmp(text, "") == 0;
		all |= strcmp(text, "0123456789abcdef0123456789abcdef") == 0;
		zeros_before_data |=
		    strcmp(text, "................0123456789abcdef") == 0;
		free(text);
		simfs_free(&w.s);
	}
	assert_true(nothing && all && zeros_before_data);
}

static void
names_need_their_folder_flushed_where_fsync_does_not_cover_them(void **state)
{
	bool lost = false;
	bool kept = false;

	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct world w;
		int fd;
		int root;

		start(&w, seed, false);
		fd = make(&w, "a");
		assert_int_equal(fs_sync(w.fs, fd), 0);
		fs_close(w.fs, &fd);
		if (seed % 2 == 0) {
			root = fs_open(
			    w.fs, FS_ROOT, ".", O_RDONLY | O_DIRECTORY, 0);
			assert_int_equal(fs_sync(w.fs, root), 0);
			fs_close(w.fs, &root);
		}
		power(&w, LOSS_MIXED);
		assert_true(seed % 2 != 0 || simfs_exists(w.s, "a"));
		lost |= !simfs_exists(w.s, "a");
		kept |= simfs_exists(w.s, "a");
		simfs_free(&w.s);
	}
	assert_true(lost && kept);
}

static void
a_renamed_file_is_under_one_of_its_names(void **state)
{
	bool old = false;
	bool new = false;

	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct world w;
		int fd;

		start(&w, seed, true);
		fd = make(&w, "a");
		assert_int_equal(fs_sync(w.fs, fd), 0);
		fs_close(w.fs, &fd);
		assert_int_equal(
		    fs_rename(w.fs, FS_ROOT, "a", FS_ROOT, "b"), 0);
		power(&w, LOSS_MIXED);
		old |= simfs_exists(w.s, "a");
		new |= simfs_exists(w.s, "b");
		assert_true(simfs_exists(w.s, "a") || simfs_exists(w.s, "b"));
		simfs_free(&w.s);
	}
	assert_true(old && new);
}

static void
a_failed_flush_fails_once_and_its_pages_are_lost(void **state)
{
	struct world w;
	int fd;
	char *text;

	(void)state;
	start(&w, 1, true);
	fd = make(&w, "a");
	assert_int_equal(fs_sync(w.fs, fd), 0);
	assert_int_equal(put(&w, fd, "0123456789abcdef"), 16);
	w.op = SIMOP_DATASYNC;
	w.nth = 1;
	w.answer = -EIO;
	assert_int_equal(fs_datasync(w.fs, fd), -EIO);
	assert_int_equal(put(&w, fd, "second page"), 11);
	assert_int_equal(fs_datasync(w.fs, fd), 0);
	text = text_of(&w, "a");
	assert_string_equal(text, "0123456789abcdefsecond page");
	free(text);
	fs_close(w.fs, &fd);
	power(&w, LOSS_NOTHING);
	text = text_of(&w, "a");
	assert_string_equal(text, "................second page");
	free(text);
	simfs_free(&w.s);
}

static void
a_killed_writer_leaves_a_prefix_and_the_next_writes_behind_it(void **state)
{
	struct world w;
	struct simproc *other;
	int fd;
	int fd2;
	char *text;

	(void)state;
	start(&w, 7, true);
	fd = make(&w, "a");
	w.kill_at = 1;
	assert_int_equal(put(&w, fd, "0123456789abcdef0123456789abcdef"), -EIO);
	assert_true(simproc_dead(w.p));
	assert_int_equal(fs_datasync(w.fs, fd), -EIO);
	other = simproc_new(w.s, 2);
	simproc_free(&w.p);
	w.p = other;
	w.fs = simproc_fs(other);
	fd2 = fs_open(w.fs, FS_ROOT, "a", O_APPEND | O_RDWR, 0);
	assert_int_equal(put(&w, fd2, "next"), 4);
	fs_close(w.fs, &fd2);
	text = text_of(&w, "a");
	assert_string_equal(text, "0123456789abcdefnext");
	free(text);
	simfs_free(&w.s);
}

static void
a_full_disk_cuts_a_write_and_takes_a_smaller_one(void **state)
{
	struct world w;
	int fd;

	(void)state;
	start(&w, 3, true);
	fd = make(&w, "a");
	assert_int_equal(fs_allocate(w.fs, fd, 48), 0);
	simfs_capacity(w.s, 3);
	assert_int_equal(put(&w, fd,
			     "0123456789abcdef0123456789abcdef"
			     "0123456789abcdef0123456789abcdef"),
	    48);
	assert_int_equal(put(&w, fd, "x"), -ENOSPC);
	simfs_capacity(w.s, 4);
	assert_int_equal(put(&w, fd, "x"), 1);
	fs_close(w.fs, &fd);
	simfs_free(&w.s);
}

static void
a_removed_file_stays_for_who_has_it_open(void **state)
{
	struct world w;
	struct fs_stat st;
	int fd;

	(void)state;
	start(&w, 3, true);
	assert_int_equal(fs_mkdir(w.fs, FS_ROOT, "d", 0700), 0);
	fd = make(&w, "d/a");
	assert_int_equal(put(&w, fd, "text"), 4);
	simfs_remove_tree(w.s, "d");
	assert_false(simfs_exists(w.s, "d/a"));
	assert_int_equal(fs_stat(w.fs, fd, &st), 0);
	assert_int_equal(st.links, 0);
	assert_int_equal(put(&w, fd, "more"), 4);
	fs_close(w.fs, &fd);
	assert_int_equal(simproc_handles(w.p), 0);
	simfs_free(&w.s);
}

static void
a_name_created_twice_is_noted(void **state)
{
	struct world w;
	int fd;

	(void)state;
	start(&w, 3, true);
	fd = make(&w, "a");
	fs_close(w.fs, &fd);
	assert_int_equal(fs_unlink(w.fs, FS_ROOT, "a"), 0);
	assert_null(simfs_created_twice(w.s));
	fd = make(&w, "a");
	fs_close(w.fs, &fd);
	assert_string_equal(simfs_created_twice(w.s), "a");
	simfs_free(&w.s);
}

static void
a_tree_saved_and_restored_has_new_inodes_and_the_same_octets(void **state)
{
	struct world w;
	struct simtree *t;
	struct fs_stat before;
	struct fs_stat after;
	char *text;
	int fd;

	(void)state;
	start(&w, 3, true);
	assert_int_equal(fs_mkdir(w.fs, FS_ROOT, "d", 0700), 0);
	fd = make(&w, "d/a");
	assert_int_equal(put(&w, fd, "text"), 4);
	fs_close(w.fs, &fd);
	assert_int_equal(fs_stat_at(w.fs, FS_ROOT, "d/a", &before), 0);
	t = simfs_save(w.s, "d");
	simfs_remove_tree(w.s, "d");
	simfs_restore(w.s, t);
	assert_int_equal(fs_stat_at(w.fs, FS_ROOT, "d/a", &after), 0);
	assert_true(before.ino != after.ino);
	text = text_of(&w, "d/a");
	assert_string_equal(text, "text");
	free(text);
	assert_null(simfs_created_twice(w.s));
	simtree_free(&t);
	simfs_free(&w.s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(flushed_octets_and_names_survive_power_loss),
	    cmocka_unit_test(
		unflushed_pages_may_be_zeros_behind_which_others_survive),
	    cmocka_unit_test(
		names_need_their_folder_flushed_where_fsync_does_not_cover_them),
	    cmocka_unit_test(a_renamed_file_is_under_one_of_its_names),
	    cmocka_unit_test(a_failed_flush_fails_once_and_its_pages_are_lost),
	    cmocka_unit_test(
		a_killed_writer_leaves_a_prefix_and_the_next_writes_behind_it),
	    cmocka_unit_test(a_full_disk_cuts_a_write_and_takes_a_smaller_one),
	    cmocka_unit_test(a_removed_file_stays_for_who_has_it_open),
	    cmocka_unit_test(a_name_created_twice_is_noted),
	    cmocka_unit_test(
		a_tree_saved_and_restored_has_new_inodes_and_the_same_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
