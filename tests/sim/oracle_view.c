/*
 * What a view shows of an account and its mailboxes.
 */
#include <stdio.h>
#include <string.h>

#include "oracle_priv.h"

/* ---- a mailbox ---- */

static void
look_counts(struct look *l, const struct mbox *mbox)
{
	uint64_t octets = 0;
	uint32_t unseen = 0;
	uint32_t deleted = 0;
	uint32_t last = 0;

	for (uint32_t i = 0; i < mbox->exists; i++) {
		const struct msg *m = mbox_msg(mbox, i);

		octets += m->size;
		unseen += (m->flags & MSG_SEEN) == 0;
		deleted += (m->flags & MSG_DELETED) != 0;
		if (m->uid <= last || m->modseq > mbox->highest_modseq) {
			violation(l->o, "(1) mailbox %llx: UID %u out of order",
			    (unsigned long long)mbox->id, m->uid);
		}
		last = m->uid;
	}
	if (octets != mbox->octets || unseen != mbox->unseen
	    || deleted != mbox->deleted || last >= mbox->uidnext) {
		violation(l->o, "(1) mailbox %llx: counts are wrong",
		    (unsigned long long)mbox->id);
	}
	if (mbox->n_keywords > STORE_KEYWORDS_MAX) {
		violation(l->o, "(1) mailbox %llx: %u keywords",
		    (unsigned long long)mbox->id, mbox->n_keywords);
	}
	l->octets += octets;
	l->messages += mbox->exists;
}

static const struct fact *
names_of(const struct look *l)
{
	return &l->o->account[l->account].names;
}

static void
look_name(struct look *l, struct box_fact *b, const struct mbox *mbox)
{
	if (!fact_settled(names_of(l), l->clock)) {
		return;
	}
	if (b->name_ok && b->named <= l->clock
	    && !sv_eq(mbox->name, sv_cstr(b->name))) {
		violation(l->o, "(1) mailbox %llx: named %.*s, not %s",
		    (unsigned long long)b->id, SV_ARG(mbox->name), b->name);
	}
	(void)snprintf(b->name, sizeof(b->name), "%.*s", SV_ARG(mbox->name));
	b->name_ok = true;
	b->named = l->o->clock;
}

static void
look_box(struct look *l, const struct mbox *mbox)
{
	struct box_fact *b =
	    oracle_box_make(l->o, l->account, mbox->id, mbox->uidvalidity);

	b->visit = l->serial;
	if (b->uidvalidity == 0) {
		b->uidvalidity = mbox->uidvalidity;
		/* Views asked for before may be older than what was put
		 * back, as in oracle_box_make(). */
		if (oracle_may_renew(l->o, l->account)) {
			b->renewed = ++l->o->clock;
		}
	}
	if (mbox->noselect) {
		b->uidvalidity = 0; /* until it is made again */
	} else if (mbox->uidvalidity < b->uidvalidity
		   && l->clock < b->renewed) {
		look_counts(l, mbox);
		return; /* an older view, asked for earlier */
	} else if (b->uidvalidity != mbox->uidvalidity) {
		oracle_renew(l->o, l->account, b, mbox->uidvalidity);
	}
	if (held_at(&b->f, FACT_GONE, l->clock)) {
		violation(l->o, "(1) mailbox %llx: deleted, but there",
		    (unsigned long long)b->id);
	}
	if (mbox->noselect) { /* it goes with its last child */
		if (b->f.state != FACT_UNSURE) {
			fact_set(l->o, &b->f, FACT_UNSURE);
		}
	} else if (fact_settled(&b->f, l->clock)
		   && fact_settled(names_of(l), l->clock)
		   && b->f.state != FACT_THERE) {
		fact_set(l->o, &b->f, FACT_THERE);
	}
	look_name(l, b, mbox);
	look_counts(l, mbox);
	for (uint32_t i = 0; i < mbox->exists; i++) {
		look_msg(l, b, mbox, mbox_msg(mbox, i));
	}
	look_missing(l, b, true);
	look_since(l, b, mbox);
}

static void
look_absent(struct look *l, struct box_fact *b)
{
	if (b->f.state == FACT_GONE || b->f.state == FACT_UNKNOWN
	    || !fact_settled(&b->f, l->clock)
	    || !fact_settled(names_of(l), l->clock) || b->f.since > l->clock) {
		return;
	}
	if (b->f.state == FACT_THERE) {
		violation(l->o, "(1) account %u: mailbox %llx (%s) lost",
		    l->account, (unsigned long long)b->id, b->name);
	}
	look_missing(l, b, false);
	fact_set(l->o, &b->f, FACT_GONE);
}

/* ---- all of an account ---- */

static void
look_deliveries(struct look *l)
{
	struct account_fact *a = &l->o->account[l->account];

	for (unsigned i = 0; i < a->n_delivery; i++) {
		struct delivery_fact *d = &a->delivery[i];

		if (d->seen) {
			continue;
		}
		if (l->count[d->k] != 0) {
			d->seen = true;
			continue;
		}
		if (!fact_settled(&d->f, l->clock)
		    || !fact_settled(&a->sweeps, l->clock)) {
			continue;
		}
		if (held_at(&d->f, FACT_THERE, l->clock)) {
			violation(l->o,
			    "(1) account %u: delivery of message %u was "
			    "acknowledged and is lost",
			    l->account, d->k);
		}
		if (d->f.state == FACT_UNSURE && d->f.since <= l->clock) {
			d->seen = true; /* it is known to be gone */
		}
	}
}

/* The only message k that a view shows; NULL: none or several. */
static const struct msg *
only_one(const struct view *v, uint32_t k, const struct mbox **in, bool *any)
{
	const struct msg *found = NULL;

	*any = false;
	for (size_t i = 0; i < view_mboxes(v); i++) {
		const struct mbox *m = view_mbox_at(v, i);

		for (uint32_t n = 0; n < m->exists; n++) {
			if (mbox_msg(m, n)->size != content_size(k)) {
				continue;
			}
			found = *any ? NULL : mbox_msg(m, n);
			*any = true;
			*in = m;
		}
	}
	return found;
}

/*
 * What a view shows while flushes fail may be lost, but for what was
 * acknowledged: a delivery that is seen becomes the fact of its UID, so that
 * whoever takes it away is noticed.
 */
static void
look_sick(struct look *l, const struct view *v)
{
	struct account_fact *a = &l->o->account[l->account];

	for (size_t i = 0; i < view_mboxes(v); i++) {
		const struct mbox *m = view_mbox_at(v, i);

		for (uint32_t n = 0; n < m->exists; n++) {
			look_told(l, m, mbox_msg(m, n));
		}
	}
	for (unsigned i = 0; i < a->n_delivery; i++) {
		struct delivery_fact *d = &a->delivery[i];
		const struct mbox *in = NULL;
		bool any;
		const struct msg *m;
		struct box_fact *b;

		if (d->seen) {
			continue;
		}
		m = only_one(v, d->k, &in, &any);
		d->seen = any;
		if (m == NULL || d->f.state != FACT_THERE) {
			continue;
		}
		b = oracle_box_make(l->o, l->account, in->id, in->uidvalidity);
		if (b->uidvalidity == in->uidvalidity) {
			oracle_tell(l->o, l->account, b, m->uid, d->k);
			look_presence(l, b, oracle_uid(l->o, b, m->uid));
		}
	}
}

void
oracle_view(
    struct oracle *o, unsigned account, struct view *view, uint64_t clock)
{
	static struct look look;
	struct look *l = &look;
	struct account_fact *a = &o->account[account];
	struct usage usage = view_usage(view);

	memset(l, 0, sizeof(*l));
	l->o = o;
	l->account = account;
	l->clock = clock;
	if (o->sick) {
		look_sick(l, view);
		o->clock++;
		return;
	}
	l->serial = ++o->looks;
	l->place = view_place(view);
	for (size_t i = 0; i < view_mboxes(view); i++) {
		look_box(l, view_mbox_at(view, i));
	}
	for (unsigned i = 0; i < a->n_box; i++) {
		if (a->box[i].visit != l->serial) {
			look_absent(l, &a->box[i]);
		}
	}
	for (uint32_t k = 0; k < CONTENT_MAX; k++) {
		if (l->count[k] > a->most[k]) {
			violation(o,
			    "(1) account %u: message %u %u times of %u",
			    account, k, l->count[k], a->most[k]);
		}
	}
	look_deliveries(l);
	if (held_at(&a->subscriptions, FACT_THERE, clock)
	    && view_subscribed(view, sv_cstr(a->subscribed))
		   != a->subscribed_on) {
		violation(o, "(1) account %u: subscription of %s is %s",
		    account, a->subscribed, a->subscribed_on ? "lost" : "back");
	}
	if (usage.octets != l->octets || usage.messages != l->messages) {
		violation(o, "(1) account %u: usage is wrong", account);
	}
	o->clock++;
}
