/*
 * Handles, reading, writing and flushing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "simfs_priv.h"

enum { TOLD_CALLS = 6 }; /* what a process does at once when it is told */

/* ---- open, close, stat ---- */

static const char *
inode_name(const struct inode *i)
{
	return i->links != 0 ? i->names[0]->name : "(no name)";
}

static int
handle_new(struct simproc *p, struct inode *i, int flags)
{
	size_t n = 0;

	while (n < p->n_handles && p->handles[n].inode != NULL) {
		n++;
	}
	if (n == p->n_handles) {
		return -EMFILE;
	}
	i->refs++;
	i->open++;
	p->handles[n] =
	    (struct handle){.inode = i, .flags = flags, .error = i->error_seen};
	return (int)(n + p->id * 1000U + 3);
}

static int
open_made(struct simproc *p, struct slot *slot, int flags)
{
	struct simfs *s = p->volume;

	if ((flags & O_CREAT) == 0) {
		return -ENOENT;
	}
	if (s->conf.capacity != 0 && s->used >= s->conf.capacity) {
		return -ENOSPC;
	}
	p->count.names++;
	slot_set(s, slot, inode_new(s, INODE_FILE), s->next_change++);
	return handle_new(p, slot->now, flags);
}

static int
open_slot(struct simproc *p, int dir, const char *path, int flags)
{
	bool make = (flags & O_CREAT) != 0;
	struct inode *in;
	const char *name;
	struct slot *slot;
	int rc = path_resolve(p->volume, proc_dir(p, dir), path, &in, &name);

	if (rc != 0) {
		return rc;
	}
	if (strcmp(name, ".") == 0) {
		return handle_new(p, in, flags);
	}
	slot = proc_slot(p, dir, path, make, &rc);
	if (slot == NULL) {
		return rc;
	}
	if (slot->now == NULL) {
		return open_made(p, slot, flags);
	}
	if (make && (flags & O_EXCL) != 0) {
		return -EEXIST;
	}
	ASSERT((flags & O_TRUNC) == 0);
	if ((flags & O_DIRECTORY) != 0 && slot->now->kind != INODE_DIR) {
		return -ENOTDIR;
	}
	return handle_new(p, slot->now, flags);
}

int
sim_open(struct fs *fs, int dir, const char *path, int flags, unsigned mode)
{
	struct simproc *p = proc_of(fs);
	int rc = proc_begin(p, SIMOP_OPEN, path);

	(void)mode;
	if (rc == 0) {
		rc = open_slot(p, dir, path, flags);
	}
	return (int)proc_done(p, SIMOP_OPEN, path, rc);
}

int
sim_close(struct fs *fs, int fd)
{
	struct simproc *p = proc_of(fs);
	struct handle *h = proc_handle(p, fd);
	struct inode *i = h->inode;

	h->inode = NULL;
	inode_closed(p->volume, i);
	return 0;
}

static void
stat_inode(const struct inode *i, struct fs_stat *out)
{
	*out = (struct fs_stat){
	    .size = i->size,
	    .ino = i->ino,
	    .links = i->kind == INODE_DIR ? i->links * 2 : i->links,
	    .mtime_ms = i->mtime_ms,
	    .changed = i->writes + 1,
	    .is_dir = i->kind == INODE_DIR,
	};
}

int
sim_stat(struct fs *fs, int fd, struct fs_stat *out)
{
	struct simproc *p = proc_of(fs);
	struct handle *h = proc_handle(p, fd);
	int rc = proc_begin(p, SIMOP_STAT, NULL);

	if (rc == 0) {
		stat_inode(h->inode, out);
	}
	return (int)proc_done(p, SIMOP_STAT, inode_name(h->inode), rc);
}

int
sim_stat_at(struct fs *fs, int dir, const char *path, struct fs_stat *out)
{
	struct simproc *p = proc_of(fs);
	struct slot *slot;
	int rc = proc_begin(p, SIMOP_STAT, path);

	if (rc == 0 && (slot = proc_slot(p, dir, path, false, &rc)) != NULL) {
		stat_inode(slot->now, out);
	}
	return (int)proc_done(p, SIMOP_STAT, path, rc);
}

/* ---- reading and writing ---- */

/*
 * The page at `pos` was fetched when the file ended in it; meanwhile others
 * wrote on.  Octets that are taken of it, zeros behind its old end: 0 if the
 * file did not grow past the page.
 */
static size_t
read_torn(struct simproc *p, const struct inode *i, uint8_t *to, size_t len,
    uint64_t pos)
{
	struct simfs *s = p->volume;
	uint64_t end = (pos / s->conf.page + 1) * s->conf.page;
	size_t had = i->size - pos;
	size_t n = end - pos;

	if (i->size >= end || n >= len
	    || !rng_chance(&s->rng, s->conf.torn_per_mille)) {
		return 0;
	}
	memcpy(to, i->data + pos, had);
	memset(to + had, 0, n - had);
	/* Others run in the step, and may have written behind the page. */
	// cppcheck-suppress knownConditionTrueFalse
	return proc_step(p, SIMOP_READ_TORN) && i->size > end ? n : 0;
}

/* What the owner of the shared octets has made of them. */
static void
fetch_shared(struct inode *i)
{
	if (i->shared_fd >= 0 && i->size > i->shared_at) {
		ASSERT(pread(i->shared_fd, i->data + i->shared_at,
			   i->size - i->shared_at, 0)
		       >= 0);
	}
}

static ssize_t
read_pages(struct simproc *p, const struct inode *i, uint8_t *to, size_t len,
    uint64_t at)
{
	const uint64_t page = p->volume->conf.page;
	size_t n = 0;

	while (n < len && at + n < i->size) {
		uint64_t pos = at + n;
		uint64_t end = (pos / page + 1) * page;
		size_t torn = read_torn(p, i, to + n, len - n, pos);

		if (p->dead) {
			return -EIO;
		}
		if (torn != 0) {
			n += torn;
			continue;
		}
		if (pos >= i->size) {
			break; /* cut short while the torn page was read */
		}
		end = end < i->size ? end : i->size;
		end = end < at + len ? end : at + len;
		memcpy(to + n, i->data + pos, end - pos);
		n += end - pos;
		/* A read is not one instant: the size is looked at anew. */
		if (!proc_step(p, SIMOP_READ_PAGE)) {
			return -EIO;
		}
	}
	return (ssize_t)n;
}

ssize_t
sim_pread(struct fs *fs, int fd, void *to, size_t len, uint64_t at)
{
	struct simproc *p = proc_of(fs);
	struct handle *h = proc_handle(p, fd);
	ssize_t rc = proc_begin(p, SIMOP_READ, NULL);

	ASSERT(h->inode->kind == INODE_FILE);
	if (rc == SIM_SHORT) {
		len = len > 1 ? len / 2 : len;
		rc = 0;
	}
	if (rc == 0) {
		fetch_shared(h->inode);
		rc = read_pages(p, h->inode, to, len, at);
	}
	return proc_done(p, SIMOP_READ, inode_name(h->inode), rc);
}

/* One piece, within one page; false when the volume has no room for it. */
static bool
write_piece(struct simfs *s, struct inode *i, const uint8_t *from, size_t len,
    uint64_t at)
{
	uint64_t end = at + len;

	if (!inode_charge(s, i, inode_pages(s, end))) {
		return false;
	}
	(void)inode_resize(s, i, end);
	memcpy(i->data + at, from, len);
	i->pages[at / s->conf.page] = PAGE_DIRTY;
	if (end > i->size) {
		i->size = end;
	}
	i->mtime_ms = (int64_t)s->now_ms;
	i->writes++;
	return true;
}

static size_t
piece_len(struct simfs *s, uint64_t at, size_t left)
{
	uint64_t len = s->conf.page - at % s->conf.page;

	if (len > left) {
		len = left;
	}
	/* A killed writer may leave any prefix. */
	if (len > 1 && rng_chance(&s->rng, 50)) {
		len = rng_range(&s->rng, 1, len);
	}
	return len;
}

static ssize_t
write_pages(struct simproc *p, struct inode *i, const uint8_t *from, size_t len,
    uint64_t at)
{
	struct simfs *s = p->volume;
	size_t n = 0;

	i->writer = p;
	p->writing = i;
	while (n < len) {
		size_t piece = piece_len(s, at + n, len - n);

		if (!write_piece(s, i, from + n, piece, at + n)) {
			break;
		}
		n += piece;
		if (n < len && !proc_step(p, SIMOP_WRITE_PAGE)) {
			return -EIO; /* killed: the kernel lets the inode go */
		}
	}
	i->writer = NULL;
	p->writing = NULL;
	return n == 0 && len != 0 ? -ENOSPC : (ssize_t)n;
}

/* The inode's lock: one append at a time. */
static bool
wait_for_inode(struct simproc *p, const struct inode *i)
{
	while (i->writer != NULL && !p->dead) {
		ASSERT(p->volume->conf.step != NULL);
		(void)proc_step(p, SIMOP_WAIT);
	}
	return !p->dead;
}

static ssize_t
write_handle(struct simproc *p, struct handle *h, struct sv octets, bool cut)
{
	struct simfs *s = p->volume;
	struct inode *i = h->inode;
	ssize_t rc;

	bool far = s->conf.far_appends;

	if (!far && !wait_for_inode(p, i)) {
		return -EIO;
	}
	if (octets.len > 1
	    && (cut || rng_chance(&s->rng, s->conf.short_per_mille))) {
		octets.len = rng_range(&s->rng, 1, octets.len - 1);
	}
	if ((h->flags & O_APPEND) != 0) {
		h->at = i->size;
		if (far && !proc_step(p, SIMOP_WRITE_PAGE)) {
			return -EIO;
		}
	}
	rc = write_pages(p, i, (const uint8_t *)octets.p, octets.len, h->at);
	if (rc > 0) {
		h->at += (uint64_t)rc;
	}
	return rc;
}

ssize_t
sim_writev(struct fs *fs, int fd, const struct iovec *v, int n)
{
	struct simproc *p = proc_of(fs);
	struct handle *h = proc_handle(p, fd);
	struct buf all = {.len = 0};
	ssize_t rc;

	ASSERT((h->flags & O_ACCMODE) != O_RDONLY);
	for (int k = 0; k < n; k++) {
		buf_add(&all, v[k].iov_base, v[k].iov_len);
	}
	rc = proc_begin(p, SIMOP_WRITE, NULL);
	if (rc >= 0) {
		rc = write_handle(p, h, buf_sv(&all), rc == SIM_SHORT);
	}
	buf_deinit(&all);
	return proc_done(p, SIMOP_WRITE, inode_name(h->inode), rc);
}

ssize_t
sim_copy_in(struct fs *fs, int fd, int kernel_fd, uint64_t at, size_t len)
{
	struct iovec v = {.iov_base = xmalloc(len + 1)};
	ssize_t n = pread(kernel_fd, v.iov_base, len, (off_t)at);

	if (n >= 0) {
		v.iov_len = (size_t)n;
		n = sim_writev(fs, fd, &v, 1);
	}
	if (n > 0 && at == 0 && proc_of(fs)->volume->conf.copies_share) {
		struct inode *i = proc_handle(proc_of(fs), fd)->inode;

		i->shared_fd = dup(kernel_fd);
		i->shared_at = i->size - (uint64_t)n;
	}
	free(v.iov_base);
	return n;
}

/* Some of it may reach the disk, or nothing. */
void
sim_sync_start(struct fs *fs, int fd)
{
	struct simproc *p = proc_of(fs);

	if (!p->dead) {
		inode_writeback(p->volume, proc_handle(p, fd)->inode);
	}
}

/* The disk refuses this inode's dirty pages: they are lost, silently from the
 * second flush on.  That it has no room makes no difference. */
static void
flush_fails(struct simfs *s, struct inode *i, int answer)
{
	uint64_t n = inode_pages(s, i->size);

	for (uint64_t k = 0; i->kind == INODE_FILE && k < n; k++) {
		if (i->pages[k] == PAGE_DIRTY) {
			i->pages[k] = PAGE_LOST;
		}
	}
	for (size_t k = 0; k < i->n_slots; k++) {
		i->slots[k]->lost = i->slots[k]->n_pending != 0;
	}
	i->error++;
	i->answer = answer;
}

/* Will a name of it, or of a folder above, never be on disk? */
static bool
names_lost(const struct inode *i)
{
	bool lost = false;

	for (size_t k = 0; k < i->links && !lost; k++) {
		lost = i->names[k]->lost || names_lost(i->names[k]->dir);
	}
	return lost;
}

static int
flush_handle(struct simproc *p, struct handle *h)
{
	struct simfs *s = p->volume;
	struct inode *i = h->inode;

	p->count.flushes++;
	if (i->kind == INODE_DIR) {
		dir_flush(s, i);
	} else {
		inode_flush(s, i);
	}
	if (s->conf.fsync_covers_name) {
		inode_flush_names(s, i);
		if (names_lost(i)) { /* the file system's journal has ended */
			p->told = TOLD_CALLS;
			return -EIO;
		}
	}
	if (h->error != i->error) {
		h->error = i->error;
		i->error_seen = i->error;
		p->told = TOLD_CALLS;
		return i->answer != 0 ? i->answer : -EIO;
	}
	return 0;
}

int
sim_sync(struct fs *fs, int fd, bool data_only)
{
	struct simproc *p = proc_of(fs);
	struct handle *h = proc_handle(p, fd);
	enum simop op = data_only ? SIMOP_DATASYNC : SIMOP_SYNC;
	int rc = proc_begin(p, op, NULL);

	if ((rc == -EIO || rc == -ENOSPC || rc == -EDQUOT) && !p->dead) {
		flush_fails(p->volume, h->inode, rc);
		rc = 0; /* flush_handle() finds the error */
	}
	if (rc == 0) {
		rc = flush_handle(p, h);
	}
	return (int)proc_done(p, op, inode_name(h->inode), rc);
}

int
sim_allocate(struct fs *fs, int fd, uint64_t len)
{
	struct simproc *p = proc_of(fs);
	struct handle *h = proc_handle(p, fd);
	int rc = proc_begin(p, SIMOP_ALLOCATE, NULL);

	if (rc == 0
	    && !inode_charge(
		p->volume, h->inode, inode_pages(p->volume, len))) {
		rc = -ENOSPC;
	}
	return (int)proc_done(p, SIMOP_ALLOCATE, inode_name(h->inode), rc);
}
