/*
 * Which snapshots stay, and removing the others.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/collect_priv.h"

/* ---- removing ---- */

struct removal {
	char **names;
	size_t n, cap;
};

static bool
removal_each(void *arg, const char *name)
{
	struct removal *r = arg;

	r->names = xgrow(r->names, r->n, &r->cap, sizeof(*r->names));
	r->names[r->n++] = xstrdup(name);
	return true;
}

int
snap_remove(struct fs *fs, int account_dir, const char *path, struct fail *f)
{
	struct removal r = {.names = NULL};
	char full[PATH_SIZE];
	int rc = fs_list(fs, account_dir, path, removal_each, &r);

	for (size_t i = 0; i < r.n; i++) {
		(void)snprintf(full, sizeof(full), "%s/%s", path, r.names[i]);
		if (rc == 0) {
			rc = fs_unlink(fs, account_dir, full);
			rc = rc == -ENOENT ? 0 : rc;
		}
		free(r.names[i]);
	}
	free(r.names);
	if (rc == 0) {
		rc = fs_rmdir(fs, account_dir, path);
	}
	return rc != 0 && rc != -ENOENT ? fail_err(f, -rc, "remove %s", path)
					: 0;
}

enum { AWAY_SIZE = 32 }; /* tmp/<16 hex>.old */

/* Out of sight, to `away`.  What is gone leaves that empty. */
static int
move_away(
    struct account *a, const char *path, char away[AWAY_SIZE], struct fail *f)
{
	struct fs *fs = a->store->fs;
	int rc;

	(void)snprintf(away, AWAY_SIZE, "tmp/%016llx.old",
	    (unsigned long long)fs_random(fs));
	rc = fs_rename(fs, a->dir, path, a->dir, away);
	if (rc == -ENOENT) {
		away[0] = '\0'; /* another collector's */
		rc = 0;
	}
	return rc != 0 ? fail_err(f, -rc, "rename %s", path) : 0;
}

int
folder_remove(struct account *a, const char *path, struct fail *f)
{
	char away[AWAY_SIZE];

	if (move_away(a, path, away, f) != 0) {
		return -1;
	}
	return away[0] == '\0' ? 0 : snap_remove(a->store->fs, a->dir, away, f);
}

int
snapshots_remove(
    struct account *a, const struct snap_name *names, size_t n, struct fail *f)
{
	char(*away)[AWAY_SIZE] = xcalloc(n + 1, sizeof(*away));
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		char path[SNAP_PATH_SIZE];

		snap_path(&names[i], NULL, path);
		rc = move_away(a, path, away[i], f);
	}
	/* Else a power cut could bring back the name of one that is half
	 * removed. */
	if (rc == 0 && n != 0) {
		rc = store_sync_path(a->store, a->dir, "snap", f);
	}
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (away[i][0] != '\0') {
			rc = snap_remove(a->store->fs, a->dir, away[i], f);
		}
	}
	free(away);
	return rc;
}

/* ---- which ---- */

/* What stands between these is not a generation, nor was it what the last
 * collection left. */
static bool
is_needed(const struct generations *g, size_t i)
{
	return i == 0 || i == g->older || i == g->n - 1;
}

static int
thin(struct account *a, const struct generations *g, struct fail *f)
{
	struct snap_name *names = xcalloc(g->n, sizeof(*names));
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < g->n; i++) {
		if (!is_needed(g, i)) {
			names[n++] = g->names[i];
		}
	}
	if (n != 0) {
		/* What stays is on disk before any other goes. */
		rc = store_sync_path(a->store, a->dir, "snap", f);
	}
	if (rc == 0) {
		rc = snapshots_remove(a, names, n, f);
	}
	free(names);
	return rc;
}

int
snapshots_thin(struct account *a, struct fail *f)
{
	struct generations g;
	int rc = 0;

	if (generations_open(a->store->fs, a->dir, &g, f) != 0) {
		/* Damaged, or a newer one took its place: next time. */
		return f->kind == FAIL_CORRUPT || f->kind == FAIL_ABSENT ? 0
									 : -1;
	}
	if (g.older < g.n && g.n > SNAPSHOTS_MAX) {
		rc = thin(a, &g, f);
	}
	generations_deinit(&g);
	return rc;
}
