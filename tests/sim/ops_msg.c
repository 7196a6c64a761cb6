/*
 * Operations that add and change messages.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "ops_priv.h"

/* ---- delivering ---- */

enum {
	RECIPIENTS_MAX = 2,
	SPOOLED = 60, /* of 1000 come in a file */
};

static void
retry_later(struct world *w, uint32_t k)
{
	w->retry[rng_below(&w->rng, WORLD_KEYS_KEPT)] = k + 1;
}

/* A new message, or one whose delivery was not acknowledged. */
static bool
pick_delivery(struct world *w, uint32_t *k)
{
	uint32_t *r = &w->retry[rng_below(&w->rng, WORLD_KEYS_KEPT)];

	if (*r != 0) {
		*k = *r - 1;
		*r = 0;
		return true;
	}
	*k = w->next_k;
	if (w->next_k == CONTENT_MAX - 1) {
		return false;
	}
	w->next_k++;
	return true;
}

/* Nothing was done, and nothing will be. */
static bool
failed_for_sure(const struct proc *p, int rc, const struct fail *f)
{
	return rc != 0 && !simproc_dead(p->sim) && f->kind != FAIL_UNKNOWN;
}

/* A try of which nothing stands: was it the only one? */
static void
not_delivered(struct oracle *o, struct delivery_fact *d, unsigned a)
{
	if (--d->tries == 0) {
		o->account[a].most[d->k]--;
	}
}

static void
delivered(struct proc *p, const struct delivery *to, unsigned a, uint32_t k,
    uint64_t clock, unsigned epoch)
{
	struct world *w = p->w;
	struct delivery_fact *d;
	bool alone;

	delivery_end(&w->oracle, a, k);
	if (w->oracle.epoch[a] != epoch) {
		/* It may have come into the tree that was put back. */
		d = oracle_delivery(&w->oracle.account[a], k);
		d->tries++;
		d->swept = true;
		return;
	}
	d = oracle_delivery(&w->oracle.account[a], k);
	alone = attempt_alone(&d->f, clock);
	attempt_end(&w->oracle, &d->f);
	if (failed_for_sure(p, to->rc, &to->fail)) {
		not_delivered(&w->oracle, d, a);
	}
	if (simproc_dead(p->sim)) {
		retry_later(w, k);
		return;
	}
	if (to->rc != 0) {
		/* The file may be harmed before it is linked or named. */
		op_failed(p, a, "deliver", &to->fail,
		    w->oracle.harmed[k] ? ALLOW(to->fail.kind) : 0);
		retry_later(w, k);
		return;
	}
	world_say(w, p, "delivered %u to account %u%s", k, a,
	    to->duplicate ? " (again)" : "");
	if (to->duplicate && d->tries == 1) {
		violation(
		    &w->oracle, "(1) message %u: a duplicate of what?", k);
	}
	/* A cold delivery does not tell that it was a duplicate. */
	alone = alone && !(d->tries > 1 && d->swept);
	fact_set(&w->oracle, &d->f, alone ? FACT_THERE : FACT_UNSURE);
}

/* The body is handed over in a file that the giver keeps open... */
static void
spool(struct msg_source *s)
{
	s->fd = memfd_create("spool", MFD_CLOEXEC);
	ASSERT(s->fd >= 0
	       && write(s->fd, s->body.p, s->body.len) == (ssize_t)s->body.len);
}

/* ... and goes on to write to, which must not be seen (F11). */
static void
spoil(struct msg_source *s)
{
	static const char other[] = "Changed";

	if (s->fd >= 0) {
		ASSERT(pwrite(s->fd, other, sizeof(other), 0)
		       == (ssize_t)sizeof(other));
		ASSERT(close(s->fd) == 0);
	}
}

void
op_deliver(struct proc *p)
{
	struct world *w = p->w;
	struct buf octets = {.len = 0};
	struct buf digest = {.len = 0};
	struct delivery to[RECIPIENTS_MAX] = {{.rc = 0}};
	struct msg_source source;
	uint64_t clock[RECIPIENTS_MAX];
	unsigned epoch[RECIPIENTS_MAX];
	unsigned n = rng_chance(&w->rng, 300) ? 2 : 1;
	unsigned first = rng_chance(&w->rng, 700) ? 0 : 1;
	uint32_t k;
	struct fail f = {.kind = FAIL_NONE};
	int rc;

	if (!pick_delivery(w, &k)) {
		return;
	}
	content_octets(k, &octets);
	content_digest(k, &digest);
	source = (struct msg_source){.head = sv_sub(buf_sv(&octets), 0, 10),
	    .body = sv_from(buf_sv(&octets), 10),
	    .fd = -1,
	    .digest = buf_sv(&digest)};
	if (rng_chance(&w->rng, SPOOLED)) {
		spool(&source);
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned a = (first + i) % ORACLE_ACCOUNTS;
		struct delivery_fact *d =
		    oracle_delivery(&w->oracle.account[a], k);

		/* Its key makes one of however many tries. */
		if (d->tries == 0) {
			w->oracle.account[a].most[k]++;
		}
		delivery_begin(&w->oracle, a, k);
		attempt_begin(&w->oracle, &d->f);
		epoch[i] = w->oracle.epoch[a];
		d->tries++;
		clock[i] = d->f.touched;
		to[i].account_id = world_account(a);
		to[i].key[0] = k + 1;
		to[i].key[1] = a + 1;
		if (rng_chance(&w->rng, 250)) {
			to[i].mailbox = sv_cstr(op_name(w));
		}
	}
	rc = store_deliver(p->store, &source, to, n, &f);
	spoil(&source);
	for (unsigned i = 0; i < n; i++) {
		if (rc != 0) {
			to[i].rc = -1;
			to[i].fail =
			    to[i].fail.kind != FAIL_NONE ? to[i].fail : f;
		}
		delivered(p, &to[i], (first + i) % ORACLE_ACCOUNTS, k, clock[i],
		    epoch[i]);
	}
	buf_deinit(&octets);
	buf_deinit(&digest);
}

/* ---- APPEND ---- */

enum { APPEND_MAX = 3 };

/* A UID that an answer told of, for an operation begun at `clock`: another
 * may have seen and expunged it by now. */
static void
told_there(struct oracle *o, const struct box_fact *b, struct uid_fact *u,
    uint64_t clock)
{
	if (u->f.state == FACT_UNKNOWN) {
		fact_set(o, &u->f,
		    fact_settled(&b->f, clock) && fact_settled(&u->f, clock)
			? FACT_THERE
			: FACT_UNSURE);
	}
}

static void
appended(struct proc *p, unsigned a, const struct appended *done, uint32_t k,
    unsigned n, uint64_t clock)
{
	struct oracle *o = &p->w->oracle;
	struct box_fact *b =
	    oracle_box_make(o, a, done->mbox_id, done->uidvalidity);
	unsigned i = 0;

	if (done->uidvalidity > b->uidvalidity && oracle_may_renew(o, a)) {
		oracle_renew(o, a, b, done->uidvalidity);
	}
	if (o->sick && b->uidvalidity != done->uidvalidity) {
		return; /* views do not tell of it now */
	}
	if (uidset_count(&done->uids) != n
	    || b->uidvalidity != done->uidvalidity) {
		violation(o, "(1) APPEND of %u: %u UIDs, UIDVALIDITY %u", n,
		    (unsigned)uidset_count(&done->uids), done->uidvalidity);
		return;
	}
	for (size_t r = 0; r < done->uids.n; r++) {
		for (uint32_t uid = done->uids.r[r].lo;
		     uid <= done->uids.r[r].hi; uid++, i++) {
			struct uid_fact *u = oracle_uid(o, b, uid);

			oracle_tell(o, a, b, uid, k + i);
			world_say(p->w, p, "appended %u as UID %u", k + i, uid);
			told_there(o, b, u, clock);
		}
	}
}

void
op_append(struct proc *p, unsigned a)
{
	struct world *w = p->w;
	const struct mbox *m = op_mbox(p, a);
	struct buf octets[APPEND_MAX] = {{.len = 0}};
	struct msg_source source[APPEND_MAX];
	struct msg_attrs attrs[APPEND_MAX] = {{.flags = 0}};
	struct appended done = {.mbox_id = 0};
	unsigned n = (unsigned)rng_range(&w->rng, 1, APPEND_MAX);
	unsigned epoch = w->oracle.epoch[a];
	uint64_t clock = w->oracle.clock;
	uint32_t k = w->next_k;
	struct fail f;
	int rc;

	if (m == NULL || op_account(p, a) == NULL
	    || w->next_k + n >= CONTENT_MAX) {
		return;
	}
	w->next_k += n;
	for (unsigned i = 0; i < n; i++) {
		content_octets(k + i, &octets[i]);
		source[i] =
		    (struct msg_source){.body = buf_sv(&octets[i]), .fd = -1};
		attrs[i].flags = (uint32_t)rng_below(&w->rng, 32);
		w->oracle.account[a].most[k + i]++;
	}
	rc = account_append(p->account[a], m->id, source, attrs, n, &done, &f);
	if (rc != 0) {
		op_failed(p, a, "append", &f, ALLOW(FAIL_ABSENT));
	}
	for (unsigned i = 0;
	     i < n && failed_for_sure(p, rc, &f) && w->oracle.epoch[a] == epoch;
	     i++) {
		w->oracle.account[a].most[k + i]--;
	}
	if (rc != 0) {
		world_say(p->w, p, "not appended: %u", k);
	} else if (op_counts(p, a, epoch)) {
		appended(p, a, &done, k, n, clock);
	}
	uidset_deinit(&done.uids);
	for (unsigned i = 0; i < n; i++) {
		buf_deinit(&octets[i]);
	}
}

/* ---- sets of facts that one operation may change ---- */

struct touched {
	uint32_t uid;
	uint64_t clock; /* when its attempt began */
	bool was_there;
};

struct attempt {
	struct box_fact *box;
	struct touched *t;
	size_t n;
	bool flags; /* else presence */
	unsigned account, epoch;
};

static struct fact *
touched_fact(struct oracle *o, const struct attempt *at, size_t i)
{
	struct uid_fact *u = oracle_uid(o, at->box, at->t[i].uid);

	return at->flags ? &u->g : &u->f;
}

static void
attempt_uids(struct oracle *o, struct attempt *at, unsigned a,
    struct box_fact *b, const struct uidset *uids, bool flags)
{
	size_t n = 0;

	*at = (struct attempt){
	    .box = b, .flags = flags, .account = a, .epoch = o->epoch[a]};
	at->n = (size_t)uidset_count(uids);
	at->t = xcalloc(at->n + 1, sizeof(*at->t));
	for (size_t r = 0; r < uids->n; r++) {
		for (uint32_t uid = uids->r[r].lo; uid <= uids->r[r].hi;
		     uid++, n++) {
			struct fact *f;

			at->t[n].uid = uid;
			f = touched_fact(o, at, n);
			at->t[n].was_there = f->state == FACT_THERE;
			attempt_begin(o, f);
			at->t[n].clock = f->touched;
		}
	}
}

/* Whether nobody else touched it meanwhile; ends the attempt on it. */
static bool
touched_end(struct oracle *o, const struct attempt *at, size_t i)
{
	struct fact *f;
	bool alone;

	if (o->epoch[at->account] != at->epoch) {
		return false; /* these facts are of another tree */
	}
	f = touched_fact(o, at, i);
	alone = attempt_alone(f, at->t[i].clock);
	attempt_end(o, f);
	return alone;
}

/* ---- STORE ---- */

static uint32_t
changed(uint32_t old, enum flag_how how, uint32_t flags)
{
	switch (how) {
	case FLAGS_SET:
		return flags;
	case FLAGS_ADD:
		return old | flags;
	case FLAGS_REMOVE:
		return old & ~flags;
	}
	return old;
}

static void
check_modified(struct proc *p, const struct uid_fact *u, uint32_t uid,
    const struct flag_change *c, bool modified)
{
	bool must = c->conditional && u->modseq > c->unchanged_since;

	if (u->modseq != 0 && u->f.state == FACT_THERE && must != modified) {
		violation(&p->w->oracle,
		    "(4) UID %u modseq %llx unchanged since %llx: %s", uid,
		    (unsigned long long)u->modseq,
		    (unsigned long long)c->unchanged_since,
		    modified ? "MODIFIED" : "not MODIFIED");
	}
}

static void
stored(struct proc *p, struct attempt *at, const struct flag_change *c,
    uint32_t keywords, const struct uidset *modified)
{
	struct oracle *o = &p->w->oracle;

	for (size_t i = 0; i < at->n; i++) {
		struct uid_fact *u = oracle_uid(o, at->box, at->t[i].uid);
		bool alone = touched_end(o, at, i);
		bool failed = uidset_has(modified, at->t[i].uid);
		uint32_t flags = changed(u->flags, c->how, c->flags);
		uint32_t words = changed(u->keywords, c->how, keywords);

		if (!alone || !u->flags_ok) {
			u->flags_ok = false;
			continue;
		}
		check_modified(p, u, at->t[i].uid, c, failed);
		u->g.since = o->clock;
		if (p->w->many_keywords) {
			u->modseq = 0; /* others may come and go */
		}
		if (failed || (flags == u->flags && words == u->keywords)) {
			continue; /* and no new modification sequence */
		}
		u->flags = flags;
		u->keywords = words;
		u->modseq = 0;
		u->soft = !c->durable && !c->conditional;
	}
}

static void
not_stored(struct oracle *o, struct attempt *at)
{
	for (size_t i = 0; i < at->n; i++) {
		if (o->epoch[at->account] == at->epoch) {
			oracle_uid(o, at->box, at->t[i].uid)->flags_ok = false;
		}
		(void)touched_end(o, at, i);
	}
}

static unsigned
pick_keywords(struct rng *r, struct sv *out, uint32_t *bits)
{
	unsigned n = 0;

	*bits = 0;
	for (unsigned i = 0; i < ORACLE_KEYWORDS; i++) {
		if (rng_chance(r, 150)) {
			out[n++] = sv_cstr(oracle_keywords[i]);
			*bits |= 1U << i;
		}
	}
	return n;
}

enum { MORE_KEYWORDS = 8, OTHER_KEYWORDS = 100 };

/* Of so many that a mailbox has no room for all. */
static unsigned
more_keywords(struct rng *r, struct sv *out)
{
	static char name[OTHER_KEYWORDS][8];
	unsigned n = (unsigned)rng_below(r, MORE_KEYWORDS + 1);

	for (unsigned i = 0; i < n; i++) {
		unsigned k = (unsigned)rng_below(r, OTHER_KEYWORDS);

		(void)snprintf(name[k], sizeof(name[k]), "other%u", k);
		out[i] = sv_cstr(name[k]);
	}
	return n;
}

void
op_flags(struct proc *p, unsigned a)
{
	struct world *w = p->w;
	struct rng *r = &w->rng;
	const struct mbox *m = op_mbox(p, a);
	struct sv words[ORACLE_KEYWORDS + MORE_KEYWORDS];
	uint32_t bits;
	struct flag_change c = {
	    .how = (enum flag_how)rng_below(r, 3),
	    .flags = (uint32_t)rng_below(r, 32),
	    .conditional = rng_chance(r, 300),
	    .durable = rng_chance(r, 400),
	};
	struct uidset uids = {.n = 0};
	struct uidset modified = {.n = 0};
	struct attempt at;
	struct box_fact *b;
	struct fail f;

	if (m == NULL || op_account(p, a) == NULL
	    || (b = op_box(p, a, m->id)) == NULL) {
		return;
	}
	c.n_keywords = pick_keywords(r, words, &bits);
	if (w->many_keywords) {
		c.n_keywords += more_keywords(r, words + c.n_keywords);
	}
	c.keywords = words;
	c.unchanged_since = m->highest_modseq;
	if (m->exists != 0 && rng_chance(r, 500)) {
		c.unchanged_since =
		    mbox_msg(m, (uint32_t)rng_below(r, m->exists))->modseq;
	}
	op_uids(p, m, &uids);
	attempt_uids(&w->oracle, &at, a, b, &uids, true);
	if (account_store(p->account[a], m->id, &uids, &c, &modified, &f)
	    != 0) {
		op_failed(p, a, "store", &f,
		    ALLOW(FAIL_ABSENT)
			| (w->many_keywords ? ALLOW(FAIL_LIMIT) : 0));
		not_stored(&w->oracle, &at);
	} else if (!op_counts(p, a, at.epoch)) {
		not_stored(&w->oracle, &at);
	} else {
		world_say(w, p, "stored flags on %u of account %u",
		    (unsigned)at.n, a);
		stored(p, &at, &c, bits, &modified);
	}
	free(at.t);
	uidset_deinit(&uids);
	uidset_deinit(&modified);
}

/* ---- COPY and MOVE ---- */

/* The i-th UID of a set; 0 behind its end. */
static uint32_t
uid_at(const struct uidset *s, uint64_t i)
{
	for (size_t r = 0; r < s->n; r++) {
		uint64_t n = (uint64_t)s->r[r].hi - s->r[r].lo + 1;

		if (i < n) {
			return s->r[r].lo + (uint32_t)i;
		}
		i -= n;
	}
	return 0;
}

static void
copied(struct proc *p, struct box_fact *from, unsigned to_account,
    uint64_t to_id, const struct copied *c, uint64_t clock)
{
	struct oracle *o = &p->w->oracle;
	struct box_fact *to =
	    oracle_box_make(o, to_account, to_id, c->uidvalidity);
	uint64_t n = uidset_count(&c->from);

	if (n != 0 && c->uidvalidity > to->uidvalidity
	    && oracle_may_renew(o, to_account)) {
		oracle_renew(o, to_account, to, c->uidvalidity);
	}

	if (o->sick && to->uidvalidity != c->uidvalidity) {
		return; /* views do not tell of it now */
	}
	if (n != uidset_count(&c->to)
	    || (n != 0 && to->uidvalidity != c->uidvalidity)) {
		violation(o, "(1) COPYUID of %u for %u",
		    (unsigned)uidset_count(&c->to), (unsigned)n);
		return;
	}
	for (uint64_t i = 0; i < n; i++) {
		uint32_t uid = uid_at(&c->to, i);
		uint32_t k = oracle_uid(o, from, uid_at(&c->from, i))->k;
		struct uid_fact *u = oracle_uid(o, to, uid);

		if (k == 0) {
			continue; /* it was shown while flushes failed */
		}
		oracle_tell(o, to_account, to, uid, k);
		world_say(p->w, p, "copied %u to UID %u of mailbox %llx", k,
		    uid, (unsigned long long)to_id);
		told_there(o, to, u, clock);
	}
}

static void
moved(struct oracle *o, struct attempt *at)
{
	for (size_t i = 0; i < at->n; i++) {
		uint32_t k = oracle_uid(o, at->box, at->t[i].uid)->k;

		/* Moved, or not there any more when it was its turn; what has
		 * no file stays where it is, and of one that was shown while
		 * flushes failed that is not known. */
		(void)touched_end(o, at, i);
		if (k != 0 && !o->harmed[k]) {
			fact_set(o, touched_fact(o, at, i), FACT_GONE);
		}
	}
}

static void
attempt_over(struct oracle *o, struct attempt *at)
{
	for (size_t i = 0; i < at->n; i++) {
		(void)touched_end(o, at, i);
	}
}

/* What a copy may add to each message's number; to be freed. */
static uint16_t *
more_copies(struct oracle *o, const struct mbox *from, unsigned to,
    const struct uidset *uids)
{
	uint16_t *more = xcalloc(CONTENT_MAX, sizeof(*more));

	for (uint32_t i = 0; i < from->exists; i++) {
		const struct msg *m = mbox_msg(from, i);
		uint32_t k;

		if (uidset_has(uids, m->uid) && content_of_size(m->size, &k)) {
			more[k]++;
			o->account[to].most[k]++;
		}
	}
	return more;
}

static void
no_more_copies(struct oracle *o, unsigned to, const uint16_t *more)
{
	for (uint32_t k = 0; more != NULL && k < CONTENT_MAX; k++) {
		o->account[to].most[k] =
		    (uint16_t)(o->account[to].most[k] - more[k]);
	}
}

enum { COPY_INTO_MAX = 100 }; /* it would double itself for ever */

void
op_copy(struct proc *p, unsigned a)
{
	struct world *w = p->w;
	struct oracle *o = &w->oracle;
	unsigned ta = rng_chance(&w->rng, 750) ? a : 1 - a;
	bool move = rng_chance(&w->rng, 500);
	struct uidset uids = {.n = 0};
	struct copied c = {.uidvalidity = 0};
	struct attempt at = {.n = 0};
	uint16_t *more = NULL;
	uint64_t clock;
	unsigned epoch;
	const struct mbox *m;
	const struct mbox *tm;
	struct box_fact *b;
	struct fail f;

	if (p->view[ta] == NULL || p->epoch[ta] != o->epoch[ta]) {
		op_refresh(p, ta);
	}
	m = op_mbox(p, a);
	tm = op_mbox(p, ta);
	if (m == NULL || tm == NULL || (b = op_box(p, a, m->id)) == NULL
	    || tm->exists > COPY_INTO_MAX || p->epoch[ta] != o->epoch[ta]
	    || p->epoch[a] != o->epoch[a] || op_account(p, a) == NULL
	    || op_account(p, ta) == NULL) {
		return;
	}
	op_uids(p, m, &uids);
	clock = o->clock;
	if (move) {
		attempt_uids(o, &at, a, b, &uids, false);
	}
	at.epoch = o->epoch[a];
	at.account = a;
	epoch = o->epoch[ta];
	at.box = b;
	if (!move || ta != a || m->id == tm->id) {
		more = more_copies(o, m, ta, &uids);
	}
	if (account_copy(p->account[a], m->id, &uids, p->account[ta], tm->id,
		move, &c, &f)
	    != 0) {
		op_failed(p, a, move ? "move" : "copy", &f, ALLOW(FAIL_ABSENT));
		if (failed_for_sure(p, -1, &f) && o->epoch[ta] == epoch) {
			no_more_copies(o, ta, more);
		}
		attempt_over(o, &at);
	} else if (!op_counts(p, a, at.epoch) || !op_counts(p, ta, epoch)) {
		attempt_over(o, &at);
	} else {
		copied(p, b, ta, tm->id, &c, clock);
		if (move) {
			moved(o, &at);
		}
	}
	free(more);
	free(at.t);
	copied_deinit(&c);
	uidset_deinit(&uids);
}

/* ---- EXPUNGE ---- */

static void
expunged(struct proc *p, struct attempt *at, bool any_flags, uint64_t clock)
{
	struct oracle *o = &p->w->oracle;

	for (size_t i = 0; i < at->n; i++) {
		struct uid_fact *u = oracle_uid(o, at->box, at->t[i].uid);
		bool alone = touched_end(o, at, i);
		bool sure = u->flags_ok && fact_settled(&u->g, clock);

		if (any_flags || (sure && (u->flags & MSG_DELETED) != 0)) {
			fact_set(o, &u->f, FACT_GONE);
		} else if (sure && alone && at->t[i].was_there) {
			fact_set(o, &u->f, FACT_THERE);
		}
	}
}

static void
expunge_all(struct proc *p, unsigned a, const struct mbox *m, bool any_flags)
{
	struct oracle *o = &p->w->oracle;
	struct box_fact *b = op_box(p, a, m->id);
	unsigned epoch = o->epoch[a];
	struct fail f;

	wide_begin(o, b);
	sweep_begin(o, a);
	if (account_expunge(p->account[a], m->id, NULL, any_flags, &f) != 0) {
		op_failed(p, a, "expunge all", &f, ALLOW(FAIL_ABSENT));
	}
	if (o->epoch[a] == epoch) {
		wide_end(o, b);
		sweep_end(o, a);
	}
}

void
op_expunge(struct proc *p, unsigned a)
{
	struct world *w = p->w;
	struct oracle *o = &w->oracle;
	const struct mbox *m = op_mbox(p, a);
	bool any_flags = rng_chance(&w->rng, 500);
	struct uidset uids = {.n = 0};
	uint64_t clock;
	struct attempt at;
	struct box_fact *b;
	struct fail f;

	if (m == NULL || op_account(p, a) == NULL
	    || (b = op_box(p, a, m->id)) == NULL) {
		return;
	}
	if (rng_chance(&w->rng, 60)) {
		expunge_all(p, a, m, any_flags);
		return;
	}
	op_uids(p, m, &uids);
	attempt_uids(o, &at, a, b, &uids, false);
	clock = o->clock;
	if (account_expunge(p->account[a], m->id, &uids, any_flags, &f) != 0) {
		op_failed(p, a, "expunge", &f, ALLOW(FAIL_ABSENT));
		attempt_over(o, &at);
	} else if (!op_counts(p, a, at.epoch)) {
		attempt_over(o, &at);
	} else {
		world_say(
		    w, p, "expunged of %u in account %u", (unsigned)at.n, a);
		expunged(p, &at, any_flags, clock);
	}
	free(at.t);
	uidset_deinit(&uids);
}

void
op_undelete(struct proc *p, unsigned a)
{
	struct world *w = p->w;
	const struct mbox *m = op_mbox(p, a);
	uint64_t n = 0;
	struct fail f;

	if (m == NULL || op_account(p, a) == NULL) {
		return;
	}
	for (uint32_t k = 0; k < CONTENT_MAX; k++) {
		uint16_t *most = &w->oracle.account[a].most[k];

		*most = *most < 1000 ? (uint16_t)(*most * 2) : *most;
	}
	if (account_undelete(p->account[a], m->name, 0, &n, &f) != 0) {
		op_failed(p, a, "undelete", &f,
		    ALLOW(FAIL_ABSENT) | ALLOW(FAIL_EXISTS));
	} else {
		world_say(w, p, "undeleted %u in account %u", (unsigned)n, a);
	}
}
