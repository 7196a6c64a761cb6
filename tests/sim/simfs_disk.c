/*
 * What reaches the disk, and what a power loss leaves of it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "simfs_priv.h"

/* ---- flushing ---- */

static void
page_copy(struct simfs *s, struct inode *i, uint64_t page)
{
	memcpy(i->disk + page * s->conf.page, i->data + page * s->conf.page,
	    s->conf.page);
}

void
inode_flush(struct simfs *s, struct inode *i)
{
	uint64_t n = inode_pages(s, i->size);

	for (uint64_t k = 0; k < n; k++) {
		if (i->pages[k] == PAGE_DIRTY) {
			page_copy(s, i, k);
			i->pages[k] = 0;
		}
	}
	i->disk_size = i->size;
}

/* On disk too a folder has one name: with the new one the old one goes. */
static struct slot *
folder_moves(struct slot *slot, struct inode *to)
{
	struct slot *old = NULL;

	if (slot->durable != NULL && slot->durable->home == slot) {
		slot->durable->home = NULL;
	}
	if (to != NULL && to->kind == INODE_DIR) {
		old = to->home;
		to->home = slot;
	}
	return old != slot ? old : NULL;
}

static void
slot_settle(struct simfs *s, struct slot *slot, struct inode *to)
{
	struct slot *old = folder_moves(slot, to);

	if (to != NULL) {
		to->refs++;
	}
	inode_unref(s, slot->durable);
	slot->durable = to;
	for (size_t i = 0; i < slot->n_pending; i++) {
		inode_unref(s, slot->pending[i].inode);
	}
	slot->n_pending = 0;
	slot->lost = false;
	rename_forget(s, slot);
	if (old != NULL && old->now != to) {
		slot_settle(s, old, old->now);
	}
}

/* The other end of a rename, if it is not durable yet. */
static struct slot *
rename_target(const struct simfs *s, uint64_t change)
{
	for (size_t i = 0; i < s->n_renames; i++) {
		if (s->renames[i].change == change) {
			return s->renames[i].target;
		}
	}
	return NULL;
}

/*
 * The name as it is now becomes durable.  A removal by rename takes the new
 * name with it: the file is under one of the two, always.
 */
void
slot_flush(struct simfs *s, struct slot *slot)
{
	struct slot *target = NULL;

	if (slot->n_pending == 0 || slot->lost) {
		return;
	}
	if (slot->now == NULL) {
		target =
		    rename_target(s, slot->pending[slot->n_pending - 1].change);
	}
	slot_settle(s, slot, slot->now);
	if (target != NULL) {
		slot_settle(s, target, target->now);
	}
}

void
dir_flush(struct simfs *s, struct inode *dir)
{
	for (size_t i = 0; i < dir->n_slots; i++) {
		slot_flush(s, dir->slots[i]);
	}
}

/* Its names, and those of the folders above. */
void
inode_flush_names(struct simfs *s, struct inode *i)
{
	for (size_t k = 0; k < i->links; k++) {
		slot_flush(s, i->names[k]);
		inode_flush_names(s, i->names[k]->dir);
	}
}

/* ---- the kernel's own flushing ---- */

static struct inode *
random_inode(struct simfs *s)
{
	struct inode *pick = s->root;
	size_t n = 0;

	for (struct inode *i = s->inodes; i != NULL; i = i->next) {
		if (rng_below(&s->rng, ++n) == 0) {
			pick = i;
		}
	}
	return pick;
}

void
inode_writeback(struct simfs *s, struct inode *i)
{
	uint64_t n = inode_pages(s, i->size);

	for (uint64_t k = 0; i->kind == INODE_FILE && k < n; k++) {
		if (i->pages[k] == PAGE_DIRTY && rng_chance(&s->rng, 500)) {
			page_copy(s, i, k);
			i->pages[k] = 0;
		}
	}
	for (size_t k = 0; k < i->n_slots; k++) {
		if (rng_chance(&s->rng, 500)) {
			slot_flush(s, i->slots[k]);
		}
	}
}

void
simfs_writeback(struct simfs *s)
{
	inode_writeback(s, random_inode(s));
}

void
simfs_writeback_fails(struct simfs *s)
{
	struct inode *i = random_inode(s);
	uint64_t n = inode_pages(s, i->size);
	bool any = false;

	for (uint64_t k = 0; i->kind == INODE_FILE && k < n; k++) {
		if (i->pages[k] == PAGE_DIRTY) {
			i->pages[k] = PAGE_LOST;
			any = true;
		}
	}
	i->error += any;
	i->answer = any ? 0 : i->answer;
}

/* ---- power loss ---- */

static bool
survives(struct simfs *s, enum simloss how)
{
	switch (how) {
	case LOSS_NOTHING:
		return true;
	case LOSS_ALL:
		return false;
	case LOSS_MIXED:
		break;
	}
	return rng_chance(&s->rng, 500);
}

static uint64_t
size_left(struct simfs *s, const struct inode *i, enum simloss how)
{
	if (i->size <= i->disk_size || how == LOSS_ALL) {
		return i->disk_size;
	}
	if (how == LOSS_NOTHING || rng_chance(&s->rng, 400)) {
		return i->size;
	}
	return rng_range(&s->rng, i->disk_size, i->size);
}

static void
file_power_loss(struct simfs *s, struct inode *i, enum simloss how)
{
	uint64_t size = size_left(s, i, how);
	uint64_t n = inode_pages(s, i->size);

	for (uint64_t k = 0; k < n; k++) {
		if (i->pages[k] == PAGE_DIRTY && survives(s, how)) {
			page_copy(s, i, k);
		}
		i->pages[k] = 0;
	}
	/* What stood on the disk behind the size reads as zeros. */
	if (i->cap != 0) {
		memset(i->disk + size, 0, i->cap - size);
		memcpy(i->data, i->disk, i->cap);
	}
	i->size = size;
	i->disk_size = size;
	i->error = 0;
	i->error_seen = 0;
	i->answer = 0;
	i->writer = NULL;
}

/* Which version each name falls back to: 0 the durable one, k the k-th. */
static void
choose_version(struct simfs *s, struct slot *slot, enum simloss how)
{
	size_t keep = 0;

	if (slot->n_pending == 0 || slot->lost) {
		slot->kept = 0;
		return;
	}
	switch (how) {
	case LOSS_NOTHING:
		keep = slot->n_pending;
		break;
	case LOSS_ALL:
		break;
	case LOSS_MIXED:
		keep = rng_below(&s->rng, slot->n_pending + 1);
		break;
	}
	slot->kept = keep;
}

/* The new name of a rename that did not survive: the old one did. */
static void
mend_rename(struct simfs *s, struct slot *slot)
{
	const struct slot *target;

	for (size_t k = 0; k < slot->kept; k++) {
		if (slot->pending[k].inode != NULL) {
			continue;
		}
		target = rename_target(s, slot->pending[k].change);
		for (size_t j = 0; target != NULL && j < target->n_pending;
		     j++) {
			if (target->pending[j].change == slot->pending[k].change
			    && target->kept <= j) {
				slot->kept = k;
				return;
			}
		}
	}
}

static void
for_slots(struct simfs *s, void (*each)(struct simfs *s, struct slot *slot))
{
	for (struct inode *dir = s->inodes; dir != NULL; dir = dir->next) {
		for (size_t i = 0; i < dir->n_slots; i++) {
			each(s, dir->slots[i]);
		}
	}
}

static struct inode *
version_kept(const struct slot *slot)
{
	return slot->kept == 0 ? slot->durable
			       : slot->pending[slot->kept - 1].inode;
}

/* A folder has one name: if the new one survived, the old one did not. */
static void
mend_folder(struct simfs *s, struct slot *slot)
{
	const struct inode *i = version_kept(slot);

	(void)s;
	if (i == NULL || i->kind != INODE_DIR || slot->now == i) {
		return;
	}
	for (size_t k = 0; k < i->links; k++) {
		if (version_kept(i->names[k]) == i) {
			slot->kept = slot->n_pending;
			return;
		}
	}
}

static void
slot_power_loss(struct simfs *s, struct slot *slot)
{
	struct inode *to = version_kept(slot);

	if (to != slot->now) {
		slot_set(s, slot, to, s->next_change++);
	}
	slot_settle(s, slot, to);
}

void
simfs_power_loss(struct simfs *s, enum simloss how)
{
	struct inode *next;

	for (struct simproc *p = s->procs; p != NULL; p = p->next) {
		ASSERT(p->dead && simproc_handles(p) == 0);
	}
	s->quiet = true;
	for (struct inode *i = s->inodes; i != NULL; i = i->next) {
		if (i->kind == INODE_FILE) {
			file_power_loss(s, i, how);
		}
		for (size_t k = 0; k < i->n_slots; k++) {
			choose_version(s, i->slots[k], how);
		}
	}
	for_slots(s, mend_rename);
	for_slots(s, mend_folder);
	/* Settling may free inodes: hold them all meanwhile. */
	for (struct inode *i = s->inodes; i != NULL; i = i->next) {
		i->refs++;
	}
	for_slots(s, slot_power_loss);
	for (struct inode *i = s->inodes; i != NULL; i = next) {
		next = i->next;
		inode_unref(s, i);
	}
	s->quiet = false;
	s->boot[0] = rng_u64(&s->names);
	s->boot[1] = rng_u64(&s->names);
}
