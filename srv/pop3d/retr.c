/*
 * retr: RETR and TOP.  [RFC 1939 5, 7]
 *
 * The file is read in pieces and sent as it comes; a message that somebody
 * expunged meanwhile is served as long as the store keeps it.
 *
 * Threads: session-owned.
 */
#include "base/block.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/park.h"
#include "pop3d/opening.h"
#include "pop3d/session.h"
#include "proto/pop3_dots.h"
#include "proto/pop3_reply.h"

bool
pop3_wants_ascii(const struct pop3_session *s)
{
	return !s->utf8 && pop3d.set->pop3_downgrade;
}

/* One message on its way out. */
struct outgoing {
	struct pop3_session *s;
	const struct msg *msg;
	int fd;
	struct opening in;
	struct buf piece;
	struct sv text; /* of the piece: not yet sent */
};

static int
send_text(struct outgoing *o, struct pop3_dots *dots)
{
	struct sv run;

	while (pop3_dots_next(dots, &o->text, &run)) {
		if (c_write(o->s->s.c, run) != 0) {
			return -1;
		}
	}
	return 0;
}

static void
log_damaged(const struct outgoing *o, const struct fail *f)
{
	LOG(LOG_ERROR, "message.damaged", kv_hex("session", o->s->s.id),
	    kv_u64("uid", o->msg->uid), kv_fail(f));
}

/*
 * Send the piece that was read, if there are `more`, and the rest.  Once the answer has begun there is no way
 * to take it back: the connection ends without the dot, so that no client
 * takes a part for the whole.
 */
static void
send_all(struct outgoing *o, const struct pop3_cmd *cmd, int more)
{
	struct pop3_dots dots;
	struct fail f;

	pop3_dots_init(&dots, cmd->verb == POP3_TOP, cmd->lines);
	pop3_say_ok(o->s, "Message follows");
	while (more > 0) {
		o->text = buf_sv(&o->piece);
		if (send_text(o, &dots) != 0) {
			return;
		}
		if (dots.done) {
			break;
		}
		park_yield(&o->s->s);
		more = opening_next(&o->in, &o->piece, &f);
	}
	if (more < 0) {
		log_damaged(o, &f);
		o->s->closing = true;
		return;
	}
	/* What is damaged was sent as it is: it is more than nothing, and a
	 * refusal would stop most clients short of all other mail. */
	if (o->in.at == o->msg->size) {
		(void)msg_is_intact(o->s->account, o->msg, o->in.sum);
	}
	stat_add(&pop3d.retrieved, cmd->verb == POP3_RETR ? 1 : 0);
	(void)c_write(o->s->s.c, pop3_dots_end(&dots));
}

static void
send_message(struct outgoing *o, const struct pop3_cmd *cmd)
{
	struct fail f;
	int more = opening_begin(
	    &o->in, o->fd, o->msg->size, pop3_wants_ascii(o->s), &f);

	if (more == 0) {
		more = opening_next(&o->in, &o->piece, &f);
	}
	if (more < 0) {
		log_damaged(o, &f);
		pop3_say_err(o->s, pop3_fail_text(f.kind, false));
	} else {
		send_all(o, cmd, more);
	}
	opening_end(&o->in);
	buf_deinit(&o->piece);
}

void
pop3_retr(struct pop3_session *s, const struct pop3_cmd *cmd)
{
	struct outgoing o = {.s = s, .fd = -1};
	uint32_t index;
	struct fail f;

	o.msg = pop3_message(s, cmd, &index);
	if (o.msg == NULL) {
		return;
	}
	if (msg_open(s->account, o.msg, &o.fd, &f) != 0) {
		if (f.kind != FAIL_ABSENT) {
			LOG(LOG_ERROR, "message.failed",
			    kv_hex("session", s->s.id),
			    kv_u64("uid", o.msg->uid), kv_fail(&f));
		}
		pop3_say_err(s, f.kind == FAIL_ABSENT
				    ? "The message is gone"
				    : pop3_fail_text(f.kind, false));
		return;
	}
	send_message(&o, cmd);
	msg_close(s->account, &o.fd);
}
