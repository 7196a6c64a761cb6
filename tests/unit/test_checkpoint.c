/*
 * Snapshots: how many there are, what they cost, what they notice.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "store/account_priv.h"
#include "store/collect_priv.h"
#include "store_fixture.h"

enum { BATCH = 50 };

static const char digest[900] = "as long as most";

static void
append_batch(struct account *a, uint64_t mbox)
{
	struct msg_source source[BATCH];
	struct msg_attrs attrs[BATCH];
	struct appended out;
	struct fail f = {0};

	memset(attrs, 0, sizeof(attrs));
	for (unsigned i = 0; i < BATCH; i++) {
		source[i] = (struct msg_source){
		    .body = SV("x"),
		    .fd = -1,
		    .digest = sv_make(digest, sizeof(digest)),
		};
	}
	OK(account_append(a, mbox, source, attrs, BATCH, &out, &f));
	uidset_deinit(&out.uids);
}

static unsigned
count_snapshots(struct account *a)
{
	struct snap_name *names;
	struct fail f = {0};
	size_t n;

	OK(snap_list(a->store->fs, a->dir, &names, &n, &f));
	free(names);
	return (unsigned)n;
}

static uint64_t
newest_at(struct account *a, bool oldest)
{
	struct snap_name *names;
	struct fail f = {0};
	size_t n;

	OK(snap_list(a->store->fs, a->dir, &names, &n, &f));
	assert_true(n != 0);
	uint64_t at = names[oldest ? n - 1 : 0].at;

	free(names);
	return at;
}

static void
snapshots_stay_few_and_cheap_under_a_long_load(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	_Atomic uint64_t *written = &x->store->fs->counts.written;
	uint64_t snapshots = 0;
	uint64_t before = *written;
	struct fail f = {0};
	unsigned made = 0;

	for (unsigned i = 0; i < 400; i++) {
		bool done;

		append_batch(a, INBOX);
		uint64_t at = *written;

		OK(account_upkeep(a, &done, &f));
		made += done;
		snapshots += *written - at;
		assert_true(count_snapshots(a) <= SNAPSHOTS_MAX);
	}
	uint64_t journal = *written - before - snapshots;

	/* One for each 256 KiB of journal; 20,000 records of 1,000 octets. */
	assert_in_range(made, 40, 90);
	print_message("%u checkpoints: %.2f octets for one of the journal, "
		      "%.0f a message\n",
	    made, (double)snapshots / (double)journal,
	    (double)snapshots / (400 * BATCH));
	assert_true(snapshots < 2 * journal);
	account_close(&a);
}

static void
flags_all_over_a_mailbox_are_written_at_most_four_times(void **state)
{
	struct fixture *x = *state;
	_Atomic uint64_t *written = &x->store->fs->counts.written;
	struct account *a = fixture_account(x, ALICE);
	struct fail f = {0};
	uint64_t snapshots = 0;
	uint32_t n = 200 * BATCH;
	bool done;

	for (unsigned i = 0; i < 200; i++) {
		append_batch(a, INBOX);
	}
	OK(account_upkeep(a, &done, &f));
	uint64_t before = *written;

	for (unsigned i = 0; i < 200; i++) {
		struct flag_change change = {
		    .how = i % 2 != 0 ? FLAGS_ADD : FLAGS_REMOVE,
		    .flags = MSG_SEEN | MSG_FLAGGED,
		};
		struct uidset some = {0};

		/* Every third: not to be said in few octets. */
		for (uint32_t uid = 1 + i % 3; uid <= n; uid += 3) {
			uidset_add(&some, uid);
		}
		OK(account_store(a, INBOX, &some, &change, NULL, &f));
		uint64_t at = *written;

		OK(account_upkeep(a, &done, &f));
		snapshots += *written - at;
		uidset_deinit(&some);
	}
	uint64_t journal = *written - before - snapshots;

	/* And a chunk that shares its file with what did not change. */
	assert_true(snapshots <= 5 * journal);
	account_close(&a);
}

static void
the_oldest_snapshot_stays_until_the_next_collection(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	struct fail f = {0};

	x->conf.retention_ms = 0;
	fixture_reopen(x);
	a = fixture_account(x, ALICE);
	append_batch(a, INBOX);
	OK(account_checkpoint(a, &f));
	uint64_t oldest = newest_at(a, true);

	for (unsigned i = 0; i < 10; i++) {
		append_batch(a, INBOX);
		OK(account_checkpoint(a, &f));
		assert_true(newest_at(a, true) == oldest);
		assert_true(count_snapshots(a) <= SNAPSHOTS_MAX);
	}
	uint64_t newest = newest_at(a, false);

	OK(account_collect(a, &f));
	assert_int_equal(count_snapshots(a), 2);
	assert_true(newest_at(a, false) == newest);
	assert_true(newest_at(a, true) > oldest);
	account_close(&a);
}

/* A bit falls over in memory, and both generations are made of it. */
static void
collection_notices_a_state_that_went_wrong_in_memory(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	struct fail f = {0};

	x->conf.retention_ms = 0;
	fixture_reopen(x);
	a = fixture_account(x, ALICE);
	append_batch(a, INBOX);
	OK(account_checkpoint(a, &f));
	append_batch(a, INBOX);
	lock_acquire(&a->lock);
	struct view *v = replay_own(&a->replay);
	struct box *b = view_box_own(v, (uint32_t)view_slot(v, INBOX));
	struct vec_chunk *c = vec_chunk_mut(&b->msgs, 0);

	((struct msg *)c->data)[3].flags ^= MSG_FLAGGED;
	lock_release(&a->lock);
	for (unsigned i = 0; i < 4; i++) {
		append_batch(a, INBOX);
		OK(account_checkpoint(a, &f));
	}
	assert_int_equal(account_collect(a, &f), -1);
	assert_int_equal(f.kind, FAIL_CORRUPT);
	account_close(&a);
}

/* ---- formats ---- */

/* The octets of one file below ALICE's folder, changed. */
static void
rewrite(struct fixture *x, const char *folder, const char *file,
    void (*change)(struct buf *octets))
{
	char *base =
	    xasprintf("%s/accounts/%.2s/%s/%s", x->root, ALICE, ALICE, folder);
	DIR *dir = opendir(base);
	struct dirent *d;

	while (dir != NULL && (d = readdir(dir)) != NULL) {
		struct buf octets = {.len = 0};

		if (d->d_name[0] == '.') {
			continue;
		}
		char *path = xasprintf("%s/%s%s%s", base, d->d_name,
		    file != NULL ? "/" : "", file != NULL ? file : "");
		int fd = open(path, O_RDWR | O_CLOEXEC);

		assert_true(fd >= 0);
		octets.len =
		    (size_t)read(fd, buf_reserve(&octets, 1 << 20), 1 << 20);
		change(&octets);
		assert_int_equal(pwrite(fd, octets.data, octets.len, 0),
		    (ssize_t)octets.len);
		(void)close(fd);
		free(path);
		buf_deinit(&octets);
	}
	if (dir != NULL) {
		(void)closedir(dir);
	}
	free(base);
}

static void
older_snapshot(struct buf *octets)
{
	uint64_t crc;

	assert_memory_equal(octets->data, "PRsnap", 6);
	octets->data[6] = '1';
	crc = htole64(crc32c(0, octets->data, octets->len - 8));
	memcpy(octets->data + octets->len - 8, &crc, sizeof(crc));
}

static void
other_segment(struct buf *octets)
{
	assert_memory_equal(octets->data, "PRjourn\n", 8);
	octets->data[8]++;
	octets->data[SEG_HEADER_COPY + 8]++;
}

/* Takes `why`. */
static void
expect_refused(struct fixture *x, char *why)
{
	struct account *a;
	struct view *v;
	struct fail f = {0};

	fixture_reopen(x);
	a = fixture_account(x, ALICE);
	assert_int_equal(account_refresh(a, &v, &f), -1);
	assert_int_equal(f.kind, FAIL_PERM);
	if (strstr(f.text, why) == NULL) {
		fail_msg("%s", f.text);
	}
	account_close(&a);
	free(why);
}

static void
a_snapshot_of_another_format_is_refused_by_name(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct fail f = {0};

	append_batch(a, INBOX);
	OK(account_checkpoint(a, &f));
	account_close(&a);
	rewrite(x, "snap", "manifest", older_snapshot);
	expect_refused(x,
	    xasprintf("a snapshot of format %d: this program reads format %d",
		1, SNAP_FORMAT));
}

static void
a_segment_of_another_format_is_refused_by_name(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);

	append_batch(a, INBOX);
	account_close(&a);
	rewrite(x, "journal", NULL, other_segment);
	expect_refused(
	    x, xasprintf("of format %d: this program knows format %d",
		   SEG_FORMAT + 1, SEG_FORMAT));
}

/* ---- cold ---- */

static uint64_t messages_opened;
static int (*real_open)(
    struct fs *fs, int dir, const char *path, int flags, unsigned mode);
static struct fs_ops counting_ops;

static int
counting_open(
    struct fs *fs, int dir, const char *path, int flags, unsigned mode)
{
	messages_opened += strncmp(path, "box/", 4) == 0;
	return real_open(fs, dir, path, flags, mode);
}

/* Open ALICE's account as a new process does and read all that a listing
 * shows. */
static void
list_cold(struct fixture *x, uint32_t n)
{
	struct account *a;
	struct view *v;
	struct fail f = {0};
	struct sv got;

	fixture_reopen(x);
	real_open = x->store->fs->ops->open;
	counting_ops = *x->store->fs->ops;
	counting_ops.open = counting_open;
	x->store->fs->ops = &counting_ops;
	messages_opened = 0;
	a = fixture_account(x, ALICE);
	v = fixture_view(a);
	const struct mbox *m = view_mbox_by_id(v, INBOX);
	struct digest_reader *r = digest_reader_new(a, v, m);

	assert_int_equal(m->exists, n);
	for (uint32_t i = 0; i < n; i++) {
		OK(digest_reader_get(r, mbox_msg(m, i), &got, &f));
		assert_int_equal(got.len, sizeof(digest));
	}
	assert_int_equal(messages_opened, 0);
	digest_reader_free(&r);
	view_unref(&v);
	account_close(&a);
}

static void
a_cold_listing_opens_no_message(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	struct fail f = {0};

	x->conf.retention_ms = 0;
	x->conf.segment_max = 64 * 1024;
	fixture_reopen(x);
	a = fixture_account(x, ALICE);
	for (unsigned i = 0; i < 10; i++) {
		append_batch(a, INBOX);
	}
	account_close(&a);
	list_cold(x, 10 * BATCH); /* from the first record */

	a = fixture_account(x, ALICE);
	OK(account_checkpoint(a, &f));
	account_close(&a);
	list_cold(x, 10 * BATCH); /* from a snapshot alone */

	a = fixture_account(x, ALICE);
	append_batch(a, INBOX);
	account_close(&a);
	list_cold(x, 11 * BATCH); /* with records behind it */

	a = fixture_account(x, ALICE);
	for (unsigned i = 0; i < 3; i++) {
		OK(account_checkpoint(a, &f));
		OK(account_collect(a, &f));
	}
	account_close(&a);
	list_cold(x, 11 * BATCH); /* when its records are collected */
}

int
main(void)
{
#define WITH_STORE(test)                                                       \
	cmocka_unit_test_setup_teardown(test, fixture_begin, fixture_end)
	const struct CMUnitTest tests[] = {
	    WITH_STORE(snapshots_stay_few_and_cheap_under_a_long_load),
	    WITH_STORE(flags_all_over_a_mailbox_are_written_at_most_four_times),
	    WITH_STORE(the_oldest_snapshot_stays_until_the_next_collection),
	    WITH_STORE(collection_notices_a_state_that_went_wrong_in_memory),
	    WITH_STORE(a_snapshot_of_another_format_is_refused_by_name),
	    WITH_STORE(a_segment_of_another_format_is_refused_by_name),
	    WITH_STORE(a_cold_listing_opens_no_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
