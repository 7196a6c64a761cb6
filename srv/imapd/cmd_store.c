/* STORE.  [RFC 3501 6.4.6; RFC 2180 4.2; RFC 7162 3.1.3] */
#include "base/log.h"
#include "imapd/command.h"
#include "imapd/tell.h"

enum { YIELD_EVERY = 64 }; /* messages */

struct storing {
	struct command *cmd;
	const struct imap_store_args *args;
	struct imap_set seqs;	  /* in the view as it was told */
	struct uidset uids;	  /* of these */
	struct uidset modified;	  /* that failed the condition */
	const struct mbox *after; /* the mailbox as it is now */
	bool expunged;		  /* some of the messages have gone */
};

/* The flags that the client takes for set once its STORE is done, if nobody
 * else changed the message. */
static uint32_t
expected_flags(const struct imap_store_args *a, const struct msg *m)
{
	switch (a->how) {
	case IMAP_STORE_SET:
		return a->flags.system;
	case IMAP_STORE_ADD:
		return m->flags | a->flags.system;
	case IMAP_STORE_REMOVE:
		break;
	}
	return m->flags & ~a->flags.system;
}

static uint64_t
expected_keywords(const struct storing *s, const struct msg *m)
{
	const struct imap_flags *flags = &s->args->flags;
	uint64_t named = 0;

	for (size_t i = 0; i < flags->n_keywords; i++) {
		int bit = mbox_keyword(s->after, flags->keywords[i]);

		named |= bit >= 0 ? (uint64_t)1 << bit : 0;
	}
	switch (s->args->how) {
	case IMAP_STORE_SET:
		return named;
	case IMAP_STORE_ADD:
		return m->keywords | named;
	case IMAP_STORE_REMOVE:
		break;
	}
	return m->keywords & ~named;
}

/* .SILENT keeps quiet about what the client can tell by itself. */
static bool
is_known(const struct storing *s, const struct msg *was, const struct msg *is)
{
	return s->args->silent && is->flags == expected_flags(s->args, was)
	       && is->keywords == expected_keywords(s, was);
}

static const struct msg *
find_now(const struct mbox *mbox, uint32_t uid)
{
	uint32_t at = mbox_index(mbox, uid);
	const struct msg *m = at < mbox->exists ? mbox_msg(mbox, at) : NULL;

	return m != NULL && m->uid == uid ? m : NULL;
}

static void
answer_message(struct storing *s, uint32_t seq, const struct msg *was)
{
	struct imap *im = s->cmd->im;
	const struct msg *is = find_now(s->after, was->uid);
	bool known;

	if (is == NULL) {
		s->expunged = true;
		return;
	}
	known = is_known(s, was, is) && !uidset_has(&s->modified, is->uid);
	if (!known || (im->condstore && is->modseq != was->modseq)) {
		tell_put_fetch(c_out(im->s.c), im, s->after, seq, is,
		    command_tell_uid(s->cmd), !known);
		(void)c_drain(im->s.c);
	}
}

/* What became of each message named, by its number in `before`. */
static void
answer_messages(struct storing *s, const struct mbox *before)
{
	for (size_t i = 0; i < s->seqs.n; i++) {
		for (uint32_t seq = s->seqs.r[i].lo; seq <= s->seqs.r[i].hi;
		     seq++) {
			answer_message(s, seq, mbox_msg(before, seq - 1));
			if (seq % YIELD_EVERY == 0) {
				park_yield(&s->cmd->im->s);
			}
		}
	}
}

/* Bring the session to a view that has the change, or to look at one, saying
 * nothing of the messages named: that is for answer_messages(). */
static int
catch_up(struct storing *s, struct fail *f)
{
	struct imap *im = s->cmd->im;

	if (tell_changes(im, TELL_CLAIM | command_tell_uid(s->cmd), &s->uids, f)
	    != 0) {
		return -1;
	}
	s->after = tell_mbox(&im->box);
	return 0;
}

/* "MODIFIED 7,9" */
static void
put_modified(struct storing *s, const struct mbox *before, struct buf *to)
{
	struct uidset seqs = {0};

	buf_add_str(to, "MODIFIED ");
	if (s->cmd->c.uid) {
		uidset_write(&s->modified, to);
		return;
	}
	for (size_t i = 0; i < s->modified.n; i++) {
		const struct uid_range *r = &s->modified.r[i];
		uint32_t at = mbox_index(before, r->lo);

		while (
		    at < before->exists && mbox_msg(before, at)->uid <= r->hi) {
			uidset_add(&seqs, ++at);
		}
	}
	uidset_write(&seqs, to);
	uidset_deinit(&seqs);
}

static void
answer(struct storing *s, const struct mbox *before)
{
	bool gone = s->expunged && !s->args->silent;

	if (gone) {
		reply_no(s->cmd, "EXPUNGEISSUED",
		    "Some of the messages have been deleted");
	} else {
		reply_ok(s->cmd, NULL,
		    s->modified.n != 0 ? "Some were changed since"
				       : "Store completed");
	}
	if (s->modified.n != 0) {
		buf_clear(&s->cmd->code);
		put_modified(s, before, &s->cmd->code);
	}
}

static void
store_and_answer(struct storing *s, const struct mbox *before)
{
	const struct imap_store_args *a = s->args;
	struct imap *im = s->cmd->im;
	const struct flag_change change = {
	    .how = a->how == IMAP_STORE_SET   ? FLAGS_SET
		   : a->how == IMAP_STORE_ADD ? FLAGS_ADD
					      : FLAGS_REMOVE,
	    .flags = a->flags.system,
	    .keywords = a->flags.keywords,
	    .n_keywords = a->flags.n_keywords,
	    .conditional = a->conditional,
	    .unchanged_since = a->unchanged_since,
	    .durable = im->condstore,
	};
	struct fail f;

	if (account_store(im->account, im->box.mbox_id, &s->uids, &change,
		&s->modified, &f)
		!= 0
	    || catch_up(s, &f) != 0) {
		reply_fail(s->cmd, &f);
		return;
	}
	if (im->parting != NULL) {
		reply_no(s->cmd, "NONEXISTENT", "The mailbox has gone");
		return;
	}
	answer_messages(s, before);
	answer(s, before);
}

void
run_store(struct command *cmd)
{
	struct imap *im = cmd->im;
	struct storing s = {.cmd = cmd, .args = &cmd->c.store};
	/* The numbers of the answers are those of the view as it is now. */
	const struct mbox *before = im->box.mbox;
	struct view *view = NULL;

	if (!command_writable(cmd)
	    || command_set(cmd, &s.args->set, cmd->c.uid, &s.seqs) != 0
	    || command_uids(cmd, &s.args->set, cmd->c.uid, &s.uids) != 0) {
		return;
	}
	if (s.args->conditional && command_condstore(cmd) != 0) {
		goto out;
	}
	if (s.uids.n == 0) {
		reply_ok(cmd, NULL, "There is nothing to store");
		goto out;
	}
	view = view_ref(im->box.view);
	store_and_answer(&s, before);
out:
	view_unref(&view);
	uidset_deinit(&s.uids);
	uidset_deinit(&s.modified);
}
