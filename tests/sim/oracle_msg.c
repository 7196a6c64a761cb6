/*
 * What a view shows of each message, and which of a mailbox it does not show.
 */
#include "oracle_priv.h"

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

void
look_told(struct look *l, const struct mbox *mbox, const struct msg *m)
{
	uint64_t key[] = {
	    MEANS_UID, l->account, mbox->id, mbox->uidvalidity, m->uid};
	uint32_t k;

	if (content_of_size(m->size, &k)
	    && meaning(l->o, key, COUNT_OF(key), k) != k) {
		violation(l->o,
		    "(2) account %u mailbox %llx UID %u: now message %u",
		    l->account, (unsigned long long)mbox->id, m->uid, k);
	}
}

void
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

void
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

void
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
