/*
 * fs: the narrow way from the store to a file system.
 *
 * All that the store does to files goes through these calls, so that tests
 * can put a simulated file system under it: pauses, crashes, torn and lost
 * writes, injected errors.  Statistics and injected faults live in the fs_*()
 * wrappers; a back end fills every entry of struct fs_ops.
 *
 * Files and folders are named by (folder handle, relative path); FS_ROOT is
 * the store's root.  Handles of the real file system are kernel descriptors,
 * so a message's handle can be given to sendfile(2).
 *
 * Results are 0 or a count, or -errno.  Calls that may sleep are bracketed
 * with block_begin()/block_end() by the wrappers (pread: by the back end, only
 * where the disk has to be waited for), never by callers.  No lock
 * is held across any of them.
 *
 * The clock, the source of randomness and the boot id stand here too, since
 * a simulation must own them.
 *
 * Threads: every call is safe from any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/attr.h"

enum { FS_ROOT = -1 };

struct fs;

struct fs_stat {
	uint64_t size;
	uint64_t ino;
	uint64_t links; /* 0: removed while open */
	int64_t mtime_ms;
	int64_t changed; /* differs when it was written to since, as finely as
			  * the file system tells: compare for equality */
	bool is_dir;
};

/* What the store may expect of the file system below [docs/store.md]. */
struct fs_traits {
	bool atomic_append;	/* appends of several writers never mix */
	bool fsync_covers_name; /* fsync of a file or folder makes its names
				 * durable, and those of the folders above */
	bool local;		/* one kernel sees all changes at once */
};

/* One name of a folder; return false to stop.  `name` is borrowed.  Called
 * between the brackets: short, and no fs_*() call. */
typedef bool fs_list_fn(void *arg, const char *name);

struct fs_ops {
	int (*open)(struct fs *fs, int dir, const char *path, int flags,
	    unsigned mode); /* open(2) flags; O_CLOEXEC is implied */
	int (*close)(struct fs *fs, int fd);
	/* Less than `len` only at the end. */
	ssize_t (*pread)(
	    struct fs *fs, int fd, void *to, size_t len, uint64_t at);
	/* One write(2): at the end for O_APPEND handles.  May be short. */
	ssize_t (*writev)(struct fs *fs, int fd, const struct iovec *v, int n);
	/* Append `len` octets of a kernel descriptor, from `at` on.  May be
	 * short. */
	ssize_t (*copy_in)(
	    struct fs *fs, int fd, int kernel_fd, uint64_t at, size_t len);
	/* Give the file of a kernel descriptor, which has no name, this one.
	 * NULL: not possible. */
	int (*link_in)(struct fs *fs, int kernel_fd, int dir, const char *path);
	/* Begin to write what the file has, without waiting and without any
	 * promise: for several files that are to be flushed at once.  NULL:
	 * nothing is gained by it. */
	void (*sync_start)(struct fs *fs, int fd);
	/* Begin to read the whole file, without waiting: for several files
	 * that will be read one after the other.  It may be closed at once.
	 * NULL: nothing is gained by it. */
	void (*read_start)(struct fs *fs, int fd);
	int (*sync)(struct fs *fs, int fd, bool data_only);
	int (*allocate)(struct fs *fs, int fd, uint64_t len); /* keeps size */
	int (*stat)(struct fs *fs, int fd, struct fs_stat *out);
	int (*stat_at)(
	    struct fs *fs, int dir, const char *path, struct fs_stat *out);
	int (*link)(struct fs *fs, int from_dir, const char *from, int to_dir,
	    const char *to);
	int (*symlink)(
	    struct fs *fs, const char *target, int dir, const char *path);
	int (*rename)(struct fs *fs, int from_dir, const char *from, int to_dir,
	    const char *to);
	int (*unlink)(struct fs *fs, int dir, const char *path);
	int (*mkdir)(struct fs *fs, int dir, const char *path, unsigned mode);
	int (*rmdir)(struct fs *fs, int dir, const char *path);
	int (*list)(struct fs *fs, int dir, const char *path, fs_list_fn *each,
	    void *arg); /* without . and .. */
	int (*traits)(struct fs *fs, struct fs_traits *out);
	int64_t (*now_ms)(struct fs *fs); /* wall clock */
	uint64_t (*random)(struct fs *fs);
	void (*boot_id)(struct fs *fs, uint64_t out[2]);
};

/* What went through the wrappers, for statistics and tests. */
struct fs_counts {
	_Atomic uint64_t calls;	  /* all that would be a system call */
	_Atomic uint64_t syncs;	  /* of them, flushes */
	_Atomic uint64_t written; /* octets */
};

/* A back end embeds this as its first member. */
struct fs {
	const struct fs_ops *ops;
	struct fs_counts counts;
};

/* The real file system below `root`, a folder that exists. */
struct fail;
int fs_real_open(const char *root, struct fs **out, struct fail *f) MUST_CHECK;
void fs_real_close(struct fs **fs);

int fs_open(struct fs *fs, int dir, const char *path, int flags,
    unsigned mode) MUST_CHECK;
void fs_close(struct fs *fs, int *fd); /* sets it to -1; -1 is a no-op */
ssize_t fs_pread(
    struct fs *fs, int fd, void *to, size_t len, uint64_t at) MUST_CHECK;
ssize_t fs_writev(
    struct fs *fs, int fd, const struct iovec *v, int n) MUST_CHECK;
int fs_link_in(
    struct fs *fs, int kernel_fd, int dir, const char *path) MUST_CHECK;
ssize_t fs_copy_in(
    struct fs *fs, int fd, int kernel_fd, uint64_t at, size_t len) MUST_CHECK;
void fs_sync_start(struct fs *fs, int fd);
/* Begin to read a file, if there is a way to; otherwise no call is made. */
void fs_read_start(struct fs *fs, int dir, const char *path);
int fs_sync(struct fs *fs, int fd) MUST_CHECK;	   /* fsync(2) */
int fs_datasync(struct fs *fs, int fd) MUST_CHECK; /* fdatasync(2) */
int fs_allocate(struct fs *fs, int fd, uint64_t len);
int fs_stat(struct fs *fs, int fd, struct fs_stat *out) MUST_CHECK;
int fs_stat_at(
    struct fs *fs, int dir, const char *path, struct fs_stat *out) MUST_CHECK;
int fs_link(struct fs *fs, int from_dir, const char *from, int to_dir,
    const char *to) MUST_CHECK;
int fs_symlink(
    struct fs *fs, const char *target, int dir, const char *path) MUST_CHECK;
int fs_rename(struct fs *fs, int from_dir, const char *from, int to_dir,
    const char *to) MUST_CHECK;
int fs_unlink(struct fs *fs, int dir, const char *path);
int fs_mkdir(
    struct fs *fs, int dir, const char *path, unsigned mode) MUST_CHECK;
int fs_rmdir(struct fs *fs, int dir, const char *path);
int fs_list(struct fs *fs, int dir, const char *path, fs_list_fn *each,
    void *arg) MUST_CHECK;
int fs_traits(struct fs *fs, struct fs_traits *out) MUST_CHECK;
int64_t fs_now_ms(struct fs *fs);
uint64_t fs_random(struct fs *fs);
void fs_boot_id(struct fs *fs, uint64_t out[2]);
