#include "pop3d/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "proto/foreign.h"
#include "proto/pop3_reply.h"

enum { ERRORS_MAX = 50 };

void
pop3_say_ok(struct pop3_session *s, const char *text)
{
	pop3_ok(c_out(s->s.c), sv_cstr(text));
	(void)c_drain(s->s.c);
}

void
pop3_say_err(struct pop3_session *s, const char *text)
{
	pop3_err(c_out(s->s.c), sv_cstr(text));
	(void)c_drain(s->s.c);
	s->errors++;
	if (s->errors > ERRORS_MAX) {
		s->closing = true;
	}
}

static void
quit(struct pop3_session *s)
{
	s->closing = true;
	if (s->state == POP3_TRANSACTION) {
		pop3_update(s);
	} else {
		pop3_say_ok(s, "Goodbye");
	}
}

static void
do_command(struct pop3_session *s, const struct pop3_cmd *cmd)
{
	switch (cmd->verb) {
	case POP3_USER:
		pop3_user(s, cmd);
		break;
	case POP3_PASS:
		pop3_pass(s, cmd);
		break;
	case POP3_APOP:
		/* Only keys are stored, from which no digest can be made. */
		pop3_say_err(s, "APOP is not available");
		break;
	case POP3_AUTH:
		pop3_auth(s, cmd);
		break;
	case POP3_STLS:
		pop3_stls(s);
		break;
	case POP3_CAPA:
		pop3_capa(s);
		break;
	case POP3_STAT:
		pop3_stat(s);
		break;
	case POP3_LIST:
		pop3_list(s, cmd);
		break;
	case POP3_UIDL:
		pop3_uidl(s, cmd);
		break;
	case POP3_RETR:
	case POP3_TOP:
		pop3_retr(s, cmd);
		break;
	case POP3_DELE:
		pop3_dele(s, cmd);
		break;
	case POP3_NOOP:
		pop3_say_ok(s, "");
		break;
	case POP3_RSET:
		pop3_rset(s);
		break;
	case POP3_UTF8:
		pop3_utf8(s);
		break;
	case POP3_LANG:
		pop3_lang(s, cmd);
		break;
	case POP3_QUIT:
		quit(s);
		break;
	case POP3_VERBS:
		break;
	}
}

/* A line that could not be read as one. */
static void
bad_line(struct pop3_session *s, int err)
{
	if (err == -EMSGSIZE || err == -EPROTO) {
		pop3_say_err(s, "Line too long");
		s->closing = err == -EPROTO; /* no end of it */
	} else if (err == -EILSEQ) {
		pop3_say_err(s, "Lines end with CRLF");
	} else {
		/* No QUIT, no update. [RFC 1939 6] */
		s->closing = true;
	}
}

static void
read_command(struct pop3_session *s)
{
	struct pop3_cmd cmd;
	struct sv line;
	int err = c_line(s->s.c, POP3_AUTH_LINE_MAX - 2, LINE_CRLF, &line);

	if (foreign_is_http(line)) {
		pop3_say_err(s, "This is a mail server");
		s->closing = true;
		return;
	}
	if (err != 0) {
		bad_line(s, err);
		return;
	}
	const char *bad = pop3_parse(line, s->state, &cmd);

	if (bad != NULL) {
		pop3_say_err(s, bad);
	} else {
		do_command(s, &cmd);
	}
}

static void
greet(struct pop3_session *s)
{
	s->state = POP3_AUTHORIZATION;
	conn_set_deadline(
	    s->s.c, clock_mono_ms() + (int64_t)pop3d.set->limits_login);
	(void)c_writef(
	    s->s.c, "+OK %s POP3 ready\r\n", pop3d.set->server_hostname);
}

static enum verdict
pop3_run(struct session *session, unsigned why)
{
	struct pop3_session *s = (struct pop3_session *)session;

	if ((why & WHY_START) != 0) {
		greet(s);
	}
	if ((why & WHY_SHUTDOWN) != 0) {
		pop3_say_err(s, "[SYS/TEMP] Server is stopping");
		return V_CLOSE;
	}
	if ((why & WHY_TIMEOUT) != 0) {
		return V_CLOSE; /* without a word [RFC 1939 3] */
	}
	if ((why & WHY_INPUT) != 0) {
		read_command(s);
	}
	return s->closing ? V_CLOSE : V_PARK;
}

static void
pop3_close(struct session *session)
{
	struct pop3_session *s = (struct pop3_session *)session;

	view_unref(&s->view);
	account_close(&s->account);
	free(s->deleted);
	free(s->user);
}

static const char busy[] = "-ERR [SYS/TEMP] Too many connections\r\n";

struct protocol pop3_protocol = {
    .name = "pop3",
    .session_size = sizeof(struct pop3_session),
    .run = pop3_run,
    .close = pop3_close,
    .busy = {busy, sizeof(busy) - 1},
};
