/*
 * Writing a pack.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/codec_priv.h"
#include "store/pack_priv.h"

enum {
	LEVEL = 3,		  /* of zstd */
	WRITE_BATCH = 256 * 1024, /* octets written at a time */
};

struct pack_writer {
	struct store *store;
	struct pack_name name;
	const char *path; /* for failures; borrowed */
	int fd;
	ZSTD_CCtx *zstd;
	struct buf out; /* not written yet */
	uint64_t at;	/* offset behind `out` */
	struct buf raw; /* digests of the open data block */
	uint16_t len[PACK_SLOTS];
	uint32_t slots;		  /* in it */
	struct pack_entry *entry; /* of all; those of the open block last */
	size_t n, cap;
	struct buf unpacked, packed; /* room to work in */
};

int
pack_writer_new(struct store *s, int dir, const char *path,
    const struct pack_name *name, struct pack_writer **out, struct fail *f)
{
	int fd = fs_open(s->fs, dir, path,
	    O_WRONLY | O_CREAT | O_EXCL | O_APPEND, FILE_MODE);
	struct pack_writer *w;

	if (fd < 0) {
		return fail_err(f, -fd, "create %s", path);
	}
	w = xmalloc(sizeof(*w));
	w->store = s;
	w->name = *name;
	w->path = path;
	w->fd = fd;
	w->zstd = ZSTD_createCCtx();
	ASSERT(w->zstd != NULL);
	*out = w;
	return 0;
}

void
pack_writer_free(struct pack_writer **w)
{
	struct pack_writer *old = *w;

	*w = NULL;
	if (old == NULL) {
		return;
	}
	fs_close(old->store->fs, &old->fd);
	(void)ZSTD_freeCCtx(old->zstd);
	buf_deinit(&old->out);
	buf_deinit(&old->raw);
	buf_deinit(&old->unpacked);
	buf_deinit(&old->packed);
	free(old->entry);
	free(old);
}

/* ---- octets ---- */

static void
put_fixed16(struct buf *to, uint16_t v)
{
	v = htole16(v);
	buf_add(to, &v, sizeof(v));
}

static int
write_out(struct pack_writer *w, struct fail *f)
{
	struct iovec v = {.iov_base = w->out.data, .iov_len = w->out.len};

	if (w->out.len != 0 && file_write(w->store->fs, w->fd, &v, 1, f) != 0) {
		return fail_wrap(f, "%s", w->path);
	}
	buf_clear(&w->out);
	return 0;
}

/* A checksum and what it is of.  *stored: octets. */
static int
put_checked(
    struct pack_writer *w, struct sv body, uint32_t *stored, struct fail *f)
{
	*stored = (uint32_t)body.len + 4;
	put_fixed32(&w->out, crc32c(0, body.p, body.len));
	buf_add_sv(&w->out, body);
	w->at += *stored;
	return w->out.len >= WRITE_BATCH ? write_out(w, f) : 0;
}

/* ---- data blocks ---- */

static int
block_end(struct pack_writer *w, struct fail *f)
{
	struct buf *packed = &w->packed;
	uint64_t offset = w->at;
	uint32_t stored;

	if (w->slots == 0) {
		return 0;
	}
	buf_clear(&w->unpacked);
	put_fixed16(&w->unpacked, (uint16_t)w->slots);
	for (uint32_t i = 0; i < w->slots; i++) {
		put_fixed16(&w->unpacked, w->len[i]);
	}
	buf_add_sv(&w->unpacked, buf_sv(&w->raw));

	buf_clear(packed);
	put_fixed32(packed, (uint32_t)w->unpacked.len);
	size_t room = ZSTD_compressBound(w->unpacked.len);
	size_t n = ZSTD_compressCCtx(w->zstd, buf_reserve(packed, room), room,
	    w->unpacked.data, w->unpacked.len, LEVEL);

	ASSERT(!ZSTD_isError(n)); /* it had all the room it may want */
	packed->len += n;
	if (put_checked(w, buf_sv(packed), &stored, f) != 0) {
		return -1;
	}
	for (size_t i = w->n - w->slots; i < w->n; i++) {
		w->entry[i].offset = offset;
		w->entry[i].stored = stored;
	}
	buf_clear(&w->raw);
	w->slots = 0;
	return 0;
}

int
pack_writer_add(
    struct pack_writer *w, place_t place, struct sv digest, struct fail *f)
{
	ASSERT(digest.len <= STORE_DIGEST_MAX);
	w->entry = xgrow(w->entry, w->n, &w->cap, sizeof(*w->entry));
	w->entry[w->n++] =
	    (struct pack_entry){.place = place, .slot = w->slots};
	w->len[w->slots++] = (uint16_t)digest.len;
	buf_add_sv(&w->raw, digest);
	return w->raw.len >= PACK_BLOCK || w->slots == PACK_SLOTS
		   ? block_end(w, f)
		   : 0;
}

/* ---- the index ---- */

static int
by_place(const void *pa, const void *pb)
{
	const struct pack_entry *a = pa;
	const struct pack_entry *b = pb;

	return a->place < b->place ? -1 : a->place > b->place;
}

static uint64_t
zigzag(uint64_t v)
{
	return v << 1 ^ ((int64_t)v < 0 ? UINT64_MAX : 0);
}

static void
entry_put(
    struct buf *to, const struct pack_entry *e, const struct pack_entry *last)
{
	put_varint(to, e->place - last->place);
	if (e->offset == last->offset && e->slot == last->slot + 1) {
		put_varint(to, 0);
		return;
	}
	put_varint(to, 1 + zigzag(e->offset - last->offset));
	put_varint(to, e->stored);
	put_varint(to, e->slot);
}

/* Up to PACK_ENTRIES entries from `i` on, as one block. */
static int
index_put(struct pack_writer *w, size_t i, struct buf *top, struct fail *f)
{
	size_t end = w->n - i < PACK_ENTRIES ? w->n : i + PACK_ENTRIES;
	/* No entry is behind this one: offset and slot are then written. */
	struct pack_entry last = {
	    .place = w->entry[i].place, .slot = PACK_SLOTS};
	place_t before = i == 0 ? 0 : w->entry[i - PACK_ENTRIES].place;
	uint32_t stored;

	buf_clear(&w->unpacked);
	for (size_t k = i; k < end; k++) {
		entry_put(&w->unpacked, &w->entry[k], &last);
		last = w->entry[k];
	}
	put_varint(top, w->entry[i].place - before);
	if (put_checked(w, buf_sv(&w->unpacked), &stored, f) != 0) {
		return -1;
	}
	put_varint(top, stored);
	return 0;
}

static void
end_put(struct pack_writer *w, uint64_t index_at, const struct buf *top)
{
	size_t from;

	buf_add_sv(&w->out, buf_sv(top));
	from = w->out.len;
	buf_add_str(&w->out, "PRpack1\n");
	put_u64(&w->out, w->name.lo);
	put_u64(&w->out, w->name.hi);
	put_u64(&w->out, w->name.random);
	put_u64(&w->out, w->n);
	put_u64(&w->out, index_at);
	put_fixed32(&w->out, (uint32_t)top->len);
	put_fixed32(&w->out, crc32c(0, top->data, top->len));
	put_fixed32(&w->out, 0);
	put_fixed32(&w->out, crc32c(0, w->out.data + from, w->out.len - from));
	ASSERT(w->out.len - from == PACK_TRAILER);
}

static int
flush(struct pack_writer *w, struct fail *f)
{
	struct store *s = w->store;

	store_flush_begin(s);
	int rc = fs_sync(s->fs, w->fd);
	store_flush_end(s);
	return rc != 0 ? store_flush_new_failed(s, -rc, w->path, f) : 0;
}

static int
index_write(struct pack_writer *w, struct buf *top, struct fail *f)
{
	if (w->n != 0) {
		qsort(w->entry, w->n, sizeof(*w->entry), by_place);
	}
	for (size_t i = 0; i < w->n; i += PACK_ENTRIES) {
		if (index_put(w, i, top, f) != 0) {
			return -1;
		}
	}
	return 0;
}

int
pack_writer_end(struct pack_writer *w, struct fail *f)
{
	struct buf top = {.len = 0};
	int rc = -1;

	if (block_end(w, f) != 0) {
		return -1;
	}
	uint64_t index_at = w->at;

	if (index_write(w, &top, f) == 0) {
		end_put(w, index_at, &top);
		rc = write_out(w, f) != 0 ? -1 : flush(w, f);
	}
	buf_deinit(&top);
	return rc;
}
