/*
 * The real file system: each call of fs.h is one system call below a root
 * folder.  Handles are kernel descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/block.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/sv.h"
#include "store/fs.h"

enum { LIST_BUFFER = 4096 };

/* Not in every version of <linux/magic.h>. */
enum { MAGIC_XFS = 0x58465342 };

struct fs_real {
	struct fs fs;
	int root;
	uint64_t boot_id[2];
};

static struct fs_real *
self(struct fs *fs)
{
	return (struct fs_real *)fs;
}

static int
folder(struct fs *fs, int dir)
{
	return dir == FS_ROOT ? self(fs)->root : dir;
}

static int
result(int rc)
{
	return rc < 0 ? -errno : rc;
}

static int
open_once(int dir, const char *path, int flags, unsigned mode)
{
	int fd;

	do {
		fd = openat(dir, path, flags | O_CLOEXEC, mode);
	} while (fd < 0 && errno == EINTR);
	return result(fd);
}

/* A file that is there can be read on a file system that is mounted read-only,
 * whatever it is opened for; see write_after_all(). */
static int
real_open(struct fs *fs, int dir, const char *path, int flags, unsigned mode)
{
	int fd = open_once(folder(fs, dir), path, flags, mode);

	if (fd == -EROFS && (flags & (O_ACCMODE | O_CREAT)) == O_RDWR) {
		fd = open_once(
		    folder(fs, dir), path, (flags & ~O_ACCMODE) | O_RDONLY, 0);
	}
	return fd;
}

/* Make a descriptor that was opened while the file system was read-only one
 * to write to.  False, and errno: it still is. */
static bool
write_after_all(int fd)
{
	char path[40];
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & O_ACCMODE) != O_RDONLY) {
		return false;
	}
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int new =
	    open(path, (flags & O_APPEND) | O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (new < 0) {
		return false;
	}
	int rc = dup3(new, fd, O_CLOEXEC);

	(void)close(new);
	return rc >= 0;
}

static int
real_close(struct fs *fs, int fd)
{
	(void)fs;
	return result(close(fd));
}

/* What the page cache has, without a wait.  *got becomes the octets read;
 * true if that is all there is, or all that is wanted. */
static bool
read_cached(int fd, char *to, size_t len, uint64_t at, size_t *got)
{
	ssize_t n;

	*got = 0;
	do {
		struct iovec v = {to + *got, len - *got};

		n = preadv2(fd, &v, 1, (off_t)(at + *got), RWF_NOWAIT);
		*got += n > 0 ? (size_t)n : 0;
	} while (n > 0 && *got < len);
	return n >= 0;
}

static ssize_t
real_pread(struct fs *fs, int fd, void *to, size_t len, uint64_t at)
{
	size_t got;
	ssize_t n;

	(void)fs;
	if (read_cached(fd, to, len, at, &got)) {
		return (ssize_t)got;
	}
	block_begin();
	do {
		n = pread(fd, (char *)to + got, len - got, (off_t)(at + got));
	} while (n < 0 && errno == EINTR);
	int err = errno;

	block_end();
	return n < 0 ? -err : (ssize_t)got + n;
}

static ssize_t
real_writev(struct fs *fs, int fd, const struct iovec *v, int n)
{
	ssize_t rc;

	(void)fs;
	do {
		rc = writev(fd, v, n);
	} while (
	    rc < 0
	    && (errno == EINTR || (errno == EBADF && write_after_all(fd))));
	return rc < 0 ? -errno : rc;
}

/* sendfile(2): a memfd has no other way into a file without a copy through
 * this process. */
static ssize_t
real_copy_in(struct fs *fs, int fd, int kernel_fd, uint64_t at, size_t len)
{
	off_t from = (off_t)at;
	ssize_t n;

	(void)fs;
	do {
		n = sendfile(fd, kernel_fd, &from, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* linkat(2) with AT_EMPTY_PATH takes a privilege before Linux 6.10. */
static int
real_link_in(struct fs *fs, int kernel_fd, int dir, const char *path)
{
	char from[32];

	(void)snprintf(from, sizeof(from), "/proc/self/fd/%d", kernel_fd);
	return result(
	    linkat(AT_FDCWD, from, folder(fs, dir), path, AT_SYMLINK_FOLLOW));
}

static void
real_sync_start(struct fs *fs, int fd)
{
	(void)fs;
	(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static void
real_read_start(struct fs *fs, int fd)
{
	(void)fs;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
}

static int
real_sync(struct fs *fs, int fd, bool data_only)
{
	(void)fs;
	return result(data_only ? fdatasync(fd) : fsync(fd));
}

static int
real_allocate(struct fs *fs, int fd, uint64_t len)
{
	(void)fs;
	return result(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)len));
}

static void
fill_stat(const struct stat *st, struct fs_stat *out)
{
	*out = (struct fs_stat){
	    .size = (uint64_t)st->st_size,
	    .ino = st->st_ino,
	    .links = st->st_nlink,
	    .mtime_ms = (int64_t)st->st_mtim.tv_sec * 1000
			+ st->st_mtim.tv_nsec / 1000000,
	    .changed =
		(int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec,
	    .is_dir = S_ISDIR(st->st_mode),
	};
}

static int
real_stat(struct fs *fs, int fd, struct fs_stat *out)
{
	struct stat st;

	(void)fs;
	if (fstat(fd, &st) != 0) {
		return -errno;
	}
	fill_stat(&st, out);
	return 0;
}

static int
real_stat_at(struct fs *fs, int dir, const char *path, struct fs_stat *out)
{
	struct stat st;

	if (fstatat(folder(fs, dir), path, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		return -errno;
	}
	fill_stat(&st, out);
	return 0;
}

static int
real_link(
    struct fs *fs, int from_dir, const char *from, int to_dir, const char *to)
{
	return result(
	    linkat(folder(fs, from_dir), from, folder(fs, to_dir), to, 0));
}

static int
real_symlink(struct fs *fs, const char *target, int dir, const char *path)
{
	return result(symlinkat(target, folder(fs, dir), path));
}

static int
real_rename(
    struct fs *fs, int from_dir, const char *from, int to_dir, const char *to)
{
	return result(
	    renameat(folder(fs, from_dir), from, folder(fs, to_dir), to));
}

static int
real_unlink(struct fs *fs, int dir, const char *path)
{
	return result(unlinkat(folder(fs, dir), path, 0));
}

static int
real_mkdir(struct fs *fs, int dir, const char *path, unsigned mode)
{
	return result(mkdirat(folder(fs, dir), path, mode));
}

static int
real_rmdir(struct fs *fs, int dir, const char *path)
{
	return result(unlinkat(folder(fs, dir), path, AT_REMOVEDIR));
}

/* What getdents64(2) gives; the C library has no name for it. */
struct dirent64_raw {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

/* False when `each` said stop. */
static bool
list_batch(const char *batch, size_t len, fs_list_fn *each, void *arg)
{
	for (size_t at = 0; at < len;) {
		const struct dirent64_raw *d =
		    (const struct dirent64_raw *)(const void *)(batch + at);

		if (strcmp(d->name, ".") != 0 && strcmp(d->name, "..") != 0
		    && !each(arg, d->name)) {
			return false;
		}
		at += d->reclen;
	}
	return true;
}

/* Without opendir(3), whose buffer costs more than the reading. */
static int
real_list(struct fs *fs, int dir, const char *path, fs_list_fn *each, void *arg)
{
	_Alignas(8) char batch[LIST_BUFFER];
	int rc = 0;
	int fd = real_open(fs, dir, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0) {
		return fd;
	}
	for (;;) {
		long n = syscall(SYS_getdents64, fd, batch, sizeof(batch));

		if (n <= 0) {
			rc = n < 0 ? -errno : 0;
			break;
		}
		if (!list_batch(batch, (size_t)n, each, arg)) {
			break;
		}
	}
	(void)close(fd);
	return rc;
}

/*
 * Appends are atomic where the kernel holds the inode's lock over a whole
 * write(2); measured and listed in docs/store.md.  A file system that is not
 * known is not trusted.
 */
static int
real_traits(struct fs *fs, struct fs_traits *out)
{
	struct statfs st;

	*out = (struct fs_traits){0};
	if (fstatfs(self(fs)->root, &st) != 0) {
		return -errno;
	}
	switch ((unsigned long)st.f_type) {
	case EXT4_SUPER_MAGIC: /* and ext2, ext3 */
	case MAGIC_XFS:
	case BTRFS_SUPER_MAGIC:
	case TMPFS_MAGIC:
	case OVERLAYFS_SUPER_MAGIC:
		*out = (struct fs_traits){
		    .atomic_append = true,
		    .fsync_covers_name = true,
		    .local = true,
		};
		break;
	default: /* the kernel's numbers, not an enum of ours */
		break;
	}
	return 0;
}

static int64_t
real_now_ms(struct fs *fs)
{
	(void)fs;
	return clock_wall_ms();
}

static uint64_t
real_random(struct fs *fs)
{
	(void)fs;
	return random_u64();
}

static void
real_boot_id(struct fs *fs, uint64_t out[2])
{
	memcpy(out, self(fs)->boot_id, sizeof(self(fs)->boot_id));
}

static const struct fs_ops real_ops = {
    .open = real_open,
    .close = real_close,
    .pread = real_pread,
    .writev = real_writev,
    .copy_in = real_copy_in,
    .link_in = real_link_in,
    .sync_start = real_sync_start,
    .read_start = real_read_start,
    .sync = real_sync,
    .allocate = real_allocate,
    .stat = real_stat,
    .stat_at = real_stat_at,
    .link = real_link,
    .symlink = real_symlink,
    .rename = real_rename,
    .unlink = real_unlink,
    .mkdir = real_mkdir,
    .rmdir = real_rmdir,
    .list = real_list,
    .traits = real_traits,
    .now_ms = real_now_ms,
    .random = real_random,
    .boot_id = real_boot_id,
};

/* The kernel's UUID of this boot: "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx". */
static int
read_boot_id(uint64_t out[2], struct fail *f)
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";
	char text[64] = "";
	char hex[33];
	size_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0) {
		return fail_sys(f, "open %s", path);
	}
	got = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	for (ssize_t i = 0; i < got && n < sizeof(hex) - 1; i++) {
		if (text[i] != '-' && text[i] != '\n') {
			hex[n++] = text[i];
		}
	}
	hex[n] = '\0';
	if (n != 32) {
		return fail_set(f, FAIL_PERM, "%s: not a UUID", path);
	}
	out[1] = strtoull(hex + 16, NULL, 16);
	hex[16] = '\0';
	out[0] = strtoull(hex, NULL, 16);
	return 0;
}

int
fs_real_open(const char *root, struct fs **out, struct fail *f)
{
	struct fs_real *real = xmalloc(sizeof(*real));

	*out = NULL;
	real->fs.ops = &real_ops;
	real->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (real->root < 0) {
		(void)fail_sys(f, "open %s", root);
		free(real);
		return -1;
	}
	if (read_boot_id(real->boot_id, f) != 0) {
		(void)close(real->root);
		free(real);
		return -1;
	}
	*out = &real->fs;
	return 0;
}

void
fs_real_close(struct fs **fs)
{
	if (*fs == NULL) {
		return;
	}
	(void)close(self(*fs)->root);
	free(*fs);
	*fs = NULL;
}
