/*
 * Flushes that fail, or that never happen, with several processes on one
 * account: what one of them says must hold for what another has not flushed.
 */
#include <errno.h>

#include "../unit/unit.h"
#include "base/log.h"
#include "base/mem.h"
#include "content.h"
#include "simfs.h"
#include "store/store.h"

static const char id[] = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

/* A machine, and what is to happen on it. */
struct machine {
	struct simfs *fs;
	unsigned next_id;
	struct simproc *refuse; /* its next flush of a journal fails */
	struct simproc *kill;	/* ... and this one is killed there */
	bool full;		/* from then on */
	/* Behind the refused flush the n-th call fails so. */
	unsigned later;
	int answer;
	/* What another does between one's look and its rename. */
	void (*race)(struct machine *m);
	struct simproc *slow;
	struct simproc *starved; /* has no handle left */
	unsigned skip;		 /* of its renames */
	unsigned renames;	 /* of who is killed */
};
enum { RENAMES = 2 }; /* of who makes an account: its head, and it */

static int
on_call(void *arg, struct simproc *p, enum simop op, const char *path)
{
	struct machine *m = arg;

	(void)path;
	if (m->refuse == NULL && m->later != 0 && --m->later == 0) {
		return m->answer;
	}
	if (op == SIMOP_OPEN && p == m->starved) {
		return -EMFILE;
	}
	if (op == SIMOP_RENAME && p == m->slow && m->skip-- == 0) {
		m->slow = NULL;
		m->race(m);
	}
	if (m->race != NULL && p == m->kill && op == SIMOP_RENAME) {
		m->renames++;
	}
	if (m->renames == RENAMES && op == SIMOP_SYNC && p == m->kill) {
		simproc_kill(p); /* the name is there, and not on disk */
		return -EIO;
	}
	if (op != SIMOP_DATASYNC) {
		return 0;
	}
	if (m->kill == p) {
		simproc_kill(p);
		return -EIO;
	}
	if (m->refuse != p) {
		return 0;
	}
	m->refuse = NULL;
	if (m->full) {
		simfs_capacity(m->fs, simfs_used(m->fs));
	}
	return -EIO;
}

static void
machine_make(struct machine *m)
{
	struct simfs_conf conf = {.seed = 1,
	    .page = 512,
	    .fsync_covers_name = true,
	    .fault = on_call,
	    .arg = m};

	*m = (struct machine){.fs = simfs_new(&conf)};
}

/* ---- a process on it, with the account open ---- */

struct process {
	struct simproc *sim;
	struct store *store;
	struct account *account;
};

static void
process_start(struct machine *m, struct process *p)
{
	struct store_conf conf;
	struct fail f;

	store_conf_defaults(&conf);
	conf.maintenance = false;
	*p = (struct process){.sim = simproc_new(m->fs, ++m->next_id)};
	assert_int_equal(
	    store_open(&conf, simproc_fs(p->sim), &p->store, &f), 0);
	if (m->next_id == 1) {
		assert_int_equal(account_create(p->store, id, &f), 0);
	}
	assert_int_equal(account_open(p->store, id, &p->account, &f), 0);
}

static void
process_end(struct process *p)
{
	account_close(&p->account);
	store_close(&p->store);
	simproc_free(&p->sim);
}

static int
append(struct process *p, uint32_t k, struct fail *f)
{
	struct buf octets = {.len = 0};
	struct msg_attrs attrs = {.flags = 0};
	struct appended out;

	content_octets(k, &octets);
	int rc = account_append(p->account, 1,
	    &(struct msg_source){.body = buf_sv(&octets), .fd = -1}, &attrs, 1,
	    &out, f);

	uidset_deinit(&out.uids);
	buf_deinit(&octets);
	return rc;
}

static int
move_first(struct process *p, uint64_t to, struct fail *f)
{
	struct uidset uids = {.n = 0};
	struct copied out;

	uidset_add(&uids, 1);
	int rc =
	    account_copy(p->account, 1, &uids, p->account, to, true, &out, f);

	if (rc == 0) {
		copied_deinit(&out);
	}
	uidset_deinit(&uids);
	return rc;
}

static uint32_t
messages(struct process *p)
{
	struct view *v = NULL;
	struct fail f;

	assert_int_equal(account_refresh(p->account, &v, &f), 0);
	uint32_t n = view_mbox_by_id(v, 1)->exists;

	view_unref(&v);
	return n;
}

/* ---- */

/* Another process has moved the message away and was killed before it could
 * flush that: to say that it is not there any more is to say that it stays
 * so. */
static void
move_of_nothing_is_durable(void **state)
{
	struct machine m;
	struct process killed;
	struct process p;
	uint64_t to = 0;
	struct fail f;

	(void)state;
	machine_make(&m);
	process_start(&m, &killed);
	process_start(&m, &p);
	assert_int_equal(append(&p, 1, &f), 0);
	assert_int_equal(account_mbox_create(p.account, SV("Away"),
			     &(struct mbox_attrs){.special_use = 0}, &to, &f),
	    0);
	assert_int_equal(messages(&killed), 1);
	m.kill = killed.sim;
	assert_int_equal(move_first(&killed, to, &f), -1);
	m.kill = NULL;
	process_end(&killed);

	assert_int_equal(move_first(&p, to, &f), 0);
	process_end(&p);
	simfs_power_loss(m.fs, LOSS_ALL);
	process_start(&m, &p);
	assert_int_equal(messages(&p), 0);
	process_end(&p);
	simfs_free(&m.fs);
}

/* The same, but it cannot be on disk any more: then it is not said. */
static void
move_of_nothing_is_refused_read_only(void **state)
{
	struct machine m;
	struct process failed;
	struct process p;
	uint64_t to = 0;
	struct fail f;

	(void)state;
	machine_make(&m);
	process_start(&m, &failed);
	process_start(&m, &p);
	assert_int_equal(append(&p, 1, &f), 0);
	assert_int_equal(account_mbox_create(p.account, SV("Away"),
			     &(struct mbox_attrs){.special_use = 0}, &to, &f),
	    0);
	m.refuse = failed.sim;
	assert_int_equal(move_first(&failed, to, &f), -1);
	assert_int_equal(f.kind, FAIL_UNKNOWN);

	assert_int_equal(move_first(&p, to, &f), -1);
	assert_int_equal(f.kind, FAIL_TEMP);
	process_end(&p);
	process_end(&failed);
	simfs_free(&m.fs);
}

/* The mark that a flush has failed needs no room. */
static void
full_disk_takes_the_mark(void **state)
{
	struct machine m;
	struct process told;
	struct process later;
	struct fail f;

	(void)state;
	machine_make(&m);
	process_start(&m, &told);
	m.refuse = told.sim;
	m.full = true;
	assert_int_equal(append(&told, 1, &f), -1);
	process_end(&told);

	simfs_capacity(m.fs, 0);
	process_start(&m, &later);
	assert_int_equal(append(&later, 2, &f), -1);
	assert_int_equal(f.kind, FAIL_TEMP);
	assert_int_equal(account_checkpoint(later.account, &f), -1);
	assert_int_equal(store_raise_generation(later.store, &f), 0);
	assert_int_equal(append(&later, 3, &f), 0);
	process_end(&later);
	simfs_free(&m.fs);
}

/* Nor does it need any one call to succeed. */
static bool
mark_is_left(unsigned later, int answer)
{
	struct machine m;
	struct process told;
	struct process after;
	struct fail f;

	machine_make(&m);
	process_start(&m, &told);
	m.refuse = told.sim;
	m.later = later;
	m.answer = answer;
	assert_int_equal(append(&told, 1, &f), -1);
	bool met = m.later == 0;

	m.later = 0;
	process_end(&told);
	process_start(&m, &after);
	assert_int_equal(append(&after, 2, &f), -1);
	assert_int_equal(f.kind, FAIL_TEMP);
	process_end(&after);
	simfs_free(&m.fs);
	return met;
}

static void
mark_is_left_whatever_fails(void **state)
{
	static const int answers[] = {-EIO, -ENOSPC, -EMFILE};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		unsigned n = 1;

		while (mark_is_left(n, answers[i])) {
			n++;
		}
		assert_true(n > 3);
	}
}

/* The journal goes on in a segment that the process cannot open for now: what
 * it writes later must not stand behind the SEAL that it has seen. */
static void
seal_is_not_passed_before_it_is_followed(void **state)
{
	enum { TIMES = 3, DAYS_MS = 3 * 24 * 3600 * 1000 };
	struct machine m;
	struct process p;
	struct process rotating;
	struct view *v = NULL;
	struct fail f;

	(void)state;
	machine_make(&m);
	process_start(&m, &p);
	process_start(&m, &rotating);
	assert_int_equal(append(&p, 1, &f), 0);
	simfs_advance(m.fs, DAYS_MS);
	assert_int_equal(account_checkpoint(rotating.account, &f), 0);
	assert_int_equal(account_collect(rotating.account, &f), 0);
	m.starved = p.sim;
	for (unsigned i = 0; i < TIMES; i++) {
		assert_int_equal(account_refresh(p.account, &v, &f), -1);
	}
	m.starved = NULL;
	assert_int_equal(append(&p, 2, &f), 0);
	assert_int_equal(append(&rotating, 3, &f), 0);
	assert_int_equal(messages(&rotating), 3);
	assert_int_equal(messages(&p), 3);
	process_end(&rotating);
	process_end(&p);
	simfs_free(&m.fs);
}

static const char other[] = "1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b";

static void
make_and_die(struct machine *m)
{
	struct store_conf conf;
	struct store *s = NULL;
	struct fail f;

	store_conf_defaults(&conf);
	conf.maintenance = false;
	m->kill = simproc_new(m->fs, ++m->next_id);
	assert_int_equal(store_open(&conf, simproc_fs(m->kill), &s, &f), 0);
	assert_int_equal(account_create(s, other, &f), -1);
	store_close(&s);
	simproc_free(&m->kill);
}

/* Two make an account at once, and who was faster is killed before its name
 * is on disk: then the other's word is all there is. */
static void
the_slower_maker_vouches_for_the_account(void **state)
{
	struct machine m;
	struct process p;
	struct account *a = NULL;
	struct fail f;

	(void)state;
	machine_make(&m);
	process_start(&m, &p);
	m.race = make_and_die;
	m.slow = p.sim;
	/* The first rename is that of the head, in the tree being made. */
	m.skip = 1;
	assert_int_equal(account_create(p.store, other, &f), 0);
	assert_int_equal(m.renames, RENAMES);
	m.race = NULL;
	process_end(&p);
	simfs_power_loss(m.fs, LOSS_ALL);
	process_start(&m, &p);
	assert_int_equal(account_open(p.store, other, &a, &f), 0);
	account_close(&a);
	process_end(&p);
	simfs_free(&m.fs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(move_of_nothing_is_durable),
	    cmocka_unit_test(move_of_nothing_is_refused_read_only),
	    cmocka_unit_test(full_disk_takes_the_mark),
	    cmocka_unit_test(mark_is_left_whatever_fails),
	    cmocka_unit_test(seal_is_not_passed_before_it_is_followed),
	    cmocka_unit_test(the_slower_maker_vouches_for_the_account),
	};

	log_init("store_flush", LOG_PANIC);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
