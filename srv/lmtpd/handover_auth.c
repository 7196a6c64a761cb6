/*
 * handover_auth: who may sign in.  [RFC 4954]
 *
 * smtpd relays the exchange step by step and learns the account's address if
 * it was good; keys and delays stay here.
 *
 * Threads: session-owned.
 */
#include "base/log.h"
#include "base/mem.h"
#include "lmtpd/handover.h"
#include "net/conn.h"
#include "net/park.h"

static const struct smtp_reply *
auth_reply(const struct fail *f)
{
	static const struct smtp_reply wrong = {
	    535, "5.7.8", "Authentication credentials invalid"};
	static const struct smtp_reply malformed = {
	    501, "5.5.2", "Malformed authentication response"};
	static const struct smtp_reply away = {
	    454, "4.7.0", "Temporary authentication failure"};

	switch (f->kind) {
	case FAIL_SYNTAX:
	case FAIL_LIMIT:
		return &malformed;
	case FAIL_TEMP:
	case FAIL_CORRUPT:
	case FAIL_CANCELLED:
	case FAIL_UNKNOWN:
		return &away;
	case FAIL_NONE:
	case FAIL_PERM:
	case FAIL_ABSENT:
	case FAIL_EXISTS:
	case FAIL_DENIED:
		break;
	}
	return &wrong;
}

static const struct smtp_reply *
begin_reply(const struct fail *f)
{
	static const struct smtp_reply no_mech = {
	    504, "5.5.4", "No such authentication mechanism"};
	static const struct smtp_reply no_tls = {
	    538, "5.7.11", "This mechanism needs TLS"};

	return f->kind == FAIL_ABSENT	? &no_mech
	       : f->kind == FAIL_DENIED ? &no_tls
					: auth_reply(f);
}

static void
log_auth(const struct lmtp_session *s, const struct auth_session *auth,
    bool good, const char *why)
{
	char addr[ADDR_TEXT_SIZE];

	LOG(LOG_INFO, good ? "login" : "login.failed",
	    kv_str("service", "smtp"),
	    kv_str("peer", addr_text(&s->remote.addr, addr)),
	    kv_str("session", s->remote.id),
	    kv_str("mech", auth_session_mech(auth)),
	    kv_sv("user", auth_session_user(auth)), kv_str("why", why));
}

static void
came_in(struct lmtp_session *s, const struct auth_session *auth)
{
	static const struct smtp_reply in = {235, "2.7.0", ""};

	s->remote.account = directory_account_ref(auth_session_account(auth));
	log_auth(s, auth, true, "");
	session_user(&s->r.s, mailaddr_sv(&s->remote.account->address));
	smtp_reply_write(
	    &in, mailaddr_sv(&s->remote.account->address), c_out(s->r.s.c));
}

/* Send a challenge and read the response to it; NULL or a refusal. */
static const struct smtp_reply *
ask(struct lmtp_session *s, const struct buf *challenge, struct sv *response)
{
	static const struct smtp_reply cancelled = {
	    501, "5.7.0", "Authentication cancelled"};
	static const struct smtp_reply gone = {421, "4.4.2", "Gone"};

	/* Not by smtp_reply_write(): a challenge may be a long line. */
	buf_add_str(c_out(s->r.s.c), "334 ");
	buf_add_sv(c_out(s->r.s.c), buf_sv(challenge));
	buf_add_str(c_out(s->r.s.c), "\r\n");
	if (c_flush(s->r.s.c) != 0
	    || c_line(s->r.s.c, HANDOVER_LINE_MAX, LINE_CRLF, response) != 0) {
		s->r.closing = true;
		return &gone;
	}
	return sv_eq(*response, SV("*")) ? &cancelled : NULL;
}

/* The exchange up to its end: NULL if that was good. */
static const struct smtp_reply *
exchange(struct lmtp_session *s, struct auth_session *auth, bool has_in,
    struct sv in)
{
	const struct smtp_reply *bad = NULL;
	struct buf challenge = {0};
	struct fail f;
	enum auth_status status;

	while ((status = auth_session_step64(auth, has_in, in, &challenge, &f))
	       == AUTH_CONTINUE) {
		bad = ask(s, &challenge, &in);
		has_in = true;
		if (bad != NULL) {
			goto out;
		}
	}
	if (park_sleep(&s->r.s, (int64_t)auth_session_delay_ms(auth)) != 0) {
		s->r.closing = true;
	}
	if (status == AUTH_FAILED) {
		log_auth(s, auth, false, f.text);
		bad = auth_reply(&f);
	} else {
		came_in(s, auth);
	}
out:
	buf_wipe(&challenge);
	return bad;
}

const struct smtp_reply *
handover_auth(struct lmtp_session *s, const struct handover_auth *cmd)
{
	struct auth_peer peer = handover_peer(&s->remote);
	struct auth_session *auth = NULL;
	struct fail f;

	if (!s->remote.submission || s->remote.account != NULL
	    || s->r.has_mail) {
		return &smtp_bad_sequence;
	}
	if (auth_session_new(lmtpd.back.auth, cmd->mech, &peer, &auth, &f)
	    != 0) {
		return begin_reply(&f);
	}
	const struct smtp_reply *bad =
	    exchange(s, auth, cmd->has_initial, cmd->initial);

	auth_session_free(&auth);
	return bad;
}
