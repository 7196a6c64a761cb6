/*
 * Writing a snapshot: its chunks, or links to those of the one before the
 * last, its manifest, then its name.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/checkpoint_priv.h"
#include "store/mutate_priv.h"

struct writer {
	struct store *store;
	struct fs *fs;
	int dir;       /* of the account */
	char tmp[64];  /* tmp/<name> */
	bool link_any; /* mutation: from the newest, too */
	struct snap_name newest_name, older_name;
	struct snap_manifest newest, older; /* empty: there is none */
	struct snap_manifest m;		    /* being made */
	size_t chunks_cap;
	struct buf compare;
};

static int
flush_file(struct store *s, int fd, const char *path, struct fail *f)
{
	int rc;

	store_flush_begin(s);
	rc = fs_sync(s->fs, fd);
	store_flush_end(s);
	return rc != 0 ? store_flush_new_failed(s, -rc, path, f) : 0;
}

/* A file with these octets, flushed. */
static int
file_make(struct store *s, int dir, const char *path, struct sv octets,
    struct fail *f)
{
	struct iovec v = {
	    .iov_base = xmemdup(octets.p, octets.len), .iov_len = octets.len};
	void *copy = v.iov_base;
	int fd = fs_open(s->fs, dir, path,
	    O_WRONLY | O_CREAT | O_EXCL | O_APPEND, FILE_MODE);
	int rc = -1;

	if (fd < 0) {
		free(copy);
		return fail_err(f, -fd, "create %s", path);
	}
	if (file_write(s->fs, fd, &v, 1, f) == 0) {
		rc = flush_file(s, fd, path, f);
	}
	fs_close(s->fs, &fd);
	free(copy);
	return rc;
}

static bool
shares(const struct snap_manifest *m, uint64_t id)
{
	for (size_t i = 0; i < m->n_chunks; i++) {
		if (m->chunks[i].id == id) {
			return true;
		}
	}
	return false;
}

/* The same octets in an older generation, as they can be read there now. */
static bool
link_from(struct writer *w, const struct snap_manifest *m,
    const struct snap_name *name, size_t i, struct sv chunk, const char *to)
{
	char file[24];
	char from[SNAP_PATH_SIZE];
	struct fail f;

	(void)snprintf(file, sizeof(file), "c%zu", i);
	snap_path(name, file, from);
	buf_clear(&w->compare);
	return file_read(
		   w->fs, w->dir, from, m->chunks[i].size, &w->compare, &f)
		   == 0
	       && sv_eq(buf_sv(&w->compare), chunk)
	       && fs_link(w->fs, w->dir, from, w->dir, to) == 0;
}

/* In `m`, the chunk that would be these octets; n_chunks if none. */
static size_t
same_chunk(const struct snap_manifest *m, const struct snap_chunk *c)
{
	size_t lo = 0;
	size_t hi = m->n_chunks;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (snap_key_cmp(&m->chunks[mid].first, &c->first) < 0) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo < m->n_chunks
		       && snap_key_cmp(&m->chunks[lo].first, &c->first) == 0
		       && m->chunks[lo].size == c->size
		       && m->chunks[lo].crc == c->crc
		   ? lo
		   : m->n_chunks;
}

static bool
link_chunk(
    struct writer *w, struct snap_chunk *c, struct sv chunk, const char *to)
{
	size_t i = same_chunk(&w->older, c);

	if (i < w->older.n_chunks && !shares(&w->newest, w->older.chunks[i].id)
	    && link_from(w, &w->older, &w->older_name, i, chunk, to)) {
		c->id = w->older.chunks[i].id;
		return true;
	}
	i = same_chunk(&w->newest, c);
	if (w->link_any && i < w->newest.n_chunks
	    && link_from(w, &w->newest, &w->newest_name, i, chunk, to)) {
		c->id = w->newest.chunks[i].id;
		return true;
	}
	return false;
}

static int
chunk_write(
    void *arg, const struct snap_key *first, struct sv chunk, struct fail *f)
{
	struct writer *w = arg;
	struct snap_manifest *m = &w->m;
	struct snap_chunk *c;
	char path[PATH_SIZE];

	m->chunks =
	    xgrow(m->chunks, m->n_chunks, &w->chunks_cap, sizeof(*m->chunks));
	c = &m->chunks[m->n_chunks];
	*c = (struct snap_chunk){.first = *first,
	    .size = (uint32_t)chunk.len,
	    .crc = crc32c(0, chunk.p, chunk.len)};
	(void)snprintf(path, sizeof(path), "%s/c%zu", w->tmp, m->n_chunks);
	m->n_chunks++;
	if (link_chunk(w, c, chunk, path)) {
		return 0;
	}
	c->id = fs_random(w->fs);
	m->fresh += chunk.len;
	return file_make(w->store, w->dir, path, chunk, f);
}

static void
manifest_of(struct snap_manifest *m, const struct replay *r)
{
	const struct view *v = r->view;

	*m = (struct snap_manifest){.semantics = SEG_SEMANTICS,
	    .place = v->place,
	    .hash = replay_hash(r),
	    .segment = r->segment,
	    .offset = r->offset,
	    .gone = r->gone,
	    .floor_ms = v->floor_ms,
	    .purge = v->purge,
	    .uidvalidity = v->uidvalidity,
	    .firm = v->firm,
	    .keys_next = r->keys.next,
	    .n_subscriptions = view_subscriptions(v)};
	memcpy(m->before, r->before, sizeof(m->before));
	if (m->n_subscriptions != 0) {
		m->subscriptions =
		    xcalloc(m->n_subscriptions, sizeof(*m->subscriptions));
	}
	for (size_t i = 0; i < m->n_subscriptions; i++) {
		m->subscriptions[i] = view_subscription_at(v, i);
	}
}

static int
manifest_make(struct writer *w, struct fail *f)
{
	struct buf octets = {.len = 0};
	char path[PATH_SIZE];
	int rc;

	(void)snprintf(path, sizeof(path), "%s/manifest", w->tmp);
	snap_manifest_write(&w->m, &octets);
	rc = file_make(w->store, w->dir, path, buf_sv(&octets), f);
	buf_deinit(&octets);
	return rc;
}

/* The two newest that there are, as far as their manifests can be read. */
static int
older_open(struct writer *w, struct fail *f)
{
	struct snap_name *names;
	size_t n;
	struct fail ignored;

	if (snap_list(w->fs, w->dir, &names, &n, f) != 0) {
		return -1;
	}
	if (n > 0) {
		w->newest_name = names[0];
		if (snap_open(w->fs, w->dir, &names[0], &w->newest, &ignored)
		    != 0) {
			w->newest = (struct snap_manifest){.n_chunks = 0};
		}
	}
	if (n > 1) {
		w->older_name = names[1];
		if (snap_open(w->fs, w->dir, &names[1], &w->older, &ignored)
		    != 0) {
			w->older = (struct snap_manifest){.n_chunks = 0};
		}
	}
	free(names);
	return 0;
}

static int
publish(struct writer *w, const struct snap_name *name, struct fail *f)
{
	char path[SNAP_PATH_SIZE];
	int rc;

	if (store_sync_path(w->store, w->dir, w->tmp, f) != 0) {
		return -1;
	}
	snap_path(name, NULL, path);
	rc = fs_rename(w->fs, w->dir, w->tmp, w->dir, path);
	if (rc != 0) {
		return fail_err(f, -rc, "rename to %s", path);
	}
	return store_sync_path(w->store, w->dir, "snap", f);
}

static int
write_all(struct writer *w, const struct freeze *z, bool again, struct fail *f)
{
	const struct snap_manifest *bounds =
	    w->older.n_chunks != 0 ? &w->older : &w->newest;
	struct snap_manifest none = {.n_chunks = 0};
	int rc = fs_mkdir(w->fs, w->dir, w->tmp, FOLDER_MODE);

	if (rc != 0) {
		return fail_err(f, -rc, "mkdir %s", w->tmp);
	}
	manifest_of(&w->m, &z->r);
	if (again) {
		snap_manifest_deinit(&w->older);
		bounds = &none;
	}
	if (snap_encode(
		&z->r, bounds->chunks, bounds->n_chunks, chunk_write, w, f)
	    != 0) {
		return -1;
	}
	return manifest_make(w, f);
}

static void
writer_deinit(struct writer *w)
{
	snap_manifest_deinit(&w->newest);
	snap_manifest_deinit(&w->older);
	snap_manifest_deinit(&w->m);
	buf_deinit(&w->compare);
}

int
checkpoint_write(
    struct account *a, const struct freeze *z, bool again, struct fail *f)
{
	struct writer w = {.store = a->store,
	    .fs = a->store->fs,
	    .dir = a->dir,
	    .link_any = MUTATION(F6)};
	struct snap_name name = {
	    .at = place_make(z->r.segment.number, z->r.offset),
	    .random = fs_random(a->store->fs)};
	struct fail ignored;
	char text[SNAP_NAME_SIZE];
	int rc = -1;

	if (older_open(&w, f) != 0) {
		return -1;
	}
	if (!again && w.newest.n_chunks != 0 && w.newest_name.at == name.at) {
		writer_deinit(&w);
		return 0;
	}
	snap_name_write(&name, text);
	(void)snprintf(w.tmp, sizeof(w.tmp), "tmp/%s", text);
	if (write_all(&w, z, again, f) == 0) {
		rc = publish(&w, &name, f);
	}
	if (rc != 0 && snap_remove(w.fs, w.dir, w.tmp, &ignored) != 0) {
		fail_clear(&ignored); /* the collector's, then */
	}
	writer_deinit(&w);
	return rc;
}
