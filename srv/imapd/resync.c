#include "imapd/resync.h"

#include "imapd/tell.h"

enum { YIELD_EVERY = 64 }; /* messages */

/* The UIDs of a set as they were given, messages or not. */
static void
known_uids(struct command *cmd, const struct imap_set *set, struct uidset *out)
{
	const struct selected *box = &cmd->im->box;
	struct imap_set ranges;

	if (set->saved) {
		uidset_copy(out, &box->saved);
		return;
	}
	imap_set_resolve(set, box->mbox->uidnext - 1, &cmd->arena, &ranges);
	for (size_t i = 0; i < ranges.n; i++) {
		uidset_add_range(out, ranges.r[i].lo, ranges.r[i].hi);
	}
}

static void
put_above(struct command *cmd, const struct uidset *gone, uint32_t floor)
{
	struct buf *out = c_out(cmd->im->s.c);
	struct uidset above = {0};

	for (size_t i = 0; i < gone->n; i++) {
		uint32_t lo = gone->r[i].lo, hi = gone->r[i].hi;

		if (hi > floor) {
			uidset_add_range(
			    &above, lo > floor ? lo : floor + 1, hi);
		}
	}
	if (above.n != 0) {
		buf_add_str(out, "* VANISHED (EARLIER) ");
		uidset_write(&above, out);
		buf_add_str(out, "\r\n");
		(void)c_drain(cmd->im->s.c);
	}
	uidset_deinit(&above);
}

void
resync_put_vanished(struct command *cmd, place_t since,
    const struct imap_set *set, uint32_t floor)
{
	struct uidset known = {0}, gone = {0};
	struct fail f;

	if (set != NULL) {
		known_uids(cmd, set, &known);
	}
	/* Where it is not known any more when they went, those are given that
	 * are not there; it says so by a failure. */
	(void)!mbox_vanished(
	    cmd->im->box.mbox, since, set != NULL ? &known : NULL, &gone, &f);
	put_above(cmd, &gone, floor);
	uidset_deinit(&known);
	uidset_deinit(&gone);
}

/* ---- SELECT ---- */

/* A walk over the numbers of a set without "*". */
struct walk {
	const struct imap_set *set;
	size_t i;
	uint32_t last; /* given; 0: none */
};

static bool
walk_next(struct walk *w, uint32_t *out)
{
	const struct imap_range *r;

	while (w->i < w->set->n) {
		r = &w->set->r[w->i];
		if (w->last < r->lo) {
			*out = w->last = r->lo;
			return true;
		}
		if (w->last < r->hi) {
			*out = ++w->last;
			return true;
		}
		w->i++;
	}
	return false;
}

/*
 * The highest UID up to which the client's numbers are right: of what was
 * below it and is gone it has heard already.  [RFC 7162 3.2.5.2]
 */
static uint32_t
matched(const struct mbox *mbox, const struct imap_select_args *a)
{
	struct walk seqs = {.set = &a->match_seqs};
	struct walk uids = {.set = &a->match_uids};
	uint32_t seq, uid, floor = 0;

	while (a->has_match && walk_next(&seqs, &seq) && seq <= mbox->exists
	       && walk_next(&uids, &uid)
	       && mbox_msg(mbox, seq - 1)->uid == uid) {
		floor = uid;
	}
	return floor;
}

static void
put_changed(struct command *cmd, uint32_t seq, place_t since)
{
	struct imap *im = cmd->im;
	const struct msg *m = mbox_msg(im->box.mbox, seq - 1);

	if (m->modseq > since) {
		tell_put_fetch(
		    c_out(im->s.c), im, im->box.mbox, seq, m, TELL_UID, true);
		(void)c_drain(im->s.c);
	}
	if (seq % YIELD_EVERY == 0) {
		park_yield(&im->s);
	}
}

void
resync_select(struct command *cmd)
{
	const struct imap_select_args *a = &cmd->c.select;
	const struct mbox *mbox = cmd->im->box.mbox;
	const struct imap_set *known = a->has_known ? &a->known : NULL;
	struct imap_set seqs = {0};

	if (a->uidvalidity != mbox->uidvalidity) {
		return;
	}
	resync_put_vanished(cmd, a->modseq, known, matched(mbox, a));
	if (known == NULL) {
		for (uint32_t seq = 1; seq <= mbox->exists; seq++) {
			put_changed(cmd, seq, a->modseq);
		}
		return;
	}
	if (command_set(cmd, known, true, &seqs) != 0) {
		return;
	}
	for (size_t i = 0; i < seqs.n; i++) {
		for (uint32_t seq = seqs.r[i].lo; seq <= seqs.r[i].hi; seq++) {
			put_changed(cmd, seq, a->modseq);
		}
	}
}
