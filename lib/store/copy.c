/*
 * copy: COPY and MOVE, within an account and to another.
 *
 * Files are linked first, each under the name of its stay in the target; one
 * flush of the target's folder makes the names durable; then one record, or
 * one group, says which messages they are.
 */
#include <stdlib.h>
#include <string.h>

#include "base/block.h"
#include "base/mem.h"
#include "store/change_priv.h"
#include "store/msgfile_priv.h"
#include "store/mutate_priv.h"
#include "store/uidset_codec_priv.h"

enum { COPY_TRIES = 16 };

/* The messages of one record: linked, ranks as in its set. */
struct part {
	struct uidset uids;
	struct placement first;
};

struct copying {
	struct account *from, *to;
	struct view *view;	   /* of `from`; a reference */
	const struct mbox *source; /* NULL: it is gone, and all in it */
	uint64_t target;
	uint32_t target_uidnext;
	int64_t floor_ms;
	bool move;

	struct part *part;
	size_t n, cap;
	struct outcome *outs;	 /* one a part, or a message */
	char (*made)[PATH_SIZE]; /* links, to be taken back on failure */
	size_t n_made, made_cap;
};

void
copied_deinit(struct copied *c)
{
	uidset_deinit(&c->from);
	uidset_deinit(&c->to);
}

static void
copying_clear(struct copying *c, bool remove)
{
	for (size_t i = 0; i < c->n_made && remove; i++) {
		(void)fs_unlink(c->to->store->fs, c->to->dir, c->made[i]);
	}
	for (size_t i = 0; i < c->n; i++) {
		uidset_deinit(&c->part[i].uids);
	}
	c->n = 0;
	c->n_made = 0;
}

static void
copying_deinit(struct copying *c)
{
	copying_clear(c, false);
	free(c->part);
	free(c->made);
	view_unref(&c->view);
}

/* Link one message's file as `p` in the target's folder.  False: it has no
 * file, and is left out. */
static int
link_one(struct copying *c, const struct msg *m, const struct placement *p,
    bool *there, struct fail *f)
{
	char from[PATH_SIZE];
	char(*made)[PATH_SIZE];

	c->made = xgrow(c->made, c->n_made, &c->made_cap, sizeof(*c->made));
	made = &c->made[c->n_made];
	msg_path(m, from);
	placement_path(c->target, p, m->size, m->date_ms, m->sum, *made);
	*there = true;
	if (MUTATION(F5)) {
		/* The name it had: another stay's, perhaps to be removed. */
		struct placement same = {m->placement[0], m->placement[1]};

		placement_path(
		    c->target, &same, m->size, m->date_ms, m->sum, *made);
		(void)msgfile_link(c->from, from, c->to, c->target, *made);
		return 0;
	}
	if (msgfile_copy(c->from, from, c->to, c->target, *made, f) == 0) {
		c->n_made++;
		return 0;
	}
	if (f->kind == FAIL_ABSENT) {
		*there = false;
		fail_clear(f);
		return 0;
	}
	return -1;
}

/* ---- within an account ---- */

static struct part *
new_part(struct copying *c)
{
	c->part = xgrow(c->part, c->n, &c->cap, sizeof(*c->part));
	c->part[c->n] = (struct part){
	    .first = placement_new(c->to->store, c->floor_ms),
	};
	return &c->part[c->n++];
}

/*
 * Link what there is of `uids`.  A message's name is that of its part's first
 * plus its rank among the part's UIDs, so a message without a file, or a gap
 * that makes the set's record too long, ends the part.
 */
static int
link_parts(struct copying *c, const struct uidset *uids, struct fail *f)
{
	struct part *p = NULL;
	uint64_t rank = 0;

	for (uint32_t uid = uidset_next(uids, 1); uid != 0;
	     uid = uidset_next(uids, uid + 1)) {
		uint32_t i = mbox_index(c->source, uid);
		bool there;

		if (i == c->source->exists) {
			break;
		}
		const struct msg *m = mbox_msg(c->source, i);

		if (m->uid != uid) {
			/* Not there: on to the next that is. */
			uid = m->uid - 1;
			continue;
		}
		if (p == NULL || p->uids.n * 10 > UIDSET_RECORD_MAX) {
			p = new_part(c);
			rank = 0;
		}
		struct placement own = {
		    p->first.time_ms, p->first.random + rank};

		if (link_one(c, m, &own, &there, f) != 0) {
			return -1;
		}
		if (there) {
			uidset_add(&p->uids, uid);
			rank++;
		}
	}
	return 0;
}

static int
run_parts(struct copying *c, struct fail *f)
{
	struct commit commit;

	commit_init(&commit, c->to);
	commit.adds = true;
	commit.flushing = true;
	for (size_t i = 0; i < c->n; i++) {
		struct rec_copy rec = {
		    .from = c->source->id,
		    .to = c->target,
		    .move = c->move,
		    .uidnext = i == 0 ? c->target_uidnext : 0,
		    .first = c->part[i].first,
		    .uids = c->part[i].uids, /* borrowed */
		};

		rec_copy_write(&commit.body, &rec);
		commit_add(&commit, RECORD_COPY, &c->outs[i]);
	}
	int rc = change_run(&commit, &c->outs[0], "COPY", f);

	commit_deinit(&commit);
	return rc;
}

static void
add_all(struct uidset *to, const struct uidset *from)
{
	for (size_t i = 0; i < from->n; i++) {
		uidset_add_range(to, from->r[i].lo, from->r[i].hi);
	}
}

static void
tell(const struct copying *c, size_t n, struct copied *out)
{
	for (size_t i = 0; i < n; i++) {
		add_all(&out->from, &c->outs[i].from);
		add_all(&out->to, &c->outs[i].to);
		/* As of the record: a look before it may be out of date. */
		if (c->outs[i].uidvalidity != 0) {
			out->uidvalidity = c->outs[i].uidvalidity;
		}
	}
}

/* A look at both mailboxes.  FAIL_ABSENT: the target is gone. */
static int
look_target(struct copying *c, struct copied *out, struct fail *f)
{
	const struct mbox *target;
	struct view *v;

	if (change_view(c->to, &v, f) != 0) {
		return -1;
	}
	int rc = change_mbox(v, c->target, &target, f);

	if (rc == 0) {
		c->target_uidnext = target->uidnext;
		c->floor_ms = v->floor_ms;
		out->uidvalidity = target->uidvalidity;
	}
	view_unref(&v);
	return rc;
}

static int
look(struct copying *c, uint64_t mbox_id, struct copied *out, struct fail *f)
{
	view_unref(&c->view);
	if (change_view(c->from, &c->view, f) != 0
	    || look_target(c, out, f) != 0) {
		return -1;
	}
	if (change_mbox(c->view, mbox_id, &c->source, f) != 0) {
		c->source = NULL;
		fail_clear(f);
	}
	return 0;
}

/* That nothing is left to copy may be told only once whatever took it away is
 * on disk. */
static int
settle(struct account *from, struct fail *f)
{
	struct view *v;

	if (account_refresh(from, &v, f) != 0) {
		return -1;
	}
	view_unref(&v);
	return from->store->read_only ? store_is_read_only(f) : 0;
}

/* FAIL_TEMP with *again: the floor has moved. */
static int
copy_within(struct copying *c, uint64_t mbox_id, const struct uidset *uids,
    struct copied *out, bool *again, struct fail *f)
{
	int rc = -1;

	*again = false;
	if (look(c, mbox_id, out, f) != 0) {
		return -1;
	}
	block_begin();
	rc = c->source != NULL ? link_parts(c, uids, f) : 0;
	block_end();
	if (rc == 0 && c->n_made == 0) {
		rc = settle(c->from, f);
		goto out;
	}
	if (rc != 0) {
		goto out;
	}
	size_t n = c->n;

	store_flush_begin(c->to->store);
	rc = msgfile_flush_folder(c->to, c->target, f);
	if (rc == 0) {
		c->outs = xcalloc(n, sizeof(*c->outs));
		rc = run_parts(c, f);
	}
	store_flush_end(c->to->store);
	if (c->outs == NULL) {
		goto out; /* nothing was appended */
	}
	if (rc == 0) {
		tell(c, n, out);
	}
	*again = rc != 0 && c->outs[0].code == OUTCOME_VOID;
	copying_clear(c, rc != 0 && f->kind != FAIL_UNKNOWN);
	outcomes_free(&c->outs, n);
	return rc;
out:
	copying_clear(c, rc != 0);
	return rc;
}

/* ---- to another account ---- */

/* What a record there must say, since nothing there is known of it. */
static void
write_literal(struct copying *c, struct commit *commit, const struct msg *m,
    const struct placement *p, uint32_t uidnext, struct sv digest)
{
	struct rec_add add = {
	    .mbox = c->target,
	    .folder = c->target,
	    .placement = *p,
	    .email_id = {m->email_id[0], m->email_id[1]},
	    .uidnext = uidnext,
	    .size = m->size,
	    .sum = m->sum,
	    .date_ms = m->date_ms,
	    .zone_min = m->zone_min,
	    .flags = m->flags,
	    .digest = digest,
	};

	for (unsigned i = 0; i < c->source->n_keywords; i++) {
		if ((m->keywords >> i & 1) != 0) {
			add.keywords.name[add.keywords.n++] =
			    c->source->keywords[i];
		}
	}
	rec_add_write(&commit->body, &add);
}

/* Files and records of a batch; *next is the UID to go on with, 0: none. */
static int
literal_batch(struct copying *c, const struct uidset *uids,
    struct digest_reader *digests, uint32_t *next, struct commit *commit,
    struct uidset *from, struct fail *f)
{
	/* One time for all: a floor voids all of them or none. */
	uint64_t time_ms = placement_new(c->to->store, c->floor_ms).time_ms;

	while (*next != 0 && commit->n < GROUP_RECORDS
	       && commit->body.len + commit->n * RECORD_MIN
		      < GROUP_MAX - RECORD_MAX) {
		uint32_t i = mbox_index(c->source, *next);
		struct placement p = {
		    .time_ms = time_ms,
		    .random = fs_random(c->to->store->fs),
		};
		struct fail ignored = {0};
		struct sv digest;
		bool there;

		if (i == c->source->exists) {
			*next = 0;
			break;
		}
		const struct msg *m = mbox_msg(c->source, i);

		*next = uidset_next(uids, m->uid + 1);
		if (!uidset_has(uids, m->uid)) {
			*next = uidset_next(uids, m->uid);
			continue;
		}
		if (link_one(c, m, &p, &there, f) != 0) {
			return -1;
		}
		if (!there) {
			continue;
		}
		if (digest_reader_get(digests, m, &digest, &ignored) != 0) {
			digest = SV_EMPTY; /* rebuilt on demand */
		}
		write_literal(c, commit, m, &p,
		    c->target_uidnext + (uint32_t)commit->n, digest);
		commit_add(commit, RECORD_ADD, &c->outs[commit->n]);
		uidset_add(from, m->uid);
	}
	return 0;
}

static int
literal_commit(struct copying *c, struct commit *commit, struct fail *f)
{
	int rc;

	store_flush_begin(c->to->store);
	commit->flushing = true;
	rc = msgfile_flush_folder(c->to, c->target, f);
	if (rc == 0) {
		rc = change_run(commit, &c->outs[0], "COPY", f);
	}
	store_flush_end(c->to->store);
	return rc;
}

/* One group of records.  A set that needs more than one is not one change:
 * what was copied when a later one fails stays.  FAIL_TEMP with *again: the
 * floor has moved. */
static int
literal_group(struct copying *c, const struct uidset *uids,
    struct digest_reader *digests, uint32_t *next, struct copied *out,
    bool *again, struct fail *f)
{
	struct uidset from = {0};
	struct commit commit;
	int rc;

	commit_init(&commit, c->to);
	commit.adds = true;
	c->outs = xcalloc(GROUP_RECORDS, sizeof(*c->outs));
	rc = literal_batch(c, uids, digests, next, &commit, &from, f);
	if (rc == 0 && commit.n != 0) {
		rc = literal_commit(c, &commit, f);
	}
	if (rc == 0) {
		tell(c, commit.n, out);
		add_all(&out->from, &from);
		c->target_uidnext += (uint32_t)commit.n;
	}
	*again = rc != 0 && c->outs[0].code == OUTCOME_VOID;
	copying_clear(c, rc != 0 && f->kind != FAIL_UNKNOWN);
	outcomes_free(&c->outs, GROUP_RECORDS);
	commit_deinit(&commit);
	uidset_deinit(&from);
	return rc;
}

static int
copy_across(struct copying *c, uint64_t mbox_id, const struct uidset *uids,
    struct copied *out, struct fail *f)
{
	if (look(c, mbox_id, out, f) != 0) {
		return -1;
	}
	uint32_t next = c->source != NULL ? uidset_next(uids, 1) : 0;
	struct digest_reader *digests =
	    digest_reader_new(c->from, c->view, c->source);
	int rc = 0;

	for (int tries = 0; rc == 0 && next != 0;) {
		uint32_t at = next;
		bool again;

		rc = literal_group(c, uids, digests, &next, out, &again, f);
		if (rc != 0 && again && tries++ < COPY_TRIES) {
			fail_clear(f);
			next = at;
			rc = look_target(c, out, f);
		}
	}
	digest_reader_free(&digests);
	if (rc == 0 && out->from.n == 0) {
		rc = settle(c->from, f);
	}
	/* The target is durable: now, and not before, the source may go. */
	if (rc == 0 && c->move && out->from.n != 0) {
		rc = account_expunge(c->from, mbox_id, &out->from, true, f);
		if (rc != 0 && f->kind == FAIL_ABSENT) {
			fail_clear(f); /* they went with their mailbox */
			rc = 0;
		}
	}
	if (rc != 0 && out->from.n != 0) {
		f->kind = FAIL_UNKNOWN; /* a part of it was done */
	}
	return rc;
}

int
account_copy(struct account *from, uint64_t mbox_id, const struct uidset *uids,
    struct account *to, uint64_t to_mbox_id, bool move, struct copied *out,
    struct fail *f)
{
	struct copying c = {
	    .from = from,
	    .to = to,
	    .target = to_mbox_id,
	    .move = move,
	};
	bool again = true;
	int rc = -1;

	*out = (struct copied){0};
	if (from != to) {
		rc = copy_across(&c, mbox_id, uids, out, f);
		again = false;
	}
	for (int i = 0; again && i < COPY_TRIES; i++) {
		fail_clear(f);
		rc = copy_within(&c, mbox_id, uids, out, &again, f);
	}
	copying_deinit(&c);
	if (rc != 0) {
		copied_deinit(out);
	}
	return rc;
}
