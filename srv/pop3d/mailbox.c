/*
 * mailbox: the TRANSACTION and UPDATE states but for RETR.  [RFC 1939 5, 6]
 *
 * Threads: session-owned.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/park.h"
#include "pop3d/session.h"
#include "pop3d/size.h"
#include "proto/pop3_reply.h"

static bool
pop3_is_deleted(const struct pop3_session *s, uint32_t index)
{
	return s->deleted != NULL
	       && (s->deleted[index / 64] >> (index % 64) & 1) != 0;
}

const struct msg *
pop3_message(
    struct pop3_session *s, const struct pop3_cmd *cmd, uint32_t *index_out)
{
	if (cmd->number == 0 || cmd->number > s->mbox->exists
	    || pop3_is_deleted(s, cmd->number - 1)) {
		pop3_say_err(s, "No such message");
		return NULL;
	}
	*index_out = cmd->number - 1;
	return mbox_msg(s->mbox, *index_out);
}

/* ---- STAT and LIST ---- */

void
pop3_stat(struct pop3_session *s)
{
	struct sizer *sizer =
	    sizer_new(s->account, s->view, s->mbox, pop3_wants_ascii(s));
	uint64_t octets = 0;
	uint64_t size;
	struct fail f;

	for (uint32_t i = 0; i < s->mbox->exists; i++) {
		if (pop3_is_deleted(s, i)) {
			continue;
		}
		if (sizer_get(sizer, mbox_msg(s->mbox, i), &size, &f) == 0) {
			octets += size;
		}
		park_yield(&s->s);
	}
	sizer_free(&sizer);
	(void)c_writef(s->s.c, "+OK %u %" PRIu64 "\r\n",
	    s->mbox->exists - s->n_deleted, octets);
}

static void
list_all(struct pop3_session *s)
{
	struct sizer *sizer =
	    sizer_new(s->account, s->view, s->mbox, pop3_wants_ascii(s));
	struct fail f;

	(void)c_writef(
	    s->s.c, "+OK %u messages\r\n", s->mbox->exists - s->n_deleted);
	for (uint32_t i = 0; i < s->mbox->exists; i++) {
		const struct msg *msg = mbox_msg(s->mbox, i);
		uint64_t size;

		if (pop3_is_deleted(s, i)) {
			continue;
		}
		if (sizer_get(sizer, msg, &size, &f) != 0) {
			size = msg->size; /* RETR will say what is wrong */
		}
		struct buf *out = c_out(s->s.c);

		buf_add_u64(out, (uint64_t)i + 1);
		buf_add_char(out, ' ');
		buf_add_u64(out, size);
		buf_add_str(out, "\r\n");
		if (c_drain(s->s.c) != 0) {
			break;
		}
		park_yield(&s->s);
	}
	sizer_free(&sizer);
	(void)c_write(s->s.c, SV(".\r\n"));
}

void
pop3_list(struct pop3_session *s, const struct pop3_cmd *cmd)
{
	const struct msg *msg;
	struct sizer *sizer;
	uint32_t index;
	uint64_t size;
	struct fail f;

	if (!cmd->has_number) {
		list_all(s);
		return;
	}
	msg = pop3_message(s, cmd, &index);
	if (msg == NULL) {
		return;
	}
	sizer = sizer_new(s->account, s->view, s->mbox, pop3_wants_ascii(s));
	if (sizer_get(sizer, msg, &size, &f) != 0) {
		pop3_say_err(s, pop3_fail_text(f.kind, false));
	} else {
		(void)c_writef(
		    s->s.c, "+OK %u %" PRIu64 "\r\n", cmd->number, size);
	}
	sizer_free(&sizer);
}

/* ---- UIDL ---- */

/*
 * The id that a message came with from elsewhere, or that of its file, which
 * no other message ever has [docs/store.md].
 */
static void
add_uidl(const struct mbox *mbox, const struct msg *msg, struct buf *to)
{
	struct sv known = mbox_uidl(mbox, msg);

	if (known.len > 0) {
		buf_add_sv(to, known);
	} else {
		buf_addf(to, "%012" PRIx64 "%016" PRIx64, msg->placement[0],
		    msg->placement[1]);
	}
}

static void
uidl_line(struct pop3_session *s, uint32_t index, const char *before)
{
	struct buf *out = c_out(s->s.c);

	buf_add_str(out, before);
	buf_add_u64(out, (uint64_t)index + 1);
	buf_add_char(out, ' ');
	add_uidl(s->mbox, mbox_msg(s->mbox, index), out);
	buf_add_str(out, "\r\n");
}

void
pop3_uidl(struct pop3_session *s, const struct pop3_cmd *cmd)
{
	uint32_t index;

	if (cmd->has_number) {
		if (pop3_message(s, cmd, &index) != NULL) {
			uidl_line(s, index, "+OK ");
		}
		return;
	}
	pop3_say_ok(s, "Unique ids follow");
	for (uint32_t i = 0; i < s->mbox->exists; i++) {
		if (!pop3_is_deleted(s, i)) {
			uidl_line(s, i, "");
		}
		if (c_drain(s->s.c) != 0) {
			return;
		}
		park_yield(&s->s);
	}
	(void)c_write(s->s.c, SV(".\r\n"));
}

/* ---- DELE, RSET, and the update ---- */

void
pop3_dele(struct pop3_session *s, const struct pop3_cmd *cmd)
{
	uint32_t index;

	if (pop3_message(s, cmd, &index) == NULL) {
		return;
	}
	if (s->deleted == NULL) {
		s->deleted = xcalloc(
		    (size_t)s->mbox->exists / 64 + 1, sizeof(*s->deleted));
	}
	s->deleted[index / 64] |= UINT64_C(1) << (index % 64);
	s->n_deleted++;
	pop3_say_ok(s, "Deleted");
}

void
pop3_rset(struct pop3_session *s)
{
	free(s->deleted);
	s->deleted = NULL;
	s->n_deleted = 0;
	pop3_say_ok(s, "");
}

static int
expunge(struct pop3_session *s, struct fail *f)
{
	struct uidset uids = {0};
	int rc;

	for (uint32_t i = 0; i < s->mbox->exists; i++) {
		if (pop3_is_deleted(s, i)) {
			uidset_add(&uids, mbox_msg(s->mbox, i)->uid);
		}
	}
	rc = account_expunge(s->account, s->mbox->id, &uids, true, f);
	uidset_deinit(&uids);
	return rc;
}

/* All at once, and on disk before the answer; what somebody else expunged
 * meanwhile is gone as asked. */
void
pop3_update(struct pop3_session *s)
{
	struct fail f;

	if (s->n_deleted == 0) {
		pop3_say_ok(s, "Goodbye");
		return;
	}
	if (expunge(s, &f) != 0) {
		LOG(LOG_ERROR, "expunge.failed", kv_hex("session", s->s.id),
		    kv_fail(&f));
		pop3_say_err(
		    s, f.kind == FAIL_PERM || f.kind == FAIL_CORRUPT
			   ? "[SYS/PERM] The messages were not deleted"
			   : "[SYS/TEMP] The messages were not deleted");
		return;
	}
	stat_add(&pop3d.deleted, s->n_deleted);
	LOG(LOG_INFO, "deleted", kv_hex("session", s->s.id),
	    kv_u64("messages", s->n_deleted));
	pop3_say_ok(s, "Goodbye");
}
