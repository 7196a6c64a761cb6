/*
 * Faults: every call to the file system fails in turn, in several ways, and
 * every octet of a journal goes bad in turn.  What was acknowledged before and
 * after stays; what failed says so; nothing else is touched.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "base/log.h"
#include "store_fixture.h"

/* ---- a file system in which one call fails ---- */

enum fault {
	FAULT_WRITE_SHORT, /* half is written, and then the disk is full */
	FAULT_WRITE_FULL,
	FAULT_SYNC_EIO,
	FAULT_SYNC_FULL,
	FAULT_OPEN,
	FAULT_READ,
	FAULT_NAMES, /* link, rename, mkdir */
	N_FAULTS,
};

struct faulty {
	struct fs fs;
	struct fs *real; /* owned */
	enum fault fault;
	int in;		   /* calls of that kind until it happens; < 0: never */
	bool sick;	   /* it has happened; a full disk stays full */
	int64_t ahead_ms;  /* of the real clock */
	_Atomic bool slow; /* see told_late() */
	sem_t entered, answered;
	bool vanishing; /* see vanish() */
	/* What is below it cannot be looked at, or opened; NULL: nothing. */
	const char *bad;
	bool blind; /* the journal's folder is listed while it changes, and
		     * what comes and goes meanwhile is missed: all of it */
};

static void
set_blind(struct faulty *x, bool blind)
{
	x->blind = blind;
}

static void
strike_after(struct faulty *x, int calls)
{
	x->in = calls;
}

static bool
strikes(struct fs *fs, enum fault fault)
{
	struct faulty *x = (struct faulty *)fs;

	if (x->fault != fault || x->in < 0) {
		return false;
	}
	if (x->in-- == 0) {
		x->sick = true;
	}
	return x->sick && x->in == -1;
}

static struct fs *
real_of(struct fs *fs)
{
	return ((struct faulty *)fs)->real;
}

/* The snapshot goes before its manifest is opened. */
static void
vanish(struct faulty *x, int dir, const char *path)
{
	const char *file = strstr(path, "/manifest");
	char folder[128];

	if (x->vanishing && file != NULL) {
		x->vanishing = false;
		(void)snprintf(
		    folder, sizeof(folder), "%.*s", (int)(file - path), path);
		assert_int_equal(
		    fs_rename(x->real, dir, folder, dir, "tmp/gone"), 0);
	}
}

static bool
is_bad(struct fs *fs, const char *path)
{
	const struct faulty *x = (const struct faulty *)fs;

	return x->bad != NULL && strstr(path, x->bad) != NULL;
}

static int
f_open(struct fs *fs, int dir, const char *path, int flags, unsigned mode)
{
	vanish((struct faulty *)fs, dir, path);
	if (is_bad(fs, path)) {
		return -EIO;
	}
	return strikes(fs, FAULT_OPEN)
		   ? -EMFILE
		   : fs_open(real_of(fs), dir, path, flags, mode);
}

static int
f_close(struct fs *fs, int fd)
{
	fs_close(real_of(fs), &fd);
	return 0;
}

static ssize_t
f_pread(struct fs *fs, int fd, void *to, size_t len, uint64_t at)
{
	return strikes(fs, FAULT_READ) ? -EIO
				       : fs_pread(real_of(fs), fd, to, len, at);
}

static ssize_t
f_writev(struct fs *fs, int fd, const struct iovec *v, int n)
{
	if (strikes(fs, FAULT_WRITE_FULL)) {
		return -ENOSPC;
	}
	if (strikes(fs, FAULT_WRITE_SHORT)) {
		struct iovec half = {v[0].iov_base, v[0].iov_len / 2};

		return half.iov_len != 0 ? fs_writev(real_of(fs), fd, &half, 1)
					 : -ENOSPC;
	}
	return fs_writev(real_of(fs), fd, v, n);
}

static ssize_t
f_copy_in(struct fs *fs, int fd, int from, uint64_t at, size_t len)
{
	return fs_copy_in(real_of(fs), fd, from, at, len);
}

/* The first of two threads that flush the journal is told of what was lost,
 * and has still to say so when the second comes back. */
static int
told_late(struct faulty *x)
{
	struct timespec until;

	ASSERT(sem_post(&x->entered) == 0);
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 1;
	while (sem_timedwait(&x->answered, &until) != 0) {
		if (errno == ETIMEDOUT) {
			break; /* the second waits for us */
		}
	}
	return -EIO;
}

static int
f_sync(struct fs *fs, int fd, bool data_only)
{
	struct faulty *x = (struct faulty *)fs;

	if (data_only && atomic_exchange(&x->slow, false)) {
		return told_late(x);
	}
	if (strikes(fs, FAULT_SYNC_EIO)) {
		return -EIO;
	}
	if (strikes(fs, FAULT_SYNC_FULL)) {
		return -ENOSPC;
	}
	return data_only ? fs_datasync(real_of(fs), fd)
			 : fs_sync(real_of(fs), fd);
}

static int
f_allocate(struct fs *fs, int fd, uint64_t len)
{
	return fs_allocate(real_of(fs), fd, len);
}

static int
f_stat(struct fs *fs, int fd, struct fs_stat *out)
{
	return fs_stat(real_of(fs), fd, out);
}

static int
f_stat_at(struct fs *fs, int dir, const char *path, struct fs_stat *out)
{
	return is_bad(fs, path) ? -EIO
				: fs_stat_at(real_of(fs), dir, path, out);
}

static int
f_link(
    struct fs *fs, int from_dir, const char *from, int to_dir, const char *to)
{
	return strikes(fs, FAULT_NAMES)
		   ? -EMLINK
		   : fs_link(real_of(fs), from_dir, from, to_dir, to);
}

static int
f_symlink(struct fs *fs, const char *target, int dir, const char *path)
{
	return fs_symlink(real_of(fs), target, dir, path);
}

static int
f_rename(
    struct fs *fs, int from_dir, const char *from, int to_dir, const char *to)
{
	return strikes(fs, FAULT_NAMES)
		   ? -ENOSPC
		   : fs_rename(real_of(fs), from_dir, from, to_dir, to);
}

static int
f_unlink(struct fs *fs, int dir, const char *path)
{
	return fs_unlink(real_of(fs), dir, path);
}

static int
f_mkdir(struct fs *fs, int dir, const char *path, unsigned mode)
{
	return strikes(fs, FAULT_NAMES)
		   ? -ENOSPC
		   : fs_mkdir(real_of(fs), dir, path, mode);
}

static int
f_rmdir(struct fs *fs, int dir, const char *path)
{
	return fs_rmdir(real_of(fs), dir, path);
}

static int
f_list(struct fs *fs, int dir, const char *path, fs_list_fn *each, void *arg)
{
	return ((struct faulty *)fs)->blind && strcmp(path, "journal") == 0
		   ? 0
		   : fs_list(real_of(fs), dir, path, each, arg);
}

static int
f_traits(struct fs *fs, struct fs_traits *out)
{
	return fs_traits(real_of(fs), out);
}

static int64_t
f_now_ms(struct fs *fs)
{
	return fs_now_ms(real_of(fs)) + ((struct faulty *)fs)->ahead_ms;
}

static uint64_t
f_random(struct fs *fs)
{
	return fs_random(real_of(fs));
}

static void
f_boot_id(struct fs *fs, uint64_t out[2])
{
	fs_boot_id(real_of(fs), out);
}

static const struct fs_ops faulty_ops = {
    .open = f_open,
    .close = f_close,
    .pread = f_pread,
    .writev = f_writev,
    .copy_in = f_copy_in,
    .sync = f_sync,
    .allocate = f_allocate,
    .stat = f_stat,
    .stat_at = f_stat_at,
    .link = f_link,
    .symlink = f_symlink,
    .rename = f_rename,
    .unlink = f_unlink,
    .mkdir = f_mkdir,
    .rmdir = f_rmdir,
    .list = f_list,
    .traits = f_traits,
    .now_ms = f_now_ms,
    .random = f_random,
    .boot_id = f_boot_id,
};

/* ---- what is done while it fails ---- */

/* What must be there in the end, counted by content. */
struct promise {
	unsigned inbox, other;	     /* acknowledged messages */
	bool open_inbox, open_other; /* a failure left it open: one more */
	bool made;		     /* mailbox "Other" */
};

static void
try_deliver(struct store *store, struct promise *p)
{
	struct msg_source source = source_of("delivered");
	struct delivery d = {.account_id = ALICE};
	struct fail f = {0};

	if (store_deliver(store, &source, &d, 1, &f) == 0) {
		p->inbox++;
	} else {
		assert_int_not_equal(d.fail.kind, FAIL_NONE);
		p->open_inbox = true;
	}
}

static void
try_append(struct account *a, uint64_t mbox, struct promise *p)
{
	struct msg_source source = source_of("appended");
	struct msg_attrs attrs = {0};
	struct appended out;
	struct fail f = {0};

	if (account_append(a, mbox, &source, &attrs, 1, &out, &f) == 0) {
		p->other++;
	} else {
		assert_int_not_equal(f.kind, FAIL_NONE);
		p->open_other = true;
	}
	uidset_deinit(&out.uids);
}

static void
script(struct store *store, struct promise *p)
{
	struct mbox_attrs attrs = {0};
	struct account *a = NULL;
	struct fail f = {0};
	uint64_t other;

	try_deliver(store, p);
	try_deliver(store, p);
	if (account_open(store, ALICE, &a, &f) != 0) {
		return;
	}
	if (account_mbox_create(a, SV("Other"), &attrs, &other, &f) == 0) {
		p->made = true;
		try_append(a, other, p);
		try_deliver(store, p);
		try_append(a, other, p);
		struct flag_change seen = {.how = FLAGS_ADD, .flags = 1};
		struct uidset all = set_of(1, 9);
		struct copied copied;

		(void)!account_store(a, other, &all, &seen, NULL, &f);
		if (account_copy(a, INBOX, &all, a, other, false, &copied, &f)
		    == 0) {
			p->other += (unsigned)uidset_count(&copied.to);
		} else {
			p->open_other = true;
		}
		copied_deinit(&copied);
		uidset_deinit(&all);
	}
	try_deliver(store, p);
	(void)!account_checkpoint(a, &f);
	try_deliver(store, p);
	account_close(&a);
}

/* With a healthy disk: all that was acknowledged is there with its octets, and
 * nothing that was not, but for what failed with its outcome open. */
static void
check_promise(struct fixture *x, const struct promise *p)
{
	struct account *a = fixture_account(x, ALICE);
	struct view *v = fixture_view(a);
	const struct mbox *inbox = view_mbox_at(v, 0);
	const struct mbox *other = view_mbox(v, SV("Other"));

	assert_true(inbox->exists >= p->inbox);
	if (!p->open_inbox) {
		assert_int_equal(inbox->exists, p->inbox);
	}
	assert_true(!p->made || other != NULL);
	if (p->made) {
		assert_true(other->exists >= p->other);
		assert_true(p->open_other || other->exists == p->other);
	}
	for (uint32_t i = 0; i < inbox->exists; i++) {
		expect_text(a, inbox, i, "delivered");
	}
	view_unref(&v);
	account_close(&a);
	deliver_to(x, ALICE, "", "delivered");
}

/* True if the fault was met. */
static bool
run_with(enum fault fault, int in)
{
	struct faulty *x = xmalloc(sizeof(*x));
	void *state = NULL;

	assert_int_equal(fixture_begin(&state), 0);
	struct fixture *fx = state;
	struct promise p = {0};
	struct store *store = NULL;
	struct fail f = {0};

	store_close(&fx->store);
	x->fs.ops = &faulty_ops;
	OK(fs_real_open(fx->root, &x->real, &f));
	x->fault = fault;
	strike_after(x, in);
	if (store_open(&fx->conf, &x->fs, &store, &f) == 0) {
		script(store, &p);
		store_close(&store);
	}
	bool met = x->sick;

	fs_real_close(&x->real);
	free(x);
	OK(store_open_path(&fx->conf, fx->root, &fx->store, &f));
	if ((fault == FAULT_SYNC_EIO || fault == FAULT_SYNC_FULL) && met) {
		/* What an administrator does once the disk is mended. */
		OK(store_raise_generation(fx->store, &f));
	}
	check_promise(fx, &p);
	(void)fixture_end(&state);
	return met;
}

static void
every_call_may_fail(void **state)
{
	(void)state;
	for (int fault = 0; fault < N_FAULTS; fault++) {
		int in = 0;

		while (run_with((enum fault)fault, in)) {
			in++;
		}
		assert_true(in > 0);
	}
}

/* ---- a disk that stays full ---- */

static void
after_a_failed_flush_nothing_is_acknowledged(void **state)
{
	struct fixture *fx = *state;
	struct faulty x = {.fs.ops = &faulty_ops, .fault = FAULT_SYNC_EIO};
	struct store *store;
	struct promise p = {0};
	struct fail f = {0};

	store_close(&fx->store);
	OK(fs_real_open(fx->root, &x.real, &f));
	strike_after(&x, -1);
	OK(store_open(&fx->conf, &x.fs, &store, &f));
	try_deliver(store, &p);
	assert_int_equal(p.inbox, 1);
	strike_after(&x, 0);
	try_deliver(store, &p);
	/* The next flush would say yes: it is not believed. */
	try_deliver(store, &p);
	assert_int_equal(p.inbox, 1);
	OK(store_raise_generation(store, &f));
	try_deliver(store, &p);
	assert_int_equal(p.inbox, 2);
	store_close(&store);
	fs_real_close(&x.real);
	OK(store_open_path(&fx->conf, fx->root, &fx->store, &f));
	check_promise(fx, &p);
}

/* What one process was told of stops the others too, but for reading; the
 * generation that ends it gives mailboxes a new UIDVALIDITY. */
static void
a_failed_flush_stops_processes_that_open_the_store_later(void **state)
{
	struct fixture *fx = *state;
	struct faulty x = {.fs.ops = &faulty_ops, .fault = FAULT_SYNC_EIO};
	struct store *told;
	struct promise p = {0};
	struct msg_source source = source_of("late");
	struct delivery d = {.account_id = ALICE};
	struct fail f = {0};

	OK(fs_real_open(fx->root, &x.real, &f));
	strike_after(&x, -1);
	OK(store_open(&fx->conf, &x.fs, &told, &f));
	try_deliver(told, &p);
	assert_int_equal(p.inbox, 1);
	strike_after(&x, 1); /* the journal's */
	try_deliver(told, &p);
	assert_int_equal(p.inbox, 1);

	fixture_reopen(fx);
	struct account *a = fixture_account(fx, ALICE);
	struct view *v = fixture_view(a);
	uint32_t before = view_mbox_at(v, 0)->uidvalidity;

	assert_int_equal(store_deliver(fx->store, &source, &d, 1, &f), -1);
	assert_int_equal(d.fail.kind, FAIL_TEMP);
	assert_int_equal(account_checkpoint(a, &f), -1);
	assert_int_equal(account_collect(a, &f), -1);
	assert_int_equal(account_create(fx->store, BOB, &f), -1);
	view_unref(&v);

	OK(store_raise_generation(fx->store, &f));
	OK(store_deliver(fx->store, &source, &d, 1, &f));
	v = fixture_view(a);
	assert_true(view_mbox_at(v, 0)->uidvalidity > before);
	view_unref(&v);
	account_close(&a);
	store_close(&told);
	fs_real_close(&x.real);
}

static void *
deliver_first(void *arg)
{
	struct msg_source source = source_of("first");
	struct delivery d = {.account_id = ALICE};
	struct fail f = {0};

	return store_deliver(arg, &source, &d, 1, &f) == 0 ? arg : NULL;
}

/* The kernel tells of a failure once for each open file: two threads share
 * one, and it may be about what both have written. */
static void
a_flush_that_failed_for_one_thread_failed_for_those_beside_it(void **state)
{
	struct fixture *fx = *state;
	struct faulty x = {.fs.ops = &faulty_ops, .in = -1};
	struct msg_source source = source_of("second");
	struct delivery d = {.account_id = ALICE};
	struct store *store;
	struct promise p = {0};
	struct fail f = {0};
	pthread_t first;
	void *first_done;

	assert_int_equal(sem_init(&x.entered, 0, 0), 0);
	assert_int_equal(sem_init(&x.answered, 0, 0), 0);
	OK(fs_real_open(fx->root, &x.real, &f));
	OK(store_open(&fx->conf, &x.fs, &store, &f));
	try_deliver(store, &p);
	assert_int_equal(p.inbox, 1);
	x.slow = true;
	assert_int_equal(pthread_create(&first, NULL, deliver_first, store), 0);
	assert_int_equal(sem_wait(&x.entered), 0);
	assert_int_equal(store_deliver(store, &source, &d, 1, &f), -1);
	assert_int_equal(sem_post(&x.answered), 0);
	assert_int_equal(pthread_join(first, &first_done), 0);
	assert_null(first_done);
	store_close(&store);
	fs_real_close(&x.real);
	assert_int_equal(sem_destroy(&x.entered), 0);
	assert_int_equal(sem_destroy(&x.answered), 0);
}

/* ---- the journal's folder ---- */

static void
segment_path(const struct fixture *x, char out[512])
{
	char dir[256];
	struct dirent *d;

	(void)snprintf(dir, sizeof(dir), "%s/accounts/%.2s/%s/journal", x->root,
	    ALICE, ALICE);
	DIR *listing = opendir(dir);

	assert_non_null(listing);
	out[0] = '\0';
	while ((d = readdir(listing)) != NULL) {
		if (d->d_name[0] != '.') {
			assert_string_equal(out, ""); /* there is one */
			(void)snprintf(out, 512, "%s/%.200s", dir, d->d_name);
		}
	}
	(void)closedir(listing);
}

/* More than is read back where listing the folder is cheaper. */
static void
deliver_much(struct fixture *x)
{
	static char digest[STORE_DIGEST_MAX];

	for (int i = 0; i < 24; i++) {
		struct msg_source source = source_of("delivered");
		struct delivery d = {.account_id = ALICE};
		struct fail f = {0};

		source.digest = sv_make(digest, sizeof(digest));
		OK(store_deliver(x->store, &source, &d, 1, &f));
	}
}

/* Two generations of snapshots, and what is below them removed. */
static void
checkpoint_and_collect(struct fixture *x)
{
	struct account *a = fixture_account(x, ALICE);
	struct fail f = {0};

	OK(account_checkpoint(a, &f));
	deliver_to(x, ALICE, "", "delivered");
	OK(account_checkpoint(a, &f));
	OK(account_collect(a, &f));
	account_close(&a);
}

/* A segment that was collected has a SEAL, and no name: that nothing newer was
 * seen does not say that the SEAL stands behind the record. */
static void
a_listing_that_misses_all_proves_nothing(void **state)
{
	struct fixture *fx = *state;
	struct faulty x = {
	    .fs.ops = &faulty_ops, .fault = FAULT_OPEN, .in = -1};
	struct store *sleeper;
	char first[512];
	struct promise p = {0};
	struct fail f = {0};

	fx->conf.retention_ms = 0;
	fixture_reopen(fx);
	OK(fs_real_open(fx->root, &x.real, &f));
	OK(store_open(&fx->conf, &x.fs, &sleeper, &f));
	try_deliver(sleeper, &p);
	assert_int_equal(p.inbox, 1);
	segment_path(fx, first);

	deliver_much(fx);
	fx->conf.segment_max = 16 * 1024;
	fixture_reopen(fx);
	checkpoint_and_collect(fx); /* goes on in the next segment */
	checkpoint_and_collect(fx); /* removes the first */
	assert_int_equal(access(first, F_OK), -1);
	set_blind(&x, true);
	try_deliver(sleeper, &p);
	set_blind(&x, false);
	assert_int_equal(p.inbox, 2);
	store_close(&sleeper);
	fs_real_close(&x.real);
	p.inbox += 24 + 2;
	check_promise(fx, &p);
}

/*
 * The records behind a SEAL are void.  A reader that cannot go on to the next
 * segment stays before the SEAL, however often it tries.
 */
static void
a_reader_that_cannot_go_on_stays_before_the_seal(void **state)
{
	struct fixture *fx = *state;
	struct faulty x = {
	    .fs.ops = &faulty_ops, .fault = FAULT_OPEN, .in = -1};
	struct store *late;
	struct store *reader;
	struct account *a;
	struct view *v;
	struct promise p = {0};
	struct fail f = {0};

	OK(store_open_path(&fx->conf, fx->root, &late, &f));
	try_deliver(late, &p);
	OK(fs_real_open(fx->root, &x.real, &f));
	OK(store_open(&fx->conf, &x.fs, &reader, &f));
	OK(account_open(reader, ALICE, &a, &f));
	v = fixture_view(a);
	view_unref(&v);

	fx->conf.segment_max = 1;
	fixture_reopen(fx);
	try_deliver(fx->store, &p); /* goes on in the next segment */
	try_deliver(late, &p);	    /* void in the first, then in the next */
	assert_int_equal(p.inbox, 3);
	for (int i = 0; i < 4; i++) {
		strike_after(&x, 0);
		assert_int_equal(account_refresh(a, &v, &f), -1);
		fail_clear(&f);
	}
	strike_after(&x, -1);
	v = fixture_view(a);
	assert_int_equal(view_mbox_at(v, 0)->exists, 3);
	view_unref(&v);
	account_close(&a);
	store_close(&reader);
	fs_real_close(&x.real);
	store_close(&late);
	check_promise(fx, &p);
}

/* ---- collection ---- */

static void
count_findings(void *arg, const char *text)
{
	(void)text;
	++*(unsigned *)arg;
}

static void
a_snapshot_that_goes_while_it_is_looked_for_is_no_damage(void **state)
{
	struct fixture *fx = *state;
	struct faulty x = {.fs.ops = &faulty_ops, .in = -1, .vanishing = false};
	struct account *a = fixture_account(fx, ALICE);
	struct store *store;
	struct checked sum = {0};
	struct fail f = {0};
	unsigned found = 0;
	const struct check_conf conf = {
	    .report = count_findings, .arg = &found};

	OK(account_checkpoint(a, &f));
	deliver_to(fx, ALICE, "", "delivered");
	OK(account_checkpoint(a, &f));
	account_close(&a);
	OK(fs_real_open(fx->root, &x.real, &f));
	OK(store_open(&fx->conf, &x.fs, &store, &f));
	OK(account_open(store, ALICE, &a, &f));
	struct view *v = fixture_view(a);

	view_unref(&v);
	x.vanishing = true;
	OK(account_check(a, &conf, &sum, &f));
	assert_false(x.vanishing);
	assert_int_equal(found, 0);
	account_close(&a);
	store_close(&store);
	fs_real_close(&x.real);
}

/* A day's mail, snapshots and collection, for some days; what was logged. */
static void
live(struct fixture *fx, int days, char *log, size_t cap)
{
	struct faulty x = {.fs.ops = &faulty_ops, .in = -1};
	struct account *a = NULL;
	struct store *store;
	struct promise p = {0};
	struct fail f = {0};
	FILE *to = tmpfile();
	int was = dup(STDERR_FILENO);

	assert_non_null(to);
	log_level_set(LOG_WARN);
	assert_true(dup2(fileno(to), STDERR_FILENO) >= 0);
	OK(fs_real_open(fx->root, &x.real, &f));
	OK(store_open(&fx->conf, &x.fs, &store, &f));
	OK(account_open(store, ALICE, &a, &f));
	for (int day = 1; day <= days; day++) {
		x.ahead_ms = day * INT64_C(24) * 3600 * 1000;
		try_deliver(store, &p);
		OK(account_checkpoint(a, &f));
		OK(account_collect(a, &f));
	}
	account_close(&a);
	store_close(&store);
	fs_real_close(&x.real);
	assert_true(dup2(was, STDERR_FILENO) >= 0);
	assert_int_equal(close(was), 0);
	log_level_set(LOG_PANIC);
	rewind(to);
	log[fread(log, 1, cap - 1, to)] = '\0';
	assert_int_equal(fclose(to), 0);
	assert_int_equal(p.inbox, days);
}

/* Segments are numbered by the clock: what was collected last need not have
 * the number before that of the first that is left. */
static void
days_without_a_segment_are_no_hole_in_the_packs(void **state)
{
	struct fixture *fx = *state;
	char log[4096];

	fx->conf.retention_ms = 0;
	fx->conf.segment_max = 1; /* each delivery begins one */
	live(fx, 6, log, sizeof(log));
	assert_string_equal(log, "");
}

/* ---- bad octets ---- */

static void
count_lines(void *arg, const char *text)
{
	unsigned *n = arg;

	(void)text;
	(*n)++;
}

static void
flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	unsigned char c;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 0x5a;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	assert_int_equal(close(fd), 0);
}

static void
a_bad_octet_costs_one_record_at_most(void **state)
{
	struct fixture *x = *state;
	char path[512];
	struct stat st;

	enum { MESSAGES = 8, STEP = 7 };

	for (int i = 0; i < MESSAGES; i++) {
		deliver_to(x, ALICE, "", "delivered");
	}
	segment_path(x, path);
	assert_int_equal(stat(path, &st), 0);
	for (off_t at = 0; at < st.st_size; at += STEP) {
		flip(path, at);
		fixture_reopen(x);
		struct account *a = fixture_account(x, ALICE);
		struct view *v = fixture_view(a);
		const struct mbox *m = view_mbox_at(v, 0);

		assert_true(m->exists >= MESSAGES - 1);
		for (uint32_t i = 0; i < m->exists; i++) {
			expect_text(a, m, i, "delivered");
		}
		view_unref(&v);
		account_close(&a);
		flip(path, at);
	}
}

/* A group is one change: what is left of it is none. */
static void
a_bad_octet_in_a_group_costs_all_of_it(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct msg_source sources[] = {
	    source_of("first"), source_of("second"), source_of("third")};
	struct msg_attrs attrs[COUNT_OF(sources)] = {{0}};
	struct appended out;
	struct fail f = {0};
	char path[512];
	struct stat st;

	segment_path(x, path);
	assert_int_equal(stat(path, &st), 0);
	off_t from = st.st_size;

	OK(account_append(
	    a, INBOX, sources, attrs, COUNT_OF(sources), &out, &f));
	uidset_deinit(&out.uids);
	account_close(&a);
	assert_int_equal(stat(path, &st), 0);
	deliver_to(x, ALICE, "", "delivered");
	for (off_t at = from; at < st.st_size; at += 5) {
		flip(path, at);
		fixture_reopen(x);
		a = fixture_account(x, ALICE);
		struct view *v = fixture_view(a);

		assert_int_equal(view_mbox_at(v, 0)->exists, 1);
		expect_text(a, view_mbox_at(v, 0), 0, "delivered");
		view_unref(&v);
		account_close(&a);
		flip(path, at);
	}
}

static unsigned
files_in_inbox(struct fixture *x)
{
	char path[512];
	unsigned n = 0;

	(void)snprintf(path, sizeof(path), "%s/accounts/%.2s/%s/box/%016x",
	    x->root, ALICE, ALICE, INBOX);
	DIR *dir = opendir(path);

	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		n += e->d_name[0] != '.';
	}
	assert_int_equal(closedir(dir), 0);
	return n;
}

/* A day's work, `days` from now; and then a look at it, with repair. */
static void
collect_in(struct fixture *fx, int days, unsigned files, unsigned messages)
{
	struct faulty x = {.fs.ops = &faulty_ops,
	    .in = -1,
	    .ahead_ms = days * INT64_C(24) * 3600 * 1000};
	struct account *a = NULL;
	struct store *store;
	struct fail f = {0};
	unsigned lines = 0;

	OK(fs_real_open(fx->root, &x.real, &f));
	OK(store_open(&fx->conf, &x.fs, &store, &f));
	OK(account_open(store, ALICE, &a, &f));
	OK(account_collect(a, &f));
	OK(account_collect(a, &f));
	assert_int_equal(files_in_inbox(fx), files);
	const struct check_conf conf = {
	    .repair = true, .report = count_lines, .arg = &lines};
	struct checked sum = {0};

	OK(account_check(a, &conf, &sum, &f));
	assert_int_not_equal(lines, 0);
	struct view *v = fixture_view(a);

	assert_int_equal(view_mbox_at(v, 0)->exists, messages);
	view_unref(&v);
	account_close(&a);
	store_close(&store);
	fs_real_close(&x.real);
}

/* Whatever a disk does not give is a finding, and not the end of the check:
 * nor is a message that cannot be looked at one without a file. */
static void
a_check_goes_on_behind_what_cannot_be_read(void **state)
{
	static const char *const bad[] = {"box/", "journal/0"};
	struct fixture *fx = *state;
	struct faulty x = {.fs.ops = &faulty_ops, .in = -1};
	struct account *a = NULL;
	struct store *store;
	struct fail f = {0};

	deliver_to(fx, ALICE, "", "first");
	deliver_to(fx, ALICE, "", "second");
	OK(fs_real_open(fx->root, &x.real, &f));
	OK(store_open(&fx->conf, &x.fs, &store, &f));
	OK(account_open(store, ALICE, &a, &f));
	struct view *v = fixture_view(a);

	view_unref(&v);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		unsigned lines = 0;
		const struct check_conf conf = {
		    .repair = true, .report = count_lines, .arg = &lines};
		struct checked sum = {0};

		x.bad = bad[i];
		OK(account_check(a, &conf, &sum, &f));
		assert_int_equal(lines, i == 0 ? 2 : 1);
		assert_int_equal(sum.messages, 2);
		x.bad = NULL;
	}
	v = fixture_view(a);
	assert_int_equal(view_mbox_at(v, 0)->exists, 2);
	view_unref(&v);
	account_close(&a);
	store_close(&store);
	fs_real_close(&x.real);
}

static void
damage_the_second_of_three(struct fixture *x)
{
	char path[512];
	struct stat st;

	deliver_to(x, ALICE, "", "first");
	segment_path(x, path);
	assert_int_equal(stat(path, &st), 0);
	deliver_to(x, ALICE, "", "second");
	deliver_to(x, ALICE, "", "third");
	flip(path, st.st_size + 40);
	fixture_reopen(x);
}

/* What is left of a message whose record went bad is not thrown away before
 * somebody had the time to notice. */
static void
a_file_without_a_record_stays_for_the_retention(void **state)
{
	struct fixture *x = *state;

	damage_the_second_of_three(x);
	collect_in(x, 2, 3, 3);
	struct account *a = fixture_account(x, ALICE);
	struct view *v = fixture_view(a);

	expect_text(a, view_mbox_at(v, 0), 2, "second");
	view_unref(&v);
	account_close(&a);
}

static void
a_file_without_a_record_goes_after_the_retention(void **state)
{
	damage_the_second_of_three(*state);
	collect_in(*state, 9, 2, 2);
}

/* It is what a delivery that came twice may leave. */
static void
a_second_file_of_a_message_is_not_filed(void **state)
{
	struct fixture *x = *state;
	char path[512];
	struct stat st;

	deliver_to(x, ALICE, "", "the same");
	segment_path(x, path);
	assert_int_equal(stat(path, &st), 0);
	deliver_to(x, ALICE, "", "the same");
	flip(path, st.st_size + 40);
	fixture_reopen(x);
	collect_in(x, 2, 2, 1);
	assert_int_equal(files_in_inbox(x), 1);
}

static uint32_t
inbox_uidvalidity(struct fixture *x)
{
	struct account *a = fixture_account(x, ALICE);
	struct view *v = fixture_view(a);
	uint32_t uidvalidity = view_mbox_at(v, 0)->uidvalidity;

	view_unref(&v);
	account_close(&a);
	return uidvalidity;
}

/* The same octets in another file, as a backup puts them back. */
static void
put_back(const char *path)
{
	char copy[600];
	char command[1300];

	(void)snprintf(copy, sizeof(copy), "%s.copy", path);
	(void)snprintf(command, sizeof(command), "cp '%s' '%s'", path, copy);
	assert_int_equal(system(command), 0); /* NOLINT: our own path */
	assert_int_equal(rename(copy, path), 0);
}

/* Mail that a power cut took after the copy was made may be in it: whoever
 * comes first, be it to read, says that UIDs mean something else. */
static void
a_reader_of_a_restored_copy_tells_no_old_uids(void **state)
{
	struct fixture *x = *state;
	char path[512];

	deliver_to(x, ALICE, "INBOX", "delivered");
	uint32_t before = inbox_uidvalidity(x);

	fixture_reopen(x);
	assert_int_equal(inbox_uidvalidity(x), before);
	store_close(&x->store);
	segment_path(x, path);
	put_back(path);
	fixture_reopen(x);
	uint32_t after = inbox_uidvalidity(x);

	assert_true(after > before);
	fixture_reopen(x);
	assert_int_equal(inbox_uidvalidity(x), after);
}

int
main(void)
{
	log_init("test", LOG_PANIC); /* failures are what it is about */

	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_call_may_fail),
	    cmocka_unit_test_setup_teardown(
		after_a_failed_flush_nothing_is_acknowledged, fixture_begin,
		fixture_end),
	    cmocka_unit_test_setup_teardown(
		a_failed_flush_stops_processes_that_open_the_store_later,
		fixture_begin, fixture_end),
	    cmocka_unit_test_setup_teardown(
		a_flush_that_failed_for_one_thread_failed_for_those_beside_it,
		fixture_begin, fixture_end),
	    cmocka_unit_test_setup_teardown(
		a_listing_that_misses_all_proves_nothing, fixture_begin,
		fixture_end),
	    cmocka_unit_test_setup_teardown(
		a_reader_that_cannot_go_on_stays_before_the_seal, fixture_begin,
		fixture_end),
	    cmocka_unit_test_setup_teardown(
		a_snapshot_that_goes_while_it_is_looked_for_is_no_damage,
		fixture_begin, fixture_end),
	    cmocka_unit_test_setup_teardown(
		days_without_a_segment_are_no_hole_in_the_packs, fixture_begin,
		fixture_end),
	    cmocka_unit_test_setup_teardown(
		a_bad_octet_costs_one_record_at_most, fixture_begin,
		fixture_end),
	    cmocka_unit_test_setup_teardown(
		a_bad_octet_in_a_group_costs_all_of_it, fixture_begin,
		fixture_end),
	    cmocka_unit_test_setup_teardown(
		a_check_goes_on_behind_what_cannot_be_read, fixture_begin,
		fixture_end),
	    cmocka_unit_test_setup_teardown(
		a_file_without_a_record_stays_for_the_retention, fixture_begin,
		fixture_end),
	    cmocka_unit_test_setup_teardown(
		a_file_without_a_record_goes_after_the_retention, fixture_begin,
		fixture_end),
	    cmocka_unit_test_setup_teardown(
		a_second_file_of_a_message_is_not_filed, fixture_begin,
		fixture_end),
	    cmocka_unit_test_setup_teardown(
		a_reader_of_a_restored_copy_tells_no_old_uids, fixture_begin,
		fixture_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
