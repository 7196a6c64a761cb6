/*
 * one_file: a file system that has one file, whatever its name: the octets
 * that `one_file` borrows.
 *
 * Threads: one.
 */
#pragma once

#include <string.h>

#include "base/sv.h"
#include "store/fs.h"

static struct sv one_file;

static inline int
one_open(struct fs *fs, int dir, const char *path, int flags, unsigned mode)
{
	(void)fs;
	(void)dir;
	(void)path;
	(void)flags;
	(void)mode;
	return 3;
}

static inline int
one_close(struct fs *fs, int fd)
{
	(void)fs;
	(void)fd;
	return 0;
}

static inline ssize_t
one_pread(struct fs *fs, int fd, void *to, size_t len, uint64_t at)
{
	struct sv s =
	    at < one_file.len ? sv_sub(one_file, (size_t)at, len) : SV_EMPTY;

	(void)fs;
	(void)fd;
	if (s.len != 0) {
		memcpy(to, s.p, s.len);
	}
	return (ssize_t)s.len;
}

static inline int
one_stat(struct fs *fs, int fd, struct fs_stat *out)
{
	(void)fs;
	(void)fd;
	*out = (struct fs_stat){.size = one_file.len, .ino = 7};
	return 0;
}

static inline int
one_stat_at(struct fs *fs, int dir, const char *path, struct fs_stat *out)
{
	(void)path;
	return one_stat(fs, dir, out);
}

static const struct fs_ops one_file_ops = {
    .open = one_open,
    .close = one_close,
    .pread = one_pread,
    .stat = one_stat,
    .stat_at = one_stat_at,
};
