/*
 * What a power loss makes unsure; facts saved with a tree, and restored.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "oracle_priv.h"

void
oracle_power_loss(struct oracle *o)
{
	for (unsigned a = 0; a < ORACLE_ACCOUNTS; a++) {
		for (unsigned i = 0; i < o->account[a].n_box; i++) {
			struct box_fact *b = &o->account[a].box[i];

			for (uint32_t uid = 0; uid < b->cap; uid++) {
				struct uid_fact *u = &b->uid[uid];

				u->claimed = false;
				if (u->soft) {
					u->flags_ok = false;
					u->soft = false;
				}
			}
		}
	}
}

void
oracle_repair(struct oracle *o, unsigned account)
{
	struct account_fact *a = &o->account[account];

	for (unsigned i = 0; i < a->n_box; i++) {
		struct box_fact *b = &a->box[i];

		for (uint32_t uid = 0; uid < b->cap; uid++) {
			struct uid_fact *u = &b->uid[uid];

			if (o->harmed[u->k] && u->f.state == FACT_THERE) {
				fact_set(o, &u->f, FACT_UNSURE);
			}
		}
	}
	for (unsigned i = 0; i < a->n_delivery; i++) {
		a->delivery[i].seen |= o->harmed[a->delivery[i].k];
	}
}

struct account_fact *
oracle_save(struct oracle *o, unsigned account)
{
	const struct account_fact *from = &o->account[account];
	struct account_fact *to = xmemdup(from, sizeof(*from));

	to->box = xmemdup(from->box, ORACLE_BOXES * sizeof(*from->box));
	for (unsigned i = 0; i < from->n_box; i++) {
		struct box_fact *b = &to->box[i];

		if (b->cap != 0) {
			b->uid = xmemdup(b->uid, b->cap * sizeof(*b->uid));
		}
		b->shown = NULL;
		b->n_shown = 0;
	}
	to->delivery = NULL;
	if (from->n_delivery != 0) {
		to->delivery = xmemdup(
		    from->delivery, from->n_delivery * sizeof(*from->delivery));
	}
	/* One that is under way may have come into this tree, though it began
	 * with another. */
	for (uint32_t k = 0; k < CONTENT_MAX; k++) {
		if (to->flying[k] != 0) {
			struct delivery_fact *d = oracle_delivery(to, k);

			d->tries += d->tries == 0;
			d->swept = true;
		}
	}
	return to;
}

/* What was being tried then is not being tried now. */
static void
fact_restored(struct oracle *o, struct fact *f)
{
	if (f->active != 0) {
		f->active = 0;
		f->state = FACT_UNSURE;
	}
	f->since = ++o->clock;
	f->touched = o->clock;
}

static void
box_restored(struct oracle *o, struct box_fact *b)
{
	fact_restored(o, &b->f);
	b->wide = 0;
	b->place = 0;
	b->highest = 0;
	b->uidnext = 0;
	for (uint32_t uid = 0; uid < b->cap; uid++) {
		struct uid_fact *u = &b->uid[uid];

		u->flags_ok = u->flags_ok && u->g.active == 0;
		u->claimed = false;
		fact_restored(o, &u->f);
		fact_restored(o, &u->g);
	}
}

void
oracle_restore(struct oracle *o, unsigned account, struct account_fact **saved)
{
	struct account_fact *a = &o->account[account];

	/* Not as they were then, but as they are. */
	memcpy((*saved)->flying, a->flying, sizeof(a->flying));
	account_clear(a);
	*a = **saved;
	free(*saved);
	*saved = NULL;
	for (uint32_t k = 0; k < CONTENT_MAX; k++) {
		a->most[k] = (uint16_t)(a->most[k] + a->flying[k]);
	}
	fact_restored(o, &a->names);
	fact_restored(o, &a->sweeps);
	fact_restored(o, &a->subscriptions);
	for (unsigned i = 0; i < a->n_box; i++) {
		box_restored(o, &a->box[i]);
	}
	for (unsigned i = 0; i < a->n_delivery; i++) {
		fact_restored(o, &a->delivery[i].f);
	}
	o->epoch[account]++;
}

void
oracle_saved_free(struct account_fact **saved)
{
	if (*saved != NULL) {
		account_clear(*saved);
		free(*saved);
		*saved = NULL;
	}
}
