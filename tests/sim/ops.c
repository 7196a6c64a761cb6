/*
 * What a process does, picked by chance; reading operations.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ops_priv.h"
#include "store/store_priv.h"

/* ---- common ---- */

enum { EXCUSES = 3 }; /* failures of one process after a restore */

bool
op_counts(const struct proc *p, unsigned a, unsigned epoch)
{
	return !simproc_dead(p->sim) && p->w->oracle.epoch[a] == epoch;
}

/* An account's history was taken away: it says so, and begins anew.  What
 * concerns two accounts fails for both. */
static bool
is_excused(struct proc *p)
{
	for (unsigned a = 0; a < ORACLE_ACCOUNTS; a++) {
		unsigned epoch = p->w->oracle.epoch[a];

		if (p->excused_for[a] != epoch) {
			p->excused_for[a] = epoch;
			p->excused[a] = EXCUSES;
		}
		if (p->excused[a] != 0) {
			p->excused[a]--;
			return true;
		}
	}
	return false;
}

void
op_failed(struct proc *p, unsigned a, const char *what, const struct fail *f,
    unsigned allowed)
{
	struct world *w = p->w;

	world_say(w, p, "%s account %u failed: %s: %s", what, a,
	    fail_kind_name(f->kind), f->text);
	if (simproc_dead(p->sim) || (allowed & ALLOW(f->kind)) != 0) {
		return;
	}
	/* The store is read-only until the disk is mended; or a new file was
	 * given up, for which there was no room. */
	if (w->oracle.sick
	    && (f->kind == FAIL_TEMP || f->kind == FAIL_UNKNOWN
		|| f->kind == FAIL_LIMIT)) {
		return;
	}
	/* A move across accounts may be half done when the disk gets full. */
	if ((f->kind == FAIL_LIMIT || f->kind == FAIL_UNKNOWN)
	    && (w->full || p->met_full || p->fulls != w->fulls)) {
		return;
	}
	if (w->refusals != 0
	    && (f->kind == FAIL_TEMP || f->kind == FAIL_UNKNOWN
		|| f->kind == FAIL_LIMIT)) {
		return;
	}
	if (is_excused(p)) {
		view_unref(&p->view[a]);
		account_close(&p->account[a]);
		return;
	}
	if (w->strict) {
		violation(&w->oracle, "(11) %s: %s: %s", what,
		    fail_kind_name(f->kind), f->text);
	}
}

struct account *
op_account(struct proc *p, unsigned a)
{
	struct fail f;

	if (p->account[a] == NULL) {
		p->epoch[a] = p->w->oracle.epoch[a];
		if (account_open(p->store, world_account(a), &p->account[a], &f)
		    != 0) {
			op_failed(p, a, "open", &f, 0);
			return NULL;
		}
	}
	return p->account[a];
}

struct box_fact *
op_box(struct proc *p, unsigned a, uint64_t id)
{
	return oracle_box(&p->w->oracle, a, id);
}

const struct mbox *
op_mbox(struct proc *p, unsigned a)
{
	size_t n = p->view[a] != NULL ? view_mboxes(p->view[a]) : 0;
	const struct mbox *m;

	if (n == 0) {
		return NULL;
	}
	m = view_mbox_at(p->view[a],
	    rng_chance(&p->w->rng, 500) ? 0 : rng_below(&p->w->rng, n));
	m = m->noselect ? view_mbox_at(p->view[a], 0) : m;
	/* One seen while flushes fail only may not last. */
	return op_box(p, a, m->id) != NULL ? m : NULL;
}

void
op_uids(struct proc *p, const struct mbox *m, struct uidset *out)
{
	struct rng *r = &p->w->rng;
	unsigned part = (unsigned)rng_range(r, 100, 900);

	for (uint32_t i = 0; i < m->exists; i++) {
		if (rng_chance(r, part)) {
			uidset_add(out, mbox_msg(m, i)->uid);
		}
	}
}

const char *
op_name(struct world *w)
{
	static const char *const names[] = {"A", "B", "A/x", "A/y", "B/x", "C",
	    "A/x/deep", "Drafts",
	    /* in another case, and in another normal form: others */
	    "a", "a/X", "caf\xc3\xa9", "cafe\xcc\x81", "inbox/x", "InBoX/x"};

	return names[rng_below(&w->rng, COUNT_OF(names))];
}

void
proc_leave(struct proc *p)
{
	for (unsigned a = 0; a < ORACLE_ACCOUNTS; a++) {
		view_unref(&p->view[a]);
		account_close(&p->account[a]);
	}
}

/* ---- refresh ---- */

static void
hash_state(struct proc *p, unsigned a)
{
	struct account *account = p->account[a];
	const struct replay *r = &account->replay;

	if (account->loaded && r->view != NULL && !p->w->oracle.sick) {
		oracle_hash(&p->w->oracle, a, r->segment.number,
		    view_place(r->view), replay_hash(r));
	}
}

/* The difference of two views, applied to the older, gives the newer. */
static void
check_diff(struct proc *p, const struct mbox *old, const struct mbox *new)
{
	struct mbox_diff d;
	struct mbox_change c;
	uint32_t expunged = 0;
	uint32_t added = 0;
	bool right = true;

	mbox_diff_begin(&d, old, new);
	while (mbox_diff_next(&d, &c)) {
		switch (c.kind) {
		case CHANGE_EXPUNGED:
			right =
			    right && c.old_index < old->exists
			    && mbox_msg(old, c.old_index)->uid == c.msg->uid;
			expunged++;
			break;
		case CHANGE_FLAGS:
			right =
			    right
			    && c.new_index < new->exists &&mbox_msg(
						    old, c.old_index)
						 ->uid
				   == c.msg->uid &&mbox_msg(new, c.new_index)
					  ->uid
				   == c.msg->uid;
			break;
		case CHANGE_ADDED:
			right = right
				&& c.new_index < new->exists &&mbox_msg(
							new, c.new_index)
						     ->uid
				       == c.msg->uid;
			added++;
			break;
		}
	}
	if (!right || old->exists - expunged + added != new->exists) {
		violation(&p->w->oracle, "(1) diff of mailbox %llx is wrong",
		    (unsigned long long)old->id);
	}
}

static void
check_diffs(struct proc *p, const struct view *old, const struct view *new)
{
	for (size_t i = 0; i < view_mboxes(old); i++) {
		const struct mbox *was = view_mbox_at(old, i);
		const struct mbox *is = view_mbox_by_id(new, was->id);

		if (is != NULL && is->uidvalidity == was->uidvalidity) {
			check_diff(p, was, is);
		}
	}
}

void
op_refresh(struct proc *p, unsigned a)
{
	struct oracle *o = &p->w->oracle;
	uint64_t clock = o->clock;
	unsigned epoch = o->epoch[a];
	struct view *view = NULL;
	struct fail f;

	if (op_account(p, a) == NULL) {
		return;
	}
	if (account_refresh(p->account[a], &view, &f) != 0) {
		op_failed(p, a, "refresh", &f, 0);
		return;
	}
	if (!op_counts(p, a, epoch)) {
		view_unref(&view);
		return;
	}
	world_say(p->w, p, "refresh account %u: place %llx", a,
	    (unsigned long long)view_place(view));
	if (p->view[a] != NULL && p->epoch[a] == epoch) {
		if (view_place(view) < view_place(p->view[a])) {
			violation(o, "(4) account %u: view went back", a);
		}
		check_diffs(p, p->view[a], view);
	}
	oracle_view(o, a, view, clock);
	hash_state(p, a);
	view_unref(&p->view[a]);
	p->view[a] = view;
	p->epoch[a] = epoch;
}

/* ---- \Recent ---- */

void
op_claim(struct proc *p, unsigned a)
{
	const struct mbox *m = op_mbox(p, a);
	unsigned epoch = p->w->oracle.epoch[a];
	uint64_t id;
	uint32_t from;
	uint32_t to;
	struct fail f;
	struct box_fact *b;

	if (m == NULL || op_account(p, a) == NULL) {
		return;
	}
	id = m->id;
	if (account_claim(p->account[a], id, p->session, &from, &to, &f) != 0) {
		op_failed(p, a, "claim", &f, ALLOW(FAIL_ABSENT));
		return;
	}
	b = op_box(p, a, id);
	if (!op_counts(p, a, epoch) || b == NULL) {
		return;
	}
	world_say(p->w, p, "claim account %u mailbox %llx: %u to %u", a,
	    (unsigned long long)id, from, to);
	for (uint32_t uid = from; uid <= to && uid < ORACLE_UIDS; uid++) {
		struct uid_fact *u = oracle_uid(&p->w->oracle, b, uid);

		if (u->claimed) {
			violation(&p->w->oracle,
			    "(8) mailbox %llx UID %u: \\Recent to two",
			    (unsigned long long)id, uid);
		}
		u->claimed = true;
	}
}

/* ---- reading ---- */

static void
check_octets(struct proc *p, unsigned a, int fd, const struct msg *m)
{
	struct buf want = {.len = 0};
	char got[4096];
	uint32_t k = 0;
	size_t have = 0;
	ssize_t n = 1;

	while (n > 0) {
		n = fs_pread(simproc_fs(p->sim), fd, got + have,
		    sizeof(got) - have, have);
		have += n > 0 ? (size_t)n : 0;
	}
	if (simproc_dead(p->sim) || (n < 0 && p->w->refusals != 0)
	    || !content_of_size(m->size, &k) || p->w->oracle.harmed[k]) {
		return;
	}
	content_octets(k, &want);
	if (n < 0 || have != want.len || memcmp(got, want.data, have) != 0) {
		violation(&p->w->oracle,
		    "(1) account %u UID %u: not the octets of message %u", a,
		    m->uid, k);
	}
	buf_deinit(&want);
}

void
op_read(struct proc *p, unsigned a)
{
	const struct mbox *m = op_mbox(p, a);
	struct oracle *o = &p->w->oracle;
	uint64_t clock = o->clock;
	unsigned epoch = o->epoch[a];
	const struct msg *msg;
	struct box_fact *b;
	struct uid_fact *u;
	struct fail f;
	int fd = -1;

	if (m == NULL || m->exists == 0 || op_account(p, a) == NULL) {
		return;
	}
	msg = mbox_msg(m, (uint32_t)rng_below(&p->w->rng, m->exists));
	if (msg_open(p->account[a], msg, &fd, &f) == 0) {
		check_octets(p, a, fd, msg);
		msg_close(p->account[a], &fd);
		return;
	}
	b = op_box(p, a, m->id);
	if (!op_counts(p, a, epoch) || p->epoch[a] != epoch || b == NULL) {
		return;
	}
	if (f.kind != FAIL_ABSENT && p->w->refusals != 0) {
		return;
	}
	u = oracle_uid(o, b, msg->uid);
	if (o->harmed[u->k]) {
		return;
	}
	if (f.kind != FAIL_ABSENT
	    || (u->f.state == FACT_THERE && fact_settled(&u->f, clock)
		&& fact_settled(&b->f, clock))) {
		violation(o, "(5) account %u mailbox %llx UID %u: %s", a,
		    (unsigned long long)m->id, msg->uid, f.text);
	}
}

/* The digests of a mailbox, or of a part of it, in order. */
void
op_digest(struct proc *p, unsigned a)
{
	const struct mbox *m = op_mbox(p, a);
	struct digest_reader *r;
	struct buf want = {.len = 0};
	uint32_t i;

	if (m == NULL || m->exists == 0 || op_account(p, a) == NULL) {
		return;
	}
	r = digest_reader_new(p->account[a], p->view[a], m);
	for (i = (uint32_t)rng_below(&p->w->rng, m->exists); i < m->exists;
	     i++) {
		const struct msg *msg = mbox_msg(m, i);
		struct sv got;
		uint32_t k;
		struct fail f;

		if (digest_reader_get(r, msg, &got, &f) != 0
		    || simproc_dead(p->sim)
		    || !content_of_size(msg->size, &k)) {
			continue;
		}
		buf_clear(&want);
		content_digest(k, &want);
		if (got.len != 0 && !sv_eq(got, buf_sv(&want))) {
			violation(&p->w->oracle,
			    "(1) account %u UID %u: not the digest of message "
			    "%u",
			    a, msg->uid, k);
		}
	}
	buf_deinit(&want);
	digest_reader_free(&r);
}

/* ---- the choice ---- */

static void
op_upkeep(struct proc *p, unsigned a, enum op op)
{
	struct fail f;

	if (op_account(p, a) == NULL) {
		return;
	}
	if (op == OP_CHECKPOINT ? account_checkpoint(p->account[a], &f) != 0
				: account_collect(p->account[a], &f) != 0) {
		/* Another's collection may take what this one is making. */
		op_failed(p, a, op == OP_CHECKPOINT ? "checkpoint" : "collect",
		    &f,
		    ALLOW(FAIL_ABSENT)
			| (p->w->damaged ? ALLOW(FAIL_CORRUPT) : 0));
	} else {
		world_say(p->w, p, "%s account %u done",
		    op == OP_CHECKPOINT ? "checkpoint" : "collect", a);
	}
}

static enum op
pick_op(struct world *w)
{
	unsigned sum = 0;
	unsigned at;
	unsigned i = 0;

	for (unsigned k = 0; k < OP_COUNT; k++) {
		sum += w->weight[k];
	}
	at = (unsigned)rng_below(&w->rng, sum);
	while (at >= w->weight[i]) {
		at -= w->weight[i++];
	}
	return (enum op)i;
}

static void
run_op(struct proc *p, unsigned a, enum op op)
{
	switch (op) {
	case OP_REFRESH:
		op_refresh(p, a);
		break;
	case OP_DELIVER:
		op_deliver(p);
		break;
	case OP_APPEND:
		op_append(p, a);
		break;
	case OP_FLAGS:
		op_flags(p, a);
		break;
	case OP_COPY:
		op_copy(p, a);
		break;
	case OP_EXPUNGE:
		op_expunge(p, a);
		break;
	case OP_CLAIM:
		op_claim(p, a);
		break;
	case OP_CREATE:
		op_create(p, a);
		break;
	case OP_DELETE:
		op_delete(p, a);
		break;
	case OP_RENAME:
		op_rename(p, a);
		break;
	case OP_SUBSCRIBE:
		op_subscribe(p, a);
		break;
	case OP_UNDELETE:
		op_undelete(p, a);
		break;
	case OP_READ:
		op_read(p, a);
		break;
	case OP_DIGEST:
		op_digest(p, a);
		break;
	case OP_CHECKPOINT:
	case OP_COLLECT:
		op_upkeep(p, a, op);
		break;
	case OP_CLOSE:
		view_unref(&p->view[a]);
		account_close(&p->account[a]);
		break;
	case OP_COUNT:
		break;
	}
}

void
op_random(struct proc *p)
{
	struct world *w = p->w;
	unsigned a = rng_chance(&w->rng, 700) ? 0 : 1;
	enum op op = pick_op(w);

	p->met_full = w->full;
	p->fulls = w->fulls;

	/* A view of another tree shows nothing of this one. */
	if (p->view[a] != NULL && p->epoch[a] != w->oracle.epoch[a]) {
		view_unref(&p->view[a]);
	}
	if (p->view[a] == NULL && op != OP_DELIVER && op != OP_CLOSE) {
		op_refresh(p, a);
	}
	if (!simproc_dead(p->sim)) {
		run_op(p, a, op);
	}
}
