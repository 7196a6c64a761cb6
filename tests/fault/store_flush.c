/*
 * Flushes that fail, or that never happen, with several processes on one
 * account: what one of them says must hold for what another has not flushed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/unit.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "content.h"
#include "simfs.h"
#include "store/store.h"

static const char id[] = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

/* A machine, and what is to happen on it, as the test says. */
struct machine {
	struct simfs *fs;
	unsigned next_id;
	/* What a call of `who` is answered; 0: as it is. */
	int (*script)(struct machine *m, enum simop op);
	struct simproc *who;
	unsigned n;
	unsigned later;
	int answer;
};

static int
on_call(void *arg, struct simproc *p, enum simop op, const char *path)
{
	struct machine *m = arg;

	(void)path;
	return p == m->who ? m->script(m, op) : 0;
}

static void
machine_make(struct machine *m, bool covers)
{
	struct simfs_conf conf = {.seed = 1,
	    .page = 512,
	    .fsync_covers_name = covers,
	    .fault = on_call,
	    .arg = m};

	*m = (struct machine){.fs = simfs_new(&conf)};
}

static void
play(struct machine *m, struct simproc *who,
    int (*script)(struct machine *m, enum simop op))
{
	m->script = script;
	m->who = who;
	m->n = 0;
}

/* ---- scripts ---- */

static int
killed_at_flush(struct machine *m, enum simop op)
{
	if (op != SIMOP_DATASYNC) {
		return 0;
	}
	simproc_kill(m->who);
	return -EIO;
}

/* Once. */
static int
flush_fails(struct machine *m, enum simop op)
{
	if (op != SIMOP_DATASYNC) {
		return 0;
	}
	m->who = NULL;
	return -EIO;
}

/* The same, by `answer`. */
static int
flush_finds_no_room(struct machine *m, enum simop op)
{
	return flush_fails(m, op) != 0 ? m->answer : 0;
}

static int
flush_fails_and_disk_is_full(struct machine *m, enum simop op)
{
	int rc = flush_fails(m, op);

	if (rc != 0) {
		simfs_capacity(m->fs, simfs_used(m->fs));
	}
	return rc;
}

/* And the `answer`'s turn comes n calls later. */
static int
flush_fails_and_more(struct machine *m, enum simop op)
{
	if (m->n == 0) {
		m->n += op == SIMOP_DATASYNC;
		return op == SIMOP_DATASYNC ? -EIO : 0;
	}
	return m->n++ == m->later ? m->answer : 0;
}

static int
no_handle(struct machine *m, enum simop op)
{
	(void)m;
	return op == SIMOP_OPEN ? -EMFILE : 0;
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
	machine_make(&m, true);
	process_start(&m, &killed);
	process_start(&m, &p);
	assert_int_equal(append(&p, 1, &f), 0);
	assert_int_equal(account_mbox_create(p.account, SV("Away"),
			     &(struct mbox_attrs){.special_use = 0}, &to, &f),
	    0);
	assert_int_equal(messages(&killed), 1);
	play(&m, killed.sim, killed_at_flush);
	assert_int_equal(move_first(&killed, to, &f), -1);
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
	machine_make(&m, true);
	process_start(&m, &failed);
	process_start(&m, &p);
	assert_int_equal(append(&p, 1, &f), 0);
	assert_int_equal(account_mbox_create(p.account, SV("Away"),
			     &(struct mbox_attrs){.special_use = 0}, &to, &f),
	    0);
	play(&m, failed.sim, flush_fails);
	assert_int_equal(move_first(&failed, to, &f), -1);
	assert_int_equal(f.kind, FAIL_UNKNOWN);

	assert_int_equal(move_first(&p, to, &f), -1);
	assert_int_equal(f.kind, FAIL_TEMP);
	process_end(&p);
	process_end(&failed);
	simfs_free(&m.fs);
}

/* What the kernel could not write for want of room it has dropped, too: the
 * records of others before it, and what a later flush says of them. */
static void
refusal_for_want_of_room_is_one(void **state)
{
	static const int answers[] = {-ENOSPC, -EDQUOT};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		struct machine m;
		struct process told;
		struct process other;
		struct process later;
		struct fail f;

		machine_make(&m, true);
		process_start(&m, &told);
		process_start(&m, &other);
		assert_int_equal(append(&other, 1, &f), 0);
		m.answer = answers[i];
		play(&m, told.sim, flush_finds_no_room);
		assert_int_equal(append(&told, 2, &f), -1);
		assert_int_equal(f.kind, FAIL_UNKNOWN);
		/* The kernel tells each of them that all is well now. */
		process_start(&m, &later);
		bool taken[] = {append(&told, 3, &f) == 0,
		    append(&other, 4, &f) == 0, append(&later, 5, &f) == 0};
		uint32_t shown = messages(&later);

		assert_false(taken[0] || taken[1] || taken[2]);
		assert_true(shown >= 1);
		process_end(&told);
		process_end(&other);
		process_end(&later);
		simfs_power_loss(m.fs, LOSS_ALL);
		process_start(&m, &later);
		assert_true(messages(&later) >= 1);
		assert_int_equal(store_raise_generation(later.store, &f), 0);
		assert_int_equal(append(&later, 6, &f), 0);
		process_end(&later);
		simfs_free(&m.fs);
	}
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
	machine_make(&m, true);
	process_start(&m, &told);
	play(&m, told.sim, flush_fails_and_disk_is_full);
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

	machine_make(&m, true);
	process_start(&m, &told);
	play(&m, told.sim, flush_fails_and_more);
	m.later = later;
	m.answer = answer;
	assert_int_equal(append(&told, 1, &f), -1);
	bool met = m.n > later;

	m.who = NULL;
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

static int
no_memory_to_look(struct machine *m, enum simop op)
{
	(void)m;
	return op == SIMOP_STAT ? -ENOMEM : 0;
}

/* Whether the tree is still there is not known: then nothing is told of it. */
static void
no_refresh_without_a_look_at_the_segment(void **state)
{
	struct machine m;
	struct process p;
	struct view *v = NULL;
	struct fail f;

	(void)state;
	machine_make(&m, true);
	process_start(&m, &p);
	assert_int_equal(messages(&p), 0);
	simfs_remove_tree(m.fs, "accounts/0a");
	play(&m, p.sim, no_memory_to_look);
	assert_int_equal(account_refresh(p.account, &v, &f), -1);
	process_end(&p);
	simfs_free(&m.fs);
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
	machine_make(&m, true);
	process_start(&m, &p);
	process_start(&m, &rotating);
	assert_int_equal(append(&p, 1, &f), 0);
	simfs_advance(m.fs, DAYS_MS);
	assert_int_equal(account_checkpoint(rotating.account, &f), 0);
	assert_int_equal(account_collect(rotating.account, &f), 0);
	play(&m, p.sim, no_handle);
	for (unsigned i = 0; i < TIMES; i++) {
		assert_int_equal(account_refresh(p.account, &v, &f), -1);
	}
	m.who = NULL;
	assert_int_equal(append(&p, 2, &f), 0);
	assert_int_equal(append(&rotating, 3, &f), 0);
	assert_int_equal(messages(&rotating), 3);
	assert_int_equal(messages(&p), 3);
	process_end(&rotating);
	process_end(&p);
	simfs_free(&m.fs);
}

static const char other[] = "1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b";

/* Behind the renames of the head and of the account. */
static int
killed_before_the_name_is_flushed(struct machine *m, enum simop op)
{
	m->n += op == SIMOP_RENAME;
	if (m->n != 2 || op != SIMOP_SYNC) {
		return 0;
	}
	simproc_kill(m->who);
	return -EIO;
}

static void
make_and_die(struct machine *m)
{
	struct store_conf conf;
	struct store *s = NULL;
	struct simproc *sim = simproc_new(m->fs, ++m->next_id);
	struct fail f;

	store_conf_defaults(&conf);
	conf.maintenance = false;
	assert_int_equal(store_open(&conf, simproc_fs(sim), &s, &f), 0);
	play(m, sim, killed_before_the_name_is_flushed);
	assert_int_equal(account_create(s, other, &f), -1);
	assert_true(simproc_dead(sim));
	store_close(&s);
	simproc_free(&sim);
}

static int
another_is_faster(struct machine *m, enum simop op)
{
	m->n += op == SIMOP_RENAME;
	if (m->n == 2) {
		make_and_die(m);
		m->who = NULL;
	}
	return 0;
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
	machine_make(&m, true);
	process_start(&m, &p);
	play(&m, p.sim, another_is_faster);
	assert_int_equal(account_create(p.store, other, &f), 0);
	assert_null(m.who);
	process_end(&p);
	simfs_power_loss(m.fs, LOSS_ALL);
	process_start(&m, &p);
	assert_int_equal(account_open(p.store, other, &a, &f), 0);
	account_close(&a);
	process_end(&p);
	simfs_free(&m.fs);
}

/* ---- */

static struct process racing;

/* Of the new segment, and then of its folder: that one fails. */
static int
flush_of_the_folder_fails(struct machine *m, enum simop op)
{
	m->n += op == SIMOP_SYNC;
	return op == SIMOP_SYNC && m->n == 2 ? -EIO : 0;
}

static int
another_rotates_and_is_refused(struct machine *m, enum simop op)
{
	struct fail f;

	if (op == SIMOP_ALLOCATE) {
		play(m, racing.sim, flush_of_the_folder_fails);
		assert_int_equal(account_collect(racing.account, &f), -1);
		assert_true(m->n >= 2);
		m->who = NULL;
	}
	return 0;
}

/* Two make a segment each; the flush of their folder fails, and the kernel
 * tells only the one who had it open.  The other's SEAL would be on disk, and
 * the segment that it names not. */
static void
no_seal_names_a_segment_that_may_be_lost(void **state)
{
	enum { DAYS_MS = 3 * 24 * 3600 * 1000 };
	struct machine m;
	struct process p;
	struct fail f;

	(void)state;
	machine_make(&m, false);
	process_start(&m, &p);
	process_start(&m, &racing);
	assert_int_equal(append(&p, 1, &f), 0);
	simfs_advance(m.fs, DAYS_MS);
	assert_int_equal(account_checkpoint(p.account, &f), 0);
	play(&m, p.sim, another_rotates_and_is_refused);
	assert_int_equal(account_collect(p.account, &f), -1);
	assert_null(m.who);
	process_end(&racing);
	process_end(&p);
	simfs_power_loss(m.fs, LOSS_ALL);
	process_start(&m, &p);
	assert_int_equal(messages(&p), 1);
	assert_int_equal(store_raise_generation(p.store, &f), 0);
	assert_int_equal(append(&p, 2, &f), 0);
	process_end(&p);
	simfs_free(&m.fs);
}

/* Days go by, and with them the first segments. */
static void
grow_old(struct machine *m, struct process *p)
{
	enum { TEN_DAYS_MS = 10 * 24 * 3600 * 1000 };
	struct fail f;

	for (uint32_t k = 10; k < 14; k++) {
		assert_int_equal(append(p, k, &f), 0);
		assert_int_equal(account_checkpoint(p->account, &f), 0);
		simfs_advance(m->fs, TEN_DAYS_MS);
		assert_int_equal(account_collect(p->account, &f), 0);
	}
}

static int
stopped_behind_its_lists(struct machine *m, enum simop op)
{
	m->n += op == SIMOP_LIST;
	if (m->n == 2 && op == SIMOP_OPEN) {
		m->who = NULL;
		grow_old(m, &racing);
	}
	return 0;
}

/* A delivery that found no snapshot and one segment, and stood still until
 * that was collected, finds the snapshot that is there by then. */
static void
a_sleeper_looks_again(void **state)
{
	struct machine m;
	struct process p;
	struct buf octets = {.len = 0};
	struct delivery to = {.account_id = id};
	struct fail f;

	(void)state;
	machine_make(&m, true);
	process_start(&m, &p);
	process_start(&m, &racing);
	(void)simfs_damage(m.fs,
	    "accounts/0a/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/head", DAMAGE_GONE);
	content_octets(1, &octets);
	play(&m, p.sim, stopped_behind_its_lists);
	assert_int_equal(
	    store_deliver(p.store,
		&(struct msg_source){.body = buf_sv(&octets), .fd = -1}, &to, 1,
		&f),
	    0);
	assert_null(m.who);
	assert_int_equal(messages(&racing), 5);
	buf_deinit(&octets);
	process_end(&racing);
	process_end(&p);
	simfs_free(&m.fs);
}

/* ---- two versions ---- */

struct newest {
	char path[200];
};

static void
note_newest(void *arg, const char *path, bool is_dir)
{
	struct newest *n = arg;

	if (!is_dir && strcmp(path, n->path) > 0) {
		(void)snprintf(n->path, sizeof(n->path), "%s", path);
	}
}

/* What a program of another version would have written: docs/store.md, 3. */
static void
set_semantics(struct machine *m, uint8_t version)
{
	enum { COPY = 4096, SEMANTICS = 12, CRC = 124 };
	struct newest n = {.path = ""};
	uint64_t size;

	simfs_walk(m->fs,
	    "accounts/0a/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/journal", false,
	    note_newest, &n);
	uint8_t *octets = simfs_octets(m->fs, n.path, &size);

	assert_true(size >= COPY + CRC + 4);
	for (unsigned at = 0; at <= COPY; at += COPY) {
		octets[at + SEMANTICS] = version;
		uint32_t crc = crc32c(0, octets + at, CRC);

		for (unsigned i = 0; i < 4; i++) {
			octets[at + CRC + i] = (uint8_t)(crc >> 8 * i);
		}
	}
	simfs_put_octets(m->fs, n.path, octets, size);
	free(octets);
}

static void
expect_refused(struct process *p)
{
	struct delivery to = {.account_id = id};
	struct view *v = NULL;
	struct fail f;

	assert_int_equal(account_refresh(p->account, &v, &f), -1);
	assert_int_equal(f.kind, FAIL_PERM);
	assert_non_null(strstr(f.text, "newer version"));
	assert_int_equal(append(p, 2, &f), -1);
	assert_int_equal(
	    store_deliver(p->store,
		&(struct msg_source){.body = SV("x"), .fd = -1}, &to, 1, &f),
	    -1);
	assert_int_equal(to.rc, -1);
}

/* A newer program has rotated: an older one stops there and says so, and does
 * not skip what it might misunderstand; what it was asked for is not done. */
static void
a_newer_version_stops_an_older_one(void **state)
{
	enum { DAYS_MS = 3 * 24 * 3600 * 1000, OURS = 1, NEWER = 2 };
	struct machine m;
	struct process p;
	struct process later;
	struct fail f;

	(void)state;
	machine_make(&m, true);
	process_start(&m, &p);
	process_start(&m, &racing);
	assert_int_equal(append(&p, 1, &f), 0);
	simfs_advance(m.fs, DAYS_MS);
	assert_int_equal(account_checkpoint(racing.account, &f), 0);
	assert_int_equal(account_collect(racing.account, &f), 0);
	process_end(&racing);
	set_semantics(&m, NEWER);
	process_start(&m, &later);
	expect_refused(&p);
	expect_refused(&later);
	set_semantics(&m, OURS);
	assert_int_equal(messages(&p), 1);
	assert_int_equal(messages(&later), 1);
	assert_int_equal(append(&later, 3, &f), 0);
	assert_int_equal(messages(&p), 2);
	process_end(&later);
	process_end(&p);
	simfs_free(&m.fs);
}

static uint32_t
uidvalidity(struct process *p)
{
	struct view *v = NULL;
	struct fail f;

	assert_int_equal(account_refresh(p->account, &v, &f), 0);
	uint32_t value = view_mbox_by_id(v, 1)->uidvalidity;

	view_unref(&v);
	return value;
}

/* What was shown while flushes failed may have been lost: who only reads must
 * not see the old UIDVALIDITY with other messages. */
static void
readers_see_the_new_generation(void **state)
{
	struct machine m;
	struct process p;
	uint32_t was;
	struct fail f;

	(void)state;
	machine_make(&m, true);
	process_start(&m, &p);
	assert_int_equal(append(&p, 1, &f), 0);
	was = uidvalidity(&p);
	play(&m, p.sim, flush_fails);
	assert_int_equal(append(&p, 2, &f), -1);
	process_end(&p);
	simfs_power_loss(m.fs, LOSS_ALL);
	process_start(&m, &p);
	assert_int_equal(store_raise_generation(p.store, &f), 0);
	assert_true(uidvalidity(&p) > was);
	process_end(&p);
	simfs_free(&m.fs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(move_of_nothing_is_durable),
	    cmocka_unit_test(move_of_nothing_is_refused_read_only),
	    cmocka_unit_test(refusal_for_want_of_room_is_one),
	    cmocka_unit_test(full_disk_takes_the_mark),
	    cmocka_unit_test(mark_is_left_whatever_fails),
	    cmocka_unit_test(no_seal_names_a_segment_that_may_be_lost),
	    cmocka_unit_test(readers_see_the_new_generation),
	    cmocka_unit_test(no_refresh_without_a_look_at_the_segment),
	    cmocka_unit_test(a_sleeper_looks_again),
	    cmocka_unit_test(a_newer_version_stops_an_older_one),
	    cmocka_unit_test(seal_is_not_passed_before_it_is_followed),
	    cmocka_unit_test(the_slower_maker_vouches_for_the_account),
	};

	log_init("store_flush", LOG_PANIC);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
