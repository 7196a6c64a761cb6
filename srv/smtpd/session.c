#include "smtpd/session.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/tls.h"

static const struct smtp_reply not_offered = {
    502, "5.5.1", "Command not implemented"};

/* ---- greetings ---- */

static const struct smtp_reply *
judge_helo(struct sv name)
{
	static const struct smtp_reply bad = {
	    501, "", "Not a host name or address literal"};

	if (!smtpd.set->smtp_helo_check || smtp_domain_valid(name)
	    || smtp_literal_valid(name)) {
		return NULL;
	}
	return &bad;
}

/* Which extensions are in force now. */
static const struct smtp_reply *
smtp_hello(struct receiver *r, const struct smtp_cmd *cmd)
{
	static const struct smtp_reply away = {
	    421, "", "Cannot serve now; try again later"};
	struct smtp_session *s = smtp_session_of(r);
	const struct smtp_reply *bad = judge_helo(cmd->arg);

	if (bad != NULL) {
		return bad;
	}
	r->ext = r->conf->ext;
	if (tls_available() && !c_is_tls(r->s.c)) {
		r->ext |= SMTP_EXT_STARTTLS;
	}
	if (!s->submission || s->user != NULL || !c_is_private(r->s.c)) {
		return NULL;
	}
	/* Only lmtpd knows what can be offered to this peer. */
	if (hand_name(s)->code != 250) {
		return &away;
	}
	hand_release(s);
	r->ext |= SMTP_EXT_AUTH;
	r->mechs = s->hand.mech;
	r->n_mechs = s->hand.n_mechs;
	return NULL;
}

static const struct smtp_reply *
smtp_starttls(struct smtp_session *s)
{
	static const struct smtp_reply again = {503, "5.5.1", "TLS is on"};
	static const struct smtp_reply none = {
	    454, "4.7.0", "TLS is not available now"};
	static const struct smtp_reply smuggled = {
	    503, "5.5.1", "Nothing may follow STARTTLS; closing"};
	struct receiver *r = &s->r;

	if (c_is_tls(r->s.c)) {
		return &again;
	}
	if (!tls_available()) {
		return &none;
	}
	int rc = c_starttls(r->s.c, SV("220 2.0.0 Ready to start TLS\r\n"));

	if (rc == -EBADMSG) {
		LOG(LOG_WARN, "starttls.injection", kv_hex("session", r->s.id));
		receiver_leave(r, &smuggled);
	} else if (rc != 0) {
		r->closing = true;
	}
	/* Nothing said before is known any more. [RFC 3207 4.2] */
	free(s->user);
	s->user = NULL;
	hand_release(s);
	receiver_forget(r);
	return NULL;
}

static const struct smtp_reply *
smtp_other(struct receiver *r, const struct smtp_cmd *cmd)
{
	struct smtp_session *s = smtp_session_of(r);

	if (cmd->verb == SMTP_STARTTLS) {
		return smtp_starttls(s);
	}
	return s->submission ? smtp_auth(s, &cmd->auth) : &not_offered;
}

/* ---- the envelope ---- */

/* On port 25 lmtpd is asked with the first recipient. */
static const struct smtp_reply *
smtp_mail(struct receiver *r, const struct smtp_mail *mail)
{
	static const struct smtp_reply good = {250, "2.1.0", "OK"};
	static const struct smtp_reply sign_in = {
	    530, "5.7.0", "Authentication required"};
	struct smtp_session *s = smtp_session_of(r);

	if (!s->submission) {
		return &good;
	}
	return s->user != NULL ? hand_mail(s, mail) : &sign_in;
}

/* Is it the address that the client came to? */
static bool
is_own_literal(const struct session *s, struct sv literal)
{
	struct sv text = sv_sub(literal, 1, literal.len - 2);
	struct addr addr;
	struct fail f;

	if (sv_starts_nocase(text, SV("IPv6:"))) {
		text = sv_from(text, 5);
	}
	return addr_parse(text, &addr, &f) == 0 && addr_eq(&addr, &s->local);
}

/* Postmaster at the host itself, for whoever knows no more of it than its
 * address, is the one without a domain.  [RFC 5321 4.5.1, 4.1.3] */
static struct smtp_path
without_own_literal(const struct session *s, const struct smtp_path *path)
{
	struct smtp_path plain = *path;

	if (path->literal && sv_eq_nocase(path->local, SV("postmaster"))
	    && is_own_literal(s, path->domain)) {
		plain = (struct smtp_path){
		    .kind = SMTP_PATH_POSTMASTER, .local = path->local};
	}
	return plain;
}

static const struct smtp_reply *
smtp_rcpt(struct receiver *r, const struct smtp_rcpt *rcpt)
{
	struct smtp_session *s = smtp_session_of(r);
	const struct smtp_rcpt asked = {
	    .path = without_own_literal(&r->s, &rcpt->path),
	    .params = rcpt->params,
	};
	const struct smtp_reply *reply = hand_rcpt(s, &asked);

	if (reply->code < 300 && r->n_rcpts == 0) {
		struct buf text = {0};

		smtp_path_write(&rcpt->path, &text);
		s->first_rcpt = arena_sv(&r->arena, buf_sv(&text));
		buf_deinit(&text);
	}
	return reply;
}

/* ---- the message ---- */

static void
head(struct receiver *r, struct buf *to)
{
	struct smtp_session *s = smtp_session_of(r);

	smtp_head(s, to);
	if (s->submission) {
		r->body.settle = smtp_complete;
		r->body.settle_arg = s;
	}
}

static void
smtp_message(struct receiver *r)
{
	struct smtp_session *s = smtp_session_of(r);
	const struct smtp_reply *reply = hand_message(s);
	bool good = reply->code < 300;
	char peer[ADDR_TEXT_SIZE];

	stat_add(&smtpd.messages, 1);
	stat_add(&smtpd.accepted, good ? 1 : 0);
	LOG(LOG_INFO, good ? "message.accepted" : "message.refused",
	    kv_str("id", r->id), kv_str("peer", addr_text(&r->s.peer, peer)),
	    kv_str("user", s->user != NULL ? s->user : ""),
	    kv_sv("sender", r->sender), kv_u64("recipients", r->n_rcpts),
	    kv_u64("size", spool_size(&r->body)), kv_u64("code", reply->code),
	    kv_str("status", reply->status));
	if (!good) {
		hand_done(s, false);
		receiver_reply(r, reply);
		return;
	}
	receiver_reply(r, reply);
	/* Only what comes in behind this shows that the answer was read. */
	if (c_flush(r->s.c) != 0) {
		r->closing = true;
	}
	s->unconfirmed = true;
	s->in_at = conn_bytes_in(r->s.c);
}

static void
settle(struct smtp_session *s, bool kept)
{
	if (s->unconfirmed) {
		s->unconfirmed = false;
		hand_done(s, kept);
	}
	if (s->user == NULL) {
		hand_release(s);
	}
}

static void
smtp_reset(struct receiver *r)
{
	struct smtp_session *s = smtp_session_of(r);

	s->first_rcpt = SV_EMPTY;
	if (s->user != NULL) {
		hand_reset(s);
	} else if (!s->unconfirmed) {
		hand_release(s);
	}
}

static const struct receiver_ops smtp_ops = {
    .hello = smtp_hello,
    .mail = smtp_mail,
    .rcpt = smtp_rcpt,
    .head = head,
    .message = smtp_message,
    .reset = smtp_reset,
    .other = smtp_other,
};

/* ---- the session ---- */

static void
begin(struct smtp_session *s)
{
	struct receiver *r = &s->r;

	s->submission = r->s.proto == &submission_protocol;
	r->conf = s->submission ? &smtpd.submission : &smtpd.mx;
	r->ops = &smtp_ops;
	/* Who does not wait for the greeting is hardly a mail server. */
	if (!s->submission && conn_waiting(r->s.c)) {
		stat_add(&smtpd.early_talkers, 1);
		LOG(LOG_INFO, "early_talker", kv_hex("session", r->s.id));
	}
}

static enum verdict
smtp_run(struct session *session, unsigned why)
{
	struct smtp_session *s = (struct smtp_session *)session;

	if ((why & WHY_START) != 0) {
		begin(s);
	}
	if (!receiver_begin(&s->r, why)) {
		return s->r.closing ? V_CLOSE : V_PARK;
	}
	if (s->unconfirmed && conn_bytes_in(session->c) > s->in_at) {
		settle(s, true);
	}
	return receiver_run(&s->r);
}

static void
smtp_close(struct session *session)
{
	struct smtp_session *s = (struct smtp_session *)session;

	settle(s, s->unconfirmed && conn_taken(session->c));
	hand_deinit(s);
	receiver_deinit(&s->r);
	free(s->user);
}

struct protocol mx_protocol = {
    .name = "smtp",
    .session_size = sizeof(struct smtp_session),
    .run = smtp_run,
    .close = smtp_close,
};

struct protocol submission_protocol = {
    .name = "submission",
    .session_size = sizeof(struct smtp_session),
    .run = smtp_run,
    .close = smtp_close,
};
