/*
 * handover: what smtpd asks and hands over.  proto/handover.h has the
 * language.
 *
 * smtpd talks to strangers and is not trusted with more than it needs: it is
 * told who may receive and whether a password was right, hands messages over,
 * and can make nobody's mail appear here.  What it says of its peer is
 * believed, since nobody else knows.
 *
 * Threads: session-owned.
 */
#include "lmtpd/handover.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"

static const struct smtp_reply ok = {250, "2.0.0", "OK"};

/* ---- the peer ---- */

static void
forget_remote(struct lmtp_session *s)
{
	directory_account_unref(&s->remote.account);
	s->remote = (struct remote){0};
}

struct auth_peer
handover_peer(const struct remote *remote)
{
	struct auth_peer peer = {
	    .service = SV("smtp"),
	    .has_ip = remote->addr.family != AF_UNIX,
	    .loopback = remote->loopback,
	    .tls = remote->tls,
	    .tls_unique = sv_make(remote->unique, remote->unique_len),
	    .tls_exporter = sv_make(remote->exporter, remote->exporter_len),
	};

	addr_to_ip6(&remote->addr, peer.ip);
	return peer;
}

/* 250 and, for a submission, the mechanisms to offer. */
static void
answer_session(struct lmtp_session *s)
{
	struct auth_peer peer = handover_peer(&s->remote);
	const char *mechs[AUTH_MECHS];
	size_t n = s->remote.submission
		       ? auth_mechs(lmtpd.back.auth, &peer, mechs)
		       : 0;
	struct buf text = {0};

	for (size_t i = 0; i < n; i++) {
		buf_addf(&text, "%s%s", i > 0 ? " " : "", mechs[i]);
	}
	smtp_reply_write(&ok, buf_sv(&text), c_out(s->r.s.c));
	buf_deinit(&text);
}

static void
do_session(struct lmtp_session *s, const struct handover_session *session)
{
	struct remote *remote = &s->remote;
	struct fail f;

	receiver_reset(&s->r);
	session_settle(s, false);
	forget_remote(s);
	if (addr_parse(session->peer, &remote->addr, &f) != 0) {
		remote->addr.family = AF_UNIX;
	}
	remote->submission = session->submission;
	remote->tls = session->tls;
	remote->loopback = session->loopback;
	remote->unique_len = session->unique.len;
	memcpy(remote->unique, session->unique.p, session->unique.len);
	remote->exporter_len = session->exporter.len;
	memcpy(remote->exporter, session->exporter.p, session->exporter.len);
	(void)snprintf(remote->id, sizeof(remote->id), "%.*s",
	    SV_ARG(sv_sub(session->id, 0, sizeof(remote->id) - 1)));
	answer_session(s);
}

/* ---- envelope ---- */

/* Is it one of the addresses that lead to this account? */
static int
may_send_as(const struct directory_account *account, struct sv sender,
    struct arena *arena, bool *out, struct fail *f)
{
	struct directory_rcpt *places = NULL;
	enum directory_route route;
	struct mailaddr address;
	size_t n = 0;

	*out = false;
	if (mailaddr_parse(sender, &address, f) != 0) {
		return 0;
	}
	if (directory_resolve(
		lmtpd.back.directory, &address, arena, &route, &places, &n, f)
	    != 0) {
		return f->kind == FAIL_LIMIT ? 0 : -1;
	}
	for (size_t i = 0; i < n; i++) {
		const struct directory_account *a = places[i].account;

		*out = *out || (a != NULL && strcmp(a->id, account->id) == 0);
	}
	directory_rcpts_unref(places, n);
	return 0;
}

static const struct smtp_reply *
handover_mail(struct receiver *r, const struct smtp_mail *mail)
{
	static const struct smtp_reply good = {250, "2.1.0", "OK"};
	static const struct smtp_reply sign_in = {
	    530, "5.7.0", "Authentication required"};
	static const struct smtp_reply not_yours = {
	    553, "5.7.1", "Not one of your addresses"};
	const struct remote *remote = &lmtp_session_of(r)->remote;
	struct buf sender = {0};
	struct fail f;
	bool yours;

	if (!remote->submission) {
		return &good;
	}
	if (remote->account == NULL) {
		return &sign_in;
	}
	/* Notices are sent from nobody. [RFC 3798 2.1] */
	if (!lmtpd.set->smtp_sender_check
	    || mail->path.kind == SMTP_PATH_NULL) {
		return &good;
	}
	smtp_path_write(&mail->path, &sender);
	int rc = may_send_as(
	    remote->account, buf_sv(&sender), &r->arena, &yours, &f);

	buf_deinit(&sender);
	if (rc != 0) {
		LOG(LOG_ERROR, "directory.failed",
		    kv_str("session", remote->id), kv_fail(&f));
		return smtp_reply_for(FAIL_TEMP);
	}
	return yours ? &good : &not_yours;
}

static const struct smtp_reply *
handover_rcpt(struct receiver *r, const struct smtp_rcpt *rcpt)
{
	struct lmtp_session *s = lmtp_session_of(r);

	return envelope_add(
	    &s->envelope, rcpt, r->mail.params.size, s->remote.id, &r->arena);
}

static void
handover_reset(struct receiver *r)
{
	lmtp_session_of(r)->envelope = (struct envelope){0};
}

/* ---- the session ---- */

static const struct receiver_ops handover_ops = {
    .mail = handover_mail,
    .rcpt = handover_rcpt,
    .reset = handover_reset,
};

static const struct smtp_reply *
do_smtp(struct lmtp_session *s, const struct smtp_cmd *cmd)
{
	switch (cmd->verb) {
	case SMTP_MAIL:
	case SMTP_RCPT:
	case SMTP_RSET:
	case SMTP_NOOP:
	case SMTP_QUIT:
		receiver_do(&s->r, cmd);
		return NULL;
	case SMTP_EHLO:
	case SMTP_HELO:
	case SMTP_LHLO:
	case SMTP_DATA:
	case SMTP_BDAT:
	case SMTP_VRFY:
	case SMTP_EXPN:
	case SMTP_HELP:
	case SMTP_STARTTLS:
	case SMTP_AUTH:
	case SMTP_VERBS:
		break;
	}
	return &smtp_bad_sequence;
}

static const struct smtp_reply *
do_command(struct lmtp_session *s, const struct handover_cmd *cmd)
{
	switch (cmd->verb) {
	case HANDOVER_SMTP:
		return do_smtp(s, &cmd->smtp);
	case HANDOVER_SESSION:
		do_session(s, &cmd->session);
		return NULL;
	case HANDOVER_AUTH:
		return handover_auth(s, &cmd->auth);
	case HANDOVER_HAND:
		handover_message(
		    s, cmd->hand.size, cmd->hand.prefix, cmd->hand.id);
		return NULL;
	case HANDOVER_DONE:
		session_settle(s, cmd->kept);
		return NULL;
	}
	return &smtp_bad_sequence;
}

static enum verdict
read_command(struct lmtp_session *s)
{
	struct arena scratch = {0};
	struct handover_cmd cmd;
	struct sv line;
	int err = c_line(s->r.s.c, HANDOVER_LINE_MAX - 2, LINE_CRLF, &line);
	const struct smtp_reply *bad;

	if (err != 0) {
		return V_CLOSE;
	}
	/* What the line says must outlast other lines, as in XAUTH. */
	line = arena_sv(&scratch, line);
	bad = handover_parse(line, &scratch, &cmd);
	if (bad == NULL) {
		bad = do_command(s, &cmd);
	}
	if (bad != NULL) {
		receiver_reply(&s->r, bad);
	}
	arena_deinit(&scratch);
	return s->r.closing ? V_CLOSE : V_PARK;
}

static enum verdict
handover_run(struct session *session, unsigned why)
{
	struct lmtp_session *s = (struct lmtp_session *)session;

	if ((why & WHY_START) != 0) {
		s->r.conf = &lmtpd.handover;
		s->r.ops = &handover_ops;
		s->r.ext = handover_grammar.ext;
		s->r.helo = xstrdup("smtpd");
		c_accept_fds(session->c);
	}
	if ((why & (WHY_TIMEOUT | WHY_SHUTDOWN)) != 0) {
		return V_CLOSE;
	}
	return (why & WHY_INPUT) != 0 ? read_command(s) : V_PARK;
}

static void
handover_close(struct session *session)
{
	struct lmtp_session *s = (struct lmtp_session *)session;

	session_settle(s, false);
	forget_remote(s);
	receiver_deinit(&s->r);
}

struct protocol handover_protocol = {
    .name = "handover",
    .session_size = sizeof(struct lmtp_session),
    .run = handover_run,
    .close = handover_close,
};
