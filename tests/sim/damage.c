/*
 * Damage, one file at a time, each undone before the next: with all processes
 * gone, a new one must see what it would have seen.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/journal_priv.h"
#include "store/replay_priv.h"
#include "store/segment_priv.h"
#include "store/snapshot_priv.h"
#include "store/store_priv.h"
#include "world.h"

enum { FILES_MAX = 64 };

struct files {
	const char *below; /* an account */
	char *path[FILES_MAX];
	unsigned n;
};

static void
file_note(void *arg, const char *path, bool is_dir)
{
	struct files *l = arg;
	const char *name = path + strlen("accounts/xx/") + ACCOUNT_ID_LEN;

	if (!is_dir && l->n < FILES_MAX
	    && strncmp(name, l->below, strlen(l->below)) == 0) {
		l->path[l->n++] = xstrdup(path);
	}
}

static void
files_find(struct world *w, unsigned a, const char *below, struct files *l)
{
	char root[100];

	*l = (struct files){.below = below};
	(void)snprintf(root, sizeof(root), "accounts/%.2s/%s", world_account(a),
	    world_account(a));
	simfs_walk(w->fs, root, false, file_note, l);
}

static void
files_free(struct files *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		free(l->path[i]);
	}
	l->n = 0;
}

/* All but the removal of the file. */
static enum simdamage
some_damage(struct world *w)
{
	return (enum simdamage)rng_range(&w->rng, DAMAGE_CUT, DAMAGE_FLIP);
}

/* Whichever file of a snapshot is harmed, the other generation has it all. */
static void
damage_snapshots(struct world *w, unsigned a)
{
	struct files l;

	files_find(w, a, "/snap/", &l);
	for (unsigned i = 0; i < l.n && !w->failed; i++) {
		uint64_t size;
		uint8_t *was = simfs_octets(w->fs, l.path[i], &size);

		world_say(w, NULL, "HARM %s", l.path[i]);
		(void)simfs_damage(w->fs, l.path[i], some_damage(w));
		world_audit(w);
		simfs_put_octets(w->fs, l.path[i], was, size);
		free(was);
	}
	files_free(&l);
}

/* ---- segments ---- */

/* Octets [from, to) of a segment are no longer what they were. */
struct harm {
	struct seg_name name;
	uint64_t from, to;
	bool seal; /* among them */
	unsigned records;
	/* The SEAL that took its place. */
	struct record mended;
	char body[32];
};

static bool
hits(const struct harm *h, const struct segment *seg, const struct record *r)
{
	uint64_t at = r->place & SEG_ALL;

	return seg_name_eq(&h->name, &seg->header.name) && at < h->to
	       && at + r->len > h->from;
}

/* The records of a batch, but for those that are hit, and the others of their
 * groups. */
static void
apply_rest(struct replay *r, const struct scan *scan, struct harm *h)
{
	for (size_t i = 0; i < scan->n;) {
		size_t end = i;
		bool good = true;

		do {
			const struct record *rec = &scan->rec[end];

			if (hits(h, scan->segment, rec)) {
				good = false;
				h->records++;
				h->seal |= rec->type == RECORD_SEAL;
			}
		} while (scan->rec[end++].more);
		for (; i < end; i++) {
			if (good) {
				replay_apply(r, &scan->rec[i], NULL);
			}
		}
	}
}

/* What is left of the state, by the file before it is harmed. */
static bool
expect(struct account *a, struct harm *h, uint64_t *hash)
{
	struct fs *fs = a->store->fs;
	int dir = a->dir;
	struct replay r;
	struct segment *seg;
	struct fail f;
	bool sealed = true;

	if (snapshot_load(fs, dir, &r, &f) != 0) {
		if (journal_first(a, &seg, &f) != 0) {
			return false;
		}
		replay_init(&r, &seg->header);
	} else if (segment_open(fs, dir, &r.segment, &seg, &f) != 0) {
		replay_deinit(&r);
		return false;
	}
	while (sealed) {
		struct scan scan;
		struct segment *next = NULL;

		scan_init(&scan, seg, r.offset);
		do {
			if (scan_next(&scan, &f) != 0) {
				break;
			}
			apply_rest(&r, &scan, h);
			r.offset = scan.at;
		} while (scan.end == SCAN_MORE);
		sealed =
		    scan.end == SCAN_SEAL
		    && segment_open(fs, dir, &scan.seal.next, &next, &f) == 0;
		scan_deinit(&scan);
		segment_unref(&seg);
		if (sealed) {
			seg = next;
			r.segment = seg->header.name;
			r.offset = SEG_HEADER;
			if (seg_name_eq(&seg->header.previous, &h->name)
			    && h->seal) {
				replay_apply(&r, &h->mended, NULL);
			}
			replay_enter(&r, &seg->header);
		}
	}
	*hash = replay_hash(&r);
	replay_deinit(&r);
	return !h->seal;
}

static void
compare(struct world *w, struct account *a, const struct harm *h, uint64_t want)
{
	struct view *v = NULL;
	struct fail f;

	if (account_refresh(a, &v, &f) != 0) {
		violation(&w->oracle, "(10) after harm at %llu: %s: %s",
		    (unsigned long long)h->from, fail_kind_name(f.kind),
		    f.text);
		return;
	}
	if (replay_hash(&a->replay) != want) {
		violation(&w->oracle,
		    "(10) harm of [%llu, %llu), %u records, costs others",
		    (unsigned long long)h->from, (unsigned long long)h->to,
		    h->records);
	}
	view_unref(&v);
}

/* With a process of its own: `want` is told without a step between. */
static void
harm_segment(struct world *w, unsigned a, bool look, struct harm *h,
    uint64_t *want, bool *fits)
{
	struct simproc *sim = simproc_new(w->fs, ++w->next_id);
	struct store *s = NULL;
	struct account *account = NULL;
	struct fail f;

	if (store_open(&w->store_conf, simproc_fs(sim), &s, &f) != 0
	    || account_open(s, world_account(a), &account, &f) != 0) {
		violation(&w->oracle, "(10) open: %s", f.text);
	} else if (look) {
		compare(w, account, h, *want);
	} else {
		*fits = expect(account, h, want);
	}
	account_close(&account);
	store_close(&s);
	simproc_free(&sim);
}

static void
damage_segment(struct world *w, unsigned a, const char *path)
{
	uint64_t size;
	uint8_t *was = simfs_octets(w->fs, path, &size);
	uint8_t *now = simfs_octets(w->fs, path, &size);
	const char *name = strrchr(path, '/') + 1;
	struct harm h = {.records = 0};
	uint64_t want = 0;
	bool fits = false;

	if (size > SEG_HEADER && seg_name_read(name, &h.name)) {
		h.from = rng_range(&w->rng, SEG_HEADER, size - 1);
		h.to = h.from + rng_range(&w->rng, 1, 200);
		h.to = h.to < size ? h.to : size;
		harm_segment(w, a, false, &h, &want, &fits);
	}
	if (fits) {
		uint8_t flip = (uint8_t)rng_range(&w->rng, 1, 255);
		bool zeros = rng_chance(&w->rng, 500);

		for (uint64_t i = h.from; i < h.to; i++) {
			/* Zeros that were zeros are no harm to expect. */
			now[i] =
			    zeros && now[i] != 0 ? 0 : (uint8_t)(now[i] ^ flip);
		}
		world_say(
		    w, NULL, "HARM %s %llu", path, (unsigned long long)h.from);
		simfs_put_octets(w->fs, path, now, size);
		harm_segment(w, a, true, &h, &want, &fits);
		simfs_put_octets(w->fs, path, was, size);
	}
	free(was);
	free(now);
}

static void
damage_segments(struct world *w, unsigned a)
{
	struct files l;

	files_find(w, a, "/journal/", &l);
	for (unsigned i = 0; i < 3 * l.n && !w->failed; i++) {
		damage_segment(w, a, l.path[i % l.n]);
	}
	files_free(&l);
}

/* ---- ends of segments ---- */

/* A segment that is sealed, and that another with records goes on from: its
 * SEAL, whose body is kept in `body`. */
static bool
find_seal(struct fs *fs, int dir, const struct seg_name *name,
    struct record *out, char body[32], enum seal_kind *kind)
{
	struct segment *seg;
	struct segment *next = NULL;
	struct scan scan;
	struct fail f;
	bool found;

	if (segment_open(fs, dir, name, &seg, &f) != 0) {
		return false;
	}
	scan_init(&scan, seg, SEG_HEADER);
	do {
		found = scan_next(&scan, &f) == 0;
	} while (found && scan.end == SCAN_MORE);
	found = found && scan.end == SCAN_SEAL && scan.seal.kind != SEAL_GONE
		&& segment_open(fs, dir, &scan.seal.next, &next, &f) == 0
		&& next->size_at_open > SEG_HEADER;
	if (found) {
		*out = scan.rec[scan.n - 1];
		ASSERT(out->body.len <= 32);
		memcpy(body, out->body.p, out->body.len);
		out->body.p = body;
		*kind = scan.seal.kind;
	}
	segment_unref(&next);
	scan_deinit(&scan);
	segment_unref(&seg);
	return found;
}

/* What a new process makes of the account: the hash of its state. */
static void
look_behind(struct world *w, struct account *a, struct harm *h, uint64_t *hash)
{
	struct view *v = NULL;
	struct record rec;
	char body[32];
	enum seal_kind kind;
	struct fail f;

	if (account_refresh(a, &v, &f) != 0) {
		violation(&w->oracle, "(10) cut at %llu: %s: %s",
		    (unsigned long long)h->from, fail_kind_name(f.kind),
		    f.text);
		return;
	}
	*hash = replay_hash(&a->replay);
	view_unref(&v);
	if (find_seal(a->store->fs, a->dir, &h->name, &rec, body, &kind)
	    && kind == SEAL_MENDED) {
		h->mended = rec;
		memcpy(h->body, body, sizeof(body));
		h->mended.body.p = h->body;
	}
}

enum end_step { END_FIND, END_LOOK, END_EXPECT };

/* Each with a process of its own; false: there is nothing to do. */
static bool
end_step(struct world *w, unsigned a, enum end_step step, struct harm *h,
    uint64_t *hash)
{
	struct simproc *sim = simproc_new(w->fs, ++w->next_id);
	struct store *s = NULL;
	struct account *account = NULL;
	struct record seal;
	char body[32];
	enum seal_kind kind;
	struct fail f;
	bool done = true;

	if (store_open(&w->store_conf, simproc_fs(sim), &s, &f) != 0
	    || account_open(s, world_account(a), &account, &f) != 0) {
		violation(&w->oracle, "(10) open: %s", f.text);
		done = false;
	} else if (step == END_FIND) {
		done = find_seal(simproc_fs(sim), account->dir, &h->name, &seal,
		    body, &kind);
		h->to = done ? seal.place & SEG_ALL : 0;
	} else if (step == END_LOOK) {
		look_behind(w, account, h, hash);
	} else {
		(void)expect(account, h, hash);
	}
	account_close(&account);
	store_close(&s);
	simproc_free(&sim);
	return done;
}

/* Cut off, or overwritten, from before the end of its SEAL on: the segment
 * behind it is found all the same. */
static void
damage_end(struct world *w, unsigned a, const char *path)
{
	uint64_t size;
	uint8_t *was = simfs_octets(w->fs, path, &size);
	uint8_t *now = simfs_octets(w->fs, path, &size);
	struct harm h = {.records = 0};
	uint64_t got = 0;
	uint64_t want = 0;

	if (seg_name_read(strrchr(path, '/') + 1, &h.name)
	    && end_step(w, a, END_FIND, &h, &got)) {
		bool cut = rng_chance(&w->rng, 500);

		/* h.to: where the SEAL begins. */
		h.from = rng_chance(&w->rng, 500)
			     ? rng_range(&w->rng, SEG_HEADER, h.to)
			     : rng_range(&w->rng, h.to, h.to + RECORD_MIN);
		h.to = size;
		for (uint64_t i = h.from; i < size; i++) {
			now[i] ^= 0x33;
		}
		world_say(w, NULL, "%s %s %llu", cut ? "CUT" : "BLOT", path,
		    (unsigned long long)h.from);
		simfs_put_octets(w->fs, path, now, cut ? h.from : size);
		(void)end_step(w, a, END_LOOK, &h, &got);
		simfs_put_octets(w->fs, path, was, size);
		(void)end_step(w, a, END_EXPECT, &h, &want);
		if (got != want && !w->failed) {
			violation(&w->oracle,
			    "(10) %s cut at %llu, %u records, costs others",
			    path, (unsigned long long)h.from, h.records);
		}
	}
	free(was);
	free(now);
}

static void
damage_ends(struct world *w, unsigned a)
{
	struct files l;

	files_find(w, a, "/journal/", &l);
	for (unsigned i = 0; i < l.n && !w->failed; i++) {
		damage_end(w, a, l.path[i]);
	}
	files_free(&l);
}

/* ---- messages ---- */

static void
count_finding(void *arg, const char *text)
{
	unsigned *n = arg;

	*n += strstr(text, "missing or cut") != NULL
	      || strstr(text, "not those that came") != NULL;
}

/* Findings of account_check() that say so of a message. */
static unsigned
lost_messages(struct world *w, unsigned a)
{
	struct simproc *sim = simproc_new(w->fs, ++w->next_id);
	struct store *s = NULL;
	struct account *account = NULL;
	unsigned n = 0;
	const struct check_conf conf = {
	    .octets = true, .report = count_finding, .arg = &n};
	struct checked sum = {.findings = 0};
	struct fail f;

	if (store_open(&w->store_conf, simproc_fs(sim), &s, &f) != 0
	    || account_open(s, world_account(a), &account, &f) != 0
	    || account_check(account, &conf, &sum, &f) != 0) {
		violation(&w->oracle, "(10) check: %s", f.text);
	}
	account_close(&account);
	store_close(&s);
	simproc_free(&sim);
	return n;
}

/* As many as can have been harmed. */
static unsigned
live_messages(struct world *w, unsigned a)
{
	struct simproc *sim = simproc_new(w->fs, ++w->next_id);
	struct store *s = NULL;
	struct account *account = NULL;
	struct view *v = NULL;
	unsigned n = 0;
	struct fail f;

	if (store_open(&w->store_conf, simproc_fs(sim), &s, &f) != 0
	    || account_open(s, world_account(a), &account, &f) != 0
	    || account_refresh(account, &v, &f) != 0) {
		violation(&w->oracle, "(10) open: %s", f.text);
	} else {
		n = (unsigned)view_usage(v).messages;
	}
	view_unref(&v);
	account_close(&account);
	store_close(&s);
	simproc_free(&sim);
	return n;
}

/* Cut it, or change some octets of as many as before.  What a killed writer
 * has begun may be empty. */
static void
harm_message(struct world *w, const char *path, uint8_t *octets, uint64_t size)
{
	uint64_t from = size != 0 ? rng_below(&w->rng, size) : 0;
	uint64_t n = rng_range(&w->rng, 1, 20);
	uint8_t flip = (uint8_t)rng_range(&w->rng, 1, 255);

	if (rng_chance(&w->rng, 500)) {
		simfs_put_octets(w->fs, path, octets, from);
		return;
	}
	n = n < size - from ? n : size - from;
	for (uint64_t i = from; i < from + n; i++) {
		octets[i] ^= flip;
	}
	simfs_put_octets(w->fs, path, octets, size);
	for (uint64_t i = from; i < from + n; i++) {
		octets[i] ^= flip; /* to be put back */
	}
}

/* A message that is cut, or of other octets, is found, and it alone: files of
 * graves, and files that nothing names, are no loss. */
static void
damage_messages(struct world *w, unsigned a)
{
	unsigned before = lost_messages(w, a);
	unsigned found = 0;
	struct files l;

	files_find(w, a, "/box/", &l);
	for (unsigned i = 0; i < l.n && !w->failed; i++) {
		uint64_t size;
		uint8_t *was;

		if (strstr(l.path[i], "/.name") != NULL) {
			continue;
		}
		was = simfs_octets(w->fs, l.path[i], &size);
		harm_message(w, l.path[i], was, size);
		unsigned now = lost_messages(w, a);

		simfs_put_octets(w->fs, l.path[i], was, size);
		free(was);
		if (now < before) {
			violation(&w->oracle, "(10) %s: not found", l.path[i]);
		}
		found += now - before;
	}
	/* Each name of the same octets is found with each of the others. */
	if (!w->failed && l.n < FILES_MAX && found < live_messages(w, a)) {
		violation(&w->oracle, "(10) account %u: %u files found harmed",
		    a, found);
	}
	files_free(&l);
}

void
world_damage(struct world *w)
{
	bool before = w->damaged;

	if (w->failed || before || w->focus != FOCUS_SNAPSHOTS) {
		return;
	}
	w->damaged = true;
	simfs_capacity(w->fs, 0); /* a SEAL takes room */
	for (unsigned a = 0; a < ORACLE_ACCOUNTS; a++) {
		/* What is outdated gets its successor now. */
		(void)live_messages(w, a);
		damage_snapshots(w, a);
		damage_segments(w, a);
		damage_ends(w, a);
		damage_messages(w, a);
	}
	w->damaged = before;
}
