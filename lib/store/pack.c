/*
 * Reading packs.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/pack_priv.h"

enum {
	END_FIRST = 4096,  /* octets read to find the end of the file */
	BLOCKS = 4,	   /* unpacked blocks kept */
	AHEAD = 64 * 1024, /* octets read at once, one block behind another */
};

/* ---- opening ---- */

/* The last `len` octets of the file. */
static int
end_read(struct fs *fs, int fd, uint64_t size, size_t len, struct buf *to,
    struct fail *f)
{
	char *room;

	buf_clear(to);
	room = buf_reserve(to, len);
	ssize_t n = fs_pread(fs, fd, room, len, size - len);

	if (n < 0 && n != -EIO) {
		return fail_err(f, (int)-n, "read a pack");
	}
	if (n < 0 || (size_t)n != len) {
		return fail_set(f, FAIL_CORRUPT, "the end cannot be read");
	}
	to->len = len;
	return 0;
}

static int
end_parse(struct fs *fs, int fd, uint64_t size, struct buf *end, struct pack *p,
    struct fail *f)
{
	size_t len = size < END_FIRST ? (size_t)size : END_FIRST;
	size_t top_len;

	if (end_read(fs, fd, size, len, end, f) != 0) {
		return -1;
	}
	if (len < PACK_TRAILER
	    || !pack_trailer_read(
		sv_from(buf_sv(end), len - PACK_TRAILER), size, p, &top_len)) {
		return fail_set(f, FAIL_CORRUPT, "no good trailer");
	}
	if (top_len + PACK_TRAILER > len) {
		len = top_len + PACK_TRAILER;
		if (end_read(fs, fd, size, len, end, f) != 0) {
			return -1;
		}
	}
	if (!pack_top_read(
		sv_from(buf_sv(end), len - PACK_TRAILER - top_len), p)) {
		return fail_set(f, FAIL_CORRUPT, "no good index");
	}
	return 0;
}

static bool
name_eq(const struct pack_name *a, const struct pack_name *b)
{
	return a->lo == b->lo && a->hi == b->hi && a->random == b->random;
}

int
pack_open(struct fs *fs, int account_dir, const struct pack_name *name,
    struct pack **out, struct fail *f)
{
	struct pack *p = xmalloc(sizeof(*p));
	char path[PACK_PATH_SIZE];
	struct buf end = {.len = 0};
	struct fs_stat st;
	int rc = -1;

	pack_path(name, path);
	int fd = fs_open(fs, account_dir, path, O_RDONLY, 0);

	if (fd < 0) {
		(void)fail_err(f, -fd, "open %s", path);
		fd = -1;
		goto out;
	}
	rc = fs_stat(fs, fd, &st);
	if (rc != 0) {
		(void)fail_err(f, -rc, "stat %s", path);
		rc = -1;
		goto out;
	}
	rc = end_parse(fs, fd, st.size, &end, p, f);
	if (rc == 0 && !name_eq(name, &p->name)) {
		rc = fail_set(f, FAIL_CORRUPT, "of another name");
	}
	if (rc != 0) {
		(void)fail_wrap(f, "%s", path);
	}
out:
	fs_close(fs, &fd);
	buf_deinit(&end);
	if (rc != 0) {
		pack_free(&p);
	}
	*out = p;
	return rc;
}

/* ---- reading ---- */

struct block {
	uint64_t offset;
	struct sv raw;		   /* empty: none */
	char octets[PACK_RAW_MAX]; /* of `raw` */
};

struct pack_reader {
	struct fs *fs;
	int dir, fd; /* of the account; of the pack, -1: not opened yet */
	const struct pack *pack; /* borrowed */
	ZSTD_DCtx *zstd;
	size_t in; /* index block that `entry` is; n_index: none */
	struct pack_entry *entry; /* PACK_ENTRIES */
	size_t n;
	struct block *block[BLOCKS]; /* NULL: not used yet */
	unsigned next;		     /* to be overwritten */
	struct buf stored;	     /* octets of the file, from `at` on */
	uint64_t at;
	uint64_t follows; /* offset behind the data block read last */
	struct buf index; /* the same of an index block */
};

struct pack_reader *
pack_reader_new(struct fs *fs, int account_dir, const struct pack *pack)
{
	struct pack_reader *r = xmalloc(sizeof(*r));

	r->fs = fs;
	r->dir = account_dir;
	r->fd = -1;
	r->pack = pack;
	r->in = pack->n_index;
	return r;
}

void
pack_reader_free(struct pack_reader **r)
{
	struct pack_reader *old = *r;

	*r = NULL;
	if (old == NULL) {
		return;
	}
	fs_close(old->fs, &old->fd);
	(void)ZSTD_freeDCtx(old->zstd);
	free(old->entry);
	for (size_t i = 0; i < BLOCKS; i++) {
		free(old->block[i]);
	}
	buf_deinit(&old->stored);
	buf_deinit(&old->index);
	free(old);
}

static int
open_file(struct pack_reader *r, struct fail *f)
{
	char path[PACK_PATH_SIZE];

	if (r->fd >= 0) {
		return 0;
	}
	pack_path(&r->pack->name, path);
	r->fd = fs_open(r->fs, r->dir, path, O_RDONLY, 0);
	if (r->fd < 0) {
		(void)fail_err(f, -r->fd, "open %s", path);
		r->fd = -1;
		return -1;
	}
	r->zstd = ZSTD_createDCtx();
	ASSERT(r->zstd != NULL);
	r->entry = xcalloc(PACK_ENTRIES, sizeof(*r->entry));
	return 0;
}

/* As many of `len` octets as there are. */
static void
read_at(struct pack_reader *r, uint64_t offset, size_t len, struct buf *to)
{
	buf_clear(to);
	ssize_t n = fs_pread(r->fs, r->fd, buf_reserve(to, len), len, offset);

	to->len = n > 0 ? (size_t)n : 0;
}

/* A data block as it is stored; those of a mailbox are read in their order.
 * Empty: it cannot be had. */
static struct sv
stored_at(struct pack_reader *r, uint64_t offset, uint32_t len)
{
	bool in_order = offset == r->follows;
	uint64_t skip = offset - r->at;

	r->follows = offset + len;
	if (offset < r->at || skip > r->stored.len
	    || len > r->stored.len - skip) {
		read_at(r, offset, in_order && len < AHEAD ? AHEAD : len,
		    &r->stored);
		r->at = offset;
		skip = 0;
	}
	return r->stored.len - skip < len
		   ? SV_EMPTY
		   : sv_sub(buf_sv(&r->stored), (size_t)skip, len);
}

/* The last index block that begins at or before `place`; n_index if none. */
static size_t
index_find(const struct pack *p, place_t place)
{
	size_t lo = 0;
	size_t hi = p->n_index;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->index[mid].first <= place) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo == 0 ? p->n_index : lo - 1;
}

static bool
index_load(struct pack_reader *r, size_t i)
{
	const struct pack_index *x = &r->pack->index[i];

	if (r->in == i) {
		return true;
	}
	r->in = r->pack->n_index;
	read_at(r, x->offset, x->stored, &r->index);
	if (r->index.len != x->stored
	    || !pack_index_read(buf_sv(&r->index), x->first, r->entry, &r->n)) {
		return false;
	}
	r->in = i;
	return true;
}

static const struct pack_entry *
entry_find(const struct pack_reader *r, place_t place)
{
	size_t lo = 0;
	size_t hi = r->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->entry[mid].place < place) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo < r->n && r->entry[lo].place == place ? &r->entry[lo] : NULL;
}

/* Checksum, size, and the frame. */
static bool
unpack(struct pack_reader *r, struct sv s, struct block *b)
{
	uint32_t head[2];

	if (s.len < PACK_BLOCK_HEAD) {
		return false;
	}
	memcpy(head, s.p, sizeof(head));
	if (le32toh(head[0]) != crc32c(0, s.p + 4, s.len - 4)
	    || le32toh(head[1]) > PACK_RAW_MAX
	    || ZSTD_getFrameContentSize(
		   s.p + PACK_BLOCK_HEAD, s.len - PACK_BLOCK_HEAD)
		   != le32toh(head[1])) {
		return false;
	}
	size_t n = ZSTD_decompressDCtx(r->zstd, b->octets, sizeof(b->octets),
	    s.p + PACK_BLOCK_HEAD, s.len - PACK_BLOCK_HEAD);

	if (ZSTD_isError(n) || n != le32toh(head[1])) {
		return false;
	}
	b->raw = sv_make(b->octets, n);
	return true;
}

/* The block of an entry, NULL if it is damaged. */
static const struct block *
block_get(struct pack_reader *r, const struct pack_entry *e)
{
	struct block *b;

	for (size_t i = 0; i < BLOCKS; i++) {
		b = r->block[i];
		if (b != NULL && b->raw.len != 0 && b->offset == e->offset) {
			return b;
		}
	}
	if (r->block[r->next] == NULL) {
		r->block[r->next] = xmalloc(sizeof(*b));
	}
	b = r->block[r->next];
	r->next = (r->next + 1) % BLOCKS;
	b->raw = SV_EMPTY;
	b->offset = e->offset;
	return unpack(r, stored_at(r, e->offset, e->stored), b) ? b : NULL;
}

int
pack_reader_get(struct pack_reader *r, place_t place, struct sv *out, bool *bad,
    struct fail *f)
{
	size_t i = index_find(r->pack, place);
	const struct pack_entry *e;
	const struct block *b;

	*out = SV_EMPTY;
	*bad = r->pack->size == 0;
	if (i == r->pack->n_index) {
		return 0;
	}
	if (open_file(r, f) != 0) {
		return -1;
	}
	if (!index_load(r, i)) {
		*bad = true;
		return 0;
	}
	e = entry_find(r, place);
	if (e == NULL) {
		return 0;
	}
	b = block_get(r, e);
	*bad = b == NULL || !pack_slot(b->raw, e->slot, out);
	return *bad ? 0 : 1;
}
