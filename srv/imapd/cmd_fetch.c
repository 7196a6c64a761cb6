/* FETCH.  [RFC 3501 6.4.5, 7.4.2; RFC 7162 3.1.4; RFC 8474 5] */
#include "base/log.h"
#include "imapd/command.h"
#include "imapd/imapd.h"
#include "imapd/letter.h"
#include "imapd/objectid.h"
#include "imapd/piece.h"
#include "imapd/resync.h"
#include "imapd/tell.h"
#include "proto/imap_date.h"

enum {
	YIELD_EVERY = 32, /* messages */
	/* Items that need more than the message's state. */
	ATTS_OF_LETTER = ATT_ENVELOPE | ATT_BODY | ATT_BODYSTRUCTURE,
};

struct fetch {
	struct command *cmd;
	const struct imap_fetch_args *args;
	struct imap_set seqs;
	struct letter letter;
	struct uidset seen;   /* UIDs that this command makes \Seen */
	struct buf texts;     /* of the pieces in hand */
	struct piece *pieces; /* one a section */
	uint64_t n;	      /* messages answered */
	struct fail fail;     /* of a message that could not be read */
	bool broken;	      /* the connection is */
};

/* ---- \Seen ---- */

static bool
is_wanted(const struct fetch *f, const struct msg *m)
{
	return !f->args->changed || m->modseq > f->args->changed_since;
}

static void
find_unseen(struct fetch *f)
{
	const struct selected *box = &f->cmd->im->box;
	const struct mbox *mbox = tell_mbox(box);

	for (size_t i = 0; mbox->unseen != 0 && i < f->seqs.n; i++) {
		for (uint32_t seq = f->seqs.r[i].lo; seq <= f->seqs.r[i].hi;
		     seq++) {
			const struct msg *m = tell_msg(box, seq - 1);

			if ((m->flags & MSG_SEEN) == 0 && is_wanted(f, m)) {
				uidset_add(&f->seen, m->uid);
			}
		}
	}
}

/*
 * BODY[...] without PEEK sets \Seen: first, so that the new flags go out with
 * the same response.  A failure costs only the flag.
 */
static void
mark_seen(struct fetch *f)
{
	struct imap *im = f->cmd->im;
	const struct flag_change change = {
	    .how = FLAGS_ADD, .flags = MSG_SEEN, .durable = im->condstore};
	struct fail fail;

	if (im->box.read_only || !imap_fetch_sets_seen(f->args)) {
		return;
	}
	find_unseen(f);
	if (f->seen.n == 0) {
		return;
	}
	if (account_store(
		im->account, im->box.mbox_id, &f->seen, &change, NULL, &fail)
		!= 0
	    || tell_changes(
		   im, TELL_CLAIM | command_tell_uid(f->cmd), &f->seen, &fail)
		   != 0) {
		LOG(LOG_WARN, "seen.failed", kv_hex("session", im->s.id),
		    kv_fail(&fail));
		uidset_clear(&f->seen);
	}
}

/* ---- one message ---- */

static void
put_flags(const struct fetch *f, struct buf *out, const struct msg *m)
{
	const struct imap *im = f->cmd->im;

	tell_put_flags(out, &im->box, tell_mbox(&im->box), m);
	buf_add_char(out, ' ');
}

/* Items that are in the mailbox's state; each with a space behind it. */
static void
put_state(
    const struct fetch *f, struct buf *out, const struct msg *m, uint32_t atts)
{
	if ((atts & ATT_UID) != 0) {
		buf_add_str(out, "UID ");
		buf_add_u64(out, m->uid);
		buf_add_char(out, ' ');
	}
	if ((atts & ATT_FLAGS) != 0) {
		put_flags(f, out, m);
	}
	if ((atts & ATT_MODSEQ) != 0) {
		buf_add_str(out, "MODSEQ (");
		buf_add_u64(out, m->modseq);
		buf_add_str(out, ") ");
	}
	if ((atts & ATT_INTERNALDATE) != 0) {
		buf_add_str(out, "INTERNALDATE ");
		imap_put_date_time(out, m->date_ms, m->zone_min);
		buf_add_char(out, ' ');
	}
	if ((atts & ATT_SIZE) != 0) {
		buf_add_str(out, "RFC822.SIZE ");
		buf_add_u64(out, m->size);
		buf_add_char(out, ' ');
	}
	if ((atts & ATT_EMAILID) != 0) {
		buf_add_str(out, "EMAILID (");
		objectid_put_email(out, m->email_id);
		buf_add_str(out, ") ");
	}
	if ((atts & ATT_THREADID) != 0) {
		buf_add_str(out, "THREADID NIL ");
	}
}

static int
put_letter(struct fetch *f, struct buf *out, uint32_t atts)
{
	if ((atts & ATT_ENVELOPE) != 0) {
		buf_add_str(out, "ENVELOPE ");
		if (letter_envelope(&f->letter, out, &f->fail) != 0) {
			return -1;
		}
		buf_add_char(out, ' ');
	}
	if ((atts & ATT_BODY) != 0) {
		buf_add_str(out, "BODY ");
		if (letter_structure(&f->letter, false, out, &f->fail) != 0) {
			return -1;
		}
		buf_add_char(out, ' ');
	}
	if ((atts & ATT_BODYSTRUCTURE) != 0) {
		buf_add_str(out, "BODYSTRUCTURE ");
		if (letter_structure(&f->letter, true, out, &f->fail) != 0) {
			return -1;
		}
		buf_add_char(out, ' ');
	}
	return 0;
}

static int
find_pieces(struct fetch *f)
{
	buf_clear(&f->texts);
	for (size_t i = 0; i < f->args->n_sections; i++) {
		if (piece_find(&f->letter, &f->args->sections[i], &f->texts,
			&f->pieces[i], &f->fail)
		    != 0) {
			return -1;
		}
	}
	return 0;
}

/* The pieces, and the end of the response. */
static void
put_pieces(struct fetch *f)
{
	struct conn *c = f->cmd->im->s.c;

	for (size_t i = 0; i < f->args->n_sections; i++) {
		if (piece_put(c, &f->letter, &f->args->sections[i], &f->texts,
			&f->pieces[i])
		    != 0) {
			f->broken = true;
			return;
		}
		buf_add_char(c_out(c), ' ');
	}
}

/* What tells that this command set \Seen. */
static uint32_t
atts_of_seen(const struct fetch *f, const struct msg *m)
{
	if (f->seen.n == 0 || !uidset_has(&f->seen, m->uid)) {
		return 0;
	}
	return f->cmd->im->condstore ? ATT_FLAGS | ATT_MODSEQ : ATT_FLAGS;
}

static void
put_fetch(struct buf *out, uint32_t seq)
{
	buf_add_str(out, "* ");
	buf_add_u64(out, seq);
	buf_add_str(out, " FETCH (");
}

/* The space behind the last item makes room for the bracket. */
static void
put_fetch_end(struct buf *out)
{
	if (out->len != 0 && out->data[out->len - 1] == ' ') {
		out->len--;
	}
	buf_add_str(out, ")\r\n");
}

/* The message could not be read: its new flags are told all the same. */
static void
fetch_flags_alone(const struct fetch *f, uint32_t seq, const struct msg *m)
{
	struct buf *out = c_out(f->cmd->im->s.c);
	uint32_t atts = atts_of_seen(f, m);

	if (atts == 0) {
		return;
	}
	put_fetch(out, seq);
	put_state(f, out, m, atts | (f->args->atts & ATT_UID));
	put_fetch_end(out);
}

/*
 * Its octets were sent as they are: what is left is worth more to its reader
 * than nothing.  But not as if they were what came. [RFC 3501 7.1.2]
 */
static void
tell_damage(struct buf *out, const struct msg *m)
{
	buf_add_str(out, "* NO [CORRUPTION] The message with UID ");
	buf_add_u64(out, m->uid);
	buf_add_str(out, " is damaged: it is not what was received\r\n");
}

static void
fetch_message(struct fetch *f, uint32_t seq, const struct msg *m)
{
	struct conn *c = f->cmd->im->s.c;
	struct buf *out = c_out(c);
	size_t from = out->len;
	uint32_t atts = f->args->atts | atts_of_seen(f, m);

	letter_begin(&f->letter, mbox_msg(f->cmd->im->box.mbox, seq - 1));
	if (f->args->n_sections != 0 && find_pieces(f) != 0) {
		fetch_flags_alone(f, seq, m);
		return;
	}
	put_fetch(out, seq);
	put_state(f, out, m, atts);
	if ((atts & ATTS_OF_LETTER) != 0 && put_letter(f, out, atts) != 0) {
		out->len = from;
		fetch_flags_alone(f, seq, m);
		return;
	}
	put_pieces(f);
	/* The last item is in the buffer still: nothing was sent since. */
	put_fetch_end(c_out(c));
	if (f->letter.damaged) {
		tell_damage(c_out(c), m);
	}
	f->n++;
	f->broken = f->broken || c_drain(c) != 0;
}

/* ---- the command ---- */

static void
fetch_all(struct fetch *f)
{
	struct imap *im = f->cmd->im;

	for (size_t i = 0; i < f->seqs.n; i++) {
		for (uint32_t seq = f->seqs.r[i].lo; seq <= f->seqs.r[i].hi;
		     seq++) {
			const struct msg *m = tell_msg(&im->box, seq - 1);

			if (is_wanted(f, m)) {
				fetch_message(f, seq, m);
			}
			if (f->broken) {
				im->closing = true;
				return;
			}
			if (seq % YIELD_EVERY == 0) {
				park_yield(&im->s);
			}
		}
	}
}

static void
answer(struct fetch *f)
{
	switch (f->fail.kind) {
	case FAIL_NONE:
		reply_ok(f->cmd, NULL, "Fetch completed");
		break;
	case FAIL_ABSENT:
		reply_no(f->cmd, "EXPUNGEISSUED",
		    "Some of the messages have been deleted");
		break;
	case FAIL_TEMP:
	case FAIL_PERM:
	case FAIL_EXISTS:
	case FAIL_DENIED:
	case FAIL_LIMIT:
	case FAIL_SYNTAX:
	case FAIL_CORRUPT:
	case FAIL_CANCELLED:
	case FAIL_UNKNOWN:
		reply_fail(f->cmd, &f->fail);
		break;
	}
}

void
run_fetch(struct command *cmd)
{
	struct imap *im = cmd->im;
	struct fetch f = {.cmd = cmd, .args = &cmd->c.fetch};

	if (f.args->vanished && !im->qresync) {
		reply_bad(cmd, "QRESYNC was not enabled");
		return;
	}
	if ((f.args->atts & ATT_MODSEQ) != 0 && command_condstore(cmd) != 0) {
		return;
	}
	if (command_set(cmd, &f.args->set, cmd->c.uid, &f.seqs) != 0) {
		return;
	}
	mark_seen(&f);
	if (im->parting != NULL) {
		reply_no(cmd, "NONEXISTENT", im->parting);
		goto out;
	}
	if (f.args->n_sections != 0) {
		f.pieces = arena_array(
		    &cmd->arena, f.args->n_sections, sizeof(*f.pieces));
	}
	if (f.args->vanished) {
		resync_put_vanished(
		    cmd, f.args->changed_since, &f.args->set, 0);
	}
	letter_init(&f.letter, im->account, im->box.view, im->box.mbox);
	fetch_all(&f);
	letter_deinit(&f.letter);
	stat_add(&imapd.fetched, f.n);
	answer(&f);
out:
	uidset_deinit(&f.seen);
	buf_deinit(&f.texts);
}
