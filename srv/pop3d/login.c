/*
 * login: the AUTHORIZATION state.  [RFC 1939 4, 7] [RFC 5034] [RFC 2595]
 *
 * Threads: session-owned; the table of last log-ins is locked inside.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "access/peer.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "net/park.h"
#include "net/tls.h"
#include "pop3d/session.h"
#include "proto/pop3_reply.h"

/* ---- LOGIN-DELAY ---- */

enum { LAST_LOGINS_MAX = 16 * 1024 };

/* When an account last came in.  [RFC 2449 6.5] */
static struct {
	struct lock lock;
	struct map times; /* GUARDED_BY(lock): id to (int64_t *) */
} last = {.lock = LOCK_INITIALIZER(LOCK_LEAF)};

/* Drop those who may come in again. */
static void
prune_logins(int64_t now, int64_t delay)
{
	struct map_iter it = {0};
	struct sv id;
	void *value;

	while (map_next(&last.times, &it, &id, &value)) {
		int64_t *when = value;

		if (now - *when >= delay) {
			(void)map_remove(&last.times, id);
			free(when);
		}
	}
}

static bool
too_early(const char *id)
{
	int64_t delay = (int64_t)pop3d.set->pop3_login_delay;
	int64_t now = clock_mono_ms();
	bool early = false;

	if (delay == 0) {
		return false;
	}
	lock_acquire(&last.lock);
	int64_t *when = map_get(&last.times, sv_cstr(id));

	if (when != NULL && now - *when < delay) {
		early = true;
	} else {
		if (last.times.n >= LAST_LOGINS_MAX) {
			prune_logins(now, delay);
			when = map_get(&last.times, sv_cstr(id));
		}
		if (when == NULL) {
			when = xmalloc(sizeof(*when));
			(void)map_put(&last.times, sv_cstr(id), when);
		}
		*when = now;
	}
	lock_release(&last.lock);
	return early;
}

/* ---- coming in ---- */

static int
open_account(
    struct pop3_session *s, struct directory_account *who, struct fail *f)
{
	if (backends_account(&pop3d.back, who->id, &s->account, f) != 0
	    || account_refresh(s->account, &s->view, f) != 0) {
		return -1;
	}
	s->mbox = view_mbox(s->view, SV("INBOX"));
	if (s->mbox == NULL) {
		return fail_set(f, FAIL_CORRUPT, "account has no INBOX");
	}
	return 0;
}

static void
log_login(struct pop3_session *s, struct sv user, const char *why)
{
	char peer[ADDR_TEXT_SIZE];

	stat_add(why == NULL ? &pop3d.logins : &pop3d.logins_failed, 1);
	LOG(LOG_INFO, why == NULL ? "login" : "login.failed",
	    kv_hex("session", s->s.id), kv_str("service", "pop3"),
	    kv_str("peer", addr_text(&s->s.peer, peer)), kv_sv("user", user),
	    kv_str("why", why != NULL ? why : ""));
}

/* Open the account's INBOX and answer; the session is signed in then, or
 * not. */
static void
pop3_enter(struct pop3_session *s, struct directory_account *who)
{
	struct fail f;

	if (too_early(who->id)) {
		pop3_say_err(s, "[LOGIN-DELAY] Come again later");
		return;
	}
	if (open_account(s, who, &f) != 0) {
		LOG(LOG_ERROR, "account.failed", kv_hex("session", s->s.id),
		    kv_sv("user", mailaddr_sv(&who->address)), kv_fail(&f));
		view_unref(&s->view);
		account_close(&s->account);
		pop3_say_err(
		    s, f.kind == FAIL_PERM
			   ? "[SYS/PERM] Mailbox is closed"
			   : "[SYS/TEMP] Mailbox cannot be opened now");
		return;
	}
	s->state = POP3_TRANSACTION;
	conn_set_deadline(s->s.c, 0);
	conn_set_limits(s->s.c, &pop3d.limits_in);
	session_user(&s->s, mailaddr_sv(&who->address));
	session_state(&s->s, SV("INBOX"));
	(void)c_writef(s->s.c, "+OK %u messages\r\n", s->mbox->exists);
}

/* A failed attempt is answered late. */
static void
say_failed(struct pop3_session *s, struct sv user, uint64_t delay_ms,
    const struct fail *f)
{
	log_login(s, user, f->text);
	if (park_sleep(&s->s, (int64_t)delay_ms) != 0) {
		s->closing = true;
		return;
	}
	pop3_say_err(s, pop3_fail_text(f->kind, true));
}

/* ---- USER and PASS ---- */

static bool
cleartext_ok(struct pop3_session *s)
{
	struct peer_binding b;
	struct auth_peer peer = peer_of_session(&s->s, SV("pop3"), &b);

	return auth_cleartext_ok(pop3d.back.auth, &peer);
}

void
pop3_user(struct pop3_session *s, const struct pop3_cmd *cmd)
{
	if (!cleartext_ok(s)) {
		pop3_say_err(s, "Passwords need TLS: say STLS first");
		return;
	}
	free(s->user);
	s->user = xmalloc(cmd->arg.len + 1);
	memcpy(s->user, cmd->arg.p, cmd->arg.len);
	/* The same whether there is such a mailbox or not. [RFC 3206 5] */
	pop3_say_ok(s, "Send the password");
}

void
pop3_pass(struct pop3_session *s, const struct pop3_cmd *cmd)
{
	struct directory_account *who = NULL;
	struct peer_binding b;
	uint64_t delay_ms;
	struct fail f;

	if (s->user == NULL) {
		pop3_say_err(s, "USER comes first");
		return;
	}
	struct auth_peer peer = peer_of_session(&s->s, SV("pop3"), &b);
	char *user = s->user;
	int rc = auth_login(pop3d.back.auth, &peer, sv_cstr(user), cmd->arg,
	    &who, &delay_ms, &f);

	s->user = NULL;
	if (rc != 0) {
		say_failed(s, sv_cstr(user), delay_ms, &f);
	} else if (park_sleep(&s->s, (int64_t)delay_ms) == 0) {
		log_login(s, sv_cstr(user), NULL);
		pop3_enter(s, who);
	}
	directory_account_unref(&who);
	free(user);
}

/* ---- AUTH ---- */

static void
say_mechs(struct pop3_session *s, const char *prefix, const char *between)
{
	const char *names[AUTH_MECHS];
	struct peer_binding b;
	struct auth_peer peer = peer_of_session(&s->s, SV("pop3"), &b);
	size_t n = auth_mechs(pop3d.back.auth, &peer, names);

	for (size_t i = 0; i < n; i++) {
		(void)c_writef(
		    s->s.c, "%s%s", i == 0 ? prefix : between, names[i]);
	}
	if (n > 0) {
		(void)c_write(s->s.c, SV("\r\n"));
	}
}

/* Send a challenge and read the response to it; false if there is none. */
static bool
ask(struct pop3_session *s, const struct buf *challenge, struct sv *response)
{
	struct buf *out = c_out(s->s.c);

	/* Not by c_writef(): a challenge may be long. */
	buf_add_str(out, "+ ");
	buf_add_sv(out, buf_sv(challenge));
	buf_add_str(out, "\r\n");
	int err = c_flush(s->s.c);

	if (err == 0) {
		err =
		    c_line(s->s.c, POP3_AUTH_LINE_MAX - 2, LINE_CRLF, response);
	}
	if (err != 0) {
		bool line = err == -EMSGSIZE || err == -EILSEQ;

		s->closing = !line;
		if (line) {
			pop3_say_err(s, "Malformed authentication response");
		}
		return false;
	}
	if (sv_eq(*response, SV("*"))) {
		pop3_say_err(s, "Authentication cancelled");
		return false;
	}
	return true;
}

static void
exchange(struct pop3_session *s, struct auth_session *auth, bool has_in,
    struct sv in)
{
	struct buf challenge = {0};
	enum auth_status status;
	struct fail f;

	while ((status = auth_session_step64(auth, has_in, in, &challenge, &f))
	       == AUTH_CONTINUE) {
		if (!ask(s, &challenge, &in)) {
			goto out;
		}
		has_in = true;
	}
	if (status == AUTH_FAILED) {
		say_failed(s, auth_session_user(auth),
		    auth_session_delay_ms(auth), &f);
		goto out;
	}
	if (park_sleep(&s->s, (int64_t)auth_session_delay_ms(auth)) == 0) {
		log_login(s, auth_session_user(auth), NULL);
		pop3_enter(s, auth_session_account(auth));
	}
out:
	buf_wipe(&challenge);
}

void
pop3_auth(struct pop3_session *s, const struct pop3_cmd *cmd)
{
	struct auth_session *auth = NULL;
	struct peer_binding b;
	struct fail f;

	if (cmd->arg.len == 0) {
		pop3_say_ok(s, "Mechanisms follow");
		say_mechs(s, "", "\r\n");
		(void)c_write(s->s.c, SV(".\r\n"));
		return;
	}
	struct auth_peer peer = peer_of_session(&s->s, SV("pop3"), &b);

	if (auth_session_new(pop3d.back.auth, cmd->arg, &peer, &auth, &f)
	    != 0) {
		pop3_say_err(
		    s, f.kind == FAIL_DENIED   ? "This mechanism needs TLS"
		       : f.kind == FAIL_ABSENT ? "No such mechanism"
					       : pop3_fail_text(f.kind, true));
		return;
	}
	exchange(s, auth, cmd->has_initial, cmd->initial);
	auth_session_free(&auth);
}

/* ---- the rest of the state ---- */

void
pop3_stls(struct pop3_session *s)
{
	if (c_is_tls(s->s.c)) {
		pop3_say_err(s, "TLS is on already");
		return;
	}
	if (s->utf8) {
		pop3_say_err(s, "STLS comes before UTF8"); /* [RFC 6856 2.1] */
		return;
	}
	if (!tls_available()) {
		pop3_say_err(s, "[SYS/TEMP] TLS is not available now");
		return;
	}
	int rc = c_starttls(s->s.c, SV("+OK Begin TLS\r\n"));

	if (rc == -EBADMSG) {
		LOG(LOG_WARN, "starttls.injection", kv_hex("session", s->s.id));
		pop3_say_err(s, "Nothing may follow STLS");
	}
	s->closing = rc != 0;
	free(s->user);
	s->user = NULL;
}

void
pop3_capa(struct pop3_session *s)
{
	struct conn *c = s->s.c;
	uint64_t delay_s = (pop3d.set->pop3_login_delay + 999) / 1000;

	pop3_say_ok(s, "Capability list follows");
	(void)c_write(c, SV("TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
			    "PIPELINING\r\nEXPIRE NEVER\r\nLANG\r\n"));
	(void)c_write(c, SV("UTF8 USER\r\nIMPLEMENTATION Postroom\r\n"));
	if (delay_s > 0) {
		(void)c_writef(
		    c, "LOGIN-DELAY %llu\r\n", (unsigned long long)delay_s);
	}
	if (cleartext_ok(s)) {
		(void)c_write(c, SV("USER\r\n"));
	}
	say_mechs(s, "SASL ", " ");
	if (tls_available() && !c_is_tls(c) && s->state == POP3_AUTHORIZATION) {
		(void)c_write(c, SV("STLS\r\n"));
	}
	(void)c_write(c, SV(".\r\n"));
}

void
pop3_utf8(struct pop3_session *s)
{
	s->utf8 = true;
	pop3_say_ok(s, "UTF-8 is on");
}

/* There is English alone.  [RFC 6856 3] */
void
pop3_lang(struct pop3_session *s, const struct pop3_cmd *cmd)
{
	if (cmd->arg.len == 0) {
		pop3_say_ok(s, "Languages follow");
		(void)c_write(s->s.c, SV("en English\r\n.\r\n"));
	} else if (sv_eq_nocase(cmd->arg, SV("en"))
		   || sv_eq(cmd->arg, SV("*"))) {
		pop3_say_ok(s, "en This is English");
	} else {
		pop3_say_err(s, "No such language");
	}
}
