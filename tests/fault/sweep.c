#include "sweep.h"

#include <errno.h>
#include <stdio.h>

#include "base/mem.h"

const char *const account_ids[ACCOUNTS] = {
    "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a", "1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b"};

static unsigned at_call;
static enum simop met;
static const struct run *at_run;

const char *
sweep_where(void)
{
	static char text[120];

	(void)snprintf(text, sizeof(text), "%s, %s at call %u (%s)",
	    at_run->scene->name, at_run->kind->name, at_call, simop_names[met]);
	return text;
}

/* ---- the fault ---- */

static bool
changes_names(enum simop op)
{
	return op == SIMOP_OPEN || op == SIMOP_LINK || op == SIMOP_RENAME
	       || op == SIMOP_MKDIR || op == SIMOP_SYMLINK;
}

static bool
flushes(enum simop op)
{
	return op == SIMOP_SYNC || op == SIMOP_DATASYNC;
}

static bool
can_fail_so(const struct kind *kind, enum simop op)
{
	switch (kind->answer) {
	case -EMFILE:
		return op == SIMOP_OPEN;
	case -ENOSPC:
		return changes_names(op) || flushes(op) || op == SIMOP_WRITE
		       || op == SIMOP_ALLOCATE;
	case SIM_SHORT:
		return op == SIMOP_WRITE || op == SIMOP_READ;
	default:
		return true;
	}
}

/* True: this is the one. */
static bool
count_down(struct run *r, enum simop op)
{
	if (!r->armed || r->left == 0 || --r->left != 0) {
		return false;
	}
	met = op;
	return true;
}

static int
fault(void *arg, struct simproc *p, enum simop op, const char *path)
{
	struct run *r = arg;

	(void)p;
	(void)path;
	return !r->kind->kill && can_fail_so(r->kind, op) && count_down(r, op)
		   ? r->kind->answer
		   : 0;
}

/* Being killed between two calls that change nothing is being killed before
 * the next that does. */
static void
step(void *arg, struct simproc *p, enum simop op)
{
	struct run *r = arg;
	bool changes = changes_names(op) || flushes(op) || op == SIMOP_WRITE
		       || op == SIMOP_WRITE_PAGE || op == SIMOP_ALLOCATE
		       || op == SIMOP_UNLINK || op == SIMOP_RMDIR;

	if (r->kind->kill && changes && count_down(r, op)) {
		simproc_kill(p);
	}
}

/* ---- a process ---- */

bool
run_begin(struct run *r)
{
	struct store_conf conf;
	struct fail f;

	store_conf_defaults(&conf);
	conf.maintenance = false;
	conf.segment_max = 6000;
	conf.retention_ms = 0;
	r->proc = simproc_new(r->fs, 1);
	return store_open(&conf, simproc_fs(r->proc), &r->store, &f) == 0;
}

void
run_end(struct run *r)
{
	for (unsigned a = 0; a < ACCOUNTS; a++) {
		account_close(&r->account[a]);
	}
	store_close(&r->store);
	assert_int_equal(simproc_handles(r->proc), 0);
	simproc_free(&r->proc);
}

bool
run_refused(const struct run *r)
{
	return r->kind->answer == -EIO
	       || (r->kind->answer == -ENOSPC && r->left == 0 && flushes(met));
}

bool
run_dead(const struct run *r)
{
	return simproc_dead(r->proc);
}

bool
run_done(struct run *r, int rc, const struct fail *f)
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

bool
run_open(struct run *r, unsigned a)
{
	struct fail f = {.kind = FAIL_NONE};

	return !run_dead(r) && r->store != NULL
	       && (r->account[a] != NULL
		   || run_done(r,
		       account_open(
			   r->store, account_ids[a], &r->account[a], &f),
		       &f));
}

bool
run_unknown(const struct run *r, const struct fail *f)
{
	return run_dead(r) || f->kind == FAIL_UNKNOWN;
}

void
run_added(struct run *r, unsigned a, uint32_t k, bool so, const struct fail *f)
{
	r->must[a][k].min += so;
	r->must[a][k].max += so || run_unknown(r, f);
}

void
run_removed(
    struct run *r, unsigned a, uint32_t k, bool so, const struct fail *f)
{
	struct must *m = &r->must[a][k];

	m->max -= so;
	m->min -= m->min != 0 && (so || run_unknown(r, f));
}

/* ---- what must be true behind it ---- */

static void
count_all(struct run *r, unsigned a, unsigned count[MESSAGES])
{
	struct view *v = NULL;
	struct fail f = {.kind = FAIL_NONE};

	if (account_refresh(r->account[a], &v, &f) != 0) {
		fail_msg("%s: %s", sweep_where(), f.text);
	}
	for (size_t i = 0; i < view_mboxes(v); i++) {
		const struct mbox *m = view_mbox_at(v, i);

		for (uint32_t n = 0; n < m->exists; n++) {
			uint32_t k = 0;
			int fd = -1;

			assert_true(content_of_size(mbox_msg(m, n)->size, &k));
			assert_true(k < MESSAGES);
			count[k]++;
			if (msg_open(r->account[a], mbox_msg(m, n), &fd, &f)
			    != 0) {
				fail_msg("%s: %s", sweep_where(), f.text);
			}
			msg_close(r->account[a], &fd);
		}
	}
	view_unref(&v);
}

/* Closed, or not there at all: neither shows anything. */
static bool
is_gone(struct run *r, unsigned a)
{
	struct view *v = NULL;
	struct fail f;

	if (account_open(r->store, account_ids[a], &r->account[a], &f) != 0) {
		return f.kind == FAIL_ABSENT;
	}
	bool gone =
	    account_refresh(r->account[a], &v, &f) != 0 && f.kind == FAIL_PERM;

	view_unref(&v);
	return gone;
}

static void
look_at(struct run *r, unsigned a, unsigned sum[MESSAGES])
{
	unsigned count[MESSAGES] = {0};
	bool gone = is_gone(r, a);

	if (gone != (r->gone[a] == IS_GONE) && r->gone[a] != MAY_BE_THERE) {
		fail_msg("%s: account %u is %s", sweep_where(), a,
		    gone ? "gone" : "there");
	}
	if (gone || r->gone[a] != IS_THERE) {
		return;
	}
	count_all(r, a, count);
	for (uint32_t k = 1; k < MESSAGES; k++) {
		struct must m = r->must[a][k];

		if (count[k] < m.min || count[k] > m.max) {
			fail_msg("%s: message %u is there %u times in account "
				 "%u, not %u to %u",
			    sweep_where(), k, count[k], a, m.min, m.max);
		}
		sum[k] += count[k];
	}
}

/* What an administrator does once the disk is mended, and then the world. */
static void
go_on(struct run *r)
{
	struct fail f = {.kind = FAIL_NONE};

	if (run_refused(r)) {
		assert_int_equal(store_raise_generation(r->store, &f), 0);
	}
	for (unsigned a = 0; a < ACCOUNTS; a++) {
		for (uint32_t k = 0; k < MESSAGES; k++) {
			if (r->again[a][k]) {
				r->must[a][k] = (struct must){0, 0};
				op_deliver(r, a, k);
				assert_int_equal(r->must[a][k].min, 1);
				r->again[a][k] = false;
			}
		}
	}
	if (r->gone[0] == IS_THERE) {
		op_deliver(r, 0, FIRST_LOOK + r->looks);
		assert_int_equal(r->must[0][FIRST_LOOK + r->looks].min, 1);
		r->looks++;
	}
}

static void
look(struct run *r, bool more)
{
	unsigned sum[MESSAGES] = {0};

	assert_true(run_begin(r));
	for (unsigned a = 0; a < ACCOUNTS; a++) {
		look_at(r, a, sum);
	}
	for (uint32_t k = 1; k < MESSAGES; k++) {
		if (sum[k] < r->least[k]) {
			fail_msg("%s: message %u is lost", sweep_where(), k);
		}
	}
	if (more) {
		go_on(r);
	}
	if (r->scene->check != NULL) {
		r->scene->check(r);
	}
	run_end(r);
}

/* True: the fault was met. */
static bool
run_once(const struct scene *scene, const struct kind *kind, unsigned nth,
    bool covers)
{
	struct run r = {.scene = scene, .kind = kind, .left = nth};
	struct simfs_conf conf = {.seed = nth,
	    .page = 512,
	    .fsync_covers_name = covers,
	    .step = step,
	    .fault = fault,
	    .arg = &r};
	struct fail f;

	at_run = &r;
	r.gone[1] = MAY_BE_THERE;
	r.fs = simfs_new(&conf);
	assert_true(run_begin(&r));
	assert_int_equal(account_create(r.store, account_ids[0], &f), 0);
	op_deliver(&r, 0, 1);
	op_deliver(&r, 0, 2);
	scene->set_up(&r);
	run_end(&r);

	r.acked = 0;
	r.armed = true;
	if (run_begin(&r)) {
		scene->act(&r);
	}
	run_end(&r);
	r.armed = false;

	look(&r, !run_refused(&r));
	simfs_power_loss(r.fs, LOSS_ALL);
	look(&r, true);
	simfs_power_loss(r.fs, LOSS_ALL);
	look(&r, false);
	simfs_free(&r.fs);
	return r.left == 0;
}

static unsigned
sweep_on(const struct scene *scene, const struct kind *kind, bool covers)
{
	for (at_call = 1; run_once(scene, kind, at_call, covers);) {
		at_call++;
	}
	return at_call - 1;
}

void
sweep_scene(const struct scene *scene, const struct kind *kind)
{
	unsigned n = sweep_on(scene, kind, true);

	n += sweep_on(scene, kind, false);
	print_message("%s, %s: %u calls in turn\n", scene->name, kind->name, n);
	assert_true(n > 4);
}
