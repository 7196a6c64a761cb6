/* STARTTLS, AUTHENTICATE, LOGIN.  [RFC 3501 6.2, RFC 4959] */
#include <errno.h>

#include "access/peer.h"
#include "base/log.h"
#include "base/random.h"
#include "imapd/capability.h"
#include "imapd/command.h"
#include "imapd/imapd.h"
#include "net/tls.h"
#include "proto/imap_out.h"

/* Octets of a response in base64. */
enum { RESPONSE_MAX = 2 * AUTH_INPUT_MAX };

void
run_starttls(struct command *cmd)
{
	struct imap *im = cmd->im;
	struct buf reply = {0};
	int rc;

	if (c_is_tls(im->s.c)) {
		reply_bad(cmd, "TLS is on already");
		return;
	}
	if (!tls_available()) {
		reply_no(cmd, "UNAVAILABLE", "There is no certificate");
		return;
	}
	buf_add_sv(&reply, cmd->c.tag);
	buf_add_str(&reply, " OK Begin TLS negotiation now\r\n");
	rc = c_starttls(im->s.c, buf_sv(&reply));
	buf_deinit(&reply);
	if (rc == -EBADMSG) {
		/* Commands in plain text behind STARTTLS: not the client's, or
		 * not a client to trust.  [RFC 9051 11.1] */
		LOG(LOG_WARN, "starttls.injection",
		    kv_hex("session", im->s.id));
		session_bye(im, "CLIENTBUG", "Input behind STARTTLS");
	} else if (rc != 0) {
		im->closing = true;
	}
}

/* ---- coming in ---- */

/* `who` is taken. */
static void
enter(struct command *cmd, struct directory_account *who, const char *mech)
{
	struct imap *im = cmd->im;
	struct fail f;
	char peer[ADDR_TEXT_SIZE];

	if (backends_account(&imapd.back, who->id, &im->account, &f) != 0) {
		directory_account_unref(&who);
		reply_fail(cmd, &f);
		return;
	}
	im->who = who;
	im->state = STATE_USER;
	im->claim_id = random_u64() | 1;
	conn_set_deadline(im->s.c, 0);
	session_user(&im->s, sv_cstr(who->address.text));
	stat_add(&imapd.logins, 1);
	LOG(LOG_INFO, "login", kv_hex("session", im->s.id),
	    kv_str("service", "imap"),
	    kv_sv("user", sv_cstr(who->address.text)), kv_str("mech", mech),
	    kv_str("peer", addr_text(&im->s.peer, peer)),
	    kv_str("tls", c_is_tls(im->s.c) ? tls_version(im->s.c) : "no"));
	reply_ok(cmd, NULL, "Logged in");
	capability_put(&cmd->code, im);
}

/* Answered alike whatever it was; which is not true of what is wrong with the
 * exchange itself.  [RFC 5530 3] */
static void
refuse(struct command *cmd, struct sv user, const char *mech, struct fail *f)
{
	char peer[ADDR_TEXT_SIZE];

	stat_add(&imapd.refused, 1);
	LOG(LOG_INFO, "login.failed", kv_hex("session", cmd->im->s.id),
	    kv_str("service", "imap"), kv_sv("user", user),
	    kv_str("mech", mech),
	    kv_str("peer", addr_text(&cmd->im->s.peer, peer)), kv_fail(f));
	switch (f->kind) {
	case FAIL_SYNTAX:
	case FAIL_LIMIT:
		reply_bad(cmd, "Malformed response");
		break;
	case FAIL_TEMP:
	case FAIL_CORRUPT:
	case FAIL_CANCELLED:
	case FAIL_UNKNOWN:
		reply_no(cmd, "UNAVAILABLE", "Not possible now, try later");
		break;
	case FAIL_NONE:
	case FAIL_PERM:
	case FAIL_ABSENT:
	case FAIL_EXISTS:
	case FAIL_DENIED:
		reply_no(cmd, "AUTHENTICATIONFAILED", "Authentication failed");
		break;
	}
}

void
run_login(struct command *cmd)
{
	const struct imap_login_args *a = &cmd->c.login;
	struct peer_binding binding;
	struct directory_account *who = NULL;
	struct auth_peer peer;
	uint64_t delay = 0;
	struct fail f;
	int rc;

	peer = peer_of_session(&cmd->im->s, SV("imap"), &binding);
	if (!auth_cleartext_ok(imapd.back.auth, &peer)) {
		reply_no(cmd, "PRIVACYREQUIRED", "Use STARTTLS first");
		return;
	}
	rc = auth_login(
	    imapd.back.auth, &peer, a->user, a->password, &who, &delay, &f);
	if (delay != 0 && park_sleep(&cmd->im->s, (int64_t)delay) != 0) {
		directory_account_unref(&who);
		session_bye(cmd->im, "", "The server is shutting down");
		return;
	}
	if (rc != 0) {
		refuse(cmd, a->user, "LOGIN command", &f);
		return;
	}
	enter(cmd, who, "LOGIN command");
}

/* ---- AUTHENTICATE ---- */

/*
 * Send the challenge and read the response.  0, or -1 with the command
 * answered or the session closing.
 */
static int
exchange(struct command *cmd, struct sv challenge, struct sv *out)
{
	struct conn *c = cmd->im->s.c;
	int rc;

	(void)c_write(c, SV("+ "));
	(void)c_write(c, challenge);
	(void)c_write(c, SV("\r\n"));
	rc = c_flush(c);
	rc = rc == 0 ? c_line(c, RESPONSE_MAX, LINE_CRLF_OR_LF, out) : rc;
	if (rc == -EMSGSIZE) {
		reply_bad(cmd, "The response is too long");
		return -1;
	}
	if (rc != 0) {
		if (rc == -ETIMEDOUT) {
			session_bye(cmd->im, "", "That took too long");
		}
		cmd->im->closing = true;
		return -1;
	}
	if (sv_eq(*out, SV("*"))) {
		reply_bad(cmd, "Authentication cancelled");
		return -1;
	}
	return 0;
}

static enum auth_status
converse(struct command *cmd, struct auth_session *as, struct fail *f)
{
	const struct imap_authenticate_args *a = &cmd->c.authenticate;
	struct buf challenge = {0};
	struct sv in = a->initial;
	enum auth_status status =
	    auth_session_step64(as, a->has_initial, in, &challenge, f);

	while (status == AUTH_CONTINUE) {
		if (exchange(cmd, buf_sv(&challenge), &in) != 0) {
			break;
		}
		status = auth_session_step64(as, true, in, &challenge, f);
	}
	buf_wipe(&challenge);
	return status;
}

static void
refuse_mechanism(struct command *cmd, const struct fail *f)
{
	if (f->kind == FAIL_DENIED) {
		reply_no(cmd, "PRIVACYREQUIRED", "Use STARTTLS first");
	} else if (f->kind == FAIL_ABSENT) {
		reply_no(cmd, "CANNOT", "There is no such mechanism");
	} else {
		reply_fail(cmd, f);
	}
}

void
run_authenticate(struct command *cmd)
{
	struct peer_binding binding;
	struct auth_session *as = NULL;
	struct auth_peer peer;
	enum auth_status status;
	uint64_t delay;
	struct fail f;

	peer = peer_of_session(&cmd->im->s, SV("imap"), &binding);
	if (auth_session_new(
		imapd.back.auth, cmd->c.authenticate.mechanism, &peer, &as, &f)
	    != 0) {
		refuse_mechanism(cmd, &f);
		return;
	}
	status = converse(cmd, as, &f);
	delay = auth_session_delay_ms(as);
	if (status != AUTH_CONTINUE && delay != 0
	    && park_sleep(&cmd->im->s, (int64_t)delay) != 0) {
		session_bye(cmd->im, "", "The server is shutting down");
	} else if (status == AUTH_DONE) {
		enter(cmd, directory_account_ref(auth_session_account(as)),
		    auth_session_mech(as));
	} else if (status == AUTH_FAILED) {
		refuse(cmd, auth_session_user(as), auth_session_mech(as), &f);
	}
	auth_session_free(&as);
}
