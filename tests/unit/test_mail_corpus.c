/*
 * The parser over a folder of messages: ../shared/data beside the checkout, or
 * $POSTROOM_DATA.  Where there is none, there is nothing to show.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "mail/charset.h"
#include "mail/header.h"
#include "mail/search.h"
#include "mail_check.h"
#include "unit.h"

enum { FILE_MAX = 16 * 1024 * 1024 };

static const char *folder;
static unsigned n_files;

static struct sv
read_file(const char *path, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p = xmalloc(size + 1);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, p, size);
	assert_true(n >= 0);
	(void)close(fd);
	return sv_make(p, (size_t)n);
}

static void
must_pass(const char *path, const char *how, struct sv message)
{
	const char *wrong = check_message(message);

	if (wrong != NULL) {
		fail_msg("%s, %s: %s", path, how, wrong);
	}
}

/* The same message with the other line ends, in the caller's block. */
static struct sv
with_line_ends(struct sv s, bool crlf, char *to)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\r' && i + 1 < s.len && s.p[i + 1] == '\n') {
			continue;
		}
		if (s.p[i] == '\n' && crlf) {
			to[n++] = '\r';
		}
		to[n++] = s.p[i];
	}
	return sv_make(to, n);
}

static void
search_all(struct sv message)
{
	struct arena arena = {.head = NULL};
	struct search_key key;
	struct mime m;

	mime_parse(message, NULL, &arena, &m);
	search_key_init(&key, SV("no message holds this text \xe2\x82\xac"));
	assert_false(search_message(&key, &m, true));
	search_key_deinit(&key);
	arena_deinit(&arena);
}

static int
on_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	size_t size = st->st_size > 0 ? (size_t)st->st_size : 0;
	struct sv message;
	char *other;

	(void)ftw;
	if (type != FTW_F || size > FILE_MAX) {
		return 0;
	}
	message = read_file(path, size);
	other = xmalloc(size * 2 + 1);
	must_pass(path, "as it is", message);
	must_pass(path, "with LF", with_line_ends(message, false, other));
	must_pass(path, "with CRLF", with_line_ends(message, true, other));
	search_all(message);
	/* A sample of the places where a transfer can end. */
	for (size_t i = 1; i < 8; i++) {
		must_pass(
		    path, "cut", sv_sub(message, 0, message.len / 8 * i + i));
	}
	free(other);
	free((char *)(uintptr_t)message.p);
	n_files++;
	return 0;
}

static void
every_file_keeps_the_invariants(void **state)
{
	(void)state;
	if (access(folder, R_OK) != 0) {
		print_message("no %s: nothing to look at\n", folder);
		skip();
	}
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	assert_int_equal(nftw(folder, on_file, 16, FTW_PHYS), 0);
	print_message("%u files\n", n_files);
	assert_true(n_files > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_file_keeps_the_invariants),
	};
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	const char *given = getenv("POSTROOM_DATA");

	folder = given != NULL ? given : SHARED_DATA;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
