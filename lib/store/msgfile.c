#include "store/msgfile_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/mutate_priv.h"

enum {
	COPY_MAX = 1024 * 1024 * 1024, /* octets of one copy_in */
	POUR_CHUNK = 64 * 1024,
	FOLDER_TRIES = 16,
};

struct placement
placement_new(struct store *s, int64_t floor_ms)
{
	int64_t now = fs_now_ms(s->fs);

	if (now < floor_ms) {
		now = floor_ms; /* our clock is behind: no harm */
	}
	return (struct placement){
	    now > 0 ? (uint64_t)now : 0, fs_random(s->fs)};
}

uint64_t
msg_source_size(const struct msg_source *source)
{
	return source->head.len + source->body.len;
}

uint32_t
msg_source_sum(const struct msg_source *source)
{
	uint32_t sum = crc32c(0, source->head.p, source->head.len);

	return crc32c(sum, source->body.p, source->body.len);
}

/* Of a path where a file is to be made.  FAIL_ABSENT would say that a message
 * or a mailbox is gone; the account's folder is, or is being put back. */
static int
fail_to_make(struct fail *f, int err, const char *what, const char *path)
{
	(void)fail_err(f, err, "%s %s", what, path);
	if (f->kind == FAIL_ABSENT) {
		f->kind = FAIL_TEMP;
	}
	return -1;
}

/* The folder of a mailbox is made by the first who files into it. */
static int
make_folder(struct account *a, uint64_t folder, struct fail *f)
{
	char path[PATH_SIZE];

	box_path(folder, path);
	int rc = fs_mkdir(a->store->fs, a->dir, path, FOLDER_MODE);

	if (rc == -EEXIST) {
		return 0;
	}
	return rc == 0 ? store_sync_path(a->store, a->dir, "box", f)
		       : fail_to_make(f, -rc, "mkdir", path);
}

static int
create(struct account *a, uint64_t folder, const char *path, struct fail *f)
{
	struct fs *fs = a->store->fs;
	int flags = O_WRONLY | O_CREAT | O_EXCL;
	int fd = fs_open(fs, a->dir, path, flags, FILE_MODE);

	/* One that is empty may be removed as soon as it is made. */
	for (int i = 0; fd == -ENOENT && i < FOLDER_TRIES; i++) {
		if (make_folder(a, folder, f) != 0) {
			return -1;
		}
		fd = fs_open(fs, a->dir, path, flags, FILE_MODE);
	}
	return fd >= 0 ? fd : fail_to_make(f, -fd, "create", path);
}

static int
copy_file(
    struct fs *fs, int fd, const struct msg_source *source, struct fail *f)
{
	uint64_t at = 0;

	while (at < source->body.len) {
		uint64_t left = source->body.len - at;
		ssize_t n = fs_copy_in(fs, fd, source->fd, at,
		    left < COPY_MAX ? (size_t)left : COPY_MAX);

		if (n < 0) {
			return fail_err(f, (int)-n, "copy message");
		}
		if (n == 0) {
			return fail_set(f, FAIL_TEMP,
			    "message file has %llu octets, not %llu",
			    (unsigned long long)at,
			    (unsigned long long)source->body.len);
		}
		at += (uint64_t)n;
	}
	return 0;
}

static int
write_source(
    struct fs *fs, int fd, const struct msg_source *source, struct fail *f)
{
	struct iovec v[2];
	int n = 0;

	if (source->head.len != 0) {
		v[n].iov_base = (void *)(uintptr_t)source->head.p;
		v[n++].iov_len = source->head.len;
	}
	if (source->fd < 0 && source->body.len != 0) {
		v[n].iov_base = (void *)(uintptr_t)source->body.p;
		v[n++].iov_len = source->body.len;
	}
	if (n != 0 && file_write(fs, fd, v, n, f) != 0) {
		return -1;
	}
	return source->fd >= 0 ? copy_file(fs, fd, source, f) : 0;
}

/* False: write a copy. */
static bool
take_file(struct account *a, uint64_t folder, const char *path,
    const struct msg_source *source)
{
	struct fs *fs = a->store->fs;
	struct fail ignored = {0};

	if (!source->own || source->head.len != 0) {
		return false;
	}
	int rc = fs_link_in(fs, source->fd, a->dir, path);

	if (rc == -ENOENT && make_folder(a, folder, &ignored) == 0) {
		rc = fs_link_in(fs, source->fd, a->dir, path);
	}
	return rc == 0;
}

int
msgfile_write(struct account *a, uint64_t folder, const char *path,
    const struct msg_source *source, int *fd_out, struct fail *f)
{
	struct fs *fs = a->store->fs;
	bool taken = take_file(a, folder, path, source);
	int fd;

	*fd_out = -1;
	if (taken) {
		fd = fs_open(fs, a->dir, path, O_RDONLY, 0);
		if (fd < 0) {
			(void)fs_unlink(fs, a->dir, path);
			return fail_to_make(f, -fd, "open", path);
		}
	} else {
		fd = create(a, folder, path, f);
		if (fd < 0) {
			return -1;
		}
	}
	if (!taken && write_source(fs, fd, source, f) != 0) {
		fs_close(fs, &fd);
		(void)fs_unlink(fs, a->dir, path);
		return -1;
	}
	*fd_out = fd;
	return 0;
}

bool
msgfile_link(struct account *from, const char *from_path, struct account *to,
    uint64_t folder, const char *path)
{
	struct fs *fs = to->store->fs;
	int rc = fs_link(fs, from->dir, from_path, to->dir, path);

	for (int i = 0; rc == -ENOENT && i < FOLDER_TRIES; i++) {
		struct fail ignored = {0};

		if (make_folder(to, folder, &ignored) != 0) {
			break;
		}
		rc = fs_link(fs, from->dir, from_path, to->dir, path);
	}
	return rc == 0;
}

/* All of one open file into another. */
static int
pour(struct fs *fs, int from, int to, struct fail *f)
{
	char *chunk = xmalloc(POUR_CHUNK);
	uint64_t at = 0;
	int rc = 0;

	for (;;) {
		ssize_t n = fs_pread(fs, from, chunk, POUR_CHUNK, at);

		if (n < 0) {
			rc = fail_err(f, (int)-n, "read message");
		}
		if (n <= 0) {
			break;
		}
		struct iovec v = {chunk, (size_t)n};

		rc = file_write(fs, to, &v, 1, f);
		if (rc != 0) {
			break;
		}
		at += (uint64_t)n;
	}
	free(chunk);
	return rc;
}

int
msgfile_copy(struct account *from, const char *from_path, struct account *to,
    uint64_t folder, const char *path, struct fail *f)
{
	struct fs *fs = to->store->fs;

	if (msgfile_link(from, from_path, to, folder, path)) {
		return 0;
	}
	int in = fs_open(fs, from->dir, from_path, O_RDONLY, 0);

	if (in < 0) {
		return fail_err(f, -in, "open %s", from_path);
	}
	int out = create(to, folder, path, f);
	int rc = -1;

	if (out >= 0) {
		rc = pour(fs, in, out, f);
		if (rc == 0) {
			rc = msgfile_flush(to, folder, out, f);
		}
		fs_close(fs, &out);
		if (rc != 0) {
			(void)fs_unlink(fs, to->dir, path);
		}
	}
	fs_close(fs, &in);
	return rc;
}

/* Has this process seen the name of this folder flushed? */
static bool
folder_is_firm(struct account *a, uint64_t inode)
{
	bool firm = false;

	lock_acquire(&a->lock);
	for (size_t i = 0; i < COUNT_OF(a->firm_folder); i++) {
		firm |= a->firm_folder[i] == inode;
	}
	lock_release(&a->lock);
	return firm;
}

static void
note_firm_folder(struct account *a, uint64_t inode)
{
	lock_acquire(&a->lock);
	a->firm_folder[a->next_firm++ % COUNT_OF(a->firm_folder)] = inode;
	lock_release(&a->lock);
}

/*
 * Whoever made the folder may sleep before it flushes box/, or be dead: what
 * others file there must not hang on that.  INBOX's was flushed with the
 * account.
 */
static int
flush_folder_name(
    struct account *a, uint64_t folder, uint64_t inode, struct fail *f)
{
	if (folder == INBOX_ID || a->store->traits.fsync_covers_name
	    || folder_is_firm(a, inode)) {
		return 0;
	}
	if (store_sync_path(a->store, a->dir, "box", f) != 0) {
		return -1;
	}
	note_firm_folder(a, inode);
	return 0;
}

int
msgfile_flush_folder(struct account *a, uint64_t folder, struct fail *f)
{
	struct store *s = a->store;
	struct fs_stat st = {0};
	char path[PATH_SIZE];
	int rc;

	box_path(folder, path);
	int fd = fs_open(s->fs, a->dir, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0) {
		return fail_to_make(f, -fd, "open", path);
	}
	rc = fs_sync(s->fs, fd);
	if (rc != 0) {
		rc = store_flush_failed(s, -rc, path, f);
	} else {
		store_look_for_mark(s); /* as store_sync_path() */
		rc = fs_stat(s->fs, fd, &st);
		rc = rc != 0 ? fail_err(f, -rc, "stat %s", path) : 0;
	}
	fs_close(s->fs, &fd);
	return rc != 0 ? -1 : flush_folder_name(a, folder, st.ino, f);
}

int
msgfile_flush_names(struct account *a, uint64_t folder, struct fail *f)
{
	return a->store->traits.fsync_covers_name
		   ? 0
		   : msgfile_flush_folder(a, folder, f);
}

int
msgfile_flush(struct account *a, uint64_t folder, int fd, struct fail *f)
{
	int rc = fs_sync(a->store->fs, fd);

	if (rc != 0) {
		return store_flush_new_failed(a->store, -rc, "message", f);
	}
	return msgfile_flush_names(a, folder, f);
}

int
msg_open(
    struct account *account, const struct msg *msg, int *fd_out, struct fail *f)
{
	char path[PATH_SIZE];

	msg_path(msg, path);
	*fd_out = fs_open(account->store->fs, account->dir, path, O_RDONLY, 0);
	if (*fd_out < 0) {
		int err = -*fd_out;

		*fd_out = -1;
		return fail_err(
		    f, err, "account %s: open %s", account->id, path);
	}
	return 0;
}

/* For the first who asks.  Of more than the table holds some are told of
 * again. */
static bool
is_news(struct store *s, const struct msg *msg)
{
	bool news = true;

	lock_acquire(&s->lock);
	for (size_t i = 0; i < COUNT_OF(s->damaged); i++) {
		news = news && s->damaged[i] != msg->placement[1];
	}
	if (news) {
		s->damaged[s->n_damaged++ % COUNT_OF(s->damaged)] =
		    msg->placement[1];
	}
	lock_release(&s->lock);
	return news;
}

bool
msg_is_intact(struct account *account, const struct msg *msg, uint32_t sum)
{
	char path[PATH_SIZE];

	if (sum == msg->sum) {
		return true;
	}
	if (is_news(account->store, msg)) {
		msg_path(msg, path);
		LOG(LOG_ERROR, "message.damaged",
		    kv_str("account", account->id), kv_u64("uid", msg->uid),
		    kv_str("file", path), kv_hex("sum", sum));
	}
	return false;
}

void
msg_close(struct account *account, int *fd)
{
	fs_close(account->store->fs, fd);
}
