/*
 * Looking at a volume from outside, and harming it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "simfs_priv.h"

enum { PATH_SIZE = 512 };

/* ---- walking ---- */

static void
walk_dir(struct inode *dir, char *path, size_t len, bool up,
    simfs_walk_fn *each, void *arg)
{
	for (size_t i = 0; i < dir->n_slots; i++) {
		struct inode *in = dir->slots[i]->now;
		int n;

		if (in == NULL) {
			continue;
		}
		n = snprintf(path + len, PATH_SIZE - len, "%s%s",
		    len == 0 ? "" : "/", dir->slots[i]->name);
		ASSERT(n > 0 && (size_t)n < PATH_SIZE - len);
		if (!up) {
			each(arg, path, in->kind == INODE_DIR);
		}
		if (in->kind == INODE_DIR) {
			walk_dir(in, path, len + (size_t)n, up, each, arg);
		}
		path[len + (size_t)n] = '\0';
		if (up) {
			each(arg, path, in->kind == INODE_DIR);
		}
		path[len] = '\0';
	}
}

void
simfs_walk(
    struct simfs *s, const char *path, bool up, simfs_walk_fn *each, void *arg)
{
	char full[PATH_SIZE];
	struct inode *dir = path_inode(s, path);

	if (dir == NULL || dir->kind != INODE_DIR) {
		return;
	}
	(void)snprintf(full, sizeof(full), "%s", path);
	walk_dir(dir, full, strlen(full), up, each, arg);
}

bool
simfs_exists(struct simfs *s, const char *path)
{
	return path_inode(s, path) != NULL;
}

int64_t
simfs_size(struct simfs *s, const char *path)
{
	const struct inode *i = path_inode(s, path);

	return i != NULL ? (int64_t)i->size : -1;
}

/* ---- removing ---- */

static void
remove_each(void *arg, const char *path, bool is_dir)
{
	struct simfs *s = arg;
	struct inode *dir;
	const char *name;

	(void)is_dir;
	if (path_resolve(s, s->root, path, &dir, &name) == 0) {
		slot_set(s, slot_find(dir, name), NULL, s->next_change++);
	}
}

static void
remove_path(struct simfs *s, const char *path)
{
	if (path_inode(s, path) != NULL) {
		remove_each(s, path, false);
	}
}

void
simfs_remove_tree(struct simfs *s, const char *path)
{
	simfs_walk(s, path, true, remove_each, s);
	remove_path(s, path);
}

/* ---- saving and restoring ---- */

struct saved {
	char *path;
	bool is_dir;
	uint8_t *data;
	uint64_t size;
};

struct simtree {
	struct saved *files;
	size_t n, cap;
	struct simfs *from;
};

static void
save_one(struct simtree *t, const char *path)
{
	const struct inode *i = path_inode(t->from, path);
	struct saved *f;

	t->files = xgrow(t->files, t->n, &t->cap, sizeof(*t->files));
	f = &t->files[t->n++];
	*f = (struct saved){.path = xstrdup(path),
	    .is_dir = i->kind == INODE_DIR,
	    .size = i->size};
	if (i->size != 0) {
		f->data = xmemdup(i->data, i->size);
	}
}

static void
save_each(void *arg, const char *path, bool is_dir)
{
	struct simtree *t = arg;

	if (is_dir || path_inode(t->from, path)->kind == INODE_FILE) {
		save_one(t, path);
	}
}

struct simtree *
simfs_save(struct simfs *s, const char *path)
{
	struct simtree *t = xmalloc(sizeof(*t));

	t->from = s;
	save_one(t, path);
	simfs_walk(s, path, false, save_each, t);
	return t;
}

static void
restore_one(struct simfs *s, const struct saved *f)
{
	struct inode *dir;
	const char *name;
	struct slot *slot;
	struct inode *i;

	if (path_resolve(s, s->root, f->path, &dir, &name) != 0) {
		return;
	}
	slot = slot_make(s, dir, name);
	if (slot->now != NULL) {
		return;
	}
	i = inode_new(s, f->is_dir ? INODE_DIR : INODE_FILE);
	(void)inode_resize(s, i, f->size);
	if (f->size != 0) {
		memcpy(i->data, f->data, f->size);
		memset(i->pages, PAGE_DIRTY, inode_pages(s, f->size));
	}
	i->size = f->size;
	(void)inode_charge(s, i, inode_pages(s, f->size));
	inode_flush(s, i);
	slot_set(s, slot, i, s->next_change++);
	slot_flush(s, slot);
}

void
simfs_restore(struct simfs *s, const struct simtree *tree)
{
	s->quiet = true;
	for (size_t i = 0; i < tree->n; i++) {
		restore_one(s, &tree->files[i]);
	}
	s->quiet = false;
}

void
simtree_free(struct simtree **tree)
{
	struct simtree *t = *tree;

	if (t == NULL) {
		return;
	}
	for (size_t i = 0; i < t->n; i++) {
		free(t->files[i].path);
		free(t->files[i].data);
	}
	free(t->files);
	free(t);
	*tree = NULL;
}

/* ---- damage ---- */

static void
damage_range(struct inode *i, uint64_t from, uint64_t to, uint8_t xor)
{
	for (uint64_t k = from; k < to; k++) {
		i->data[k] = xor == 0 ? 0 : (uint8_t)(i->data[k] ^ xor);
		i->disk[k] = i->data[k];
	}
}

uint64_t
simfs_damage(struct simfs *s, const char *path, enum simdamage how)
{
	struct inode *i = path_inode(s, path);
	uint64_t at;
	uint64_t end;

	ASSERT(i != NULL && i->kind == INODE_FILE);
	at = i->size != 0 ? rng_below(&s->rng, i->size) : 0;
	end = at + rng_range(&s->rng, 1, s->conf.page);
	end = end < i->size ? end : i->size;
	switch (how) {
	case DAMAGE_GONE:
		remove_path(s, path);
		return 0;
	case DAMAGE_CUT:
		i->size = at;
		i->disk_size = at;
		break;
	case DAMAGE_ZEROS:
		damage_range(i, at, end, 0);
		break;
	case DAMAGE_FLIP:
		damage_range(i, at, end, (uint8_t)rng_range(&s->rng, 1, 255));
		break;
	}
	return at;
}

uint8_t *
simfs_octets(struct simfs *s, const char *path, uint64_t *size)
{
	const struct inode *i = path_inode(s, path);

	ASSERT(i != NULL && i->kind == INODE_FILE);
	*size = i->size;
	uint8_t *copy = xmalloc(i->size + 1);

	if (i->size != 0) {
		memcpy(copy, i->data, i->size);
	}
	return copy;
}

void
simfs_put_octets(
    struct simfs *s, const char *path, const uint8_t *octets, uint64_t size)
{
	struct inode *i = path_inode(s, path);

	ASSERT(i != NULL && i->kind == INODE_FILE);
	(void)inode_resize(s, i, size);
	if (size != 0) {
		memcpy(i->data, octets, size);
		memcpy(i->disk, octets, size);
	}
	i->size = size;
	i->disk_size = size;
}

/* ---- digest ---- */

static void
hash_each(void *arg, const char *path, bool is_dir)
{
	static const uint64_t key[2] = {1, 2};
	uint64_t *sum = ((void **)arg)[0];
	const struct inode *i = path_inode(((void **)arg)[1], path);

	*sum += siphash(key, path, strlen(path)) * (is_dir ? 3 : 5);
	if (i->size != 0) {
		*sum += siphash(key, i->data, i->size);
	}
}

uint64_t
simfs_hash(struct simfs *s)
{
	uint64_t sum = 0;
	void *arg[2] = {&sum, s};

	simfs_walk(s, "", false, hash_each, arg);
	return sum;
}
