#include "store/head_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/codec_priv.h"

enum {
	HEAD_MAX = 64 * 1024 * 1024, /* octets: 10,000 names are 1 MB */
	HEAD_MIN = 8 + 16 + 4 + 4,
	CRC_SIZE = 4,
};

static const char head_magic[8] = "PRhead1\n";

static struct head *
head_ref(struct head *h)
{
	/* The caller holds it: nothing to order. */
	(void)atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
	return h;
}

void
head_unref(struct head **h)
{
	struct head *old = *h;

	*h = NULL;
	if (old == NULL
	    || atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel)
		   != 1) {
		return;
	}
	free(old->mbox);
	buf_deinit(&old->text);
	free(old);
}

uint64_t
head_mbox_id(const struct head *h, struct sv name)
{
	size_t lo = 0;
	size_t hi = h->n;

	if (sv_eq(name, SV("INBOX"))) {
		return INBOX_ID;
	}
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (sv_cmp(h->mbox[mid].name, name) < 0) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo < h->n && sv_eq(h->mbox[lo].name, name) ? h->mbox[lo].id : 0;
}

/* ---- the file's octets ---- */

static void
encode(const struct head *h, struct buf *to)
{
	buf_add(to, head_magic, sizeof(head_magic));
	put_u64(to, h->segment.number);
	put_u64(to, h->segment.random);
	put_varint(to, h->place);
	put_varint(to, h->usage.octets);
	put_varint(to, h->usage.messages);
	put_varint(to, h->n);
	for (size_t i = 0; i < h->n; i++) {
		put_varint(to, h->mbox[i].id);
		put_string(to, h->mbox[i].name);
	}
	uint32_t crc = htole32(crc32c(0, to->data, to->len));

	buf_add(to, &crc, sizeof(crc));
}

static bool
crc_right(struct sv s)
{
	uint32_t crc;

	memcpy(&crc, s.p + s.len - CRC_SIZE, sizeof(crc));
	return le32toh(crc) == crc32c(0, s.p, s.len - CRC_SIZE);
}

/* Of h->text. */
static bool
decode(struct head *h)
{
	struct sv s = buf_sv(&h->text);

	if (s.len < HEAD_MIN || !sv_starts(s, sv_make(head_magic, 8))
	    || !crc_right(s)) {
		return false;
	}
	struct taker t = taker_of(sv_sub(s, 8, s.len - 8 - CRC_SIZE));

	h->segment.number = take_u64(&t);
	h->segment.random = take_u64(&t);
	h->place = take_varint(&t);
	h->usage.octets = take_varint(&t);
	h->usage.messages = take_varint(&t);
	h->n = (size_t)take_max(&t, take_left(&t));
	h->mbox = xcalloc(h->n, sizeof(*h->mbox));
	for (size_t i = 0; i < h->n && !t.bad; i++) {
		h->mbox[i].id = take_varint(&t);
		h->mbox[i].name = take_string(&t);
	}
	return take_done(&t);
}

/* ---- reading ---- */

static void
keep(struct account *a, struct head *h)
{
	lock_acquire(&a->lock);
	struct head *old = a->head;

	a->head = head_ref(h);
	lock_release(&a->lock);
	head_unref(&old);
}

static struct head *
known(struct account *a)
{
	lock_acquire(&a->lock);
	struct head *h = a->head != NULL ? head_ref(a->head) : NULL;
	lock_release(&a->lock);
	return h;
}

static int
read_head(struct account *a, struct head **out)
{
	struct head *h = xmalloc(sizeof(*h));
	struct fs_stat st = {.ino = 0};
	struct fail f = {0};

	h->refs = 1;
	if (fs_stat_at(a->store->fs, a->dir, "head", &st) != 0
	    || file_read(a->store->fs, a->dir, "head", HEAD_MAX, &h->text, &f)
		   != 0
	    || !decode(h)) {
		head_unref(&h);
		return -1;
	}
	h->inode = st.ino;
	keep(a, h);
	*out = h;
	return 0;
}

int
head_get(struct account *a, struct head **out)
{
	*out = known(a);
	return *out != NULL ? 0 : read_head(a, out);
}

int
head_fresh(struct account *a, struct head **out)
{
	struct fs_stat st;

	*out = known(a);
	if (*out != NULL && fs_stat_at(a->store->fs, a->dir, "head", &st) == 0
	    && st.ino == (*out)->inode) {
		return 0;
	}
	head_unref(out);
	return read_head(a, out);
}

/* ---- writing ---- */

/* True if it was written; sets h->inode. */
static bool
write_head(struct fs *fs, int dir, struct head *h)
{
	struct buf octets = {0};
	struct fail f = {0};
	struct fs_stat st;
	char path[PATH_SIZE];
	int fd;

	(void)snprintf(path, sizeof(path), "tmp/head.%016llx",
	    (unsigned long long)fs_random(fs));
	fd = fs_open(fs, dir, path, O_WRONLY | O_CREAT | O_EXCL, FILE_MODE);
	if (fd < 0) {
		return false;
	}
	encode(h, &octets);
	struct iovec v = {octets.data, octets.len};
	int rc = file_write(fs, fd, &v, 1, &f);

	if (rc == 0 && fs_stat(fs, fd, &st) == 0) {
		h->inode = st.ino;
	}
	fs_close(fs, &fd);
	buf_deinit(&octets);
	if (rc != 0 || fs_rename(fs, dir, path, dir, "head") != 0) {
		(void)fs_unlink(fs, dir, path);
		return false;
	}
	return true;
}

static void
replace_head(struct account *a, struct head *h)
{
	if (write_head(a->store->fs, a->dir, h)) {
		keep(a, h);
	}
}

void
head_create(struct fs *fs, int dir, const struct seg_name *segment)
{
	struct head h = {.refs = 1, .segment = *segment};

	(void)write_head(fs, dir, &h);
}

static struct head *
head_of_view(const struct view *v, const struct seg_name *segment)
{
	struct head *h = xmalloc(sizeof(*h));
	size_t n = view_mboxes(v);
	size_t octets = 0;

	for (size_t i = 0; i < n; i++) {
		octets += view_mbox_at(v, i)->name.len;
	}
	h->refs = 1;
	h->segment = *segment;
	h->place = view_place(v);
	h->usage = view_usage(v);
	h->mbox = xcalloc(n, sizeof(*h->mbox));
	(void)buf_reserve(&h->text, octets); /* names do not move */
	for (size_t i = 1; i < n; i++) {     /* INBOX goes without saying */
		const struct mbox *m = view_mbox_at(v, i);

		if (m->noselect) {
			continue;
		}
		h->mbox[h->n].id = m->id;
		h->mbox[h->n++].name =
		    sv_make(h->text.data + h->text.len, m->name.len);
		buf_add_sv(&h->text, m->name);
	}
	return h;
}

/* A copy that names another segment. */
static struct head *
head_moved(const struct head *old, const struct seg_name *segment)
{
	struct head *h = xmalloc(sizeof(*h));

	h->refs = 1;
	encode(old, &h->text);
	if (!decode(h)) {
		head_unref(&h);
		return NULL;
	}
	h->segment = *segment;
	return h;
}

static struct view *
loaded_view(struct account *a, struct seg_name *segment)
{
	struct view *v = NULL;

	lock_acquire(&a->lock);
	if (a->loaded) {
		v = view_ref(a->replay.view);
		*segment = a->replay.segment;
	}
	lock_release(&a->lock);
	return v;
}

void
head_renew(struct account *a, struct segment *old_segment,
    const struct seg_name *segment)
{
	struct usage usage;
	struct fail f = {0};
	struct seg_name unused;
	bool low;
	struct view *v = loaded_view(a, &unused);
	struct head *old = NULL;
	struct head *h = NULL;

	if (v != NULL) {
		h = head_of_view(v, segment);
		view_unref(&v);
	} else if (head_get(a, &old) == 0) {
		h = head_moved(old, segment);
		head_unref(&old);
		if (h != NULL
		    && usage_estimate(a, old_segment, &usage, &low, &f)) {
			h->usage = usage;
			h->place = place_make(segment->number, 0);
		}
	}
	if (h != NULL) {
		replace_head(a, h);
		head_unref(&h);
	}
}

void
head_update(struct account *a)
{
	struct seg_name segment;
	struct view *v = loaded_view(a, &segment);

	if (v != NULL) {
		struct head *h = head_of_view(v, &segment);

		replace_head(a, h);
		head_unref(&h);
		view_unref(&v);
		lock_acquire(&a->lock);
		a->names_stale = true;
		lock_release(&a->lock);
	}
}
