/*
 * Sealed segments that lost their end, where no snapshot tells: the segment
 * behind them does.  What is whole is served, new mail is taken and shown,
 * and no UID that was told means another message.
 */
#include "base/log.h"
#include "store/journal_priv.h"
#include "store/snapshot_priv.h"
#include "store_fixture.h"

enum { FIRST = 3, SECOND = 2, THIRD = 1, ALL = FIRST + SECOND + THIRD };

static void
deliver_n(struct fixture *x, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		deliver_to(x, ALICE, "", "delivered");
	}
}

static void
rotate(struct fixture *x)
{
	struct account *a = fixture_account(x, ALICE);
	struct segment *seg;
	struct fail f = {0};

	OK(journal_segment(a, &seg, &f));
	OK(journal_rotate(a, seg, 0, 0, &f));
	segment_unref(&seg);
	account_close(&a);
}

/* Path of the `i`-th segment. */
static void
segment_path(struct fixture *x, size_t i, char out[512])
{
	struct account *a = fixture_account(x, ALICE);
	struct seg_name *names;
	char text[SEG_NAME_SIZE];
	struct fail f = {0};
	size_t n;

	OK(journal_list(a, &names, &n, &f));
	assert_true(i < n);
	seg_name_write(&names[i], text);
	(void)snprintf(out, 512, "%s/accounts/%.2s/%s/journal/%s", x->root,
	    ALICE, ALICE, text);
	free(names);
	account_close(&a);
}

/* Where the `i`-th segment's record number `k` stands, from its SEAL (0) on
 * backwards. */
static uint64_t
record_at(struct fixture *x, size_t i, size_t k)
{
	struct account *a = fixture_account(x, ALICE);
	struct seg_name *names;
	struct segment *seg;
	struct scan scan;
	struct fail f = {0};
	size_t n;

	OK(journal_list(a, &names, &n, &f));
	OK(segment_open(a->store->fs, a->dir, &names[i], &seg, &f));
	scan_init(&scan, seg, SEG_HEADER);
	OK(scan_next(&scan, &f));
	assert_int_equal(scan.end, SCAN_SEAL);
	assert_true(k < scan.n);
	uint64_t at = scan.rec[scan.n - 1 - k].place & SEG_ALL;

	scan_deinit(&scan);
	segment_unref(&seg);
	free(names);
	account_close(&a);
	return at;
}

/* The first of three segments loses its SEAL, and `k` records before it. */
static void
cut_first(struct fixture *x, size_t k)
{
	char path[512];

	segment_path(x, 0, path);
	assert_int_equal(truncate(path, (off_t)record_at(x, 0, k)), 0);
}

static void
overwrite_first(struct fixture *x)
{
	uint64_t at = record_at(x, 0, 0);
	char path[512];
	struct stat st;

	segment_path(x, 0, path);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	for (off_t i = (off_t)at; i < st.st_size; i++) {
		assert_int_equal(pwrite(fd, "\x11", 1, i), 1);
	}
	assert_int_equal(close(fd), 0);
}

static void
remove_head(struct fixture *x)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/accounts/%.2s/%s/head", x->root,
	    ALICE, ALICE);
	assert_int_equal(unlink(path), 0);
}

/* Three segments with mail in each, which no process has open. */
static uint32_t
build(struct fixture *x)
{
	deliver_n(x, FIRST);
	rotate(x);
	deliver_n(x, SECOND);
	rotate(x);
	deliver_n(x, THIRD);

	struct account *a = fixture_account(x, ALICE);
	struct view *v = fixture_view(a);
	uint32_t uidvalidity = view_mbox_at(v, 0)->uidvalidity;

	assert_int_equal(view_mbox_at(v, 0)->exists, ALL);
	view_unref(&v);
	account_close(&a);
	fixture_reopen(x);
	return uidvalidity;
}

static uint32_t
expect(struct fixture *x, uint32_t exists)
{
	struct account *a = fixture_account(x, ALICE);
	struct view *v = fixture_view(a);
	const struct mbox *inbox = view_mbox_at(v, 0);
	uint32_t uidvalidity = inbox->uidvalidity;

	assert_int_equal(inbox->exists, exists);
	for (uint32_t i = 0; i < inbox->exists; i++) {
		expect_text(a, inbox, i, "delivered");
	}
	view_unref(&v);
	account_close(&a);
	return uidvalidity;
}

struct findings {
	unsigned n;
	bool end_lost;
};

static void
note_finding(void *arg, const char *text)
{
	struct findings *found = arg;

	found->n++;
	found->end_lost |= strstr(text, "its end was lost") != NULL;
}

static struct findings
check(struct fixture *x, bool repair)
{
	struct account *a = fixture_account(x, ALICE);
	struct findings found = {0};
	struct check_conf conf = {
	    .repair = repair, .report = note_finding, .arg = &found};
	struct checked sum = {0};
	struct fail f = {0};

	OK(account_check(a, &conf, &sum, &f));
	account_close(&a);
	return found;
}

/* ---- */

static void
a_reader_finds_what_stands_behind_a_lost_seal(void **state)
{
	struct fixture *x = *state;
	uint32_t before = build(x);

	cut_first(x, 0);
	uint32_t after = expect(x, ALL);

	assert_true(after > before);
	fixture_reopen(x);
	assert_int_equal(expect(x, ALL), after);
	deliver_n(x, 1);
	assert_int_equal(expect(x, ALL + 1), after);
	fixture_reopen(x);
	assert_int_equal(expect(x, ALL + 1), after);
}

static void
so_does_one_where_octets_of_the_seal_went_bad(void **state)
{
	struct fixture *x = *state;
	uint32_t before = build(x);

	overwrite_first(x);
	uint32_t after = expect(x, ALL);

	assert_true(after > before);
	fixture_reopen(x);
	assert_int_equal(expect(x, ALL), after);
}

/* UIDs of the messages behind one that was lost are not what they were. */
static void
a_cut_that_takes_records_too_costs_those_alone(void **state)
{
	struct fixture *x = *state;
	uint32_t before = build(x);

	cut_first(x, 2);
	assert_true(expect(x, ALL - 2) > before);
	fixture_reopen(x);
	assert_true(expect(x, ALL - 2) > before);
}

static void
a_delivery_without_state_is_shown(void **state)
{
	struct fixture *x = *state;

	(void)build(x);
	cut_first(x, 0);
	deliver_n(x, 1); /* where `head` says */
	fixture_reopen(x);
	remove_head(x);
	deliver_n(x, 1); /* to the account's first segment */
	(void)expect(x, ALL + 2);
	fixture_reopen(x);
	(void)expect(x, ALL + 2);
}

/* Each of two processes that had it in memory, or had not. */
static void
two_processes_lose_nothing(void **state)
{
	struct fixture *x = *state;
	struct fixture other = *x;
	struct fail f = {0};

	(void)build(x);
	OK(store_open_path(&x->conf, x->root, &other.store, &f));
	struct account *loaded = fixture_account(&other, ALICE);
	struct view *v = fixture_view(loaded);

	cut_first(x, 0);
	deliver_n(&other, 1);
	(void)expect(x, ALL + 1);
	deliver_n(&other, 1);
	deliver_n(x, 1);
	(void)expect(x, ALL + 3);
	(void)expect(&other, ALL + 3);
	view_unref(&v);
	account_close(&loaded);
	store_close(&other.store);
	fixture_reopen(x);
	(void)expect(x, ALL + 3);
}

/* A process whose state stands before the segment that lost its SEAL. */
static void
a_state_that_comes_to_it_moves_on(void **state)
{
	struct fixture *x = *state;
	struct fixture other = *x;
	struct fail f = {0};

	OK(store_open_path(&x->conf, x->root, &other.store, &f));
	struct account *a = fixture_account(&other, ALICE);
	struct view *v = fixture_view(a);

	deliver_n(x, FIRST);
	rotate(x);
	deliver_n(x, SECOND);
	rotate(x);
	deliver_n(x, THIRD);
	char path[512];

	segment_path(x, 1, path);
	assert_int_equal(truncate(path, (off_t)record_at(x, 1, 0)), 0);
	(void)expect(&other, ALL);
	deliver_n(&other, 1);
	(void)expect(&other, ALL + 1);
	view_unref(&v);
	account_close(&a);
	store_close(&other.store);
	fixture_reopen(x);
	(void)expect(x, ALL + 1);
}

/* One that a writer goes on in, without state, behind the first. */
static void
a_writer_that_follows_to_it_moves_on(void **state)
{
	struct fixture *x = *state;
	char path[512];

	(void)build(x);
	segment_path(x, 1, path);
	assert_int_equal(truncate(path, (off_t)record_at(x, 1, 0)), 0);
	remove_head(x);
	deliver_n(x, 1);
	fixture_reopen(x);
	(void)expect(x, ALL + 1);
}

/* The last one's SEAL is not lost: there is none. */
static void
a_candidate_without_records_is_no_sign(void **state)
{
	struct fixture *x = *state;
	uint32_t before;
	char path[512];

	deliver_n(x, FIRST);
	before = expect(x, FIRST);
	rotate(x);
	fixture_reopen(x);
	segment_path(x, 0, path);
	assert_int_equal(truncate(path, (off_t)record_at(x, 0, 0)), 0);
	remove_head(x);
	assert_int_equal(expect(x, FIRST), before);
	deliver_n(x, 1);
	fixture_reopen(x);
	assert_int_equal(expect(x, FIRST + 1), before);
}

static void
check_reports_it_before_and_after_it_is_mended(void **state)
{
	struct fixture *x = *state;

	(void)build(x);
	assert_int_equal(check(x, false).n, 0);
	cut_first(x, 0);
	assert_true(check(x, false).end_lost);
	assert_true(check(x, true).end_lost);
	assert_true(check(x, false).end_lost);
	(void)expect(x, ALL);
}

/* Where all begin with a snapshot behind it: only a collector goes there. */
static void
a_repair_mends_what_nobody_comes_to(void **state)
{
	struct fixture *x = *state;
	struct fail f = {0};

	uint32_t before = build(x);
	struct account *a = fixture_account(x, ALICE);

	OK(account_checkpoint(a, &f));
	account_close(&a);
	fixture_reopen(x);
	cut_first(x, 0);
	assert_int_equal(expect(x, ALL), before);
	assert_true(check(x, true).end_lost);
	(void)record_at(x, 0, 0); /* there is a SEAL */
	assert_int_equal(expect(x, ALL), before);
}

/* An octet that went bad between two snapshots stops collection, until it is
 * said which is believed: the newer, which all begin with. */
static void
a_repair_settles_generations_that_differ(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct fail f = {0};
	char path[512];
	struct stat st;

	deliver_n(x, FIRST);
	OK(account_checkpoint(a, &f));
	segment_path(x, 0, path);
	assert_int_equal(stat(path, &st), 0);
	deliver_n(x, SECOND);
	OK(account_checkpoint(a, &f));
	account_close(&a);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_int_equal(pwrite(fd, "\x11\x11", 2, st.st_size + 40), 2);
	assert_int_equal(close(fd), 0);
	fixture_reopen(x);
	a = fixture_account(x, ALICE);
	assert_int_equal(account_collect(a, &f), -1);
	assert_int_equal(f.kind, FAIL_CORRUPT);
	fail_clear(&f);
	unsigned findings = check(x, false).n;

	assert_true(findings > 1);
	assert_int_equal(check(x, true).n, findings);
	assert_int_equal(check(x, false).n, findings - 1);
	OK(account_collect(a, &f));
	account_close(&a);
	fixture_reopen(x);
	(void)expect(x, FIRST + SECOND);
}

/* Whoever closes an account closes it where the mail is. */
static void
closing_goes_to_the_end(void **state)
{
	struct fixture *x = *state;
	struct fail f = {0};

	(void)build(x);
	cut_first(x, 0);
	remove_head(x);
	struct account *a = fixture_account(x, ALICE);

	OK(journal_close(a, &f));
	account_close(&a);
	fixture_reopen(x);
	(void)record_at(x, 2, 0); /* there is a SEAL */
}

/* Below the place of a snapshot: what it has, and what stands behind. */
static void
a_cut_below_a_snapshot_is_mended_by_a_reader(void **state)
{
	struct fixture *x = *state;
	struct fail f = {0};

	deliver_n(x, FIRST);
	struct account *a = fixture_account(x, ALICE);

	OK(account_checkpoint(a, &f));
	account_close(&a);
	deliver_n(x, 1);
	rotate(x);
	deliver_n(x, SECOND);
	uint32_t before = expect(x, FIRST + 1 + SECOND);

	fixture_reopen(x);
	cut_first(x, 3);
	uint32_t after = expect(x, FIRST + SECOND);

	assert_true(after > before);
	deliver_n(x, 1);
	fixture_reopen(x);
	assert_int_equal(expect(x, FIRST + SECOND + 1), after);
}

/* As on a disk that has no room for it at first. */
static void
a_cut_below_a_snapshot_is_mended_later(void **state)
{
	struct fixture *x = *state;
	struct fail f = {0};

	deliver_n(x, FIRST);
	struct account *a = fixture_account(x, ALICE);

	OK(account_checkpoint(a, &f));
	account_close(&a);
	deliver_n(x, 1);
	rotate(x);
	deliver_n(x, SECOND);
	fixture_reopen(x);
	cut_first(x, 3);
	fixture_reopen(x);
	remove_head(x);
	x->store->read_only = true;
	a = fixture_account(x, ALICE);
	(void)expect(x, FIRST); /* what is known for sure */
	(void)expect(x, FIRST);
	x->store->read_only = false;
	deliver_n(x, 1);
	(void)expect(x, FIRST + SECOND + 1);
	account_close(&a);
	fixture_reopen(x);
	(void)expect(x, FIRST + SECOND + 1);
}

int
main(void)
{
	log_init("test", LOG_PANIC);

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)
	const struct CMUnitTest tests[] = {
	    TEST(a_reader_finds_what_stands_behind_a_lost_seal),
	    TEST(so_does_one_where_octets_of_the_seal_went_bad),
	    TEST(a_cut_that_takes_records_too_costs_those_alone),
	    TEST(a_delivery_without_state_is_shown),
	    TEST(two_processes_lose_nothing),
	    TEST(a_state_that_comes_to_it_moves_on),
	    TEST(a_writer_that_follows_to_it_moves_on),
	    TEST(a_candidate_without_records_is_no_sign),
	    TEST(check_reports_it_before_and_after_it_is_mended),
	    TEST(a_repair_mends_what_nobody_comes_to),
	    TEST(a_repair_settles_generations_that_differ),
	    TEST(closing_goes_to_the_end),
	    TEST(a_cut_below_a_snapshot_is_mended_by_a_reader),
	    TEST(a_cut_below_a_snapshot_is_mended_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
