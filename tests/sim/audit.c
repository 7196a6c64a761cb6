/*
 * A process that was not there before looks at all there is.  It runs with
 * no step between, while the others stand wherever they are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "store/store_priv.h"
#include "world.h"

struct audit {
	struct world *w;
	struct simproc *sim;
	struct store *store;
	struct account *account;
	struct view *view;
	unsigned a;
};

static bool
audit_begin(struct world *w, struct audit *d)
{
	struct fail f;

	*d = (struct audit){.w = w};
	d->sim = simproc_new(w->fs, ++w->next_id);
	if (store_open(&w->store_conf, simproc_fs(d->sim), &d->store, &f)
	    != 0) {
		violation(&w->oracle, "(1) audit: store_open: %s", f.text);
		simproc_free(&d->sim);
		return false;
	}
	return true;
}

static void
audit_end(struct audit *d)
{
	store_close(&d->store);
	if (simproc_handles(d->sim) != 0) {
		violation(&d->w->oracle, "%zu handles left open",
		    simproc_handles(d->sim));
	}
	simproc_free(&d->sim);
}

static bool
audit_open(struct audit *d, unsigned a)
{
	struct world *w = d->w;
	uint64_t clock = w->oracle.clock;
	struct fail f;

	d->a = a;
	if (account_open(d->store, world_account(a), &d->account, &f) != 0) {
		violation(&w->oracle, "(1) audit: open %u: %s", a, f.text);
		return false;
	}
	if (account_refresh(d->account, &d->view, &f) != 0) {
		violation(&w->oracle, "(1) audit: refresh %u: %s: %s", a,
		    fail_kind_name(f.kind), f.text);
		account_close(&d->account);
		return false;
	}
	oracle_view(&w->oracle, a, d->view, clock);
	oracle_hash(&w->oracle, a, d->account->replay.segment.number,
	    view_place(d->account->replay.view),
	    replay_hash(&d->account->replay));
	return true;
}

static void
audit_close(struct audit *d)
{
	view_unref(&d->view);
	account_close(&d->account);
}

/* ---- message files ---- */

static void
audit_msg(struct audit *d, const struct mbox *m, const struct msg *msg)
{
	struct buf want = {.len = 0};
	char got[4096];
	uint32_t k;
	struct fail f;
	int fd = -1;
	ssize_t n;

	if (!content_of_size(msg->size, &k)) {
		return; /* said already */
	}
	if (d->w->oracle.harmed[k]) {
		return;
	}
	if (msg_open(d->account, msg, &fd, &f) != 0) {
		violation(&d->w->oracle,
		    "(5) account %u mailbox %llx UID %u: no file: %s", d->a,
		    (unsigned long long)m->id, msg->uid, f.text);
		return;
	}
	content_octets(k, &want);
	n = fs_pread(simproc_fs(d->sim), fd, got, sizeof(got), 0);
	/* What a repair filed may never have been whole on disk. */
	if (!d->w->repaired
	    && (n < 0 || (size_t)n != want.len
		|| memcmp(got, want.data, want.len) != 0)) {
		violation(&d->w->oracle,
		    "(1) account %u UID %u: not the octets of message %u", d->a,
		    msg->uid, k);
	}
	msg_close(d->account, &fd);
	buf_deinit(&want);
}

/* In the journal or in a pack; only damage may take it. */
static void
audit_digest(
    struct audit *d, struct digest_reader *digests, const struct msg *msg)
{
	struct buf want = {.len = 0};
	struct sv got;
	uint32_t k;
	struct fail f;

	if (msg->digest_at == 0 || !content_of_size(msg->size, &k)) {
		return;
	}
	content_digest(k, &want);
	if (digest_reader_get(digests, msg, &got, &f) != 0) {
		/* A pack that could not be read once is damaged, too. */
		if (!d->w->damaged && d->w->refusals == 0) {
			violation(&d->w->oracle,
			    "(5) account %u UID %u: no digest: %s", d->a,
			    msg->uid, f.text);
		}
	} else if (!d->w->repaired && !sv_eq(got, buf_sv(&want))) {
		/* A repair makes real ones. */
		violation(&d->w->oracle,
		    "(1) account %u UID %u: not the digest of message %u", d->a,
		    msg->uid, k);
	}
	buf_deinit(&want);
}

static void
audit_files(struct audit *d)
{
	for (size_t i = 0; i < view_mboxes(d->view); i++) {
		const struct mbox *m = view_mbox_at(d->view, i);
		struct digest_reader *digests =
		    digest_reader_new(d->account, d->view, m);

		for (uint32_t k = 0; k < m->exists; k++) {
			audit_msg(d, m, mbox_msg(m, k));
			audit_digest(d, digests, mbox_msg(m, k));
		}
		digest_reader_free(&digests);
	}
}

void
world_audit(struct world *w)
{
	struct audit d;

	if (w->oracle.sick) {
		return; /* what it shows may be lost */
	}
	world_say(w, NULL, "AUDIT");
	if (!audit_begin(w, &d)) {
		return;
	}
	for (unsigned a = 0; a < ORACLE_ACCOUNTS; a++) {
		if (audit_open(&d, a)) {
			audit_files(&d);
			audit_close(&d);
		}
	}
	audit_end(&d);
	if (simfs_created_twice(w->fs) != NULL) {
		violation(&w->oracle, "(6) name %s was created twice",
		    simfs_created_twice(w->fs));
	}
}

/* ---- the last checks, when all is quiet ---- */

struct files {
	struct world *w;
	uint16_t n[CONTENT_MAX]; /* of each message */
};

static void
count_file(void *arg, const char *path, bool is_dir)
{
	struct files *files = arg;
	int64_t size = is_dir ? -1 : simfs_size(files->w->fs, path);
	uint32_t k;

	if (size >= 0 && strstr(path, "/box/") != NULL
	    && content_of_size((uint64_t)size, &k) && k < CONTENT_MAX) {
		files->n[k]++;
	}
}

/* A repair files what deliveries and copies left that nobody acknowledged:
 * then there are as many of a message as it has files. */
static void
allow_files(struct world *w, unsigned a)
{
	static struct files files;
	uint16_t *most = w->oracle.account[a].most;
	char path[PATH_SIZE];

	files = (struct files){.w = w};
	(void)snprintf(path, sizeof(path), "accounts/%.2s/%s", world_account(a),
	    world_account(a));
	simfs_walk(w->fs, path, false, count_file, &files);
	for (uint32_t k = 0; k < CONTENT_MAX; k++) {
		most[k] = files.n[k] > most[k] ? files.n[k] : most[k];
	}
}

struct findings {
	struct world *w;
	unsigned lost; /* messages without a whole file */
};

static void
finding(void *arg, const char *text)
{
	struct findings *found = arg;

	found->lost += strstr(text, "missing or cut") != NULL;
	world_say(found->w, NULL, "FOUND %s", text);
}

/* Messages of the view whose file is gone or of another length. */
static unsigned
lost_files(struct audit *d)
{
	char file[PATH_SIZE];
	char path[2 * PATH_SIZE];
	unsigned n = 0;

	for (size_t i = 0; i < view_mboxes(d->view); i++) {
		const struct mbox *m = view_mbox_at(d->view, i);

		for (uint32_t k = 0; k < m->exists; k++) {
			const struct msg *msg = mbox_msg(m, k);

			msg_path(msg, file);
			(void)snprintf(path, sizeof(path),
			    "accounts/%.2s/%s/%s", world_account(d->a),
			    world_account(d->a), file);
			n += simfs_size(d->w->fs, path) != (int64_t)msg->size;
		}
	}
	return n;
}

/* All that is harmed is found, and nothing else. */
static void
repair(struct audit *d)
{
	struct world *w = d->w;
	struct findings found = {.w = w};
	const struct check_conf conf = {
	    .repair = true, .octets = true, .report = finding, .arg = &found};
	struct checked sum = {.findings = 0};
	unsigned lost = lost_files(d);
	struct fail f;

	allow_files(w, d->a);
	oracle_repair(&w->oracle, d->a);
	if (account_check(d->account, &conf, &sum, &f) != 0) {
		violation(&w->oracle, "(10) check: %s", f.text);
	} else if (found.lost != lost) {
		violation(&w->oracle, "(10) account %u: %u of %u files found",
		    d->a, found.lost, lost);
	}
}

static void
upkeep(struct world *w, unsigned a)
{
	struct audit d;
	struct fail f;

	if (!audit_begin(w, &d)) {
		return;
	}
	if (audit_open(&d, a)) {
		w->repaired = w->damaged;
		if (w->damaged) {
			repair(&d);
		}
		if (account_checkpoint(d.account, &f) != 0) {
			violation(&w->oracle, "checkpoint: %s", f.text);
		} else if (account_collect(d.account, &f) != 0) {
			violation(&w->oracle, "collect: %s", f.text);
		}
		audit_close(&d);
	}
	audit_end(&d);
}

/* Two flushes a delivery, where no segment and no folder is made. */
static void
count_flushes(struct world *w)
{
	struct audit d;

	w->store_conf.segment_max = 1024 * 1024;
	if (w->next_k + 3 >= CONTENT_MAX || !audit_begin(w, &d)) {
		return;
	}
	for (unsigned i = 0; i < 3; i++) {
		uint32_t k = w->next_k++;
		struct delivery to = {
		    .account_id = world_account(0), .key = {k + 1, 1}};
		struct buf octets = {.len = 0};
		uint64_t before = simproc_count(d.sim).flushes;
		struct fail f;

		content_octets(k, &octets);
		w->oracle.account[0].most[k]++;
		if (store_deliver(d.store,
			&(struct msg_source){.body = buf_sv(&octets), .fd = -1},
			&to, 1, &f)
			!= 0
		    || to.rc != 0) {
			violation(&w->oracle, "(11) last delivery: %s", f.text);
		}
		/* The first may rotate, and make folders. */
		if (i != 0
		    && simproc_count(d.sim).flushes - before
			   > (w->strict_flushes ? 2U : 3U)) {
			violation(&w->oracle, "(12) %u flushes for a delivery",
			    (unsigned)(simproc_count(d.sim).flushes - before));
		}
		buf_deinit(&octets);
	}
	audit_end(&d);
}

struct names {
	struct map known; /* paths that may be */
	unsigned segments, snapshots, packs;
	char left[PATH_SIZE]; /* one that nothing names, or nothing */
};

static void
names_add(struct names *n, const char *path)
{
	(void)map_put(&n->known, sv_cstr(path), n);
}

static void
name_left(void *arg, const char *path, bool is_dir)
{
	struct names *n = arg;
	const char *below = path + strlen("accounts/xx/") + ACCOUNT_ID_LEN;

	if (*below != '/') {
		return;
	}
	below++;
	if (strncmp(below, "journal/", 8) == 0) {
		n->segments++;
		return;
	}
	if (strncmp(below, "snap/", 5) == 0) {
		n->snapshots += is_dir;
		return;
	}
	if (strncmp(below, "pack/", 5) == 0) {
		n->packs++;
		return;
	}
	if (strncmp(below, "tmp/", 4) == 0
	    || (!is_dir && strncmp(below, "box/", 4) == 0
		&& strstr(below, "/.name") == NULL
		&& map_get(&n->known, sv_cstr(below)) == NULL)) {
		(void)snprintf(n->left, sizeof(n->left), "%s", path);
	}
}

static bool
too_many(const struct names *n)
{
	return n->snapshots > 2 || n->segments > 4 || n->packs > 8;
}

/* No file that nothing names?  What is left is a violation when there was all
 * to wait for that there is. */
static bool
nothing_is_left(struct world *w, unsigned a, bool last)
{
	struct names n = {.segments = 0};
	struct audit d;
	char path[PATH_SIZE];

	if (!audit_begin(w, &d)) {
		return false;
	}
	if (audit_open(&d, a)) {
		for (size_t i = 0; i < view_mboxes(d.view); i++) {
			const struct mbox *m = view_mbox_at(d.view, i);

			for (uint32_t k = 0; k < m->exists; k++) {
				msg_path(mbox_msg(m, k), path);
				names_add(&n, path);
			}
		}
		(void)snprintf(path, sizeof(path), "accounts/%.2s/%s",
		    world_account(a), world_account(a));
		simfs_walk(w->fs, path, false, name_left, &n);
		if (last && n.left[0] != '\0') {
			violation(
			    &w->oracle, "(7) %s: nothing names it", n.left);
		}
		if (last && too_many(&n)) {
			violation(&w->oracle,
			    "(7) account %u: %u snapshots, %u segments and %u "
			    "packs left",
			    a, n.snapshots, n.segments, n.packs);
		}
		audit_close(&d);
	}
	map_deinit(&n.known);
	audit_end(&d);
	return n.left[0] == '\0' && !too_many(&n);
}

/* A retention later, and then again: what lost a race is found by the second
 * collection at the latest, and what that one had to leave by the next two. */
static void
quiet_days(struct world *w)
{
	enum { ROUNDS = 4, FIRST_LOOK = 1 };
	bool done = false;

	/* Until no clock of theirs is ahead. */
	simfs_advance(w->fs, w->skew_max);
	for (unsigned i = 0; i < ROUNDS && !done && !w->failed; i++) {
		simfs_advance(w->fs, w->store_conf.retention_ms
					 + 3 * 24 * 3600 * UINT64_C(1000));
		done = i >= FIRST_LOOK;
		for (unsigned a = 0; a < ORACLE_ACCOUNTS; a++) {
			upkeep(w, a);
			done = done && nothing_is_left(w, a, i == ROUNDS - 1);
		}
	}
}

void
world_last_checks(struct world *w)
{
	simfs_capacity(w->fs, 0);
	w->full = false;
	world_audit(w);
	count_flushes(w);
	quiet_days(w);
	world_audit(w);
}
