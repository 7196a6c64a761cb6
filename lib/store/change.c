/*
 * Flags, expunging, \Recent, undeleting: one record each, or one group.
 */
#include "store/change_priv.h"

#include <stdlib.h>

#include "base/mem.h"
#include "store/uidset_codec_priv.h"

/* A failure for an outcome other than DONE; 0 for DONE.  `what` was to be
 * changed. */
static int
outcome_fail(const struct outcome *o, const char *what, struct fail *f)
{
	switch (o->code) {
	case OUTCOME_DONE:
	case OUTCOME_DUPLICATE:
		return 0;
	case OUTCOME_NO_MBOX:
		return fail_set(f, FAIL_ABSENT, "%s: no such mailbox", what);
	case OUTCOME_EXISTS:
		return fail_set(f, FAIL_EXISTS, "%s: exists", what);
	case OUTCOME_LIMIT:
		return fail_set(f, FAIL_LIMIT, "%s: limit reached", what);
	case OUTCOME_VOID:
		return fail_set(f, FAIL_TEMP, "%s: below the floor", what);
	case OUTCOME_REFUSED:
		return fail_set(f, FAIL_PERM, "%s: not possible", what);
	case OUTCOME_NONE:
		break;
	}
	return fail_set(f, FAIL_UNKNOWN, "%s: outcome unknown", what);
}

int
change_run(struct commit *c, const struct outcome *out, const char *what,
    struct fail *f)
{
	struct store *s = c->account->store;
	bool alone = c->durable && !c->flushing;

	if (alone) {
		store_flush_begin(s);
	}
	int rc = commit_run(c, f);

	if (alone) {
		store_flush_end(s);
	}
	if (rc != 0) {
		return fail_wrap(f, "account %s", c->account->id);
	}
	account_changed(c->account, c->flushed);
	return outcome_fail(out, what, f);
}

int
change_view(struct account *a, struct view **out, struct fail *f)
{
	*out = NULL;
	if (journal_catch_up(a, f) != 0) {
		return -1;
	}
	lock_acquire(&a->lock);
	*out = view_ref(a->replay.view);
	lock_release(&a->lock);
	return 0;
}

int
change_mbox(
    const struct view *v, uint64_t id, const struct mbox **out, struct fail *f)
{
	*out = view_mbox_by_id(v, id);
	if (*out == NULL || (*out)->noselect) {
		return fail_set(f, FAIL_ABSENT, "no such mailbox");
	}
	return 0;
}

/* Makes one body of a record. */
typedef void change_write_fn(
    void *arg, struct buf *body, const struct uidset *part);

/* Records of type `type` that each carry a part of `uids`, which is emptied.
 * Outcomes go to (*outs)[0..*n), to be freed by outcomes_free(). */
static void
change_split(struct commit *c, enum record_type type, struct uidset *uids,
    change_write_fn *write, void *arg, struct outcome **outs, size_t *n)
{
	/* All are made first: the commit keeps pointers to outcomes. */
	struct uidset *part = NULL;
	size_t cap = 0;

	*n = 0;
	do {
		part = xgrow(part, *n, &cap, sizeof(*part));
		uidset_take(uids, &part[*n], UIDSET_RECORD_MAX);
		(*n)++;
	} while (uids->n != 0);
	*outs = xcalloc(*n, sizeof(**outs));
	for (size_t i = 0; i < *n; i++) {
		write(arg, &c->body, &part[i]);
		commit_add(c, type, &(*outs)[i]);
		uidset_deinit(&part[i]);
	}
	free(part);
}

void
outcomes_free(struct outcome **outs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		outcome_deinit(&(*outs)[i]);
	}
	free(*outs);
	*outs = NULL;
}

/* ---- flags ---- */

static void
write_store(void *arg, struct buf *body, const struct uidset *part)
{
	struct rec_store *rec = arg;

	rec->uids = *part; /* borrowed */
	rec_store_write(body, rec);
}

/* Will the mailbox have room for these keywords? */
static int
check_keywords(
    const struct mbox *m, const struct flag_change *change, struct fail *f)
{
	size_t new = 0;

	if (change->how == FLAGS_REMOVE) {
		return 0;
	}
	for (size_t i = 0; i < change->n_keywords; i++) {
		struct sv name = change->keywords[i];

		if (name.len == 0 || name.len > STORE_KEYWORD_LEN) {
			return fail_set(
			    f, FAIL_LIMIT, "keyword of %zu octets", name.len);
		}
		new += mbox_keyword(m, name) < 0;
	}
	return new + m->n_keywords <= STORE_KEYWORDS_MAX
		   ? 0
		   : fail_set(
		       f, FAIL_LIMIT, "the mailbox's keywords are used up");
}

static int
prepare_store(struct account *a, uint64_t mbox_id,
    const struct flag_change *change, struct fail *f)
{
	const struct mbox *m;
	struct view *v;

	if (change_view(a, &v, f) != 0) {
		return -1;
	}
	int rc = change_mbox(v, mbox_id, &m, f) != 0
		     ? -1
		     : check_keywords(m, change, f);

	view_unref(&v);
	return rc;
}

static int
store_results(const struct outcome *outs, size_t n, struct uidset *modified,
    struct fail *f)
{
	bool keyword_lost = false;

	for (size_t i = 0; i < n; i++) {
		const struct uidset *set = &outs[i].modified;

		keyword_lost |= outs[i].keyword_lost;
		for (size_t k = 0; modified != NULL && k < set->n; k++) {
			uidset_add_range(modified, set->r[k].lo, set->r[k].hi);
		}
	}
	return keyword_lost ? fail_set(
		   f, FAIL_LIMIT, "the mailbox's keywords are used up")
			    : 0;
}

int
account_store(struct account *account, uint64_t mbox_id,
    const struct uidset *uids, const struct flag_change *change,
    struct uidset *modified, struct fail *f)
{
	struct rec_store rec = {
	    .mbox = mbox_id,
	    .how = change->how,
	    .flags = change->flags,
	    .conditional = change->conditional,
	    .unchanged_since = change->unchanged_since,
	};
	struct outcome *outs;
	struct uidset left;
	struct commit c;
	size_t n;

	if (prepare_store(account, mbox_id, change, f) != 0) {
		return -1;
	}
	(void)keyword_list_fill(
	    &rec.keywords, change->keywords, change->n_keywords);
	commit_init(&c, account);
	/* That the condition failed is told for good: without the records that
	 * it failed by it would hold when the journal is replayed. */
	c.durable = change->durable || change->conditional;
	uidset_copy(&left, uids);
	change_split(&c, RECORD_STORE, &left, write_store, &rec, &outs, &n);
	int rc = change_run(&c, &outs[0], "STORE", f);

	if (rc == 0) {
		rc = store_results(outs, n, modified, f);
	}
	commit_deinit(&c);
	outcomes_free(&outs, n);
	uidset_deinit(&left);
	return rc;
}

/* ---- expunge ---- */

static void
write_expunge(void *arg, struct buf *body, const struct uidset *part)
{
	struct rec_expunge *rec = arg;

	rec->uids = *part; /* borrowed */
	rec_expunge_write(body, rec);
}

int
account_expunge(struct account *account, uint64_t mbox_id,
    const struct uidset *uids, bool any_flags, struct fail *f)
{
	struct rec_expunge rec = {
	    .mbox = mbox_id,
	    .any_flags = any_flags,
	    .all = uids == NULL,
	};
	struct uidset left = {0};
	struct outcome *outs;
	struct commit c;
	size_t n;

	commit_init(&c, account);
	if (uids != NULL) {
		uidset_copy(&left, uids);
	}
	change_split(&c, RECORD_EXPUNGE, &left, write_expunge, &rec, &outs, &n);
	int rc = change_run(&c, &outs[0], "EXPUNGE", f);

	commit_deinit(&c);
	outcomes_free(&outs, n);
	uidset_deinit(&left);
	return rc;
}

/* ---- \Recent ---- */

int
account_claim(struct account *account, uint64_t mbox_id, uint64_t session,
    uint32_t *from, uint32_t *to, struct fail *f)
{
	struct rec_claim rec = {.mbox = mbox_id, .session = session};
	struct outcome out = {0};
	const struct mbox *m;
	struct commit c;
	struct view *v;

	*from = 1;
	*to = 0;
	if (change_view(account, &v, f) != 0) {
		return -1;
	}
	int rc = change_mbox(v, mbox_id, &m, f);
	bool none = rc == 0 && m->recent_from >= m->uidnext;

	if (rc == 0) {
		rec.up_to = m->uidnext - 1;
	}
	view_unref(&v);
	if (rc != 0 || none) {
		return rc;
	}
	commit_init(&c, account);
	c.durable = false;
	c.actor = session;
	rec_claim_write(&c.body, &rec);
	commit_add(&c, RECORD_CLAIM, &out);
	rc = change_run(&c, &out, "CLAIM", f);
	if (rc == 0) {
		*from = out.first;
		*to = out.last;
	}
	commit_deinit(&c);
	outcome_deinit(&out);
	return rc;
}

/* ---- undelete ---- */

static int
undelete_from(struct account *a, uint64_t from, uint64_t to, uint32_t uidnext,
    int64_t since_ms, uint64_t *n, struct fail *f)
{
	struct rec_undelete rec = {
	    .from = from,
	    .to = to,
	    .since_ms = since_ms,
	    .uidnext = uidnext,
	};
	struct outcome out = {0};
	struct commit c;

	commit_init(&c, a);
	rec_undelete_write(&c.body, &rec);
	commit_add(&c, RECORD_UNDELETE, &out);
	int rc = change_run(&c, &out, "undelete", f);

	*n += out.count;
	commit_deinit(&c);
	outcome_deinit(&out);
	return rc;
}

/* Is there something in its graves to bring back? */
static bool
can_raise(const struct box *b, int64_t since_ms)
{
	for (uint32_t i = 0; i < b->graves.n; i++) {
		const struct grave *g = vec_at(&b->graves, i);

		if (g->kind == GRAVE_EXPUNGED && g->at_ms >= since_ms) {
			return true;
		}
	}
	return false;
}

/* Mailboxes of this name, deleted ones too, that have something. */
static size_t
find_graves(
    const struct view *v, struct sv name, int64_t since_ms, uint64_t **out)
{
	size_t n = 0;
	size_t cap = 0;

	*out = NULL;
	for (uint32_t i = 0; i < v->boxes.n; i++) {
		const struct box *b = view_box(v, i);

		if (sv_eq(b->pub.name, name) && can_raise(b, since_ms)) {
			*out = xgrow(*out, n, &cap, sizeof(**out));
			(*out)[n++] = b->pub.id;
		}
	}
	return n;
}

int
account_undelete(struct account *account, struct sv mailbox, int64_t since_ms,
    uint64_t *n_out, struct fail *f)
{
	uint64_t *from = NULL;
	uint64_t to = 0;
	uint32_t uidnext = 0;
	struct view *v;
	int rc = 0;

	*n_out = 0;
	if (change_view(account, &v, f) != 0) {
		return -1;
	}
	const struct mbox *m = view_mbox(v, mailbox);
	size_t n = find_graves(v, mailbox, since_ms, &from);

	if (m != NULL && !m->noselect) {
		to = m->id;
		uidnext = m->uidnext;
	}
	view_unref(&v);
	if (n == 0 && to == 0) {
		rc = fail_set(f, FAIL_ABSENT, "no such mailbox");
	} else if (n != 0 && to == 0) {
		struct mbox_attrs attrs = {0};

		rc = account_mbox_create(account, mailbox, &attrs, &to, f);
	}
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = undelete_from(
		    account, from[i], to, uidnext, since_ms, n_out, f);
		if (rc != 0 && *n_out != 0) {
			f->kind = FAIL_UNKNOWN; /* a part of it */
		}
	}
	free(from);
	return rc;
}
