/*
 * The fault sweep of the store: the 1st, 2nd, 3rd... call on the file system
 * fails, in each way that it can, until a run meets no fault.
 *
 * After each run: whatever failed said so, no handle and (under the address
 * sanitizer) no memory is left behind, a new process reads the account, and
 * what was acknowledged is there, even if the power fails behind it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/unit.h"
#include "base/log.h"
#include "base/mem.h"
#include "content.h"
#include "simfs.h"
#include "store/store.h"

enum { MESSAGES = 16, KINDS = 4 };

static const char id[] = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

/* For whoever looks at a failure. */
static unsigned at_call;
static enum simop met;

static const struct kind {
	const char *name;
	int answer;
} kinds[KINDS] = {{"EIO", -EIO}, {"ENOSPC", -ENOSPC}, {"EMFILE", -EMFILE},
    {"short write", SIM_SHORT}};

/* How often message k must be there afterwards. */
struct must {
	unsigned min, max;
};

struct run {
	struct simfs *fs;
	struct simproc *proc;
	struct store *store;
	struct account *account;
	const struct kind *kind;
	unsigned left; /* calls until the fault; 0: it was met */
	bool armed;
	struct must must[MESSAGES];
	unsigned failed; /* operations that said so */
	unsigned acked;
	unsigned looks; /* that went on to deliver */
};

static bool
can_fail_so(enum simop op, int answer)
{
	switch (answer) {
	case -EMFILE:
		return op == SIMOP_OPEN;
	case -ENOSPC:
		return op == SIMOP_OPEN || op == SIMOP_WRITE || op == SIMOP_LINK
		       || op == SIMOP_RENAME || op == SIMOP_MKDIR
		       || op == SIMOP_SYMLINK || op == SIMOP_ALLOCATE
		       || op == SIMOP_SYNC || op == SIMOP_DATASYNC;
	case SIM_SHORT:
		return op == SIMOP_WRITE || op == SIMOP_READ;
	default:
		return true;
	}
}

static int
fault(void *arg, struct simproc *p, enum simop op, const char *path)
{
	struct run *r = arg;

	(void)p;
	(void)path;
	if (!r->armed || r->left == 0 || !can_fail_so(op, r->kind->answer)) {
		return 0;
	}
	if (--r->left == 0) {
		met = op;
		return r->kind->answer;
	}
	return 0;
}

/* ---- the store of a run ---- */

static struct store_conf
conf_of(void)
{
	struct store_conf conf;

	store_conf_defaults(&conf);
	conf.maintenance = false;
	conf.segment_max = 6000;
	conf.retention_ms = 0;
	return conf;
}

static bool
begin(struct run *r)
{
	struct store_conf conf = conf_of();
	struct fail f;

	r->proc = simproc_new(r->fs, 1);
	return store_open(&conf, simproc_fs(r->proc), &r->store, &f) == 0;
}

static void
end(struct run *r)
{
	account_close(&r->account);
	store_close(&r->store);
	assert_int_equal(simproc_handles(r->proc), 0);
	simproc_free(&r->proc);
}

/* Counts what happened; true if it was done. */
static bool
done(struct run *r, int rc, const struct fail *f)
{
	if (rc == 0) {
		r->acked++;
		return true;
	}
	assert_int_not_equal(f->kind, FAIL_NONE);
	assert_true(f->text[0] != '\0');
	r->failed++;
	return false;
}

/* One more of message k, if that was done; what failed for sure did not add
 * it. */
static void
added(struct run *r, uint32_t k, bool so, const struct fail *f)
{
	r->must[k].min += so;
	r->must[k].max += so || f->kind == FAIL_UNKNOWN;
}

/* ---- operations ---- */

static void
deliver(struct run *r, uint32_t k)
{
	struct buf octets = {.len = 0};
	struct delivery to = {.account_id = id, .key = {k, k}};
	struct fail f = {.kind = FAIL_NONE};
	int rc;

	content_octets(k, &octets);
	rc = store_deliver(r->store,
	    &(struct msg_source){.body = buf_sv(&octets), .fd = -1}, &to, 1,
	    &f);
	assert_int_equal(rc, to.rc);
	added(r, k, done(r, rc, &to.fail), &to.fail);
	buf_deinit(&octets);
}

static void
append(struct run *r, uint32_t k)
{
	struct buf octets = {.len = 0};
	struct msg_source source = {.fd = -1};
	struct msg_attrs attrs = {.flags = MSG_SEEN};
	struct appended out;
	struct fail f = {.kind = FAIL_NONE};

	content_octets(k, &octets);
	source.body = buf_sv(&octets);
	added(r, k,
	    done(r, account_append(r->account, 1, &source, &attrs, 1, &out, &f),
		&f),
	    &f);
	uidset_deinit(&out.uids);
	buf_deinit(&octets);
}

/* UID of message k in INBOX as a view shows it; 0: not there. */
static uint32_t
uid_of(struct run *r, uint32_t k)
{
	struct view *v = NULL;
	struct fail f = {.kind = FAIL_NONE};
	uint32_t uid = 0;

	if (!done(r, account_refresh(r->account, &v, &f), &f)) {
		return 0;
	}
	const struct mbox *m = view_mbox_by_id(v, 1);

	for (uint32_t i = 0; i < m->exists; i++) {
		if (mbox_msg(m, i)->size == content_size(k)) {
			uid = mbox_msg(m, i)->uid;
		}
	}
	view_unref(&v);
	return uid;
}

static void
expunge(struct run *r, uint32_t k)
{
	struct uidset uids = {.n = 0};
	uint32_t uid = uid_of(r, k);
	struct fail f = {.kind = FAIL_NONE};

	if (uid == 0) {
		return;
	}
	uidset_add(&uids, uid);
	bool gone =
	    done(r, account_expunge(r->account, 1, &uids, true, &f), &f);

	if (gone) {
		r->must[k].max = 0;
	}
	if (gone || f.kind == FAIL_UNKNOWN) {
		r->must[k].min = 0;
	}
	uidset_deinit(&uids);
}

static void
flags(struct run *r, uint32_t k)
{
	struct uidset uids = {.n = 0};
	uint32_t uid = uid_of(r, k);
	struct flag_change c = {
	    .how = FLAGS_ADD, .flags = MSG_FLAGGED, .durable = true};
	struct fail f = {.kind = FAIL_NONE};

	if (uid != 0) {
		uidset_add(&uids, uid);
		(void)done(
		    r, account_store(r->account, 1, &uids, &c, NULL, &f), &f);
	}
	uidset_deinit(&uids);
}

static void
copy(struct run *r, uint32_t k, bool move)
{
	struct uidset uids = {.n = 0};
	uint32_t uid = uid_of(r, k);
	uint64_t to = 0;
	struct mbox_attrs attrs = {.special_use = 0};
	struct copied c;
	struct fail f = {.kind = FAIL_NONE};

	if (uid == 0
	    || !done(r,
		account_mbox_create(r->account, move ? SV("Moved") : SV("Copy"),
		    &attrs, &to, &f),
		&f)) {
		return;
	}
	uidset_add(&uids, uid);
	bool copied = done(r,
	    account_copy(r->account, 1, &uids, r->account, to, move, &c, &f),
	    &f);

	if (copied) {
		copied_deinit(&c);
	}
	if (!move) {
		added(r, k, copied, &f);
	}
	uidset_deinit(&uids);
}

/* Of message 1, the copy goes with its mailbox. */
static void
delete_copy(struct run *r)
{
	struct fail f = {.kind = FAIL_NONE};
	bool gone = done(r, account_mbox_delete(r->account, SV("C/x"), &f), &f);

	if (r->must[1].max == 2 && gone) {
		r->must[1].max--;
	}
	if (r->must[1].min == 2 && (gone || f.kind == FAIL_UNKNOWN)) {
		r->must[1].min--;
	}
}

static void
all_operations(struct run *r)
{
	struct fail f = {.kind = FAIL_NONE};

	deliver(r, 3);
	if (!done(r, account_open(r->store, id, &r->account, &f), &f)) {
		return;
	}
	append(r, 4);
	flags(r, 1);
	copy(r, 1, false);
	copy(r, 2, true);
	deliver(r, 5);
	expunge(r, 4);
	(void)done(r, account_checkpoint(r->account, &f), &f);
	deliver(r, 6);
	append(r, 7);
	(void)done(
	    r, account_mbox_rename(r->account, SV("Copy"), SV("C/x"), &f), &f);
	(void)done(r, account_subscribe(r->account, SV("C"), true, &f), &f);
	delete_copy(r);
	(void)done(r, account_checkpoint(r->account, &f), &f);
	(void)done(r, account_collect(r->account, &f), &f);
	deliver(r, 8);
}

/* ---- what must be true behind it ---- */

static void
count_all(struct run *r, unsigned count[MESSAGES])
{
	struct view *v = NULL;
	struct fail f = {.kind = FAIL_NONE};

	if (account_refresh(r->account, &v, &f) != 0) {
		fail_msg("call %u (%s): %s", at_call, simop_names[met], f.text);
	}
	for (size_t i = 0; i < view_mboxes(v); i++) {
		const struct mbox *m = view_mbox_at(v, i);

		for (uint32_t n = 0; n < m->exists; n++) {
			uint32_t k = 0;
			int fd = -1;

			assert_true(content_of_size(mbox_msg(m, n)->size, &k));
			assert_true(k < MESSAGES);
			count[k]++;
			if (msg_open(r->account, mbox_msg(m, n), &fd, &f)
			    != 0) {
				fail_msg("call %u (%s): %s", at_call,
				    simop_names[met], f.text);
			}
			msg_close(r->account, &fd);
		}
	}
	view_unref(&v);
}

static void
look(struct run *r, bool go_on)
{
	unsigned count[MESSAGES] = {0};
	struct fail f = {.kind = FAIL_NONE};

	assert_true(begin(r));
	assert_int_equal(account_open(r->store, id, &r->account, &f), 0);
	count_all(r, count);
	for (uint32_t k = 1; k < MESSAGES; k++) {
		if (count[k] < r->must[k].min || count[k] > r->must[k].max) {
			fail_msg("call %u (%s): message %u is there %u times, "
				 "not %u to %u",
			    at_call, simop_names[met], k, count[k],
			    r->must[k].min, r->must[k].max);
		}
	}
	if (go_on) {
		/* What an administrator does once the disk is mended. */
		if (r->kind->answer == -EIO) {
			assert_int_equal(
			    store_raise_generation(r->store, &f), 0);
		}
		deliver(r, 9 + r->looks++);
		assert_int_equal(r->must[8 + r->looks].min, 1);
	}
	end(r);
}

/* True: the fault was met. */
static bool
run_once(const struct kind *kind, unsigned nth, bool covers)
{
	struct run r = {.kind = kind, .left = nth};
	struct simfs_conf conf = {.seed = nth,
	    .page = 512,
	    .fsync_covers_name = covers,
	    .fault = fault,
	    .arg = &r};
	struct fail f;

	r.fs = simfs_new(&conf);
	assert_true(begin(&r));
	assert_int_equal(account_create(r.store, id, &f), 0);
	deliver(&r, 1);
	deliver(&r, 2);
	end(&r);

	r.armed = true;
	if (begin(&r)) {
		all_operations(&r);
	}
	end(&r);
	r.armed = false;

	look(&r, r.kind->answer != -EIO);
	simfs_power_loss(r.fs, LOSS_ALL);
	look(&r, true);
	simfs_power_loss(r.fs, LOSS_ALL);
	look(&r, false);
	simfs_free(&r.fs);
	/* A call that must not fail fails its operation. */
	assert_true(r.left != 0 || r.acked != 0);
	return r.left == 0;
}

static void
sweep(const struct kind *kind, bool covers)
{
	unsigned nth = 1;

	while (run_once(kind, nth, covers)) {
		nth++;
		at_call = nth;
	}
	print_message("%s: %u calls failed in turn\n", kind->name, nth - 1);
	assert_true(nth > 20);
}

static void
eio(void **state)
{
	(void)state;
	sweep(&kinds[0], true);
	sweep(&kinds[0], false);
}

static void
enospc(void **state)
{
	(void)state;
	sweep(&kinds[1], true);
	sweep(&kinds[1], false);
}

static void
emfile(void **state)
{
	(void)state;
	sweep(&kinds[2], true);
	sweep(&kinds[2], false);
}

static void
short_writes(void **state)
{
	(void)state;
	sweep(&kinds[3], true);
	sweep(&kinds[3], false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(eio),
	    cmocka_unit_test(enospc),
	    cmocka_unit_test(emfile),
	    cmocka_unit_test(short_writes),
	};

	log_init("store_fault", LOG_PANIC);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
