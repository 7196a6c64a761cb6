/*
 * The beginning and the end of an account's tree.
 *
 * A tree is made below tmp/ and renamed to its name when it is whole and on
 * disk; a tree is renamed back to tmp/ before it is taken apart.  So
 * accounts/ holds whole trees only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/account_priv.h"
#include "store/head_priv.h"
#include "store/journal_priv.h"

enum {
	FLOOR_BEHIND_MS = 24 * 3600 * 1000,
	LEFT_MS = 24 * 3600 * 1000, /* nobody works on one for so long */
	TREE_DEPTH = 4,		    /* tmp/x/box/id/message, at most */
	TREE_PATH_SIZE = 512,
};

/* ---- making ---- */

static int
make_folders(struct fs *fs, const char *base, struct fail *f)
{
	static const char *const names[] = {
	    "", "/journal", "/snap", "/tmp", "/box", "/box/0000000000000001"};

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		char path[TREE_PATH_SIZE];

		(void)snprintf(path, sizeof(path), "%s%s", base, names[i]);
		int rc = fs_mkdir(fs, FS_ROOT, path, FOLDER_MODE);

		if (rc != 0) {
			return fail_err(f, -rc, "mkdir %s", path);
		}
	}
	return 0;
}

static int
make_first_segment(struct store *s, int dir, struct fail *f)
{
	struct segment *seg;
	struct seg_header h = {
	    .semantics = SEG_SEMANTICS,
	    .name = seg_name_next(s, 0),
	    .boot_id = {s->boot_id[0], s->boot_id[1]},
	    .generation = s->generation,
	    .created_ms = fs_now_ms(s->fs),
	    /* Nothing is older: to be raised in a day's time. */
	    .floor_ms = fs_now_ms(s->fs) - FLOOR_BEHIND_MS,
	};

	if (segment_make(s->fs, dir, &h, &seg, f) != 0) {
		return -1;
	}
	int rc = fs_sync(s->fs, seg->fd);

	segment_unref(&seg);
	if (rc != 0) {
		return store_flush_new_failed(s, -rc, "new account", f);
	}
	head_create(s->fs, dir, &h.name);
	return 0;
}

static int
make_tree(struct store *s, const char *base, struct fail *f)
{
	static const char *const flushed[] = {"journal", "box", "."};
	int rc = -1;
	int dir = -1;

	if (make_folders(s->fs, base, f) != 0) {
		goto out;
	}
	dir = fs_open(s->fs, FS_ROOT, base, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0) {
		(void)fail_err(f, -dir, "open %s", base);
		dir = -1;
		goto out;
	}
	if (make_first_segment(s, dir, f) != 0) {
		goto out;
	}
	for (size_t i = 0; i < COUNT_OF(flushed); i++) {
		if (store_sync_path(s, dir, flushed[i], f) != 0) {
			goto out;
		}
	}
	rc = 0;
out:
	fs_close(s->fs, &dir);
	return rc;
}

static void
shelf_path(const char *id, char shelf[16])
{
	(void)snprintf(shelf, 16, "accounts/%.2s", id);
}

/* accounts/<2>, and its name on disk. */
static int
make_shelf(struct store *s, const char *id, char shelf[16], struct fail *f)
{
	shelf_path(id, shelf);
	int rc = fs_mkdir(s->fs, FS_ROOT, shelf, FOLDER_MODE);

	if (rc != 0 && rc != -EEXIST) {
		return fail_err(f, -rc, "mkdir %s", shelf);
	}
	/* Whoever made it may not have come to this yet. */
	return store_sync_path(s, FS_ROOT, "accounts", f);
}

int
account_create(struct store *store, const char *id, struct fail *f)
{
	char base[TREE_PATH_SIZE];
	char path[ACCOUNT_PATH_SIZE];
	char shelf[16];
	struct fs_stat st;
	bool made = false;
	int rc;

	if (!account_id_valid(id)) {
		return fail_set(f, FAIL_SYNTAX, "%s: not an account id", id);
	}
	if (store->read_only) {
		return fail_set(f, FAIL_TEMP, "the store is read-only");
	}
	account_path(id, path);
	if (fs_stat_at(store->fs, FS_ROOT, path, &st) == 0) {
		return make_shelf(store, id, shelf, f) != 0
			   ? -1
			   : store_sync_path(store, FS_ROOT, shelf, f);
	}
	(void)snprintf(base, sizeof(base), "tmp/%s.%016llx", id,
	    (unsigned long long)fs_random(store->fs));
	if (make_shelf(store, id, shelf, f) != 0) {
		return -1;
	}
	rc = make_tree(store, base, f);
	if (rc == 0) {
		int err = fs_rename(store->fs, FS_ROOT, base, FS_ROOT, path);

		/* Another was faster; its name may not be on disk yet. */
		made = err == 0;
		rc = made || err == -ENOTEMPTY || err == -EEXIST
			 ? 0
			 : fail_err(f, -err, "rename %s", base);
	}
	if (!made) {
		struct fail ignored = {0};

		(void)!tree_remove(
		    store->fs, FS_ROOT, base, TREE_DEPTH, &ignored);
	}
	return rc != 0 ? -1 : store_sync_path(store, FS_ROOT, shelf, f);
}

int
account_shut(struct account *account, struct fail *f)
{
	if (journal_close(account, f) != 0) {
		return -1;
	}
	/* Its sessions end. */
	account_changed(account, 0);
	return 0;
}

int
account_purge(struct store *store, const char *id, struct fail *f)
{
	char path[ACCOUNT_PATH_SIZE];
	char base[TREE_PATH_SIZE];
	char shelf[16];
	struct account *a;

	if (!account_id_valid(id)) {
		return fail_set(f, FAIL_ABSENT, "%s: not an account id", id);
	}
	a = account_find(store, id);
	if (a != NULL) {
		account_forget(a);
		account_close(&a);
	}
	account_path(id, path);
	(void)snprintf(base, sizeof(base), "tmp/%s.%016llx", id,
	    (unsigned long long)fs_random(store->fs));
	int rc = fs_rename(store->fs, FS_ROOT, path, FS_ROOT, base);

	if (rc != 0) {
		return fail_err(f, -rc, "account %s", id);
	}
	/* Its name must not come back with half of its files. */
	shelf_path(id, shelf);
	if (store_sync_path(store, FS_ROOT, shelf, f) != 0) {
		f->kind = FAIL_UNKNOWN;
		return -1;
	}
	return tree_remove(store->fs, FS_ROOT, base, TREE_DEPTH, f);
}

/* ---- what was left ---- */

struct leftovers {
	char (*name)[TREE_PATH_SIZE];
	size_t n, cap;
};

static bool
note_leftover(void *arg, const char *name)
{
	struct leftovers *l = arg;

	l->name = xgrow(l->name, l->n, &l->cap, sizeof(*l->name));
	(void)snprintf(l->name[l->n++], TREE_PATH_SIZE, "tmp/%.200s", name);
	return true;
}

void
store_tidy(struct store *s)
{
	struct leftovers l = {.name = NULL};
	int64_t now = fs_now_ms(s->fs);
	struct fs_stat st;
	struct fail f = {0};

	if (fs_list(s->fs, FS_ROOT, "tmp", note_leftover, &l) != 0) {
		l.n = 0; /* the next round's */
	}
	for (size_t i = 0; i < l.n; i++) {
		if (fs_stat_at(s->fs, FS_ROOT, l.name[i], &st) != 0
		    || st.mtime_ms + LEFT_MS > now) {
			continue;
		}
		if (!st.is_dir) {
			(void)fs_unlink(s->fs, FS_ROOT, l.name[i]);
		} else if (tree_remove(
			       s->fs, FS_ROOT, l.name[i], TREE_DEPTH, &f)
			   != 0) {
			LOG(LOG_WARN, "store.tidy", kv_fail(&f));
		}
	}
	free(l.name);
}
