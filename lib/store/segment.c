#include "store/segment_priv.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/codec_priv.h"
#include "store/mutate_priv.h"
#include "store/store_priv.h"

static const char seg_magic[8] = "PRjourn\n";

void
seg_name_write(const struct seg_name *name, char out[SEG_NAME_SIZE])
{
	(void)snprintf(out, SEG_NAME_SIZE, "%010llu.%016llx",
	    (unsigned long long)(name->number % 10000000000u),
	    (unsigned long long)name->random);
}

bool
seg_name_read(const char *text, struct seg_name *out)
{
	char again[SEG_NAME_SIZE];
	char *end;

	if (strlen(text) != SEG_NAME_SIZE - 1 || text[10] != '.') {
		return false;
	}
	out->number = strtoull(text, &end, 10);
	out->random = strtoull(text + 11, NULL, 16);
	/* Only the one form that is written is a name. */
	seg_name_write(out, again);
	return strcmp(text, again) == 0;
}

static void
seg_header_write(const struct seg_header *h, unsigned char out[SEG_HEADER_SIZE])
{
	struct buf b = {0};

	buf_add(&b, seg_magic, sizeof(seg_magic));
	put_fixed32(&b, SEG_FORMAT);
	put_fixed32(&b, h->semantics);
	put_u64(&b, h->name.number);
	put_u64(&b, h->name.random);
	put_u64(&b, h->previous.number);
	put_u64(&b, h->previous.random);
	put_u64(&b, h->boot_id[0]);
	put_u64(&b, h->boot_id[1]);
	put_u64(&b, h->generation);
	put_u64(&b, h->inode);
	put_u64(&b, h->key[0]);
	put_u64(&b, h->key[1]);
	put_u64(&b, (uint64_t)h->floor_ms);
	put_u64(&b, h->purge);
	put_u64(&b, (uint64_t)h->created_ms);
	put_fixed32(&b, h->restored ? SEG_RESTORED : 0);
	put_fixed32(&b, crc32c(0, b.data, b.len));
	ASSERT(b.len == SEG_HEADER_SIZE);
	memcpy(out, b.data, SEG_HEADER_SIZE);
	buf_deinit(&b);
}

static bool
seg_header_read(const unsigned char in[SEG_HEADER_SIZE], struct seg_header *h)
{
	struct taker t = taker_of(sv_make(in, SEG_HEADER_SIZE));
	struct sv magic = take_octets(&t, sizeof(seg_magic));
	uint32_t format = take_fixed32(&t);

	h->semantics = take_fixed32(&t);
	h->name.number = take_u64(&t);
	h->name.random = take_u64(&t);
	h->previous.number = take_u64(&t);
	h->previous.random = take_u64(&t);
	h->boot_id[0] = take_u64(&t);
	h->boot_id[1] = take_u64(&t);
	h->generation = take_u64(&t);
	h->inode = take_u64(&t);
	h->key[0] = take_u64(&t);
	h->key[1] = take_u64(&t);
	h->floor_ms = (int64_t)take_u64(&t);
	h->purge = take_u64(&t);
	h->created_ms = (int64_t)take_u64(&t);
	h->restored = (take_fixed32(&t) & SEG_RESTORED) != 0;
	return memcmp(magic.p, seg_magic, sizeof(seg_magic)) == 0
	       && format == SEG_FORMAT
	       && take_fixed32(&t) == crc32c(0, in, SEG_HEADER_SIZE - 4);
}

struct record_key
seg_record_key(const struct seg_header *h)
{
	return (struct record_key){h->key[0], (uint32_t)h->key[1]};
}

/* journal/<name>: below the account's folder. */
static void
segment_path(const struct seg_name *name, char out[PATH_SIZE])
{
	char text[SEG_NAME_SIZE];

	seg_name_write(name, text);
	(void)snprintf(out, PATH_SIZE, "journal/%s", text);
}

/* The format that a header says it is of; 0 if it is none of ours. */
static uint32_t
format_of(const unsigned char in[SEG_HEADER_SIZE])
{
	struct taker t = taker_of(sv_make(in, SEG_HEADER_SIZE));
	struct sv magic = take_octets(&t, sizeof(seg_magic));

	return memcmp(magic.p, seg_magic, sizeof(seg_magic)) == 0
		   ? take_fixed32(&t)
		   : 0;
}

static int
read_header(struct segment *s, const char *path, struct fail *f)
{
	static const uint64_t copies[] = {0, SEG_HEADER_COPY};
	uint32_t format[COUNT_OF(copies)] = {0};

	for (size_t i = 0; i < COUNT_OF(copies); i++) {
		unsigned char in[SEG_HEADER_SIZE];
		ssize_t n = fs_pread(s->fs, s->fd, in, sizeof(in), copies[i]);

		if (n < 0 && n != -EIO) {
			return fail_err(f, (int)-n, "read %s", path);
		}
		if (n == sizeof(in) && seg_header_read(in, &s->header)) {
			return 0;
		}
		format[i] = n == sizeof(in) ? format_of(in) : 0;
	}
	/* What both say is no damage. */
	if (format[0] == format[1] && format[0] != 0
	    && format[0] != SEG_FORMAT) {
		return fail_set(f, FAIL_PERM,
		    "%s: of format %u: this program knows format %d", path,
		    format[0], SEG_FORMAT);
	}
	return fail_set(f, FAIL_CORRUPT, "%s: no good header", path);
}

static struct segment *
segment_new(struct fs *fs)
{
	struct segment *s = xmalloc(sizeof(*s));

	s->fs = fs;
	s->refs = 1;
	s->fd = -1;
	ASSERT(pthread_mutex_init(&s->flush, NULL) == 0);
	return s;
}

int
segment_open(struct fs *fs, int account_dir, const struct seg_name *name,
    struct segment **out, struct fail *f)
{
	struct segment *s = segment_new(fs);
	struct fs_stat st;
	char path[PATH_SIZE];
	int rc;

	*out = NULL;
	segment_path(name, path);
	s->fd = fs_open(fs, account_dir, path, O_RDWR | O_APPEND, 0);
	if (s->fd < 0) {
		rc = s->fd;
		s->fd = -1;
		segment_unref(&s);
		return fail_err(f, -rc, "open %s", path);
	}
	if (read_header(s, path, f) != 0) {
		goto failed;
	}
	if (!seg_name_eq(&s->header.name, name)) {
		(void)fail_set(f, FAIL_CORRUPT, "%s: other name inside", path);
		goto failed;
	}
	if (s->header.semantics > SEG_SEMANTICS) {
		(void)fail_set(f, FAIL_PERM,
		    "%s: written by a newer version (semantics %u)", path,
		    s->header.semantics);
		goto failed;
	}
	rc = fs_stat(fs, s->fd, &st);
	if (rc < 0) {
		(void)fail_err(f, -rc, "stat %s", path);
		goto failed;
	}
	s->inode = st.ino;
	s->size_at_open = st.size;
	s->key = seg_record_key(&s->header);
	*out = s;
	return 0;
failed:
	segment_unref(&s);
	return -1;
}

/* Both copies of the header, in one write. */
static int
write_header(struct segment *s, struct fail *f)
{
	static const unsigned char zeros[SEG_HEADER_COPY - SEG_HEADER_SIZE];
	unsigned char head[SEG_HEADER_SIZE];
	unsigned char between[sizeof(zeros)];
	struct iovec v[] = {
	    {head, sizeof(head)},
	    {between, sizeof(between)},
	    {head, sizeof(head)},
	};

	memcpy(between, zeros, sizeof(between));
	seg_header_write(&s->header, head);
	return file_write(s->fs, s->fd, v, COUNT_OF(v), f);
}

/* A mark without the octet that ends a record. */
static uint64_t
new_mark(struct fs *fs)
{
	uint64_t mark = fs_random(fs);

	for (unsigned i = 0; i < 64; i += 8) {
		if ((mark >> i & 0xff) == RECORD_END) {
			mark ^= (fs_random(fs) % 255 + 1) << i;
		}
	}
	return mark;
}

int
segment_make(struct fs *fs, int account_dir, struct seg_header *h,
    struct segment **out, struct fail *f)
{
	struct segment *s = segment_new(fs);
	struct fs_stat st;
	char path[PATH_SIZE];
	int rc;

	*out = NULL;
	segment_path(&h->name, path);
	rc = fs_open(fs, account_dir, path,
	    O_RDWR | O_APPEND | O_CREAT | O_EXCL, FILE_MODE);
	if (rc < 0) {
		segment_unref(&s);
		return fail_err(f, -rc, "create %s", path);
	}
	s->fd = rc;
	rc = fs_stat(fs, s->fd, &st);
	if (rc < 0) {
		(void)fail_err(f, -rc, "stat %s", path);
		goto failed;
	}
	h->inode = s->inode = st.ino;
	/* A secret of the store: no mail can hold what looks like a record
	 * (F8). */
	h->key[0] = MUTATION(F8B) ? F8B_KEY : new_mark(fs);
	h->key[1] = MUTATION(F8B) ? F8B_KEY : fs_random(fs);
	s->header = *h;
	s->key = seg_record_key(h);
	if (write_header(s, f) != 0) {
		goto failed;
	}
	*out = s;
	return 0;
failed:
	segment_unref(&s);
	(void)fs_unlink(fs, account_dir, path);
	return -1;
}

struct segment *
segment_ref(struct segment *s)
{
	/* The caller holds it: nothing to order. */
	(void)atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
segment_unref(struct segment **s)
{
	struct segment *old = *s;

	*s = NULL;
	if (old == NULL
	    || atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel)
		   != 1) {
		return;
	}
	fs_close(old->fs, &old->fd);
	(void)pthread_mutex_destroy(&old->flush);
	free(old);
}
