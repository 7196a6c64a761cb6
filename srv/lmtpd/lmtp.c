/*
 * lmtp: LMTP for any mail transfer agent.  [RFC 2033]
 *
 * Threads: session-owned.
 */
#include "base/log.h"
#include "base/mem.h"
#include "lmtpd/session.h"
#include "mail/received.h"
#include "net/conn.h"

static const struct smtp_reply *
lmtp_hello(struct receiver *r UNUSED, const struct smtp_cmd *cmd UNUSED)
{
	return NULL;
}

static const struct smtp_reply *
lmtp_mail(struct receiver *r UNUSED, const struct smtp_mail *mail UNUSED)
{
	static const struct smtp_reply good = {250, "2.1.0", "OK"};

	return &good;
}

static const struct smtp_reply *
lmtp_rcpt(struct receiver *r, const struct smtp_rcpt *rcpt)
{
	return envelope_add(&lmtp_session_of(r)->envelope, rcpt,
	    r->mail.params.size, r->id, &r->arena);
}

/* Return-Path and Received.  [RFC 5321 4.4] */
static void
lmtp_head(struct receiver *r, struct buf *to)
{
	const struct envelope *e = &lmtp_session_of(r)->envelope;
	char peer[ADDR_TEXT_SIZE];
	bool local = r->s.peer.family == AF_UNIX;

	const struct received received = {
	    .helo = sv_cstr(r->helo),
	    .address = local ? SV_EMPTY : sv_cstr(addr_text(&r->s.peer, peer)),
	    .by = sv_cstr(r->conf->host),
	    .with = r->mail.params.utf8 ? SV("UTF8LMTP") : SV("LMTP"),
	    .id = sv_cstr(r->id),
	    /* With several, one would be told of the others. [RFC 5321 7.6] */
	    .rcpt = e->n_rcpts == 1 ? e->rcpts[0].address : SV_EMPTY,
	    .date = date_now(),
	};

	received_return_path(r->sender, to);
	received_format(&received, to);
}

static void
lmtp_message(struct receiver *r)
{
	struct content content = {
	    .fd = spool_in_memory(&r->body) ? -1 : r->body.fd,
	    .prefix = r->prefix,
	};
	struct fail f;

	if (spool_text(&r->body, &content.text, &f) != 0) {
		LOG(LOG_ERROR, "delivery.failed", kv_str("id", r->id),
		    kv_fail(&f));
		receiver_answer(r, smtp_reply_for(FAIL_TEMP));
		return;
	}
	session_deliver(lmtp_session_of(r), &content);
}

static void
lmtp_reset(struct receiver *r)
{
	lmtp_session_of(r)->envelope = (struct envelope){0};
}

static const struct smtp_reply *
lmtp_other(struct receiver *r UNUSED, const struct smtp_cmd *cmd UNUSED)
{
	return &smtp_bad_sequence;
}

static const struct receiver_ops lmtp_ops = {
    .hello = lmtp_hello,
    .mail = lmtp_mail,
    .rcpt = lmtp_rcpt,
    .head = lmtp_head,
    .message = lmtp_message,
    .reset = lmtp_reset,
    .other = lmtp_other,
};

static enum verdict
lmtp_run(struct session *session, unsigned why)
{
	struct lmtp_session *s = (struct lmtp_session *)session;
	struct receiver *r = &s->r;

	if ((why & WHY_START) != 0) {
		r->conf = &lmtpd.lmtp;
		r->ops = &lmtp_ops;
	}
	if (!receiver_begin(r, why)) {
		return r->closing ? V_CLOSE : V_PARK;
	}
	session_note_input(s);
	return receiver_run(r);
}

static void
lmtp_close(struct session *session)
{
	struct lmtp_session *s = (struct lmtp_session *)session;

	session_settle(s, s->n_claims > 0 && conn_taken(session->c));
	receiver_deinit(&s->r);
}

struct protocol lmtp_protocol = {
    .name = "lmtp",
    .session_size = sizeof(struct lmtp_session),
    .run = lmtp_run,
    .close = lmtp_close,
};
