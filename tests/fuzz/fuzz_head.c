/*
 * An account's head: any octets name mailboxes or nothing.
 *
 * The octets stand between the magic and a checksum that is made right here;
 * those that begin with '!' are the whole file.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/head_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- a file system with one file ---- */

static struct buf file;

static int
one_open(struct fs *fs, int dir, const char *path, int flags, unsigned mode)
{
	(void)fs;
	(void)dir;
	(void)path;
	(void)flags;
	(void)mode;
	return 3;
}

static int
one_close(struct fs *fs, int fd)
{
	(void)fs;
	(void)fd;
	return 0;
}

static ssize_t
one_pread(struct fs *fs, int fd, void *to, size_t len, uint64_t at)
{
	struct sv s =
	    at < file.len ? sv_sub(buf_sv(&file), (size_t)at, len) : SV_EMPTY;

	(void)fs;
	(void)fd;
	if (s.len != 0) {
		memcpy(to, s.p, s.len);
	}
	return (ssize_t)s.len;
}

static int
one_stat(struct fs *fs, int fd, struct fs_stat *out)
{
	(void)fs;
	(void)fd;
	*out = (struct fs_stat){.size = file.len, .ino = 7};
	return 0;
}

static int
one_stat_at(struct fs *fs, int dir, const char *path, struct fs_stat *out)
{
	(void)path;
	return one_stat(fs, dir, out);
}

static const struct fs_ops one_ops = {
    .open = one_open,
    .close = one_close,
    .pread = one_pread,
    .stat = one_stat,
    .stat_at = one_stat_at,
};

/* ---- asking ---- */

static void
ask_names(const struct head *h)
{
	for (size_t i = 0; i < h->n; i++) {
		struct sv name = h->mbox[i].name;

		ASSERT(name.p >= h->text.data
		       && name.p + name.len <= h->text.data + h->text.len);
		/* Of names out of order some are not found. */
		(void)head_mbox_id(h, name);
	}
	ASSERT(head_mbox_id(h, SV("INBOX")) == INBOX_ID);
	(void)head_mbox_id(h, SV("no such"));
}

static void
set_file(struct sv in)
{
	file.len = 0;
	if (sv_starts(in, SV("!"))) {
		buf_add_sv(&file, sv_from(in, 1));
		return;
	}
	buf_add_str(&file, "PRhead1\n");
	buf_add_sv(&file, in);
	uint32_t crc = htole32(crc32c(0, file.data, file.len));

	buf_add(&file, &crc, sizeof(crc));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fs fs = {.ops = &one_ops};
	struct store store = {.fs = &fs};
	struct account a = {.store = &store, .dir = 3};
	struct head *h = NULL, *again = NULL;

	set_file(sv_make(data, size));
	lock_init(&a.lock, LOCK_LEAF);
	if (head_get(&a, &h) == 0) {
		ask_names(h);
		ASSERT(head_fresh(&a, &again) == 0 && again == h);
		head_unref(&again);
		head_unref(&h);
	}
	head_unref(&a.head);
	lock_deinit(&a.lock);
	buf_deinit(&file);
	return 0;
}
