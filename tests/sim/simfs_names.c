/*
 * Making, linking, renaming, removing and listing names.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "simfs_priv.h"

static int
name_new(struct simproc *p, int dir, const char *path, struct slot **out)
{
	int rc;

	*out = proc_slot(p, dir, path, true, &rc);
	if (rc == 0 && (*out)->now != NULL) {
		rc = -EEXIST;
	}
	return rc;
}

int
sim_link(
    struct fs *fs, int from_dir, const char *from, int to_dir, const char *to)
{
	struct simproc *p = proc_of(fs);
	struct slot *old;
	struct slot *slot;
	int rc = proc_begin(p, SIMOP_LINK, to);

	if (rc == 0 && (old = proc_slot(p, from_dir, from, false, &rc)) != NULL
	    && (rc = name_new(p, to_dir, to, &slot)) == 0) {
		ASSERT(old->now->kind == INODE_FILE);
		p->count.names++;
		slot_set(p->volume, slot, old->now, p->volume->next_change++);
	}
	return (int)proc_done(p, SIMOP_LINK, to, rc);
}

static int
make_empty(struct simproc *p, enum simop op, int dir, const char *path)
{
	struct simfs *s = p->volume;
	struct slot *slot;
	int rc = proc_begin(p, op, path);

	if (rc == 0 && (rc = name_new(p, dir, path, &slot)) == 0) {
		p->count.names++;
		slot_set(s, slot,
		    inode_new(s, op == SIMOP_MKDIR ? INODE_DIR : INODE_SYMLINK),
		    s->next_change++);
	}
	return (int)proc_done(p, op, path, rc);
}

int
sim_symlink(struct fs *fs, const char *target, int dir, const char *path)
{
	(void)target;
	return make_empty(proc_of(fs), SIMOP_SYMLINK, dir, path);
}

int
sim_mkdir(struct fs *fs, int dir, const char *path, unsigned mode)
{
	(void)mode;
	return make_empty(proc_of(fs), SIMOP_MKDIR, dir, path);
}

static bool
dir_is_empty(const struct inode *dir)
{
	for (size_t i = 0; i < dir->n_slots; i++) {
		if (dir->slots[i]->now != NULL) {
			return false;
		}
	}
	return true;
}

static int
rename_slot(struct simproc *p, struct slot *old, struct slot *slot)
{
	struct simfs *s = p->volume;
	struct inode *moved = old->now;
	uint64_t change = s->next_change++;

	if (slot->now == moved) {
		return 0; /* two names of one file: rename(2) does nothing */
	}
	if (slot->now != NULL) {
		if (slot->now->kind == INODE_DIR && !dir_is_empty(slot->now)) {
			return -ENOTEMPTY;
		}
		if ((slot->now->kind == INODE_DIR)
		    != (moved->kind == INODE_DIR)) {
			return moved->kind == INODE_DIR ? -ENOTDIR : -EISDIR;
		}
	}
	p->count.names++;
	rename_note(s, change, slot);
	slot_set(s, slot, moved, change);
	slot_set(s, old, NULL, change);
	return 0;
}

int
sim_rename(
    struct fs *fs, int from_dir, const char *from, int to_dir, const char *to)
{
	struct simproc *p = proc_of(fs);
	struct slot *old;
	struct slot *slot;
	int rc = proc_begin(p, SIMOP_RENAME, to);

	if (rc == 0 && (old = proc_slot(p, from_dir, from, false, &rc)) != NULL
	    && (slot = proc_slot(p, to_dir, to, true, &rc)) != NULL) {
		rc = rename_slot(p, old, slot);
	}
	return (int)proc_done(p, SIMOP_RENAME, to, rc);
}

static int
remove_name(struct simproc *p, enum simop op, int dir, const char *path)
{
	struct slot *slot;
	int rc = proc_begin(p, op, path);

	if (rc == 0 && (slot = proc_slot(p, dir, path, false, &rc)) != NULL) {
		bool is_dir = slot->now->kind == INODE_DIR;

		if (is_dir != (op == SIMOP_RMDIR)) {
			rc = is_dir ? -EISDIR : -ENOTDIR;
		} else if (is_dir && !dir_is_empty(slot->now)) {
			rc = -ENOTEMPTY;
		} else {
			p->count.names++;
			slot_set(
			    p->volume, slot, NULL, p->volume->next_change++);
		}
	}
	return (int)proc_done(p, op, path, rc);
}

int
sim_unlink(struct fs *fs, int dir, const char *path)
{
	return remove_name(proc_of(fs), SIMOP_UNLINK, dir, path);
}

int
sim_rmdir(struct fs *fs, int dir, const char *path)
{
	return remove_name(proc_of(fs), SIMOP_RMDIR, dir, path);
}

/* A listing takes time: what changes meanwhile is in it or not. */
static size_t
list_names(struct simproc *p, const struct inode *dir, char ***out)
{
	size_t cap = 0;
	size_t n = 0;
	char **names = NULL;

	for (size_t i = 0; i < dir->n_slots; i++) {
		if (dir->slots[i]->now == NULL) {
			continue;
		}
		names = xgrow(names, n, &cap, sizeof(*names));
		names[n++] = xstrdup(dir->slots[i]->name);
		if (n % 4 == 0 && !proc_step(p, SIMOP_LIST)) {
			break;
		}
	}
	*out = names;
	return n;
}

static void
shuffle(struct rng *r, char **names, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = rng_below(r, i);
		char *t = names[i - 1];

		names[i - 1] = names[k];
		names[k] = t;
	}
}

static int
list_dir(
    struct simproc *p, int dir, const char *path, fs_list_fn *each, void *arg)
{
	struct inode *in;
	const char *name;
	char **names = NULL;
	bool more = true;
	size_t n;
	int rc = path_resolve(p->volume, proc_dir(p, dir), path, &in, &name);

	if (rc == 0 && strcmp(name, ".") != 0) {
		const struct slot *slot = proc_slot(p, dir, path, false, &rc);

		in = slot != NULL ? slot->now : in;
	}
	if (rc != 0) {
		return rc;
	}
	if (in->kind != INODE_DIR) {
		return -ENOTDIR;
	}
	in->refs++;
	n = list_names(p, in, &names);
	shuffle(&p->volume->rng, names, n);
	for (size_t i = 0; i < n; i++) {
		more = more && !p->dead && each(arg, names[i]);
		free(names[i]);
	}
	free(names);
	inode_unref(p->volume, in);
	return p->dead ? -EIO : 0;
}

int
sim_list(struct fs *fs, int dir, const char *path, fs_list_fn *each, void *arg)
{
	struct simproc *p = proc_of(fs);
	int rc = proc_begin(p, SIMOP_LIST, path);

	if (rc == 0) {
		rc = list_dir(p, dir, path, each, arg);
	}
	return (int)proc_done(p, SIMOP_LIST, path, rc);
}
