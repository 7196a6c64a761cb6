#include "oracle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

const char *const oracle_keywords[ORACLE_KEYWORDS] = {
    "$Forwarded", "work", "$junk", "Later"};

/* What was told, for ever: (account, mailbox, UIDVALIDITY, UID) and the like,
 * as octets, to a number. */
struct meanings {
	struct map map;
};

void
oracle_init(struct oracle *o, void (*report)(void *, const char *), void *arg)
{
	*o = (struct oracle){.violation = report, .arg = arg, .clock = 1};
	o->meanings = xmalloc(sizeof(*o->meanings));
	for (unsigned a = 0; a < ORACLE_ACCOUNTS; a++) {
		o->account[a].box =
		    xcalloc(ORACLE_BOXES, sizeof(*o->account[a].box));
	}
}

static void
account_clear(struct account_fact *a)
{
	for (unsigned i = 0; i < a->n_box; i++) {
		free(a->box[i].uid);
		free(a->box[i].shown);
	}
	free(a->box);
	free(a->delivery);
}

void
oracle_deinit(struct oracle *o)
{
	for (unsigned a = 0; a < ORACLE_ACCOUNTS; a++) {
		account_clear(&o->account[a]);
	}
	map_deinit(&o->meanings->map);
	free(o->meanings);
}

void
violation(struct oracle *o, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	o->violation(o->arg, text);
}

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

static bool
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

/* ---- meanings ---- */

/* The number first told under this key; `value` if that was now. */
static uint64_t
meaning(struct oracle *o, const uint64_t *key, size_t n, uint64_t value)
{
	struct sv k = sv_make(key, n * sizeof(*key));
	void *old = map_get(&o->meanings->map, k);

	if (old != NULL) {
		return (uint64_t)(uintptr_t)old - 1;
	}
	(void)map_put(&o->meanings->map, k, (void *)(uintptr_t)(value + 1));
	return value;
}

enum meaning_kind { MEANS_UID = 1, MEANS_MODSEQ, MEANS_HASH, MEANS_BOX };

void
oracle_hash(struct oracle *o, unsigned account, uint64_t segment, place_t place,
    uint64_t hash)
{
	uint64_t key[] = {MEANS_HASH, account, segment, place};

	hash >>= 8; /* room for the one that `meaning` adds */
	if (meaning(o, key, COUNT_OF(key), hash) != hash) {
		violation(o, "(3) account %u: two states at place %llx",
		    account, (unsigned long long)place);
	}
}

void
oracle_box_id(struct oracle *o, unsigned account, uint64_t id, uint64_t what)
{
	uint64_t key[] = {MEANS_BOX, account, id};

	if (meaning(o, key, COUNT_OF(key), what) != what) {
		violation(o, "(2) account %u: mailbox id %llx given twice",
		    account, (unsigned long long)id);
	}
}

/* ---- facts ---- */

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

void
oracle_tell(struct oracle *o, unsigned account, struct box_fact *b,
    uint32_t uid, uint32_t k)
{
	struct uid_fact *u = oracle_uid(o, b, uid);
	uint64_t key[] = {MEANS_UID, account, b->id, b->uidvalidity, uid};
	uint64_t was = u->told ? u->k : meaning(o, key, COUNT_OF(key), k);

	if (was != k) {
		violation(o,
		    "(2) account %u mailbox %llx UID %u: message %u, was %u",
		    account, (unsigned long long)b->id, uid, k, (unsigned)was);
	}
	u->told = true;
	u->k = k;
}

/* ---- power loss, saving and restoring ---- */

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
	to->cap_delivery = from->n_delivery;
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

/* ---- what a view shows ---- */

struct look {
	struct oracle *o;
	unsigned account;
	uint64_t clock;
	uint64_t serial;
	place_t place;
	uint16_t count[CONTENT_MAX];
	uint64_t octets, messages;
};

static uint32_t
keywords_of(const struct mbox *mbox, const struct msg *m)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < ORACLE_KEYWORDS; i++) {
		int bit = mbox_keyword(mbox, sv_cstr(oracle_keywords[i]));

		if (bit >= 0 && (m->keywords >> bit & 1) != 0) {
			bits |= 1U << i;
		}
	}
	return bits;
}

static void
look_flags(struct look *l, const struct box_fact *b, const struct uid_fact *u,
    const struct msg *m, uint32_t keywords)
{
	if (m->flags != u->flags || keywords != u->keywords
	    || (u->modseq != 0 && m->modseq != u->modseq)) {
		violation(l->o,
		    "(1) account %u mailbox %llx UID %u: flags %x/%x modseq "
		    "%llx, known to be %x/%x %llx",
		    l->account, (unsigned long long)b->id, m->uid, m->flags,
		    keywords, (unsigned long long)m->modseq, u->flags,
		    u->keywords, (unsigned long long)u->modseq);
	}
}

static void
look_modseq(struct look *l, const struct box_fact *b, const struct msg *m,
    uint32_t keywords)
{
	uint64_t key[] = {
	    MEANS_MODSEQ, l->account, b->id, b->uidvalidity, m->uid, m->modseq};
	uint64_t value = m->flags | (uint64_t)keywords << 8;

	if (m->modseq == 0 || m->modseq > l->place
	    || meaning(l->o, key, COUNT_OF(key), value) != value) {
		violation(l->o,
		    "(2) account %u mailbox %llx UID %u: modseq %llx has two "
		    "meanings",
		    l->account, (unsigned long long)b->id, m->uid,
		    (unsigned long long)m->modseq);
	}
}

static void
look_presence(struct look *l, const struct box_fact *b, struct uid_fact *u)
{
	if (fact_settled(&u->f, l->clock) && fact_settled(&b->f, l->clock)) {
		if (u->f.state != FACT_THERE) {
			fact_set(l->o, &u->f, FACT_THERE);
		}
	} else if (u->f.state == FACT_UNKNOWN) {
		fact_set(l->o, &u->f, FACT_UNSURE);
	}
}

static void
look_msg(struct look *l, struct box_fact *b, const struct mbox *mbox,
    const struct msg *m)
{
	uint32_t k = 0;
	uint32_t keywords = keywords_of(mbox, m);
	struct uid_fact *u;

	if (!content_of_size(m->size, &k)) {
		violation(
		    l->o, "(9) UID %u: a message that nobody sent", m->uid);
		return;
	}
	l->count[k]++;
	oracle_tell(l->o, l->account, b, m->uid, k);
	u = oracle_uid(l->o, b, m->uid);
	u->visit = l->serial;
	if (held_at(&u->f, FACT_GONE, l->clock)) {
		violation(l->o,
		    "(1) account %u mailbox %llx UID %u: expunged, but there",
		    l->account, (unsigned long long)b->id, m->uid);
	}
	if (!u->flags_ok || u->modseq != m->modseq) {
		look_modseq(l, b, m, keywords);
	}
	look_presence(l, b, u);
	if (fact_settled(&u->g, l->clock)) {
		if (u->flags_ok && u->g.since <= l->clock) {
			look_flags(l, b, u, m, keywords);
		}
		if (!u->flags_ok || u->modseq == 0) {
			fact_set(l->o, &u->g, FACT_THERE);
			u->flags_ok = true;
			u->flags = m->flags;
			u->keywords = keywords;
			u->modseq = m->modseq;
		}
		u->soft = false;
	}
}

static void
look_missing(struct look *l, struct box_fact *b, bool box_there)
{
	if (!fact_settled(&b->f, l->clock)) {
		return;
	}
	for (uint32_t uid = 0; uid < b->cap; uid++) {
		struct uid_fact *u = &b->uid[uid];

		if (u->f.state == FACT_UNKNOWN || u->f.state == FACT_GONE
		    || (box_there && u->visit == l->serial)
		    || !fact_settled(&u->f, l->clock)) {
			continue;
		}
		if (box_there && held_at(&u->f, FACT_THERE, l->clock)) {
			violation(l->o,
			    "(1) account %u mailbox %llx UID %u (message %u): "
			    "lost",
			    l->account, (unsigned long long)b->id, uid, u->k);
		}
		if (u->f.since <= l->clock) {
			fact_set(l->o, &u->f, FACT_GONE);
		}
	}
}

/* ---- what changed since the last look at a mailbox ---- */

static const struct shown *
shown_uid(const struct box_fact *b, uint32_t uid)
{
	uint32_t lo = 0;
	uint32_t hi = b->n_shown;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (b->shown[mid].uid < uid) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo < b->n_shown && b->shown[lo].uid == uid ? &b->shown[lo]
							  : NULL;
}

static void
look_since_msg(struct look *l, const struct box_fact *b, const struct msg *m)
{
	const struct shown *s = shown_uid(b, m->uid);

	if (s == NULL && (m->uid < b->uidnext || m->modseq <= b->highest)) {
		violation(l->o,
		    "(4) mailbox %llx UID %u modseq %llx: new below UIDNEXT "
		    "%u or HIGHESTMODSEQ %llx",
		    (unsigned long long)b->id, m->uid,
		    (unsigned long long)m->modseq, b->uidnext,
		    (unsigned long long)b->highest);
	}
	if (s != NULL && s->modseq != m->modseq && m->modseq <= b->highest) {
		violation(l->o,
		    "(4) mailbox %llx UID %u: change %llx below HIGHESTMODSEQ "
		    "%llx",
		    (unsigned long long)b->id, m->uid,
		    (unsigned long long)m->modseq,
		    (unsigned long long)b->highest);
	}
}

static void
look_vanished(struct look *l, const struct box_fact *b, const struct mbox *mbox)
{
	struct uidset known = {.n = 0};
	struct uidset out = {.n = 0};
	struct fail f;

	for (uint32_t i = 0; i < b->n_shown; i++) {
		uidset_add(&known, b->shown[i].uid);
	}
	if (mbox_vanished(mbox, b->highest, &known, &out, &f) != 0
	    && f.kind != FAIL_ABSENT) {
		violation(l->o, "(4) vanished: %s", f.text);
	}
	for (uint32_t i = 0; i < b->n_shown; i++) {
		uint32_t uid = b->shown[i].uid;
		uint32_t at = mbox_index(mbox, uid);
		bool there =
		    at < mbox->exists && mbox_msg(mbox, at)->uid == uid;

		if (there == uidset_has(&out, uid)) {
			violation(l->o,
			    "(4) mailbox %llx UID %u: %s since %llx, "
			    "and not said so",
			    (unsigned long long)b->id, uid,
			    there ? "there" : "vanished",
			    (unsigned long long)b->highest);
		}
	}
	uidset_deinit(&known);
	uidset_deinit(&out);
}

static void
look_since(struct look *l, struct box_fact *b, const struct mbox *mbox)
{
	if (l->place < b->place) {
		return; /* an older view, asked for earlier */
	}
	if (mbox->highest_modseq < b->highest || mbox->uidnext < b->uidnext) {
		violation(l->o,
		    "(4) mailbox %llx: HIGHESTMODSEQ %llx UIDNEXT %u, were "
		    "%llx %u",
		    (unsigned long long)b->id,
		    (unsigned long long)mbox->highest_modseq, mbox->uidnext,
		    (unsigned long long)b->highest, b->uidnext);
	}
	if (b->n_shown != 0) {
		look_vanished(l, b, mbox);
	}
	b->shown = xreallocarray(
	    b->shown, mbox->exists + b->n_shown + 1U, sizeof(*b->shown));
	for (uint32_t i = 0; i < mbox->exists; i++) {
		look_since_msg(l, b, mbox_msg(mbox, i));
	}
	for (uint32_t i = 0; i < mbox->exists; i++) {
		const struct msg *m = mbox_msg(mbox, i);

		b->shown[i] = (struct shown){
		    .uid = m->uid, .flags = m->flags, .modseq = m->modseq};
	}
	b->n_shown = mbox->exists;
	b->place = l->place;
	b->highest = mbox->highest_modseq;
	b->uidnext = mbox->uidnext;
}

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
	l->octets += octets;
	l->messages += mbox->exists;
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
