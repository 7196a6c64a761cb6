/*
 * Operations on mailboxes and subscriptions.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ops_priv.h"

/* What names may fail with when others make and remove them too. */
#define ALLOW_NAMES                                                            \
	(ALLOW(FAIL_ABSENT) | ALLOW(FAIL_EXISTS) | ALLOW(FAIL_PERM)            \
	    | ALLOW(FAIL_SYNTAX))

static void
names_unsure(struct account_fact *f)
{
	for (unsigned i = 0; i < f->n_box; i++) {
		f->box[i].name_ok = false;
	}
}

void
op_create(struct proc *p, unsigned a)
{
	struct world *w = p->w;
	struct oracle *o = &w->oracle;
	unsigned epoch = o->epoch[a];
	const char *name = op_name(w);
	uint64_t id = 0;
	uint64_t clock;
	bool alone = false;
	struct box_fact *b;
	struct fail f;
	int rc;

	if (op_account(p, a) == NULL
	    || o->account[a].n_box + 8 >= ORACLE_BOXES) {
		return;
	}
	attempt_begin(o, &o->account[a].names);
	clock = o->account[a].names.touched;
	rc = account_mbox_create(p->account[a], sv_cstr(name),
	    &(struct mbox_attrs){.special_use = 0}, &id, &f);
	if (o->epoch[a] == epoch) {
		alone = attempt_alone(&o->account[a].names, clock);
		attempt_end(o, &o->account[a].names);
	}
	if (rc != 0) {
		op_failed(p, a, "create", &f, ALLOW_NAMES);
		return;
	}
	if (!op_counts(p, a, epoch)) {
		return;
	}
	world_say(w, p, "created %s in account %u: %llx", name, a,
	    (unsigned long long)id);
	oracle_box_id(o, a, id, ++o->created);
	if (oracle_box(o, a, id) == NULL) {
		b = oracle_box_make(o, a, id, 0);
		fact_set(o, &b->f, alone ? FACT_THERE : FACT_UNSURE);
	}
}

/* A mailbox that has a name in the process's view, not INBOX; NULL. */
static const struct mbox *
named_mbox(struct proc *p, unsigned a)
{
	size_t n = p->view[a] != NULL ? view_mboxes(p->view[a]) : 0;

	return n < 2
		   ? NULL
		   : view_mbox_at(p->view[a], rng_range(&p->w->rng, 1, n - 1));
}

void
op_delete(struct proc *p, unsigned a)
{
	struct world *w = p->w;
	struct oracle *o = &w->oracle;
	unsigned epoch = o->epoch[a];
	const struct mbox *m = named_mbox(p, a);
	struct account_fact *af = &o->account[a];
	struct fail f;

	if (m == NULL || op_account(p, a) == NULL) {
		return;
	}
	/* By name: which mailbox has it then is not known. */
	attempt_begin(o, &af->names);
	sweep_begin(o, a);
	for (unsigned i = 0; i < af->n_box; i++) {
		if (af->box[i].id != view_mbox_at(p->view[a], 0)->id) {
			wide_begin(o, &af->box[i]);
			af->box[i].wide++;
		}
	}
	if (account_mbox_delete(p->account[a], m->name, &f) != 0) {
		op_failed(p, a, "delete", &f, ALLOW_NAMES);
	} else {
		world_say(w, p, "deleted a mailbox of account %u", a);
	}
	if (o->epoch[a] != epoch) {
		return;
	}
	attempt_end(o, &af->names);
	sweep_end(o, a);
	names_unsure(af);
	for (unsigned i = 0; i < af->n_box; i++) {
		if (af->box[i].wide != 0) {
			af->box[i].wide--;
		} else { /* made meanwhile */
			wide_begin(o, &af->box[i]);
		}
		wide_end(o, &af->box[i]);
	}
}

void
op_rename(struct proc *p, unsigned a)
{
	struct world *w = p->w;
	struct oracle *o = &w->oracle;
	unsigned epoch = o->epoch[a];
	const struct mbox *m = named_mbox(p, a);
	struct account_fact *af = &o->account[a];
	struct box_fact *inbox = NULL;
	struct sv from;
	struct fail f;

	if (p->view[a] == NULL || op_account(p, a) == NULL) {
		return;
	}
	if (m == NULL || rng_chance(&w->rng, 200)) {
		const struct mbox *first = view_mbox_at(p->view[a], 0);

		inbox = oracle_box_make(o, a, first->id, first->uidvalidity);
		from = SV("INBOX");
	} else {
		from = m->name;
	}
	attempt_begin(o, &af->names);
	names_unsure(af);
	if (inbox != NULL) {
		wide_begin(o, inbox);
	}
	if (account_mbox_rename(p->account[a], from, sv_cstr(op_name(w)), &f)
	    != 0) {
		op_failed(p, a, "rename", &f, ALLOW_NAMES);
	} else {
		world_say(w, p, "renamed a mailbox of account %u", a);
	}
	if (o->epoch[a] != epoch) {
		return;
	}
	attempt_end(o, &af->names);
	names_unsure(af);
	if (inbox != NULL) {
		wide_end(o, inbox);
	}
}

void
op_subscribe(struct proc *p, unsigned a)
{
	struct world *w = p->w;
	struct oracle *o = &w->oracle;
	struct account_fact *af = &o->account[a];
	unsigned epoch = o->epoch[a];
	bool on = rng_chance(&w->rng, 600);
	const char *name = op_name(w);
	uint64_t clock;
	bool alone;
	struct fail f;
	int rc;

	if (op_account(p, a) == NULL) {
		return;
	}
	attempt_begin(o, &af->subscriptions);
	clock = af->subscriptions.touched;
	rc = account_subscribe(p->account[a], sv_cstr(name), on, &f);
	if (rc != 0) {
		op_failed(p, a, "subscribe", &f, 0);
	}
	if (o->epoch[a] != epoch) {
		return;
	}
	alone = attempt_alone(&af->subscriptions, clock);
	attempt_end(o, &af->subscriptions);
	if (rc == 0 && alone && op_counts(p, a, epoch)) {
		bool inbox = strncasecmp(name, "inbox/", 6) == 0;

		(void)snprintf(af->subscribed, sizeof(af->subscribed), "%s%s",
		    inbox ? "INBOX" : "", inbox ? name + 5 : name);
		af->subscribed_on = on;
		fact_set(o, &af->subscriptions, FACT_THERE);
	}
}
