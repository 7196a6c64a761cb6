#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/codec_priv.h"
#include "store/snapshot_priv.h"

static const char magic[6] = "PRsnap";

void
snap_manifest_deinit(struct snap_manifest *m)
{
	free(m->chunks);
	free(m->subscriptions);
	buf_deinit(&m->octets);
	*m = (struct snap_manifest){.n_chunks = 0};
}

int
snap_key_cmp(const struct snap_key *a, const struct snap_key *b)
{
	if (a->box != b->box) {
		return a->box < b->box ? -1 : 1;
	}
	if (a->item != b->item) {
		return a->item < b->item ? -1 : 1;
	}
	return a->at < b->at ? -1 : a->at > b->at;
}

/* ---- writing ---- */

static void
lists_write(const struct snap_manifest *m, struct buf *to)
{
	put_varint(to, m->n_chunks);
	for (size_t i = 0; i < m->n_chunks; i++) {
		const struct snap_chunk *c = &m->chunks[i];

		put_u64(to, c->first.box);
		put_u8(to, c->first.item);
		put_varint(to, c->first.at);
		put_u64(to, c->id);
		put_varint(to, c->size);
		put_varint(to, c->crc);
	}
	put_varint(to, m->n_subscriptions);
	for (size_t i = 0; i < m->n_subscriptions; i++) {
		put_string(to, m->subscriptions[i]);
	}
}

void
snap_manifest_write(const struct snap_manifest *m, struct buf *to)
{
	size_t from = to->len;

	buf_add(to, magic, sizeof(magic));
	put_u8(to, '0' + SNAP_FORMAT);
	put_u8(to, '\n');
	put_varint(to, m->semantics);
	put_u64(to, m->place);
	put_u64(to, m->hash);
	put_u64(to, m->segment.number);
	put_u64(to, m->segment.random);
	put_varint(to, m->offset);
	buf_add(to, m->before, sizeof(m->before));
	put_u8(to, m->gone);
	put_signed(to, m->floor_ms);
	put_u64(to, m->purge);
	put_varint(to, m->uidvalidity);
	put_u64(to, m->firm);
	put_varint(to, m->keys_next);
	put_varint(to, m->fresh);
	lists_write(m, to);
	put_u64(to, crc32c(0, to->data + from, to->len - from));
}

/* ---- reading ---- */

/* An array of what the file says, if the file can hold so many. */
static void *
take_array(struct taker *t, size_t *n_out, size_t size, size_t least)
{
	uint64_t n = take_max(t, take_left(t) / least);

	*n_out = t->bad ? 0 : (size_t)n;
	return *n_out == 0 ? NULL : xcalloc(*n_out, size);
}

static void
lists_read(struct snap_manifest *m, struct taker *t)
{
	m->chunks = take_array(t, &m->n_chunks, sizeof(*m->chunks), 20);
	for (size_t i = 0; i < m->n_chunks; i++) {
		struct snap_chunk *c = &m->chunks[i];

		c->first.box = take_u64(t);
		c->first.item = (enum snap_item)take_u8(t);
		c->first.at = take_varint(t);
		c->id = take_u64(t);
		c->size = (uint32_t)take_max(t, 2 * SNAP_CHUNK_MAX);
		c->crc = take_u32(t);
	}
	m->subscriptions =
	    take_array(t, &m->n_subscriptions, sizeof(*m->subscriptions), 1);
	for (size_t i = 0; i < m->n_subscriptions; i++) {
		m->subscriptions[i] = take_string(t);
	}
}

static bool
fields_read(struct snap_manifest *m, struct taker *t)
{
	struct sv s;

	m->semantics = take_u32(t);
	m->place = take_u64(t);
	m->hash = take_u64(t);
	m->segment.number = take_u64(t);
	m->segment.random = take_u64(t);
	m->offset = take_max(t, ((uint64_t)1 << SEG_PLACE_BITS) - 1);
	s = take_octets(t, sizeof(m->before));
	if (s.len != 0) {
		memcpy(m->before, s.p, s.len);
	}
	m->gone = take_u8(t) != 0;
	m->floor_ms = take_signed(t);
	m->purge = take_u64(t);
	m->uidvalidity = take_u32(t);
	m->firm = take_u64(t);
	m->keys_next = (uint32_t)take_max(t, STATE_KEYS);
	m->fresh = take_varint(t);
	lists_read(m, t);
	return take_done(t);
}

static bool
crc_is_right(struct sv octets)
{
	struct taker end;

	if (octets.len < 8) {
		return false;
	}
	end = taker_of(sv_from(octets, octets.len - 8));
	return take_u64(&end) == crc32c(0, octets.p, octets.len - 8);
}

/* FAIL_CORRUPT, or FAIL_PERM for a format that this program does not know. */
static int
format_read(struct taker *t, struct fail *f)
{
	struct sv name = take_octets(t, sizeof(magic));
	unsigned format = take_u8(t);

	if (!sv_eq(name, sv_make(magic, sizeof(magic))) || take_u8(t) != '\n') {
		return fail_set(f, FAIL_CORRUPT, "manifest: not understood");
	}
	return format != '0' + SNAP_FORMAT ? fail_set(f, FAIL_PERM,
		   "a snapshot of format %c: this program reads format %d",
		   (int)format, SNAP_FORMAT)
					   : 0;
}

int
snap_manifest_read(struct snap_manifest *m, struct buf *octets, struct fail *f)
{
	struct sv all = buf_sv(octets);
	struct taker t;

	*m = (struct snap_manifest){.n_chunks = 0};
	if (!crc_is_right(all)) {
		return fail_set(f, FAIL_CORRUPT, "manifest: wrong checksum");
	}
	t = taker_of(sv_sub(all, 0, all.len - 8));
	if (format_read(&t, f) != 0) {
		return -1;
	}
	if (!fields_read(m, &t)) {
		snap_manifest_deinit(m);
		return fail_set(f, FAIL_CORRUPT, "manifest: not understood");
	}
	if (m->semantics != SEG_SEMANTICS) {
		snap_manifest_deinit(m);
		return fail_set(f, FAIL_PERM, "manifest: of another version");
	}
	m->octets = *octets;
	*octets = (struct buf){.len = 0};
	return 0;
}

/* ---- names ---- */

void
snap_name_write(const struct snap_name *name, char out[SNAP_NAME_SIZE])
{
	(void)snprintf(out, SNAP_NAME_SIZE, "%016llx.%016llx",
	    (unsigned long long)name->at, (unsigned long long)name->random);
}

static bool
snap_name_read(const char *text, struct snap_name *out)
{
	return hex_part(&text, 16, '.', &out->at)
	       && hex_part(&text, 16, '\0', &out->random);
}

void
snap_path(
    const struct snap_name *name, const char *file, char out[SNAP_PATH_SIZE])
{
	char text[SNAP_NAME_SIZE];

	snap_name_write(name, text);
	(void)snprintf(out, SNAP_PATH_SIZE, "snap/%s%s%s", text,
	    file != NULL ? "/" : "", file != NULL ? file : "");
}

struct listing {
	struct snap_name *names;
	size_t n, cap;
};

static bool
list_each(void *arg, const char *name)
{
	struct listing *l = arg;
	struct snap_name s;

	if (snap_name_read(name, &s)) {
		l->names = xgrow(l->names, l->n, &l->cap, sizeof(*l->names));
		l->names[l->n++] = s;
	}
	return true;
}

static int
newest_first(const void *pa, const void *pb)
{
	const struct snap_name *a = pa;
	const struct snap_name *b = pb;

	if (a->at != b->at) {
		return a->at > b->at ? -1 : 1;
	}
	return a->random > b->random ? -1 : a->random < b->random;
}

int
snap_list(struct fs *fs, int account_dir, struct snap_name **out, size_t *n_out,
    struct fail *f)
{
	struct listing l = {.names = NULL};
	int rc = fs_list(fs, account_dir, "snap", list_each, &l);

	if (rc != 0 && rc != -ENOENT) {
		free(l.names);
		return fail_err(f, -rc, "list snap/");
	}
	if (l.n != 0) {
		qsort(l.names, l.n, sizeof(*l.names), newest_first);
	}
	*out = l.names;
	*n_out = l.n;
	return 0;
}

int
snap_open(struct fs *fs, int account_dir, const struct snap_name *name,
    struct snap_manifest *out, struct fail *f)
{
	char path[SNAP_PATH_SIZE];
	struct buf octets = {.len = 0};
	int rc;

	snap_path(name, "manifest", path);
	if (file_read(fs, account_dir, path, SNAP_MANIFEST_MAX, &octets, f)
	    != 0) {
		buf_deinit(&octets);
		return -1;
	}
	rc = snap_manifest_read(out, &octets, f);
	buf_deinit(&octets);
	if (rc == 0 && snap_manifest_at(out) != name->at) {
		snap_manifest_deinit(out);
		rc = fail_set(f, FAIL_CORRUPT, "manifest of another place");
	}
	return rc != 0 ? fail_wrap(f, "%s", path) : 0;
}
