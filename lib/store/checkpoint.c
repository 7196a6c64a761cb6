#include "store/checkpoint_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/account_priv.h"
#include "store/collect_priv.h"
#include "store/journal_priv.h"
#include "store/mutate_priv.h"

enum { FREEZE_TRIES = 16 };

/* ---- the state, frozen ---- */

static void
replay_copy(struct replay *to, const struct replay *from)
{
	*to = *from;
	to->view = view_ref(from->view);
	to->keys.table = NULL;
	to->keys.table_size = 0;
	to->keys.ring = NULL;
	if (from->keys.n != 0) {
		to->keys.ring = xmemdup(
		    from->keys.ring, from->keys.n * sizeof(*to->keys.ring));
	}
	to->keys.cap = from->keys.n;
}

/* False: another thread moved on between the look at both. */
static bool
freeze_try(struct account *a, struct freeze *out)
{
	bool same;

	lock_acquire(&a->lock);
	same = a->loaded && a->segment != NULL
	       && seg_name_eq(&a->segment->header.name, &a->replay.segment);
	if (same) {
		replay_copy(&out->r, &a->replay);
		out->segment = segment_ref(a->segment);
	}
	lock_release(&a->lock);
	return same;
}

int
freeze_take(struct account *a, struct freeze *out, struct fail *f)
{
	*out = (struct freeze){.segment = NULL};
	for (unsigned i = 0; i < FREEZE_TRIES; i++) {
		if (journal_catch_up(a, f) != 0) {
			return -1;
		}
		if (freeze_try(a, out)) {
			return 0;
		}
	}
	return fail_set(f, FAIL_TEMP, "the journal is not to be caught");
}

void
freeze_drop(struct freeze *z)
{
	replay_deinit(&z->r);
	segment_unref(&z->segment);
}

/* ---- writing ---- */

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
	return rc != 0 ? store_flush_failed(s, -rc, path, f) : 0;
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

/* As if there were one snapshot only, replaced by rename. */
static int
replace_all(struct account *a, const struct freeze *z, struct fail *f)
{
	place_t at = place_make(z->r.segment.number, z->r.offset);
	struct snap_name *names;
	char path[SNAP_PATH_SIZE];
	size_t n;
	int rc = 0;

	if (snap_list(a->store->fs, a->dir, &names, &n, f) != 0) {
		return -1;
	}
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (names[i].at != at) {
			snap_path(&names[i], NULL, path);
			rc = snap_remove(a->store->fs, a->dir, path, f);
		}
	}
	free(names);
	return rc;
}

int
account_checkpoint(struct account *a, struct fail *f)
{
	struct freeze z;
	int rc = -1;

	if (freeze_take(a, &z, f) != 0) {
		return -1;
	}
	/* A snapshot ahead of the journal that survives would begin its
	 * replay in the middle of other records. */
	if (MUTATION(F10) || journal_flush(a, z.segment, z.r.offset, f) == 0) {
		rc = checkpoint_write(a, &z, false, f);
	}
	if (rc == 0 && MUTATION(F1)) {
		rc = replace_all(a, &z, f);
	}
	freeze_drop(&z);
	return rc != 0 ? -1 : snapshots_thin(a, f);
}

/* ---- when it is time ---- */

enum { TAIL_PART = 4 }; /* of what a checkpoint writes */

/* How long a tail may grow: to a part of what the last checkpoint wrote, for
 * the next will write about as much.  So snapshots take at most TAIL_PART
 * times the journal's octets, and there is never more to replay than that
 * part of the state. */
static uint64_t
tail_max(struct account *a, uint64_t fresh)
{
	uint64_t max = a->store->conf.checkpoint_tail;

	return fresh / TAIL_PART > max ? fresh / TAIL_PART : max;
}

static void
tail_begins(struct account *a, uint64_t fresh)
{
	lock_acquire(&a->lock);
	a->tail = 0;
	a->tail_max = tail_max(a, fresh);
	lock_release(&a->lock);
}

/* Another process may have made this snapshot: the tail begins behind it. */
static void
tail_cut(struct account *a, const struct snap_manifest *m)
{
	uint64_t tail = UINT64_MAX;

	lock_acquire(&a->lock);
	if (a->segment != NULL) {
		const struct seg_name *at = &a->segment->header.name;

		if (at->number < m->segment.number) {
			tail = 0;
		} else if (seg_name_eq(at, &m->segment)) {
			tail = a->size > m->offset ? a->size - m->offset : 0;
		}
	}
	a->tail = tail < a->tail ? tail : a->tail;
	lock_release(&a->lock);
}

/* Octets that the newest checkpoint wrote; 0: there is none. */
static uint64_t
newest_fresh(struct account *a)
{
	struct snap_manifest m;
	struct snap_name *names;
	struct fail ignored;
	uint64_t fresh = 0;
	size_t n;

	if (snap_list(a->store->fs, a->dir, &names, &n, &ignored) != 0) {
		return 0;
	}
	if (n != 0
	    && snap_open(a->store->fs, a->dir, &names[0], &m, &ignored) == 0) {
		fresh = m.fresh;
		tail_cut(a, &m);
		snap_manifest_deinit(&m);
	}
	free(names);
	return fresh;
}

static bool
floor_is_old(struct account *a)
{
	int64_t now = fs_now_ms(a->store->fs);

	lock_acquire(&a->lock);
	bool old = a->segment != NULL
		   && a->segment->header.floor_ms + ACCOUNT_COLLECT_MS < now;
	lock_release(&a->lock);
	return old;
}

/* Nothing was recorded since the last collection, and nothing that was left
 * then is past its retention now. */
static bool
at_rest(struct account *a, const struct segment *seg)
{
	struct fs_stat st;
	int64_t mature = seg->header.created_ms
			 + (int64_t)a->store->conf.retention_ms
			 + COLLECT_DAY_MS;

	return fs_stat(seg->fs, seg->fd, &st) == 0 && st.size == SEG_HEADER
	       && fs_now_ms(seg->fs) < mature;
}

int
account_upkeep(struct account *a, bool *done, struct fail *f)
{
	struct segment *seg;

	*done = false;
	if (journal_segment(a, &seg, f) != 0) {
		return -1;
	}
	uint64_t max = tail_max(a, newest_fresh(a));
	bool collect = floor_is_old(a) && !at_rest(a, seg);

	segment_unref(&seg);

	lock_acquire(&a->lock);
	bool longer = a->tail > max;
	a->tail_max = max;
	lock_release(&a->lock);

	*done = longer || collect;
	if (*done && account_checkpoint(a, f) != 0) {
		return -1;
	}
	if (collect && account_collect(a, f) != 0) {
		return -1;
	}
	if (*done) {
		tail_begins(a, newest_fresh(a));
	}
	return 0;
}
