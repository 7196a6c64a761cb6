/*
 * Scenes of whole accounts, between two of them, and of trees of mailboxes.
 */
#include <errno.h>

#include "store/store_priv.h"
#include "sweep.h"

static void
nothing(struct run *r)
{
	(void)r;
}

/* ---- MOVE to another account ---- */

static void
make_target(struct run *r)
{
	struct fail f;

	assert_int_equal(account_create(r->store, account_ids[1], &f), 0);
	r->gone[1] = IS_THERE;
	r->least[1] = r->least[2] = 1;
}

static void
across(struct run *r)
{
	op_copy(r, 0, 1, 1, 1, true);
	op_copy(r, 0, 2, 1, 1, true);
}

/* Doubled at worst, lost never. */
const struct scene scene_across = {
    .name = "move to another account", .set_up = make_target, .act = across};

/* ---- RENAME of a tree ---- */

static const char *const tree[] = {"T", "T/a", "T/a/b", "T/c"};
static const char *const renamed[] = {"U/V", "U/V/a", "U/V/a/b", "U/V/c"};
enum {
	TREE = 4,
	NOTE_RENAMED = 0,
	NOTE_UNKNOWN,
	DAYS_MS = 2 * 24 * 3600 * 1000,
};

static void
make_tree(struct run *r)
{
	for (unsigned i = 0; i < TREE; i++) {
		(void)op_create(r, 0, tree[i]);
	}
	op_copy(r, 0, 1, 0, op_create(r, 0, "T/a/x"), true);
}

static void
rename_tree(struct run *r)
{
	struct fail f = {.kind = FAIL_NONE};

	if (run_open(r, 0)) {
		bool so = run_done(r,
		    account_mbox_rename(r->account[0], SV("T"), SV("U/V"), &f),
		    &f);

		r->note[NOTE_RENAMED] = so;
		r->note[NOTE_UNKNOWN] = !so && run_unknown(r, &f);
	}
	op_checkpoint(r, 0);
}

static unsigned
count_names(const struct view *v, const char *const *names)
{
	unsigned n = 0;

	for (unsigned i = 0; i < TREE; i++) {
		n += view_mbox(v, sv_cstr(names[i])) != NULL;
	}
	return n;
}

/* All of it, or nothing. */
static void
check_tree(struct run *r)
{
	struct view *v = NULL;
	struct fail f;

	assert_int_equal(account_refresh(r->account[0], &v, &f), 0);
	unsigned old = count_names(v, tree);
	unsigned new = count_names(v, renamed);

	if (r->note[NOTE_UNKNOWN] == 0) {
		assert_int_equal(new, r->note[NOTE_RENAMED] != 0 ? TREE : 0);
	}
	assert_int_equal(old + new, TREE);
	assert_true(old == 0 || new == 0);
	view_unref(&v);
}

const struct scene scene_rename = {.name = "rename of a tree",
    .set_up = make_tree,
    .act = rename_tree,
    .check = check_tree};

/* ---- making, closing and removing accounts ---- */

static void
purge_first(struct run *r)
{
	struct fail f = {.kind = FAIL_NONE};

	if (run_open(r, 0)) {
		bool so = run_done(r, account_shut(r->account[0], &f), &f);

		r->gone[0] = so			  ? IS_GONE
			     : run_unknown(r, &f) ? MAY_BE_THERE
						  : IS_THERE;
	}
	account_close(&r->account[0]);
	/* As msadm: a journal that is not closed is not taken away. */
	if (!run_dead(r) && r->gone[0] == IS_GONE) {
		r->note[0] = run_done(
		    r, account_purge(r->store, account_ids[0], &f), &f);
	}
}

static void
accounts(struct run *r)
{
	struct fail f = {.kind = FAIL_NONE};
	bool so = run_done(r, account_create(r->store, account_ids[1], &f), &f);

	r->gone[1] = so ? IS_THERE : MAY_BE_THERE;
	if (so) {
		op_deliver(r, 1, 4);
	}
	purge_first(r);
}

/* Below the trees, and in their making. */
static void
count_files(void *arg, const char *path, bool is_dir)
{
	unsigned *n = arg;

	(void)path;
	(void)is_dir;
	(*n)++;
}

/* What was not done can be done by the next; what was, again. */
static void
check_accounts(struct run *r)
{
	unsigned n = 0;
	struct fail f;

	if (run_refused(r) && r->looks == 0) {
		return; /* nothing goes on until the disk is mended */
	}
	simfs_advance(r->fs, DAYS_MS);
	store_tidy(r->store);
	simfs_walk(r->fs, "tmp", false, count_files, &n);
	assert_int_equal(n, 0);
	if (r->note[0] != 0) {
		simfs_walk(r->fs, "accounts/0a", false, count_files, &n);
		assert_int_equal(n, 0);
	}
	assert_int_equal(account_create(r->store, account_ids[1], &f), 0);
	if (r->gone[1] == MAY_BE_THERE) {
		r->gone[1] = IS_THERE;
		r->must[1][4].min = 0;
	}
}

const struct scene scene_accounts = {.name = "accounts",
    .set_up = nothing,
    .act = accounts,
    .check = check_accounts};
