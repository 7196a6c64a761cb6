/*
 * Digests outlive the journal that brought them, and listing opens no
 * message for them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/digest.h"
#include "store/collect_priv.h"
#include "store/packs_priv.h"
#include "store_fixture.h"

enum { DIGESTS = 3000 };

/* ---- one pack ---- */

/* Places as two mailboxes' records would have them. */
static place_t
place_of(unsigned i)
{
	return place_make(1000 + i / 500, 5000 + (i % 500) * 700);
}

static void
digest_of(unsigned i, struct buf *to)
{
	buf_clear(to);
	buf_addf(to, "digest %u of Subject: the same words again ", i);
	for (unsigned k = 0; k < i % 97; k++) {
		buf_addf(to, "%x", i * 2654435761u + k * 40503u);
	}
	to->len = to->len < STORE_DIGEST_MAX ? to->len : STORE_DIGEST_MAX;
}

static const struct pack_name some_name = {
    .lo = 1, .hi = UINT64_C(5000) << SEG_PLACE_BITS, .random = 7};

static void
write_some(struct fixture *x, struct account *a)
{
	struct fs *fs = a->store->fs;
	struct pack_writer *w;
	struct buf digest = {.len = 0};
	char path[PACK_PATH_SIZE];
	struct fail f = {0};

	(void)x;
	OK(pack_writer_new(a->store, a->dir, "tmp/new", &some_name, &w, &f));
	/* Even ones first: another mailbox's. */
	for (unsigned odd = 0; odd < 2; odd++) {
		for (unsigned i = odd; i < DIGESTS; i += 2) {
			digest_of(i, &digest);
			OK(pack_writer_add(
			    w, place_of(i), buf_sv(&digest), &f));
		}
	}
	OK(pack_writer_end(w, &f));
	pack_writer_free(&w);
	pack_path(&some_name, path);
	assert_int_equal(fs_mkdir(fs, a->dir, "pack", 0700), 0);
	assert_int_equal(fs_rename(fs, a->dir, "tmp/new", a->dir, path), 0);
	buf_deinit(&digest);
}

/* How many of all are found; none may be found wrong. */
static unsigned
count_found(struct pack_reader *r)
{
	struct buf want = {.len = 0};
	unsigned n = 0;

	for (unsigned i = 0; i < DIGESTS; i++) {
		struct sv got;
		struct fail f = {0};
		bool bad;
		int rc = pack_reader_get(r, place_of(i), &got, &bad, &f);

		assert_true(rc == 0 || rc == 1);
		if (rc == 1) {
			digest_of(i, &want);
			assert_true(sv_eq(got, buf_sv(&want)));
			n++;
		} else {
			assert_true(bad);
		}
	}
	buf_deinit(&want);
	return n;
}

static void
a_pack_gives_back_each_digest_by_its_place(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct pack_reader *r;
	struct pack *p;
	struct fail f = {0};
	struct sv got;
	bool bad;

	write_some(x, a);
	OK(pack_open(a->store->fs, a->dir, &some_name, &p, &f));
	assert_int_equal(p->n, DIGESTS);
	r = pack_reader_new(a->store->fs, a->dir, p);
	assert_int_equal(count_found(r), DIGESTS);
	/* Before the first, between, behind the last. */
	assert_int_equal(pack_reader_get(r, 5, &got, &bad, &f), 0);
	assert_int_equal(
	    pack_reader_get(r, place_of(77) + 1, &got, &bad, &f), 0);
	assert_int_equal(
	    pack_reader_get(r, place_of(DIGESTS) + 9, &got, &bad, &f), 0);
	assert_false(bad);
	pack_reader_free(&r);
	pack_free(&p);
	account_close(&a);
}

static void
damage_takes_a_block_and_never_lies(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	char path[PACK_PATH_SIZE];
	struct buf octets = {.len = 0};
	struct fail f = {0};
	unsigned opened = 0;

	write_some(x, a);
	pack_path(&some_name, path);
	OK(file_read(a->store->fs, a->dir, path, 1 << 24, &octets, &f));
	for (size_t i = 0; i < 200; i++) {
		size_t at = i < 150 ? octets.len * i / 150
				    : octets.len - 1 - (i - 150) * 2;
		char was = octets.data[at];
		struct pack *p;
		int fd = fs_open(a->store->fs, a->dir, path, O_WRONLY, 0);

		was = (char)(was ^ (1 << i % 8));
		assert_int_equal(pwrite(fd, &was, 1, (off_t)at), 1);
		if (pack_open(a->store->fs, a->dir, &some_name, &p, &f) == 0) {
			struct pack_reader *r =
			    pack_reader_new(a->store->fs, a->dir, p);
			unsigned n = count_found(r);

			/* An index block has 1,024; 16 KiB have some 200. */
			assert_true(n < DIGESTS && n >= DIGESTS - 1024);
			pack_reader_free(&r);
			pack_free(&p);
			opened++;
		} else {
			assert_int_equal(f.kind, FAIL_CORRUPT);
		}
		was = octets.data[at];
		assert_int_equal(pwrite(fd, &was, 1, (off_t)at), 1);
		fs_close(a->store->fs, &fd);
	}
	assert_in_range(opened, 140, 160);
	buf_deinit(&octets);
	account_close(&a);
}

static void
a_pack_cut_short_is_damaged(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	char path[PACK_PATH_SIZE];
	struct fs_stat st;
	struct fail f = {0};
	struct pack *p;

	write_some(x, a);
	pack_path(&some_name, path);
	int fd = fs_open(a->store->fs, a->dir, path, O_WRONLY, 0);

	assert_int_equal(fs_stat(a->store->fs, fd, &st), 0);
	for (uint64_t cut = 1; cut < 300; cut += 13) {
		assert_int_equal(ftruncate(fd, (off_t)(st.size - cut)), 0);
		assert_int_equal(
		    pack_open(a->store->fs, a->dir, &some_name, &p, &f), -1);
		assert_int_equal(f.kind, FAIL_CORRUPT);
	}
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(
	    pack_open(a->store->fs, a->dir, &some_name, &p, &f), -1);
	fs_close(a->store->fs, &fd);
	account_close(&a);
}

/* ---- an account's ---- */

static uint64_t messages_opened;

/* The file system below, with each message that is opened counted. */
static int (*real_open)(
    struct fs *fs, int dir, const char *path, int flags, unsigned mode);

static int
counting_open(
    struct fs *fs, int dir, const char *path, int flags, unsigned mode)
{
	messages_opened += strncmp(path, "box/", 4) == 0;
	return real_open(fs, dir, path, flags, mode);
}

static struct fs_ops counting_ops;

static void
count_opens(struct fixture *x)
{
	struct fs *fs = x->store->fs;

	if (fs->ops != &counting_ops) {
		real_open = fs->ops->open;
		counting_ops = *fs->ops;
		counting_ops.open = counting_open;
		fs->ops = &counting_ops;
	}
	messages_opened = 0;
}

/* Everything that was said is a day, or a year, ago. */
static void
settings(struct fixture *x)
{
	x->conf.retention_ms = 0;
	x->conf.segment_max = 64 * 1024;
	fixture_reopen(x);
}

static void
append_some(struct account *a, uint64_t mbox, unsigned from, unsigned n)
{
	struct buf digest = {.len = 0};

	for (unsigned i = from; i < from + n; i++) {
		struct msg_source source = {
		    .body = SV("Subject: x\r\n\r\n"), .fd = -1};
		struct msg_attrs attrs = {0};
		struct appended out;
		struct fail f = {0};

		digest_of(i, &digest);
		source.digest = buf_sv(&digest);
		OK(account_append(a, mbox, &source, &attrs, 1, &out, &f));
		uidset_deinit(&out.uids);
	}
	buf_deinit(&digest);
}

static void
collect(struct account *a)
{
	struct fail f = {0};

	OK(account_checkpoint(a, &f));
	OK(account_collect(a, &f));
}

static unsigned
count_names(struct fixture *x, const char *folder)
{
	char *path =
	    xasprintf("%s/accounts/%.2s/%s/%s", x->root, ALICE, ALICE, folder);
	DIR *dir = opendir(path);
	struct dirent *d;
	unsigned n = 0;

	while (dir != NULL && (d = readdir(dir)) != NULL) {
		n += d->d_name[0] != '.';
	}
	if (dir != NULL) {
		(void)closedir(dir);
	}
	free(path);
	return n;
}

/* Digest `i` of a mailbox's message is that of `first + i`; returns how many
 * were there. */
static unsigned
expect_digests(struct account *a, uint64_t mbox, unsigned first)
{
	struct view *v = fixture_view(a);
	const struct mbox *m = view_mbox_by_id(v, mbox);
	struct digest_reader *r = digest_reader_new(a, v, m);
	struct buf want = {.len = 0};
	unsigned n = 0;

	for (uint32_t i = 0; i < m->exists; i++) {
		struct fail f = {0};
		struct sv got;

		if (digest_reader_get(r, mbox_msg(m, i), &got, &f) == 0) {
			digest_of(first + i, &want);
			assert_true(sv_eq(got, buf_sv(&want)));
			n++;
		} else {
			assert_int_equal(f.kind, FAIL_ABSENT);
		}
	}
	buf_deinit(&want);
	digest_reader_free(&r);
	view_unref(&v);
	return n;
}

static void
a_cold_listing_opens_no_message_after_collection(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	struct uidset all = set_of(1, 1000);
	struct copied copied;
	struct fail f = {0};
	uint64_t work;
	uint64_t old;

	settings(x);
	a = fixture_account(x, ALICE);
	work = make_mailbox(a, "Work");
	old = make_mailbox(a, "Old");
	append_some(a, INBOX, 0, 400);
	append_some(a, work, 1000, 300);
	collect(a);
	collect(a);
	/* Moved and copied when they were packed; and some that are not. */
	OK(account_copy(a, INBOX, &all, a, old, true, &copied, &f));
	copied_deinit(&copied);
	OK(account_copy(a, work, &all, a, INBOX, false, &copied, &f));
	copied_deinit(&copied);
	append_some(a, work, 1300, 50);
	assert_true(count_names(x, "journal") <= 4);
	account_close(&a);

	fixture_reopen(x);
	count_opens(x);
	a = fixture_account(x, ALICE);
	assert_int_equal(expect_digests(a, old, 0), 400);
	assert_int_equal(expect_digests(a, INBOX, 1000), 300);
	assert_int_equal(expect_digests(a, work, 1000), 350);
	assert_int_equal(messages_opened, 0);
	uidset_deinit(&all);
	account_close(&a);
}

static void
what_was_expunged_has_its_digest_when_it_comes_back(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	struct fail f = {0};
	uint64_t n;

	settings(x);
	a = fixture_account(x, ALICE);
	append_some(a, INBOX, 0, 100);
	OK(account_expunge(a, INBOX, NULL, true, &f));
	append_some(a, INBOX, 100, 100);
	/* All segments that there are, and the graves stay. */
	OK(packs_keep(a, UINT64_C(1) << 39, &f));
	char *journal =
	    xasprintf("%s/accounts/%.2s/%s/journal", x->root, ALICE, ALICE);
	OK(account_undelete(a, SV("INBOX"), 0, &n, &f));
	assert_int_equal(n, 100);
	struct view *v = fixture_view(a);
	struct digest_reader *r =
	    digest_reader_new(a, v, view_mbox_by_id(v, INBOX));

	scratch_remove(journal);
	free(journal);

	for (uint32_t i = 0; i < 200; i++) {
		struct sv got;

		OK(digest_reader_get(
		    r, mbox_msg(view_mbox_by_id(v, INBOX), i), &got, &f));
	}
	digest_reader_free(&r);
	view_unref(&v);
	account_close(&a);
}

static void
packs_stay_few_and_are_seldom_written_again(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	struct fail f = {0};
	struct packset *s;
	uint64_t made = 0;
	uint64_t size = 0;

	settings(x);
	a = fixture_account(x, ALICE);
	for (unsigned i = 0; i < 64; i++) {
		append_some(a, INBOX, i * 20, 20);
		collect(a);
		assert_true(count_names(x, "pack") <= 9);
		OK(packset_get(a, false, &s, &f));
		/* The youngest is the one that was written now. */
		made += s->n != 0 ? s->pack[s->n - 1]->size : 0;
		packset_unref(&s);
	}
	collect(a);
	OK(packset_get(a, true, &s, &f));
	for (size_t i = 0; i < s->n; i++) {
		size += s->pack[i]->size;
		assert_true(s->pack[i]->name.lo < s->pack[i]->name.hi);
	}
	assert_int_equal(s->pack[0]->name.lo, 0);
	/* log2(64) times at most, and the first. */
	assert_true(made <= 8 * size);
	packset_unref(&s);
	assert_int_equal(expect_digests(a, INBOX, 0), 64 * 20);
	account_close(&a);
}

static void
what_is_purged_leaves_the_packs(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	struct uidset most = set_of(1, 900);
	struct fail f = {0};
	struct packset *s;
	uint64_t n = 0;

	settings(x);
	a = fixture_account(x, ALICE);
	append_some(a, INBOX, 0, 1000);
	collect(a);
	collect(a);
	OK(account_expunge(a, INBOX, &most, true, &f));
	for (unsigned i = 0; i < 4; i++) {
		collect(a);
	}
	OK(packset_get(a, true, &s, &f));
	for (size_t i = 0; i < s->n; i++) {
		n += s->pack[i]->n;
	}
	assert_int_equal(n, 100);
	packset_unref(&s);
	assert_int_equal(expect_digests(a, INBOX, 900), 100);
	uidset_deinit(&most);
	account_close(&a);
}

static void
damaged_and_missing_packs_fail_nothing(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	struct packset *s;
	char path[PACK_PATH_SIZE];
	struct fail f = {0};

	settings(x);
	a = fixture_account(x, ALICE);
	append_some(a, INBOX, 0, 300);
	collect(a);
	collect(a);
	OK(packset_get(a, true, &s, &f));
	assert_true(s->n >= 1);
	for (size_t i = 0; i < s->n; i++) {
		pack_path(&s->pack[i]->name, path);
		int fd = fs_open(a->store->fs, a->dir, path, O_WRONLY, 0);

		assert_int_equal(ftruncate(fd, 100), 0);
		fs_close(a->store->fs, &fd);
	}
	packset_unref(&s);
	account_close(&a);
	fixture_reopen(x);
	a = fixture_account(x, ALICE);
	/* All but what the journal still has. */
	assert_in_range(expect_digests(a, INBOX, 0), 0, 60);
	/* What comes later is not hurt by it. */
	append_some(a, INBOX, 300, 300);
	collect(a);
	collect(a);
	assert_in_range(expect_digests(a, INBOX, 0), 300, 360);

	/* One that is not there at all. */
	OK(packset_get(a, true, &s, &f));
	pack_path(&s->pack[0]->name, path);
	assert_int_equal(fs_unlink(a->store->fs, a->dir, path), 0);
	packset_unref(&s);
	assert_in_range(expect_digests(a, INBOX, 0), 0, 360);
	append_some(a, INBOX, 600, 300);
	collect(a);
	collect(a);
	assert_true(expect_digests(a, INBOX, 0) >= 300);
	account_close(&a);
}

static void
message_of(unsigned i, struct buf *text, struct buf *digest)
{
	buf_clear(text);
	buf_clear(digest);
	buf_addf(text, "Subject: number %u\r\nFrom: a%u@b.example\r\n\r\nx\r\n",
	    i, i * 7);
	(void)digest_build(buf_sv(text), digest);
}

static void
append_real(struct account *a, unsigned n)
{
	struct buf text = {.len = 0};
	struct buf digest = {.len = 0};

	for (unsigned i = 0; i < n; i++) {
		struct msg_attrs attrs = {0};
		struct appended out;
		struct fail f = {0};

		message_of(i, &text, &digest);
		struct msg_source source = {
		    .body = buf_sv(&text), .fd = -1, .digest = buf_sv(&digest)};

		OK(account_append(a, INBOX, &source, &attrs, 1, &out, &f));
		uidset_deinit(&out.uids);
	}
	buf_deinit(&text);
	buf_deinit(&digest);
}

static void
count_lines(void *arg, const char *text)
{
	unsigned *n = arg;

	*n += strncmp(text, "pack/: ", 7) == 0;
}

static void
check(struct account *a, bool repair, unsigned *lines)
{
	struct check_conf conf = {
	    .repair = repair, .report = count_lines, .arg = lines};
	struct checked sum = {0};
	struct fail f = {0};

	OK(account_check(a, &conf, &sum, &f));
}

/* The middle of each pack; the end of each too if `ends`. */
static void
damage_packs(struct account *a, bool ends)
{
	struct packset *s;
	struct fail f = {0};

	OK(packset_get(a, true, &s, &f));
	for (size_t i = 0; i < s->n; i++) {
		char path[PACK_PATH_SIZE];

		pack_path(&s->pack[i]->name, path);
		int fd = fs_open(a->store->fs, a->dir, path, O_WRONLY, 0);

		assert_int_equal(pwrite(fd, "damage", 6, 100), 6);
		if (ends) {
			assert_int_equal(pwrite(fd, "damage", 6,
					     (off_t)s->pack[i]->size - 9),
			    6);
		}
		fs_close(a->store->fs, &fd);
	}
	packset_unref(&s);
}

static void
repair_makes_lost_digests_anew(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	struct buf text = {.len = 0};
	struct buf want = {.len = 0};
	struct fail f = {0};

	settings(x);
	a = fixture_account(x, ALICE);
	append_real(a, 600);
	collect(a);
	collect(a);
	for (unsigned round = 0; round < 2; round++) {
		unsigned lines = 0;

		damage_packs(a, round == 1);
		check(a, false, &lines);
		assert_int_equal(lines, 1);
		check(a, true, &lines);
		assert_int_equal(lines, 2);
		check(a, false, &lines);
		assert_int_equal(lines, 2);
		account_close(&a);
		fixture_reopen(x);
		count_opens(x);
		a = fixture_account(x, ALICE);
		struct view *v = fixture_view(a);
		const struct mbox *m = view_mbox_by_id(v, INBOX);
		struct digest_reader *r = digest_reader_new(a, v, m);

		for (uint32_t i = 0; i < 600; i++) {
			struct sv got;

			OK(digest_reader_get(r, mbox_msg(m, i), &got, &f));
			message_of(i, &text, &want);
			assert_true(sv_eq(got, buf_sv(&want)));
		}
		assert_int_equal(messages_opened, 0);
		digest_reader_free(&r);
		view_unref(&v);
	}
	buf_deinit(&text);
	buf_deinit(&want);
	account_close(&a);
}

static void
a_reader_finds_what_is_packed_below_it(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	struct fail f = {0};
	struct sv got;

	settings(x);
	a = fixture_account(x, ALICE);
	append_some(a, INBOX, 0, 300);
	struct view *v = fixture_view(a);
	const struct mbox *m = view_mbox_by_id(v, INBOX);
	struct digest_reader *r = digest_reader_new(a, v, m);

	OK(digest_reader_get(r, mbox_msg(m, 0), &got, &f));
	collect(a);
	collect(a);
	for (uint32_t i = 0; i < m->exists; i++) {
		OK(digest_reader_get(r, mbox_msg(m, i), &got, &f));
	}
	/* And again, into other packs. */
	for (unsigned i = 0; i < 3; i++) {
		append_some(a, INBOX, 300, 300);
		collect(a);
	}
	for (uint32_t i = 0; i < m->exists; i++) {
		OK(digest_reader_get(r, mbox_msg(m, i), &got, &f));
	}
	digest_reader_free(&r);
	view_unref(&v);
	account_close(&a);
}

static void
names_are_read_as_written(void **state)
{
	char text[PACK_NAME_SIZE];
	struct pack_name back;

	(void)state;
	pack_name_write(&some_name, text);
	assert_true(pack_name_read(text, &back));
	assert_memory_equal(&back, &some_name, sizeof(back));
	text[3] = 'G';
	assert_false(pack_name_read(text, &back));
	assert_false(pack_name_read("", &back));
	assert_false(pack_name_read(
	    "0000000000000002-0000000000000001.0000000000000003", &back));
}

int
main(void)
{
#define WITH_STORE(test)                                                       \
	cmocka_unit_test_setup_teardown(test, fixture_begin, fixture_end)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_are_read_as_written),
	    WITH_STORE(a_pack_gives_back_each_digest_by_its_place),
	    WITH_STORE(damage_takes_a_block_and_never_lies),
	    WITH_STORE(a_pack_cut_short_is_damaged),
	    WITH_STORE(a_cold_listing_opens_no_message_after_collection),
	    WITH_STORE(what_was_expunged_has_its_digest_when_it_comes_back),
	    WITH_STORE(packs_stay_few_and_are_seldom_written_again),
	    WITH_STORE(what_is_purged_leaves_the_packs),
	    WITH_STORE(damaged_and_missing_packs_fail_nothing),
	    WITH_STORE(repair_makes_lost_digests_anew),
	    WITH_STORE(a_reader_finds_what_is_packed_below_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
