#include "store/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>

#include "base/block.h"

/* A counter is only ever read for show: no order is needed. */
static void
count(_Atomic uint64_t *counter, uint64_t n)
{
	(void)atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void
begin(struct fs *fs)
{
	count(&fs->counts.calls, 1);
	block_begin();
}

int
fs_open(struct fs *fs, int dir, const char *path, int flags, unsigned mode)
{
	begin(fs);
	int rc = fs->ops->open(fs, dir, path, flags, mode);
	block_end();
	return rc;
}

void
fs_close(struct fs *fs, int *fd)
{
	if (*fd < 0) { /* none, or the answer of an open that failed */
		*fd = -1;
		return;
	}
	begin(fs);
	(void)fs->ops->close(fs, *fd);
	block_end();
	*fd = -1;
}

ssize_t
fs_pread(struct fs *fs, int fd, void *to, size_t len, uint64_t at)
{
	count(&fs->counts.calls, 1);
	return fs->ops->pread(fs, fd, to, len, at);
}

ssize_t
fs_writev(struct fs *fs, int fd, const struct iovec *v, int n)
{
	begin(fs);
	ssize_t rc = fs->ops->writev(fs, fd, v, n);
	block_end();
	if (rc > 0) {
		count(&fs->counts.written, (uint64_t)rc);
	}
	return rc;
}

ssize_t
fs_copy_in(struct fs *fs, int fd, int kernel_fd, uint64_t at, size_t len)
{
	begin(fs);
	ssize_t rc = fs->ops->copy_in(fs, fd, kernel_fd, at, len);
	block_end();
	if (rc > 0) {
		count(&fs->counts.written, (uint64_t)rc);
	}
	return rc;
}

int
fs_link_in(struct fs *fs, int kernel_fd, int dir, const char *path)
{
	if (fs->ops->link_in == NULL) {
		return -EXDEV;
	}
	begin(fs);
	int rc = fs->ops->link_in(fs, kernel_fd, dir, path);
	block_end();
	return rc;
}

void
fs_sync_start(struct fs *fs, int fd)
{
	if (fs->ops->sync_start != NULL) {
		begin(fs);
		fs->ops->sync_start(fs, fd);
		block_end();
	}
}

void
fs_read_start(struct fs *fs, int dir, const char *path)
{
	int fd;

	if (fs->ops->read_start == NULL) {
		return;
	}
	fd = fs_open(fs, dir, path, O_RDONLY, 0);
	if (fd >= 0) {
		begin(fs);
		fs->ops->read_start(fs, fd);
		block_end();
		fs_close(fs, &fd);
	}
}

static int
sync_how(struct fs *fs, int fd, bool data_only)
{
	count(&fs->counts.syncs, 1);
	begin(fs);
	int rc = fs->ops->sync(fs, fd, data_only);
	block_end();
	return rc;
}

int
fs_sync(struct fs *fs, int fd)
{
	return sync_how(fs, fd, false);
}

int
fs_datasync(struct fs *fs, int fd)
{
	return sync_how(fs, fd, true);
}

int
fs_allocate(struct fs *fs, int fd, uint64_t len)
{
	begin(fs);
	int rc = fs->ops->allocate(fs, fd, len);
	block_end();
	return rc;
}

/* Never sleeps on a local file system: no brackets. */
int
fs_stat(struct fs *fs, int fd, struct fs_stat *out)
{
	count(&fs->counts.calls, 1);
	return fs->ops->stat(fs, fd, out);
}

int
fs_stat_at(struct fs *fs, int dir, const char *path, struct fs_stat *out)
{
	begin(fs);
	int rc = fs->ops->stat_at(fs, dir, path, out);
	block_end();
	return rc;
}

int
fs_link(
    struct fs *fs, int from_dir, const char *from, int to_dir, const char *to)
{
	begin(fs);
	int rc = fs->ops->link(fs, from_dir, from, to_dir, to);
	block_end();
	return rc;
}

int
fs_symlink(struct fs *fs, const char *target, int dir, const char *path)
{
	begin(fs);
	int rc = fs->ops->symlink(fs, target, dir, path);
	block_end();
	return rc;
}

int
fs_rename(
    struct fs *fs, int from_dir, const char *from, int to_dir, const char *to)
{
	begin(fs);
	int rc = fs->ops->rename(fs, from_dir, from, to_dir, to);
	block_end();
	return rc;
}

int
fs_unlink(struct fs *fs, int dir, const char *path)
{
	begin(fs);
	int rc = fs->ops->unlink(fs, dir, path);
	block_end();
	return rc;
}

int
fs_mkdir(struct fs *fs, int dir, const char *path, unsigned mode)
{
	begin(fs);
	int rc = fs->ops->mkdir(fs, dir, path, mode);
	block_end();
	return rc;
}

int
fs_rmdir(struct fs *fs, int dir, const char *path)
{
	begin(fs);
	int rc = fs->ops->rmdir(fs, dir, path);
	block_end();
	return rc;
}

int
fs_list(struct fs *fs, int dir, const char *path, fs_list_fn *each, void *arg)
{
	begin(fs);
	int rc = fs->ops->list(fs, dir, path, each, arg);
	block_end();
	return rc;
}

int
fs_traits(struct fs *fs, struct fs_traits *out)
{
	return fs->ops->traits(fs, out);
}

int64_t
fs_now_ms(struct fs *fs)
{
	return fs->ops->now_ms(fs);
}

uint64_t
fs_random(struct fs *fs)
{
	return fs->ops->random(fs);
}

void
fs_boot_id(struct fs *fs, uint64_t out[2])
{
	fs->ops->boot_id(fs, out);
}
