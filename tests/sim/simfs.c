#include "simfs_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* ---- inodes ---- */

struct inode *
inode_new(struct simfs *s, enum inode_kind kind)
{
	struct inode *i = xmalloc(sizeof(*i));

	i->ino = s->next_ino++;
	i->kind = kind;
	i->shared_fd = -1;
	i->mtime_ms = (int64_t)s->now_ms;
	i->next = s->inodes;
	if (i->next != NULL) {
		i->next->prev = i;
	}
	s->inodes = i;
	return i;
}

void
rename_note(struct simfs *s, uint64_t change, struct slot *target)
{
	s->renames = xgrow(
	    s->renames, s->n_renames, &s->renames_cap, sizeof(*s->renames));
	s->renames[s->n_renames++] =
	    (struct renamed){.change = change, .target = target};
}

void
rename_forget(struct simfs *s, const struct slot *target)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_renames; i++) {
		if (s->renames[i].target != target) {
			s->renames[n++] = s->renames[i];
		}
	}
	s->n_renames = n;
}

static void
names_remove(struct inode *i, const struct slot *slot)
{
	size_t n = 0;

	while (i->names[n] != slot) {
		n++;
	}
	i->names[n] = i->names[--i->links];
}

static void
slot_free(struct simfs *s, struct slot *slot)
{
	/* A folder that went with the power: its files may have other names. */
	if (slot->now != NULL) {
		names_remove(slot->now, slot);
	}
	if (slot->durable != NULL && slot->durable->home == slot) {
		slot->durable->home = NULL;
	}
	inode_unref(s, slot->now);
	inode_unref(s, slot->durable);
	for (size_t i = 0; i < slot->n_pending; i++) {
		inode_unref(s, slot->pending[i].inode);
	}
	free(slot->pending);
	free(slot->name);
	free(slot);
}

static void
inode_free(struct simfs *s, struct inode *i)
{
	s->used -= i->charged;
	for (size_t n = 0; n < i->n_slots; n++) {
		rename_forget(s, i->slots[n]);
		slot_free(s, i->slots[n]);
	}
	if (i->shared_fd >= 0) {
		(void)close(i->shared_fd);
	}
	free(i->slots);
	map_deinit(&i->by_name);
	free(i->names);
	free(i->data);
	free(i->disk);
	free(i->pages);
	if (i->prev != NULL) {
		i->prev->next = i->next;
	} else {
		s->inodes = i->next;
	}
	if (i->next != NULL) {
		i->next->prev = i->prev;
	}
	free(i);
}

static struct inode *
inode_ref(struct inode *i)
{
	if (i != NULL) {
		i->refs++;
	}
	return i;
}

void
inode_unref(struct simfs *s, struct inode *i)
{
	if (i == NULL) {
		return;
	}
	ASSERT(i->refs > 0);
	if (--i->refs == 0) {
		inode_free(s, i);
	}
}

uint64_t
inode_pages(const struct simfs *s, uint64_t size)
{
	return (size + s->conf.page - 1) / s->conf.page;
}

/* A file that no name and no handle holds gives its room back. */
static void
inode_idle(struct simfs *s, struct inode *i)
{
	if (i->links == 0 && i->open == 0) {
		s->used -= i->charged;
		i->charged = 0;
	}
}

void
inode_closed(struct simfs *s, struct inode *i)
{
	i->open--;
	inode_idle(s, i);
	inode_unref(s, i);
}

/* Count `pages` against the volume for this file; false: no room. */
bool
inode_charge(struct simfs *s, struct inode *i, uint64_t pages)
{
	if (pages <= i->charged) {
		return true;
	}
	if (s->conf.capacity != 0
	    && s->used + (pages - i->charged) > s->conf.capacity) {
		return false;
	}
	s->used += pages - i->charged;
	i->charged = pages;
	return true;
}

/* Memory for `size` octets; the new ones are zeros.  Sets no size. */
int
inode_resize(struct simfs *s, struct inode *i, uint64_t size)
{
	uint64_t cap = i->cap == 0 ? s->conf.page : i->cap;

	if (size <= i->cap) {
		return 0;
	}
	while (cap < size) {
		cap *= 2;
	}
	i->data = xrealloc(i->data, cap);
	i->disk = xrealloc(i->disk, cap);
	i->pages = xrealloc(i->pages, inode_pages(s, cap));
	memset(i->data + i->cap, 0, cap - i->cap);
	memset(i->disk + i->cap, 0, cap - i->cap);
	memset(i->pages + inode_pages(s, i->cap), 0,
	    inode_pages(s, cap) - inode_pages(s, i->cap));
	i->cap = cap;
	return 0;
}

/* ---- names ---- */

struct slot *
slot_find(struct inode *dir, const char *name)
{
	return map_get(&dir->by_name, sv_cstr(name));
}

struct slot *
slot_make(struct simfs *s, struct inode *dir, const char *name)
{
	struct slot *slot = slot_find(dir, name);

	(void)s;
	if (slot != NULL) {
		return slot;
	}
	slot = xmalloc(sizeof(*slot));
	slot->name = xstrdup(name);
	slot->dir = dir;
	dir->slots = xgrow(
	    dir->slots, dir->n_slots, &dir->slots_cap, sizeof(*dir->slots));
	dir->slots[dir->n_slots++] = slot;
	map_put(&dir->by_name, sv_cstr(name), slot);
	return slot;
}

static void
names_add(struct inode *i, struct slot *slot)
{
	i->names = xgrow(i->names, i->links, &i->names_cap, sizeof(*i->names));
	i->names[i->links++] = slot;
}

/* `head` may come again, and marks that a power loss took. */
static void
note_created(struct simfs *s, struct slot *slot, const struct inode *to)
{
	if (slot->ever && !s->quiet && s->created_twice == NULL
	    && to->kind != INODE_DIR && strcmp(slot->name, "head") != 0
	    && strcmp(slot->name, "by-name") != 0
	    && strncmp(slot->name, "read-only.", 10) != 0) {
		s->created_twice = xstrdup(slot->name);
	}
	slot->ever = true;
}

/* What the name stands for from now on; NULL: nothing. */
void
slot_set(struct simfs *s, struct slot *slot, struct inode *to, uint64_t change)
{
	struct inode *was = slot->now;

	if (to != NULL && was == NULL) {
		note_created(s, slot, to);
	}
	slot->pending = xgrow(slot->pending, slot->n_pending,
	    &slot->pending_cap, sizeof(*slot->pending));
	slot->pending[slot->n_pending++] =
	    (struct version){.inode = inode_ref(to), .change = change};
	slot->lost = false;
	slot->now = inode_ref(to);
	if (to != NULL) {
		names_add(to, slot);
	}
	if (was != NULL) {
		names_remove(was, slot);
		inode_idle(s, was);
		inode_unref(s, was);
	}
	slot->dir->mtime_ms = (int64_t)s->now_ms;
}

/* The next part of `*path`, or NULL at its end. */
static bool
path_part(const char **path, char *part, size_t size)
{
	const char *p = *path;
	size_t n;

	while (*p == '/') {
		p++;
	}
	n = strcspn(p, "/");
	ASSERT(n < size);
	memcpy(part, p, n);
	part[n] = '\0';
	*path = p + n;
	return n != 0;
}

int
path_resolve(struct simfs *s, struct inode *from, const char *path,
    struct inode **dir_out, const char **name_out)
{
	static char part[256];
	struct inode *dir = from;

	(void)s;
	ASSERT(path[0] != '/');
	for (;;) {
		const struct slot *slot;

		if (dir->kind != INODE_DIR) {
			return -ENOTDIR;
		}
		if (!path_part(&path, part, sizeof(part))) {
			part[0] = '.';
			part[1] = '\0';
			break;
		}
		if (*path == '\0') {
			break;
		}
		slot = slot_find(dir, part);
		if (slot == NULL || slot->now == NULL) {
			return -ENOENT;
		}
		dir = slot->now;
	}
	*dir_out = dir;
	*name_out = part;
	return 0;
}

struct inode *
path_inode(struct simfs *s, const char *path)
{
	struct inode *dir;
	const char *name;
	struct slot *slot;

	if (path_resolve(s, s->root, path, &dir, &name) != 0) {
		return NULL;
	}
	if (strcmp(name, ".") == 0) {
		return dir;
	}
	slot = slot_find(dir, name);
	return slot != NULL ? slot->now : NULL;
}

/* ---- the volume ---- */

#define EPOCH_2026_MS 1767225600000U

struct simfs *
simfs_new(const struct simfs_conf *conf)
{
	struct simfs *s = xmalloc(sizeof(*s));

	ASSERT(conf->page >= 16 && (conf->page & (conf->page - 1)) == 0);
	s->conf = *conf;
	s->rng.state = conf->seed;
	s->names.state = conf->seed ^ 0x6e616d6573U;
	s->next_ino = 2;
	s->next_change = 1;
	s->now_ms = EPOCH_2026_MS;
	s->boot[0] = rng_u64(&s->names);
	s->boot[1] = rng_u64(&s->names);
	s->root = inode_ref(inode_new(s, INODE_DIR));
	return s;
}

void
simfs_free(struct simfs **sp)
{
	struct simfs *s = *sp;

	if (s == NULL) {
		return;
	}
	while (s->procs != NULL) {
		struct simproc *p = s->procs;

		simproc_free(&p);
	}
	inode_unref(s, s->root);
	ASSERT(s->inodes == NULL);
	free(s->renames);
	free(s->created_twice);
	free(s);
	*sp = NULL;
}

void
simfs_advance(struct simfs *s, uint64_t ms)
{
	s->now_ms += ms;
}

uint64_t
simfs_now(const struct simfs *s)
{
	return s->now_ms;
}

void
simfs_capacity(struct simfs *s, uint64_t pages)
{
	s->conf.capacity = pages;
}

uint64_t
simfs_used(const struct simfs *s)
{
	return s->used;
}

const char *
simfs_created_twice(const struct simfs *s)
{
	return s->created_twice;
}

/* ---- processes ---- */

struct simproc *
simproc_new(struct simfs *s, unsigned id)
{
	struct simproc *p = xmalloc(sizeof(*p));

	p->fs.ops = &simfs_ops;
	p->volume = s;
	p->id = id;
	p->n_handles = s->conf.handles != 0 ? s->conf.handles : 64;
	p->handles = xcalloc(p->n_handles, sizeof(*p->handles));
	p->next = s->procs;
	s->procs = p;
	return p;
}

static void
handle_drop(struct simproc *p, struct handle *h)
{
	struct inode *i = h->inode;

	h->inode = NULL;
	inode_closed(p->volume, i);
}

void
simproc_kill(struct simproc *p)
{
	p->dead = true;
	if (p->writing != NULL) {
		p->writing->writer = NULL;
		p->writing = NULL;
	}
}

void
simproc_free(struct simproc **pp)
{
	struct simproc *p = *pp;
	struct simproc **at;

	if (p == NULL) {
		return;
	}
	simproc_kill(p);
	for (size_t i = 0; i < p->n_handles; i++) {
		if (p->handles[i].inode != NULL) {
			handle_drop(p, &p->handles[i]);
		}
	}
	at = &p->volume->procs;
	while (*at != p) {
		at = &(*at)->next;
	}
	*at = p->next;
	free(p->handles);
	free(p);
	*pp = NULL;
}

struct fs *
simproc_fs(struct simproc *p)
{
	return &p->fs;
}

unsigned
simproc_id(const struct simproc *p)
{
	return p->id;
}

bool
simproc_dead(const struct simproc *p)
{
	return p->dead;
}

bool
simproc_writing(const struct simproc *p)
{
	return p->writing != NULL;
}

bool
simproc_told(const struct simproc *p)
{
	return p->told != 0;
}

size_t
simproc_handles(const struct simproc *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_handles; i++) {
		n += p->handles[i].inode != NULL;
	}
	return n;
}

struct simcount
simproc_count(const struct simproc *p)
{
	return p->count;
}

void
simproc_clock(struct simproc *p, int64_t skew_ms)
{
	p->skew_ms = skew_ms;
}
