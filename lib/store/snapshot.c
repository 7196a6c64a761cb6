/*
 * Finding a snapshot and loading it.
 */
#include "store/snapshot_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

enum {
	LIST_TRIES = 8,	 /* a collector may remove what was listed */
	READ_AHEAD = 32, /* chunks that the disk is asked for at once */
};

static int
chunk_load(struct fs *fs, int account_dir, const struct snap_name *name,
    const struct snap_manifest *m, size_t i, struct buf *to, struct fail *f)
{
	char file[24];
	char path[SNAP_PATH_SIZE];

	(void)snprintf(file, sizeof(file), "c%zu", i);
	snap_path(name, file, path);
	buf_clear(to);
	if (file_read(fs, account_dir, path, m->chunks[i].size, to, f) != 0) {
		return -1;
	}
	if (to->len != m->chunks[i].size
	    || crc32c(0, to->data, to->len) != m->chunks[i].crc) {
		return fail_set(f, FAIL_CORRUPT, "%s: wrong checksum", path);
	}
	return 0;
}

/* A disk serves many requests as fast as one: ask for the chunks from `i`
 * on before the first of them is waited for. */
static void
chunks_ask(struct fs *fs, int account_dir, const struct snap_name *name,
    const struct snap_manifest *m, size_t i)
{
	for (size_t n = 0; n < READ_AHEAD && i + n < m->n_chunks; n++) {
		char file[24];
		char path[SNAP_PATH_SIZE];

		(void)snprintf(file, sizeof(file), "c%zu", i + n);
		snap_path(name, file, path);
		fs_read_start(fs, account_dir, path);
	}
}

static int
chunks_load(struct fs *fs, int account_dir, const struct snap_name *name,
    const struct snap_manifest *m, struct replay *r, struct fail *f)
{
	struct snap_builder b = {.r = r};
	struct buf chunk = {.len = 0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->n_chunks; i++) {
		if (i % READ_AHEAD == 0 && m->n_chunks > 1) {
			chunks_ask(fs, account_dir, name, m, i);
		}
		rc = chunk_load(fs, account_dir, name, m, i, &chunk, f);
		if (rc == 0 && !snap_build(&b, buf_sv(&chunk))) {
			rc = fail_set(f, FAIL_CORRUPT,
			    "snapshot %llx: chunk %zu not understood",
			    (unsigned long long)name->at, i);
		}
	}
	if (rc == 0) {
		snap_build_end(&b);
	} else {
		snap_build_abort(&b);
	}
	buf_deinit(&chunk);
	return rc;
}

static void
globals_load(const struct snap_manifest *m, struct replay *r)
{
	struct view *v = r->view;

	v->place = m->place;
	v->floor_ms = m->floor_ms;
	v->purge = m->purge;
	v->uidvalidity = m->uidvalidity;
	v->last = m->place;
	v->firm = m->firm;
	for (size_t i = 0; i < m->n_subscriptions; i++) {
		(void)view_subscribe(v, m->subscriptions[i], true);
	}
	view_order_rebuild(v);
	r->keys.next = m->keys_next;
	r->segment = m->segment;
	r->offset = m->offset;
	memcpy(r->before, m->before, sizeof(r->before));
	r->gone = m->gone;
}

int
snap_load(struct fs *fs, int account_dir, const struct snap_name *name,
    struct replay *r, struct fail *f)
{
	struct snap_manifest m;

	*r = (struct replay){.view = NULL};
	if (snap_open(fs, account_dir, name, &m, f) != 0) {
		return -1;
	}
	r->view = view_new();
	if (chunks_load(fs, account_dir, name, &m, r, f) != 0) {
		snap_manifest_deinit(&m);
		replay_deinit(r);
		return -1;
	}
	globals_load(&m, r);
	snap_manifest_deinit(&m);
	return 0;
}

/* ---- the newest ---- */

static int
newest_manifest(struct fs *fs, int dir, const struct snap_name *name, void *out,
    struct fail *f)
{
	struct snap_manifest m;
	struct seg_name *segment = out;

	if (snap_open(fs, dir, name, &m, f) != 0) {
		return -1;
	}
	*segment = m.segment;
	snap_manifest_deinit(&m);
	return 0;
}

static int
newest_state(struct fs *fs, int dir, const struct snap_name *name, void *out,
    struct fail *f)
{
	return snap_load(fs, dir, name, out, f);
}

typedef int use_fn(struct fs *fs, int dir, const struct snap_name *name,
    void *out, struct fail *f);

/* Down the list until one serves.  *again: one vanished, list anew. */
static int
try_each(
    struct fs *fs, int dir, use_fn *use, void *out, bool *again, struct fail *f)
{
	struct snap_name *names;
	size_t n;
	int rc = -1;

	*again = false;
	if (snap_list(fs, dir, &names, &n, f) != 0) {
		return -1;
	}
	if (n == 0) {
		(void)fail_set(f, FAIL_ABSENT, "no snapshot");
	}
	for (size_t i = 0; rc != 0 && i < n; i++) {
		rc = use(fs, dir, &names[i], out, f);
		if (rc == 0) {
			break;
		}
		if (f->kind == FAIL_ABSENT) {
			*again = true;
			(void)fail_set(f, FAIL_CORRUPT, "files missing");
		}
		if (f->kind != FAIL_CORRUPT) {
			break; /* not the snapshot's fault */
		}
		if (!*again) {
			LOG(LOG_ERROR, "store.snapshot_damaged",
			    kv_hex("at", names[i].at), kv_fail(f));
		}
	}
	free(names);
	return rc;
}

static int
newest(struct fs *fs, int dir, use_fn *use, void *out, struct fail *f)
{
	bool again = true;
	int rc = -1;

	for (unsigned i = 0; again && i < LIST_TRIES; i++) {
		rc = try_each(fs, dir, use, out, &again, f);
		if (rc == 0) {
			return 0;
		}
	}
	return rc;
}

int
snapshot_load(struct fs *fs, int account_dir, struct replay *r, struct fail *f)
{
	return newest(fs, account_dir, newest_state, r, f);
}

int
snapshot_segment(
    struct fs *fs, int account_dir, struct seg_name *out, struct fail *f)
{
	return newest(fs, account_dir, newest_manifest, out, f);
}
