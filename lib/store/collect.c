#include "store/collect_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/journal_priv.h"
#include "store/mutate_priv.h"
#include "store/packs_priv.h"

enum { ROTATE_TRIES = 4, HISTORY_TRIES = 4 };

static int
remove_file(struct account *a, const char *path, struct fail *f)
{
	int rc = fs_unlink(a->store->fs, a->dir, path);

	return rc != 0 && rc != -ENOENT ? fail_err(f, -rc, "unlink %s", path)
					: 0;
}

/* ---- snapshots and the segments below them ---- */

static int
remove_segment(struct account *a, const struct seg_name *name, struct fail *f)
{
	char text[SEG_NAME_SIZE];
	char path[PATH_SIZE];

	seg_name_write(name, text);
	(void)snprintf(path, sizeof(path), "journal/%s", text);
	return remove_file(a, path, f);
}

/* For whoever copies the tree while it is in use: kept for the retention. */
static bool
is_young(struct account *a, const struct seg_name *name)
{
	struct store *s = a->store;
	char text[SEG_NAME_SIZE];
	char path[PATH_SIZE];
	struct fs_stat st;

	seg_name_write(name, text);
	(void)snprintf(path, sizeof(path), "journal/%s", text);
	return fs_stat_at(s->fs, a->dir, path, &st) == 0
	       && st.mtime_ms + (int64_t)s->conf.retention_ms
		      > fs_now_ms(s->fs);
}

/* The oldest segments, numbered below `below`, that may go by their age: all
 * numbered below *end. */
static size_t
old_segments(struct account *a, const struct seg_name *names, size_t n,
    uint64_t below, uint64_t *end)
{
	size_t i = 0;

	while (i < n && names[i].number < below && !is_young(a, &names[i])) {
		i++;
	}
	/* Of several with one number, all or none. */
	while (i > 0 && i < n && names[i - 1].number == names[i].number) {
		i--;
	}
	*end = i == 0 ? 0 : names[i - 1].number + 1;
	return i;
}

/* Ascending, so that what is left is always the end of the chain; and not
 * before their digests are in packs. */
static int
remove_segments(struct account *a, uint64_t below, struct fail *f)
{
	struct seg_name *names;
	uint64_t end;
	size_t n;
	int rc = 0;

	if (journal_list(a, &names, &n, f) != 0) {
		return -1;
	}
	n = old_segments(a, names, n, below, &end);
	if (n != 0) {
		rc = packs_keep(a, end, f);
	}
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = remove_segment(a, &names[i], f);
	}
	free(names);
	return rc;
}

static int
collect_history(struct account *a, struct fail *f)
{
	struct fs *fs = a->store->fs;
	struct generations g;
	int rc = 0;

	if (generations_open(fs, a->dir, &g, f) != 0) {
		return -1;
	}
	if (MUTATION(F1) && g.n != 0) {
		/* One snapshot, replaced by rename. */
		rc = remove_segments(a, g.b.segment.number, f);
	} else if (g.older < g.n) {
		if (!MUTATION(F6)) {
			rc = generations_verify(fs, a->dir, &g, f);
		}
		/* Their names are on disk before what they stand for goes. */
		if (rc == 0) {
			rc = store_sync_path(a->store, a->dir, "snap", f);
		}
		if (rc == 0) {
			rc = snapshots_remove(
			    a, g.names + g.older + 1, g.n - g.older - 1, f);
		}
		if (rc == 0) {
			rc = remove_segments(a, g.a.segment.number, f);
		}
	}
	generations_deinit(&g);
	return rc;
}

/* ---- messages ---- */

/* What was expunged below this place is older than the retention. */
static place_t
purge_place(const struct view *v, int64_t before_ms)
{
	place_t young = UINT64_MAX;
	place_t last = 0;

	for (uint32_t i = 0; i < v->boxes.n; i++) {
		const struct box *b = view_box(v, i);

		for (uint32_t k = 0; b != NULL && k < b->graves.n; k++) {
			const struct grave *g = vec_at(&b->graves, k);

			if (g->at_ms > before_ms && g->at < young) {
				young = g->at;
			}
			last = g->at > last ? g->at : last;
		}
	}
	return young < last		   ? young
	       : last != 0 && young > last ? last + 1
					   : v->purge;
}

/* Raise floor and purge place: with the SEAL before it, that voids every add
 * of an older placement that has not come yet (F4). */
static int
raise_floor(struct account *a, struct fail *f)
{
	struct store *s = a->store;
	int64_t now = fs_now_ms(s->fs);
	int64_t floor_ms = now - COLLECT_DAY_MS;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < ROTATE_TRIES; i++) {
		struct freeze z;

		if (freeze_take(a, &z, f) != 0) {
			return -1;
		}
		const struct view *v = z.r.view;
		place_t purge =
		    purge_place(v, now - (int64_t)s->conf.retention_ms);
		bool high = v->floor_ms >= floor_ms && v->purge >= purge;

		if (!high) {
			rc = journal_rotate(a, z.segment, floor_ms, purge, f);
		}
		freeze_drop(&z);
		if (high) {
			break;
		}
	}
	return rc;
}

/*
 * A file below the floor that the state names nowhere is of a delivery that
 * ended early or came twice; or its record went bad, and it is all that is
 * left of a message.  Nobody can tell, so it stays as long as what was
 * expunged does.
 */
struct sweep {
	struct account *a;
	const struct view *view;
	struct named *named;
	int64_t keep_ms; /* younger ones stay */
	uint64_t kept, kept_octets;
	int rc;
	struct fail *f;
};

static bool
sweep_file(void *arg, const struct found *file)
{
	struct sweep *s = arg;
	int64_t time_ms = (int64_t)file->placement.time_ms;

	if (time_ms >= s->view->floor_ms
	    || named_has(s->named, file->folder, file->placement.time_ms,
		file->placement.random)) {
		return true;
	}
	if (time_ms >= s->keep_ms) {
		s->kept++;
		s->kept_octets += file->size;
		return true;
	}
	s->rc = remove_file(s->a, file->path, s->f);
	return s->rc == 0;
}

struct folders {
	struct account *a;
	const struct view *view;
	uint64_t *id;
	size_t n, cap;
};

static bool
folder_note(void *arg, const char *name)
{
	struct folders *l = arg;
	char *end;
	uint64_t id = strtoull(name, &end, 16);

	if (end == name + 16 && *end == '\0' && view_slot(l->view, id) < 0) {
		l->id = xgrow(l->id, l->n, &l->cap, sizeof(*l->id));
		l->id[l->n++] = id;
	}
	return true;
}

/* Folders of mailboxes that are forgotten; one with a file in it stays. */
static void
sweep_folders(struct account *a, const struct view *v)
{
	struct folders l = {.a = a, .view = v};
	char path[PATH_SIZE];
	char name[PATH_SIZE];

	if (fs_list(a->store->fs, a->dir, "box", folder_note, &l) != 0) {
		l.n = 0; /* another time */
	}
	for (size_t i = 0; i < l.n; i++) {
		box_path(l.id[i], path);
		if (fs_rmdir(a->store->fs, a->dir, path) == 0) {
			continue;
		}
		(void)snprintf(name, sizeof(name), "%.100s/.name", path);
		(void)fs_unlink(a->store->fs, a->dir, name);
		(void)fs_rmdir(a->store->fs, a->dir, path);
	}
	free(l.id);
}

static int
collect_messages(struct account *a, struct fail *f)
{
	struct freeze z;
	struct sweep s = {.a = a, .f = f};

	if (raise_floor(a, f) != 0 || freeze_take(a, &z, f) != 0) {
		return -1;
	}
	/* What stands behind is not shown: nothing is known to be unnamed. */
	if (journal_suspect(z.segment)) {
		freeze_drop(&z);
		return fail_set(f, FAIL_TEMP, "the journal lost its end");
	}
	/* The floor is on disk before what it voids goes (F10). */
	if (!MUTATION(F10C)
	    && journal_flush(a, z.segment, z.r.offset, f) != 0) {
		freeze_drop(&z);
		return -1;
	}
	s.view = z.r.view;
	s.named = named_new(z.r.view);
	s.keep_ms =
	    fs_now_ms(a->store->fs) - (int64_t)a->store->conf.retention_ms;
	if (files_each(a->store->fs, a->dir, sweep_file, &s, f) != 0) {
		s.rc = -1;
	}
	if (s.rc == 0) {
		sweep_folders(a, z.r.view);
	}
	if (s.kept != 0) {
		LOG(LOG_WARN, "account.unnamed_files", kv_str("account", a->id),
		    kv_u64("files", s.kept), kv_u64("octets", s.kept_octets));
	}
	named_free(&s.named);
	freeze_drop(&z);
	return s.rc;
}

/* ---- candidates that lost ---- */

/* Names of the chain that ends in `last`, back to the first that is there. */
static struct seg_name *
chain_back(struct account *a, const struct segment *last, size_t *n_out)
{
	struct seg_name *chain = NULL;
	size_t cap = 0;
	size_t n = 0;
	struct seg_name next = last->header.name;
	struct segment *seg;
	struct fail f;

	while (segment_open(a->store->fs, a->dir, &next, &seg, &f) == 0) {
		chain = xgrow(chain, n, &cap, sizeof(*chain));
		chain[n++] = next;
		next = seg->header.previous;
		segment_unref(&seg);
	}
	*n_out = n;
	return chain;
}

static bool
in_chain(const struct seg_name *chain, size_t n, const struct seg_name *name)
{
	for (size_t i = 0; i < n; i++) {
		if (seg_name_eq(&chain[i], name)) {
			return true;
		}
	}
	return false;
}

/*
 * A segment's number is above that of its predecessor.  One that is not in
 * the chain and not above its end has a predecessor below that end, which is
 * therefore sealed, with another name in its SEAL.
 */
static int
collect_candidates(struct account *a, struct fail *f)
{
	struct segment *last;
	struct seg_name *chain;
	struct seg_name *names;
	size_t n_chain;
	size_t n;
	int rc;

	if (journal_segment(a, &last, f) != 0) {
		return -1;
	}
	rc = journal_list(a, &names, &n, f);
	if (rc != 0) {
		segment_unref(&last);
		return -1;
	}
	chain = chain_back(a, last, &n_chain);
	/* Below the oldest of the chain they are history's, or wait for it. */
	for (size_t i = 0; rc == 0 && n_chain != 0 && i < n; i++) {
		if (names[i].number > chain[n_chain - 1].number
		    && names[i].number <= last->header.name.number
		    && !in_chain(chain, n_chain, &names[i])) {
			rc = remove_segment(a, &names[i], f);
		}
	}
	free(chain);
	free(names);
	segment_unref(&last);
	return rc;
}

/* ---- what was being made and never got its name ---- */

struct strays {
	char **name;
	size_t n, cap;
};

static bool
stray_note(void *arg, const char *name)
{
	struct strays *l = arg;

	l->name = xgrow(l->name, l->n, &l->cap, sizeof(*l->name));
	l->name[l->n++] = xstrdup(name);
	return true;
}

/* Whoever still makes it finds that it has gone, and fails. */
static int
remove_stray(struct account *a, const char *name, struct fail *f)
{
	struct fs *fs = a->store->fs;
	char path[PATH_SIZE];
	struct fs_stat st;

	(void)snprintf(path, sizeof(path), "tmp/%.100s", name);
	if (fs_stat_at(fs, a->dir, path, &st) != 0
	    || st.mtime_ms + COLLECT_DAY_MS > fs_now_ms(fs)) {
		return 0;
	}
	return st.is_dir ? folder_remove(a, path, f) : remove_file(a, path, f);
}

static int
collect_strays(struct account *a, struct fail *f)
{
	struct strays l = {.name = NULL};
	int rc = fs_list(a->store->fs, a->dir, "tmp", stray_note, &l);

	rc = rc == -ENOENT ? 0 : rc;
	if (rc != 0) {
		(void)fail_err(f, -rc, "list tmp");
		rc = -1;
	}
	for (size_t i = 0; i < l.n; i++) {
		if (rc == 0) {
			rc = remove_stray(a, l.name[i], f);
		}
		free(l.name[i]);
	}
	free(l.name);
	return rc;
}

/* What was to be read may have been collected by another meanwhile. */
static int
collect_history_again(struct account *a, struct fail *f)
{
	int rc = -1;

	for (unsigned i = 0; rc != 0 && i < HISTORY_TRIES; i++) {
		rc = collect_history(a, f);
		if (rc != 0 && f->kind != FAIL_ABSENT) {
			break;
		}
	}
	if (rc != 0 && f->kind == FAIL_CORRUPT) {
		LOG(LOG_ERROR, "store.generations_differ",
		    kv_str("account", a->id), kv_fail(f));
	}
	return rc;
}

int
account_collect(struct account *a, struct fail *f)
{
	struct fail full = {.kind = FAIL_NONE};

	if (collect_history_again(a, f) != 0) {
		if (f->kind != FAIL_LIMIT) {
			return -1;
		}
		/* No room for a pack: all the more reason to go on. */
		full = *f;
	}
	if (collect_messages(a, f) != 0 || collect_candidates(a, f) != 0
	    || collect_strays(a, f) != 0) {
		return -1;
	}
	if (full.kind != FAIL_NONE) {
		*f = full;
		return -1;
	}
	return 0;
}
