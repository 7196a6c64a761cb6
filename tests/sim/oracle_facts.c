/*
 * Facts, and the attempts on them that are open.
 */
#include <string.h>

#include "base/mem.h"
#include "oracle_priv.h"

/* ---- attempts ---- */

void
attempt_begin(struct oracle *o, struct fact *f)
{
	f->active++;
	f->touched = ++o->clock;
	if (f->state == FACT_THERE) {
		f->state = FACT_UNSURE;
	}
}

void
attempt_end(struct oracle *o, struct fact *f)
{
	ASSERT(f->active > 0);
	f->active--;
	f->touched = ++o->clock;
}

bool
attempt_alone(const struct fact *f, uint64_t clock)
{
	return f->active == 1 && f->touched == clock;
}

void
fact_set(struct oracle *o, struct fact *f, enum fact_state state)
{
	f->state = state;
	f->since = ++o->clock;
}

bool
fact_settled(const struct fact *f, uint64_t clock)
{
	return f->active == 0 && f->touched <= clock;
}

bool
held_at(const struct fact *f, enum fact_state state, uint64_t clock)
{
	return f->state == state && f->since <= clock;
}

static void
touch_all(struct oracle *o, struct box_fact *b)
{
	o->clock++;
	for (uint32_t uid = 0; uid < b->cap; uid++) {
		struct fact *f = &b->uid[uid].f;

		f->touched = o->clock;
		if (f->state == FACT_THERE) {
			f->state = FACT_UNSURE;
		}
	}
}

void
wide_begin(struct oracle *o, struct box_fact *b)
{
	attempt_begin(o, &b->f);
	touch_all(o, b);
}

void
wide_end(struct oracle *o, struct box_fact *b)
{
	attempt_end(o, &b->f);
	touch_all(o, b);
}

static void
deliveries_touch(struct oracle *o, struct account_fact *a)
{

	o->clock++;
	for (unsigned i = 0; i < a->n_delivery; i++) {
		struct fact *f = &a->delivery[i].f;

		if (!a->delivery[i].seen) {
			a->delivery[i].swept = true;
			f->touched = o->clock;
			if (f->state == FACT_THERE) {
				f->state = FACT_UNSURE;
			}
		}
	}
}

void
sweep_begin(struct oracle *o, unsigned account)
{
	attempt_begin(o, &o->account[account].sweeps);
	deliveries_touch(o, &o->account[account]);
}

void
sweep_end(struct oracle *o, unsigned account)
{
	attempt_end(o, &o->account[account].sweeps);
	deliveries_touch(o, &o->account[account]);
}

void
delivery_begin(struct oracle *o, unsigned account, uint32_t k)
{
	o->account[account].flying[k]++;
}

void
delivery_end(struct oracle *o, unsigned account, uint32_t k)
{
	ASSERT(o->account[account].flying[k] > 0);
	o->account[account].flying[k]--;
}

/* ---- facts ---- */

struct delivery_fact *
oracle_delivery(struct account_fact *a, uint32_t k)
{
	for (unsigned i = 0; i < a->n_delivery; i++) {
		if (a->delivery[i].k == k) {
			return &a->delivery[i];
		}
	}
	a->delivery =
	    xreallocarray(a->delivery, a->n_delivery + 1, sizeof(*a->delivery));
	a->delivery[a->n_delivery] = (struct delivery_fact){.k = k};
	return &a->delivery[a->n_delivery++];
}

struct box_fact *
oracle_box(struct oracle *o, unsigned account, uint64_t id)
{
	struct account_fact *a = &o->account[account];

	for (unsigned i = 0; i < a->n_box; i++) {
		if (a->box[i].id == id) {
			return &a->box[i];
		}
	}
	return NULL;
}

struct box_fact *
oracle_box_make(
    struct oracle *o, unsigned account, uint64_t id, uint32_t uidvalidity)
{
	struct account_fact *a = &o->account[account];
	struct box_fact *b = oracle_box(o, account, id);

	if (b != NULL) {
		return b;
	}
	ASSERT(a->n_box < ORACLE_BOXES);
	b = &a->box[a->n_box++];
	/* Views asked for before this may be older than what was put back. */
	*b = (struct box_fact){.id = id,
	    .uidvalidity = uidvalidity,
	    .renewed = oracle_may_renew(o, account) ? ++o->clock : 0};
	return b;
}

struct uid_fact *
oracle_uid(struct oracle *o, struct box_fact *b, uint32_t uid)
{
	uint32_t cap = b->cap == 0 ? 32 : b->cap;

	if (uid >= ORACLE_UIDS) {
		violation(o, "(2) UID %u is too high to be true", uid);
		uid = 0;
	}
	if (uid < b->cap) {
		return &b->uid[uid];
	}
	while (cap <= uid) {
		cap *= 2;
	}
	b->uid = xreallocarray(b->uid, cap, sizeof(*b->uid));
	memset(b->uid + b->cap, 0, (cap - b->cap) * sizeof(*b->uid));
	b->cap = cap;
	return &b->uid[uid];
}

bool
oracle_may_renew(const struct oracle *o, unsigned account)
{
	return o->epoch[account] != 0 || o->resumed;
}

/* A restored tree gives its mailboxes new UIDVALIDITY: all is new. */
void
oracle_renew(struct oracle *o, unsigned account, struct box_fact *b,
    uint32_t uidvalidity)
{
	if (!oracle_may_renew(o, account) || uidvalidity <= b->uidvalidity) {
		violation(o, "(2) mailbox %llx: UIDVALIDITY %u, was %u",
		    (unsigned long long)b->id, uidvalidity, b->uidvalidity);
	}
	/* The messages are what they were; what UIDs mean is told anew. */
	for (uint32_t uid = 0; uid < b->cap; uid++) {
		b->uid[uid].told = false;
		b->uid[uid].claimed = false;
	}
	b->uidvalidity = uidvalidity;
	b->renewed = ++o->clock;
	b->n_shown = 0;
	b->uidnext = 0;
	b->highest = 0;
	b->place = 0;
}
