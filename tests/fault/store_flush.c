/*
 * Flushes that fail, or that never happen, with several processes on one
 * account: what one of them says must hold for what another has not flushed.
 */
#include <errno.h>

#include "../unit/unit.h"
#include "base/log.h"
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
};

static int
on_call(void *arg, struct simproc *p, enum simop op, const char *path)
{
	struct machine *m = arg;

	(void)path;
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(move_of_nothing_is_durable),
	    cmocka_unit_test(move_of_nothing_is_refused_read_only),
	    cmocka_unit_test(full_disk_takes_the_mark),
	};

	log_init("store_flush", LOG_PANIC);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
