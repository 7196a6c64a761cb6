/*
 * What changed in a mailbox since it was last looked at, and whether its
 * modification sequences say so.
 */
#include "base/mem.h"
#include "oracle_priv.h"

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

void
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
