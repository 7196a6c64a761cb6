/* A message's octets prove themselves: their sum stands in the file's name
 * and in the state, and a check finds those that are others. */
#include <fcntl.h>
#include <unistd.h>

#include "base/hash.h"
#include "store/msgfile_priv.h"
#include "store_fixture.h"

/* The path of a message's file. */
static char *
file_of(struct fixture *x, struct account *a, const struct msg *m)
{
	char path[PATH_SIZE];

	msg_path(m, path);
	return xasprintf("%s/accounts/%.2s/%s/%s", x->root, a->id, a->id, path);
}

static void
expect_sum(struct fixture *x, struct account *a, const struct mbox *m,
    uint32_t i, const char *text)
{
	const struct msg *msg = mbox_msg(m, i);
	char *path = file_of(x, a, msg);
	char *end = xasprintf(".%08x", crc32c(0, text, strlen(text)));

	expect_text(a, m, i, text);
	assert_int_equal(msg->sum, crc32c(0, text, strlen(text)));
	assert_true(sv_ends_nocase(sv_cstr(path), sv_cstr(end)));
	assert_int_equal(access(path, R_OK), 0);
	free(path);
	free(end);
}

static void
a_file_is_named_by_the_sum_of_its_octets(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct delivery to = {.account_id = ALICE};
	struct msg_source source = source_of("in two parts");
	struct fail f = {0};

	deliver_to(x, ALICE, "", "delivered");
	append_to(a, INBOX, "appended", 0);
	source.head = SV("a message ");
	OK(store_deliver(x->store, &source, &to, 1, &f));
	/* As written out in RFC 3720 B.4: 32 octets of zeros. */
	static const char zeros[32];

	assert_int_equal(crc32c(0, zeros, sizeof(zeros)), 0x8a9136aa);

	struct view *v = fixture_view(a);
	const struct mbox *m = view_mbox_by_id(v, INBOX);

	expect_sum(x, a, m, 0, "delivered");
	expect_sum(x, a, m, 1, "appended");
	expect_sum(x, a, m, 2, "a message in two parts");
	view_unref(&v);
	account_close(&a);
}

static void
all_copies_and_snapshots_keep_the_sum(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct account *b = fixture_account(x, BOB);
	uint64_t work = make_mailbox(a, "Work");
	struct uidset one = set_of(1, 1);
	struct copied c;
	uint64_t n;
	struct fail f = {0};

	deliver_to(x, ALICE, "", "memory");
	OK(account_copy(a, INBOX, &one, b, INBOX, false, &c, &f));
	copied_deinit(&c);
	OK(account_copy(a, INBOX, &one, a, work, false, &c, &f));
	copied_deinit(&c);
	OK(account_copy(a, INBOX, &one, a, work, true, &c, &f));
	copied_deinit(&c);
	OK(account_expunge(a, work, &one, true, &f));
	OK(account_undelete(a, SV("Work"), 0, &n, &f));
	assert_int_equal(n, 1);
	OK(account_checkpoint(a, &f));
	account_close(&a);
	account_close(&b);
	fixture_reopen(x);
	a = fixture_account(x, ALICE);
	b = fixture_account(x, BOB);

	struct view *v = fixture_view(a);
	struct view *w = fixture_view(b);

	expect_sum(x, a, view_mbox_by_id(v, work), 0, "memory");
	expect_sum(x, a, view_mbox_by_id(v, work), 1, "memory");
	expect_sum(x, b, view_mbox_by_id(w, INBOX), 0, "memory");
	view_unref(&v);
	view_unref(&w);
	account_close(&a);
	account_close(&b);
	uidset_deinit(&one);
}

/* ---- damage ---- */

struct findings {
	unsigned n;
	char last[PATH_SIZE + 300];
};

static void
note(void *arg, const char *text)
{
	struct findings *l = arg;

	l->n++;
	(void)snprintf(l->last, sizeof(l->last), "%s", text);
}

static struct findings
check(struct account *a, bool octets, bool repair, struct checked *sum)
{
	struct findings l = {0};
	struct check_conf conf = {
	    .repair = repair, .octets = octets, .report = note, .arg = &l};
	struct fail f = {0};

	*sum = (struct checked){0};
	OK(account_check(a, &conf, sum, &f));
	assert_int_equal(sum->findings, l.n);
	return l;
}

static void
change_octet(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "!", 1, 1), 1);
	assert_int_equal(close(fd), 0);
}

static void
octets_that_are_others_are_found_where_messages_are_read(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct checked sum;

	deliver_to(x, ALICE, "", "whole");
	deliver_to(x, ALICE, "", "harmed");
	struct view *v = fixture_view(a);
	const struct mbox *m = view_mbox_by_id(v, INBOX);
	char *path = file_of(x, a, mbox_msg(m, 1));

	assert_int_equal(check(a, true, false, &sum).n, 0);
	assert_int_equal(sum.mailboxes, 1);
	assert_int_equal(sum.messages, 2);
	assert_int_equal(sum.octets, 11);
	assert_int_equal(sum.read, 11);
	assert_int_equal(sum.segments, 1);
	change_octet(path);
	assert_int_equal(check(a, false, false, &sum).n, 0);
	assert_int_equal(sum.read, 0);
	/* A repair leaves it: what is left of it is more than nothing. */
	for (unsigned repair = 0; repair < 2; repair++) {
		struct findings l = check(a, true, repair != 0, &sum);

		assert_int_equal(l.n, 1);
		assert_non_null(strstr(l.last, "message 2 of mailbox INBOX"));
		assert_non_null(strstr(l.last, "not those that came"));
	}
	free(path);
	view_unref(&v);
	v = fixture_view(a);
	m = view_mbox_by_id(v, INBOX);
	assert_int_equal(m->exists, 2);
	expect_text(a, m, 1, "h!rmed");
	assert_false(msg_is_intact(a, mbox_msg(m, 1), crc32c(0, "h!rmed", 6)));
	assert_true(msg_is_intact(a, mbox_msg(m, 1), crc32c(0, "harmed", 6)));
	view_unref(&v);
	account_close(&a);
}

static void
a_file_that_cannot_be_read_is_a_finding_of_its_own(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct view *v;
	struct checked sum;

	/* As large as an empty folder of this file system. */
	struct stat st;
	char *probe = xasprintf("%s/tmp/probe", x->root);

	assert_int_equal(mkdir(probe, 0700), 0);
	assert_int_equal(stat(probe, &st), 0);
	free(probe);
	char *text = xcalloc(1, (size_t)st.st_size + 1);

	memset(text, 'x', (size_t)st.st_size);
	deliver_to(x, ALICE, "", text);
	deliver_to(x, ALICE, "", "after it");
	free(text);
	v = fixture_view(a);
	char *path = file_of(x, a, mbox_msg(view_mbox_by_id(v, INBOX), 0));

	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	struct findings l = check(a, true, false, &sum);

	assert_int_equal(l.n, 1);
	assert_non_null(strstr(l.last, "Is a directory"));
	assert_int_equal(sum.messages, 2);
	assert_int_equal(rmdir(path), 0);
	free(path);
	view_unref(&v);
	account_close(&a);
}

/* A file that no record names, as after a journal was lost. */
static void
make_stray(struct fixture *x, const char *said, const char *text)
{
	uint64_t hours_ago = (uint64_t)fs_now_ms(x->store->fs) - 7200 * 1000;
	struct placement p = {hours_ago, fs_random(x->store->fs)};
	struct timespec times[2] = {
	    {.tv_sec = (time_t)(hours_ago / 1000)},
	    {.tv_sec = (time_t)(hours_ago / 1000)},
	};
	char path[PATH_SIZE];

	placement_path(INBOX, &p, strlen(said), -86400000,
	    crc32c(0, said, strlen(said)), path);
	char *all =
	    xasprintf("%s/accounts/%.2s/%s/%s", x->root, ALICE, ALICE, path);
	int fd = open(all, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(futimens(fd, times), 0);
	assert_int_equal(close(fd), 0);
	free(all);
}

static void
a_repair_files_what_is_whole_and_with_the_date_that_it_came(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct checked sum;

	deliver_to(x, ALICE, "", "one");
	make_stray(x, "stray", "stray");
	make_stray(x, "other", "0ther");
	make_stray(x, "short", "sho");
	assert_int_equal(check(a, false, true, &sum).n, 3);

	struct view *v = fixture_view(a);
	const struct mbox *m = view_mbox_by_id(v, INBOX);

	assert_int_equal(m->exists, 2);
	expect_sum(x, a, m, 1, "stray");
	assert_int_equal(mbox_msg(m, 1)->date_ms, -86400000);
	view_unref(&v);
	/* The others are for the administrator to look at. */
	assert_int_equal(check(a, true, true, &sum).n, 2);
	account_close(&a);
}

#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_file_is_named_by_the_sum_of_its_octets),
	    T(all_copies_and_snapshots_keep_the_sum),
	    T(octets_that_are_others_are_found_where_messages_are_read),
	    T(a_file_that_cannot_be_read_is_a_finding_of_its_own),
	    T(a_repair_files_what_is_whole_and_with_the_date_that_it_came),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
