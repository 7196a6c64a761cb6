/* SEARCH.  [RFC 3501 6.4.4, 7.2.5; RFC 4731, 5182; RFC 7162 3.1.5] */
#include <inttypes.h>

#include "imapd/command.h"
#include "imapd/matcher.h"
#include "imapd/tell.h"
#include "proto/imap_out.h"

enum { YIELD_EVERY = 32 }; /* messages */

struct search {
	struct command *cmd;
	const struct imap_search_args *args;
	struct uidset found; /* numbers as the client is told them */
	struct uidset uids;  /* the same as UIDs, for SAVE */
	uint64_t count;
	place_t modseq; /* highest of all that were found */
	place_t first_modseq, last_modseq;
};

static void
add(struct search *s, uint32_t seq, const struct msg *m)
{
	uidset_add(&s->found, s->cmd->c.uid ? m->uid : seq);
	if ((s->args->returns & RETURN_SAVE) != 0) {
		uidset_add(&s->uids, m->uid);
	}
	if (s->count == 0) {
		s->first_modseq = m->modseq;
	}
	s->last_modseq = m->modseq;
	s->modseq = m->modseq > s->modseq ? m->modseq : s->modseq;
	s->count++;
}

static void
find(struct search *s, struct matcher *matcher)
{
	struct imap *im = s->cmd->im;
	const struct imap_set *range = matcher_range(matcher);
	/* The lowest alone is wanted. */
	bool first = (s->args->returns & ~(unsigned)RETURN_SAVE) == RETURN_MIN;

	for (size_t i = 0; i < range->n; i++) {
		for (uint32_t seq = range->r[i].lo; seq <= range->r[i].hi;
		     seq++) {
			const struct msg *m = tell_msg(&im->box, seq - 1);

			if (matcher_match(matcher, seq, m)) {
				add(s, seq, m);
				if (first) {
					return;
				}
			}
			if (seq % YIELD_EVERY == 0
			    || matcher_has_read(matcher)) {
				park_yield(&im->s);
			}
		}
	}
}

/* ---- the answer ---- */

static void
put_search(struct search *s)
{
	struct conn *c = s->cmd->im->s.c;
	struct buf *out = c_out(c);

	buf_add_str(out, "* SEARCH");
	for (size_t i = 0; i < s->found.n; i++) {
		uint64_t hi = s->found.r[i].hi;

		for (uint64_t n = s->found.r[i].lo; n <= hi; n++) {
			buf_add_char(out, ' ');
			buf_add_u64(out, n);
			(void)c_drain(c);
			out = c_out(c);
		}
	}
	if (s->args->modseq && s->count != 0) {
		buf_addf(out, " (MODSEQ %" PRIu64 ")", s->modseq);
	}
	buf_add_str(out, "\r\n");
}

/* Of MIN or MAX alone their own, else the highest of all.  [RFC 4731 3.2] */
static place_t
modseq_told(const struct search *s)
{
	unsigned returns = s->args->returns;

	if ((returns & (RETURN_ALL | RETURN_COUNT)) != 0) {
		return s->modseq;
	}
	switch (returns & (RETURN_MIN | RETURN_MAX)) {
	case RETURN_MIN:
		return s->first_modseq;
	case RETURN_MAX:
		return s->last_modseq;
	case RETURN_MIN | RETURN_MAX:
		return s->first_modseq > s->last_modseq ? s->first_modseq
							: s->last_modseq;
	default:
		return s->modseq;
	}
}

static uint32_t
highest(const struct uidset *set)
{
	return set->r[set->n - 1].hi;
}

static void
put_esearch(struct search *s)
{
	struct buf *out = c_out(s->cmd->im->s.c);
	unsigned returns = s->args->returns;

	buf_add_str(out, "* ESEARCH (TAG ");
	imap_put_string(out, s->cmd->c.tag);
	buf_add_str(out, s->cmd->c.uid ? ") UID" : ")");
	if ((returns & RETURN_COUNT) != 0) {
		buf_addf(out, " COUNT %" PRIu64, s->count);
	}
	if (s->count != 0) {
		if ((returns & RETURN_MIN) != 0) {
			buf_addf(out, " MIN %" PRIu32, s->found.r[0].lo);
		}
		if ((returns & RETURN_MAX) != 0) {
			buf_addf(out, " MAX %" PRIu32, highest(&s->found));
		}
		if ((returns & RETURN_ALL) != 0) {
			buf_add_str(out, " ALL ");
			uidset_write(&s->found, out);
		}
		if (s->args->modseq) {
			buf_addf(out, " MODSEQ %" PRIu64, modseq_told(s));
		}
	}
	buf_add_str(out, "\r\n");
	(void)c_drain(s->cmd->im->s.c);
}

/* [RFC 5182 2.4] */
static void
save(struct search *s)
{
	struct uidset *saved = &s->cmd->im->box.saved;
	unsigned returns = s->args->returns;
	bool all = (returns & (RETURN_MIN | RETURN_MAX)) == 0
		   || (returns & (RETURN_ALL | RETURN_COUNT)) != 0;

	uidset_clear(saved);
	if (s->count == 0) {
		return;
	}
	if (all) {
		uidset_deinit(saved);
		*saved = s->uids;
		s->uids = (struct uidset){0};
		return;
	}
	if ((returns & RETURN_MIN) != 0) {
		uidset_add(saved, s->uids.r[0].lo);
	}
	if ((returns & RETURN_MAX) != 0) {
		uidset_add(saved, highest(&s->uids));
	}
}

void
run_search(struct command *cmd)
{
	struct search s = {.cmd = cmd, .args = &cmd->c.search};
	struct matcher *matcher;

	if (s.args->modseq && command_condstore(cmd) != 0) {
		return;
	}
	matcher = matcher_new(cmd, s.args);
	if (matcher == NULL) {
		if (cmd->status == REPLY_NO
		    && (s.args->returns & RETURN_SAVE) != 0) {
			uidset_clear(&cmd->im->box.saved);
		}
		return;
	}
	find(&s, matcher);
	matcher_deinit(matcher);
	if ((s.args->returns & RETURN_SAVE) != 0) {
		save(&s);
	}
	if (!s.args->extended) {
		put_search(&s);
	} else if (s.args->returns != RETURN_SAVE) {
		put_esearch(&s);
	}
	uidset_deinit(&s.found);
	uidset_deinit(&s.uids);
	reply_ok(cmd, NULL, "Search completed");
}
