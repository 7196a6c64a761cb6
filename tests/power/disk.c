/*
 * disk: a disk that remembers each write and each flush.
 *
 *	disk MOUNTPOINT IMAGE LOG CONTROL
 *
 * A FUSE file system with one file, `disk`, which has the octets of IMAGE.  A
 * loop device over it is a block device with a volatile cache: what the
 * kernel writes to it comes here at once, and a flush of it (REQ_OP_FLUSH,
 * and what the kernel makes of REQ_FUA) is an fsync of the file.  Both go
 * into LOG as disk.h says, before they are answered.  IMAGE is changed as the
 * disk is; it is what the disk would hold if it never lost anything.
 *
 * It serves one request at a time: so a write that stands in the log before a
 * flush was answered before it, and the flush covers it.  "ready" on standard
 * output says that the file is there.
 *
 * Threads: one.
 */
#define FUSE_USE_VERSION 35

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "disk.h"

enum {
	FILE_INO = FUSE_ROOT_ID + 1,
	WRITE_MAX = 1 << 20,
};

static const char name[] = "disk";

static struct {
	char *image; /* mapped */
	size_t size;
	int log;
	struct disk_control *control; /* mapped */
} disk;

static _Noreturn void
die(const char *what)
{
	perror(what);
	exit(1); // NOLINT(concurrency-mt-unsafe): there is one thread
}

/* ---- the log ---- */

static void
log_entry(enum disk_kind kind, const char *p, size_t len, off_t at)
{
	struct disk_entry entry = {
	    .at = (uint64_t)at,
	    .len = (uint32_t)len,
	    .kind = kind,
	};
	struct iovec v[] = {
	    {&entry, sizeof(entry)},
	    {.iov_base = disk.image + at, .iov_len = len},
	};

	if (len > 0) {
		memcpy(disk.image + at, p, len);
	}
	if (writev(disk.log, v, 2) != (ssize_t)(sizeof(entry) + len)) {
		die("the log");
	}
	disk.control->flushes += kind == DISK_FLUSH;
	/* Last: who reads this count knows that so many entries are whole. */
	disk.control->count++;
}

static bool
is_faulty(enum disk_fault fault)
{
	if (disk.control->fault != (uint32_t)fault) {
		return false;
	}
	disk.control->refused++;
	return true;
}

/* ---- the file system ---- */

static void
stat_of(fuse_ino_t ino, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_nlink = 1;
	if (ino == FUSE_ROOT_ID) {
		st->st_mode = S_IFDIR | 0700;
	} else {
		st->st_mode = S_IFREG | 0600;
		st->st_size = (off_t)disk.size;
	}
}

static void
on_init(void *arg, struct fuse_conn_info *conn)
{
	(void)arg;
	conn->max_write = WRITE_MAX;
	(void)puts("ready");
	(void)fflush(stdout);
}

static void
on_lookup(fuse_req_t req, fuse_ino_t parent, const char *what)
{
	struct fuse_entry_param e = {
	    .ino = FILE_INO,
	    .attr_timeout = 1e6,
	    .entry_timeout = 1e6,
	};

	if (parent != FUSE_ROOT_ID || strcmp(what, name) != 0) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	stat_of(FILE_INO, &e.attr);
	fuse_reply_entry(req, &e);
}

static void
on_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	stat_of(ino, &st);
	fuse_reply_attr(req, &st, 1e6);
}

static void
on_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (ino != FILE_INO) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	fuse_reply_open(req, fi);
}

static void
on_read(fuse_req_t req, fuse_ino_t ino, size_t len, off_t at,
    struct fuse_file_info *fi)
{
	size_t start = (size_t)at;

	(void)ino;
	(void)fi;
	if (start >= disk.size) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	if (len > disk.size - start) {
		len = disk.size - start;
	}
	fuse_reply_buf(req, disk.image + start, len);
}

static void
on_write(fuse_req_t req, fuse_ino_t ino, const char *p, size_t len, off_t at,
    struct fuse_file_info *fi)
{
	size_t start = (size_t)at;

	(void)ino;
	(void)fi;
	if (start > disk.size || len > disk.size - start) {
		fuse_reply_err(req, ENOSPC);
		return;
	}
	if (is_faulty(DISK_NO_WRITE)) {
		fuse_reply_err(req, EIO);
		return;
	}
	log_entry(DISK_WRITE, p, len, at);
	fuse_reply_write(req, len);
}

static void
on_fsync(
    fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)ino;
	(void)datasync;
	(void)fi;
	if (is_faulty(DISK_NO_FLUSH)) {
		fuse_reply_err(req, EIO);
		return;
	}
	log_entry(DISK_FLUSH, NULL, 0, 0);
	fuse_reply_err(req, 0);
}

static const struct fuse_lowlevel_ops ops = {
    .init = on_init,
    .lookup = on_lookup,
    .getattr = on_getattr,
    .open = on_open,
    .read = on_read,
    .write = on_write,
    .fsync = on_fsync,
};

/* ---- the program ---- */

static void *
map(const char *path, size_t *size_out)
{
	struct stat st;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0) {
		die(path);
	}
	*size_out = (size_t)st.st_size;
	void *p =
	    mmap(NULL, *size_out, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED) {
		die(path);
	}
	(void)close(fd);
	return p;
}

static int
serve(const char *mountpoint)
{
	static char program[] = "disk";
	char *argv[] = {program, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct fuse_session *s =
	    fuse_session_new(&args, &ops, sizeof(ops), NULL);
	int rc = 1;

	if (s == NULL) {
		return 1;
	}
	if (fuse_session_mount(s, mountpoint) == 0) {
		rc = fuse_session_loop(s) != 0;
		fuse_session_unmount(s);
	}
	fuse_session_destroy(s);
	fuse_opt_free_args(&args);
	return rc;
}

int
main(int argc, char **argv)
{
	size_t size;

	if (argc != 5) {
		(void)fputs(
		    "usage: disk MOUNTPOINT IMAGE LOG CONTROL\n", stderr);
		return 2;
	}
	disk.image = map(argv[2], &disk.size);
	disk.control = map(argv[4], &size);
	if (size < sizeof(*disk.control)) {
		(void)fputs("disk: CONTROL is too short\n", stderr);
		return 2;
	}
	disk.log =
	    open(argv[3], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (disk.log < 0) {
		die(argv[3]);
	}
	return serve(argv[1]);
}
