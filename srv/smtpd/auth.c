/*
 * auth: AUTH, relayed.  [RFC 4954]
 *
 * smtpd sees the octets of the exchange and keeps none: lmtpd checks them,
 * slows down who guesses, and remembers the account on this connection.
 *
 * Threads: session-owned.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "proto/handover.h"
#include "smtpd/session.h"

static const struct smtp_reply away = {
    454, "4.7.0", "Temporary authentication failure"};

static const struct smtp_reply *
judge(const struct smtp_session *s)
{
	static const struct smtp_reply hello = {503, "5.5.1", "Say EHLO first"};
	static const struct smtp_reply again = {
	    503, "5.5.1", "You are signed in already"};
	static const struct smtp_reply tls = {
	    538, "5.7.11", "Authentication needs TLS"};

	if (s->r.helo == NULL || !s->r.esmtp) {
		return &hello;
	}
	if (s->user != NULL) {
		return &again;
	}
	if (s->r.has_mail) {
		return &smtp_bad_sequence;
	}
	return c_is_private(s->r.s.c) ? NULL : &tls;
}

/* Send a challenge and have the response; NULL, or what to say instead. */
static const struct smtp_reply *
challenge(struct smtp_session *s, struct sv text, struct sv *response)
{
	static const struct smtp_reply too_long = {
	    500, "5.5.6", "Authentication line is too long"};
	struct conn *c = s->r.s.c;

	(void)c_write(c, SV("334 "));
	(void)c_write(c, text);
	(void)c_write(c, SV("\r\n"));
	int err = c_flush(c);

	if (err == 0) {
		err = c_line(c, SMTP_AUTH_LINE_MAX - 2, LINE_CRLF, response);
	}
	if (err == -EMSGSIZE) {
		return &too_long;
	}
	if (err == -EILSEQ) {
		return &smtp_line_end_bare;
	}
	if (err != 0) {
		s->r.closing = true;
		return &away;
	}
	return NULL;
}

static const struct smtp_reply *
came_in(struct smtp_session *s, struct sv text)
{
	static const struct smtp_reply good = {
	    235, "2.7.0", "Authentication succeeded"};

	(void)smtp_status_cut(&text);
	s->user = xmalloc(text.len + 1);
	memcpy(s->user, text.p, text.len);
	session_user(&s->r.s, text);
	stat_add(&smtpd.logins, 1);
	LOG(LOG_INFO, "login", kv_hex("session", s->r.s.id),
	    kv_str("service", "smtp"), kv_str("user", s->user));
	return &good;
}

/* A refusal, kept as long as the session's arena. */
static const struct smtp_reply *
refused(struct smtp_session *s, unsigned code, struct sv text)
{
	struct arena *arena = &s->r.arena;
	struct smtp_reply *reply = arena_alloc(arena, sizeof(*reply));

	stat_add(&smtpd.logins_failed, 1);
	reply->code = code;
	reply->status = arena_cstr(arena, smtp_status_cut(&text));
	reply->text = arena_cstr(arena, text);
	return reply;
}

/* The responses of the client, one for each challenge. */
static const struct smtp_reply *
exchange(struct smtp_session *s, struct sv line)
{
	const struct smtp_reply *stop = NULL;
	unsigned code;
	struct sv text;

	while (hand_ask(s, line, &code, &text)) {
		if (stop != NULL) {
			return stop;
		}
		if (code < 300) {
			return came_in(s, text);
		}
		if (code != 334) {
			return refused(s, code, text);
		}
		stop = challenge(s, text, &line);
		if (stop != NULL) {
			line = SV("*"); /* lmtpd's answer is not passed on */
		}
	}
	return stop != NULL ? stop : &away;
}

const struct smtp_reply *
smtp_auth(struct smtp_session *s, const struct smtp_auth *auth)
{
	const struct handover_auth hand = {
	    .mech = auth->mech,
	    .has_initial = auth->has_initial,
	    .initial = auth->initial,
	};
	const struct smtp_reply *bad = judge(s);
	struct buf line = {0};

	if (bad == NULL && !s->hand.named && hand_name(s)->code != 250) {
		bad = &away;
	}
	if (bad != NULL) {
		return bad;
	}
	handover_auth_write(&hand, &line);
	line.len -= 2; /* CRLF, which hand_ask() adds */
	bad = exchange(s, buf_sv(&line));
	buf_wipe(&line);
	if (s->user == NULL) {
		hand_release(s);
	}
	return bad;
}
