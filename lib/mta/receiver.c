#include "mta/receiver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "mta/receiver_priv.h"
#include "net/conn.h"
#include "proto/foreign.h"
#include "settings/settings.h"

static const struct smtp_reply ok = {250, "2.0.0", "OK"};
static const struct smtp_reply closing = {221, "2.0.0", "Goodbye"};
static const struct smtp_reply timeout = {
    421, "4.4.2", "Nothing came for too long; closing"};
static const struct smtp_reply stopping = {
    421, "4.3.2", "Service is stopping; try again soon"};
static const struct smtp_reply many_errors = {
    421, "4.7.0", "Too many errors; closing"};
static const struct smtp_reply many_commands = {
    421, "4.7.0", "Too many commands without a message; closing"};
static const struct smtp_reply no_web_server = {
    421, "4.7.0", "This is a mail server; closing"};
static const struct smtp_reply say_hello = {503, "5.5.1", "Say hello first"};
static const struct smtp_reply nested_mail = {
    503, "5.5.1", "A message has been begun already"};
static const struct smtp_reply need_mail = {503, "5.5.1", "MAIL comes first"};
static const struct smtp_reply need_rcpt = {503, "5.5.1", "RCPT comes first"};
static const struct smtp_reply no_rcpt = {554, "5.5.1", "No valid recipients"};
static const struct smtp_reply many_rcpts = {
    452, "4.5.3", "Too many recipients of one message"};
static const struct smtp_reply too_large = {
    552, "5.3.4", "Message is larger than the limit"};
static const struct smtp_reply vrfy = {
    252, "2.0.0", "Cannot verify, but will take mail and try"};
static const struct smtp_reply not_offered = {
    502, "5.5.1", "Command not implemented"};
static const struct smtp_reply help = {
    214, "2.0.0", "See RFC 5321 and the extensions that EHLO names"};

struct receiver_conf
receiver_conf_settings(const struct settings *set)
{
	return (struct receiver_conf){
	    .host = set->server_hostname,
	    .ext = SMTP_EXT_PIPELINING | SMTP_EXT_SIZE | SMTP_EXT_8BITMIME
		   | SMTP_EXT_ENHANCED | SMTP_EXT_CHUNKING | SMTP_EXT_BINARYMIME
		   | SMTP_EXT_SMTPUTF8,
	    .params = SMTP_EXT_DSN,
	    .size_max = set->limits_message,
	    .text_ms = (int64_t)set->limits_command,
	    .rate_min = set->limits_rate,
	};
}

/* ---- answers ---- */

/* Those that take leave begin with our name, as the greeting does.
 * [RFC 5321 4.2.2] */
static void
write_reply(const char *host, const struct smtp_reply *reply, struct buf *to)
{
	struct buf text = {.data = NULL};

	if (reply->code == 221 || reply->code == 421) {
		buf_addf(&text, "%s ", host);
	}
	buf_add_str(&text, reply->text);
	smtp_reply_write(reply, buf_sv(&text), to);
	buf_deinit(&text);
}

struct sv
receiver_busy(const struct settings *set)
{
	static const struct smtp_reply busy = {
	    421, "4.3.2", "Too many connections"};
	static char line[SMTP_REPLY_LINE_MAX];
	struct buf to = {
	    .data = line, .cap = sizeof(line), .limit = sizeof(line)};

	write_reply(set->server_hostname, &busy, &to);
	return buf_sv(&to);
}

void
receiver_reply(struct receiver *r, const struct smtp_reply *reply)
{
	write_reply(r->conf->host, reply, c_out(r->s.c));
	(void)c_drain(r->s.c);
	if (reply->code == 421) {
		r->closing = true; /* that is what it says [RFC 5321 3.8] */
	}
	if (reply->code < 400 || r->closing) {
		return;
	}
	r->errors++;
	if (r->conf->errors_max > 0 && r->errors > r->conf->errors_max) {
		LOG(LOG_INFO, "receiver.errors", kv_hex("session", r->s.id),
		    kv_u64("errors", r->errors));
		receiver_leave(r, &many_errors);
	}
}

void
receiver_answer(struct receiver *r, const struct smtp_reply *reply)
{
	unsigned n = r->conf->lmtp ? r->n_rcpts : 1;

	for (unsigned i = 0; i < n; i++) {
		receiver_reply(r, reply);
	}
}

void
receiver_leave(struct receiver *r, const struct smtp_reply *reply)
{
	if (!r->closing) {
		r->closing = true;
		write_reply(r->conf->host, reply, c_out(r->s.c));
	}
}

/* ---- the message in hand ---- */

void
receiver_reset(struct receiver *r)
{
	r->ops->reset(r);
	spool_deinit(&r->body);
	r->prefix = 0;
	arena_reset(&r->arena);
	r->scan = (struct smtp_data){0};
	r->has_mail = false;
	r->sender = SV_EMPTY;
	r->n_rcpts = 0;
	r->chunked = false;
	r->failed = false;
}

void
receiver_forget(struct receiver *r)
{
	receiver_reset(r);
	free(r->helo);
	r->helo = NULL;
	r->ext = r->conf->ext;
	r->n_mechs = 0;
}

void
receiver_deinit(struct receiver *r)
{
	receiver_reset(r);
	arena_deinit(&r->arena);
	free(r->helo);
	r->helo = NULL;
}

static void
keep_mail(struct receiver *r, const struct smtp_mail *mail)
{
	struct buf text = {0};

	smtp_path_write(&mail->path, &text);
	r->sender = arena_sv(&r->arena, buf_sv(&text));
	buf_deinit(&text);
	r->mail = *mail;
	r->mail.path.local = arena_sv(&r->arena, mail->path.local);
	r->mail.path.domain = arena_sv(&r->arena, mail->path.domain);
	r->mail.params.auth = arena_sv(&r->arena, mail->params.auth);
	r->mail.params.envid = arena_sv(&r->arena, mail->params.envid);
	r->has_mail = true;
	r->n_mails++;
	(void)snprintf(
	    r->id, sizeof(r->id), "%" PRIx64 ".%u", r->s.id, r->n_mails);
}

/* ---- commands ---- */

static void
say_ehlo(struct receiver *r, const struct smtp_cmd *cmd)
{
	const struct smtp_ehlo ehlo = {
	    .host = sv_cstr(r->conf->host),
	    .client = cmd->arg,
	    .ext = r->ext,
	    .size_max = r->conf->size_max,
	    .mechs = r->mechs,
	    .n_mechs = r->n_mechs,
	};
	const struct smtp_reply plain = {250, "", r->conf->host};

	if (cmd->verb == SMTP_HELO) {
		receiver_reply(r, &plain);
	} else {
		smtp_ehlo_write(&ehlo, c_out(r->s.c));
	}
}

static const struct smtp_reply *
do_hello(struct receiver *r, const struct smtp_cmd *cmd)
{
	const struct smtp_reply *bad = r->ops->hello(r, cmd);

	if (bad != NULL) {
		return bad;
	}
	receiver_reset(r); /* [RFC 5321 4.1.4] */
	free(r->helo);
	r->helo = xmalloc(cmd->arg.len + 1);
	memcpy(r->helo, cmd->arg.p, cmd->arg.len);
	r->esmtp = cmd->verb != SMTP_HELO;
	say_ehlo(r, cmd);
	return NULL;
}

/* For those who will ask where their mail is. */
static void
log_refused(const struct receiver *r, const char *event,
    const struct smtp_path *path, const struct smtp_reply *reply)
{
	struct buf text = {0};

	if (r->conf->relayed) {
		return;
	}
	smtp_path_write(path, &text);
	LOG(LOG_INFO, event, kv_hex("session", r->s.id),
	    kv_sv("sender", r->sender), kv_sv("address", buf_sv(&text)),
	    kv_u64("code", reply->code), kv_str("status", reply->status));
	buf_deinit(&text);
}

static const struct smtp_reply *
do_mail(struct receiver *r, const struct smtp_cmd *cmd)
{
	const struct smtp_mail *mail = &cmd->mail;

	if (r->helo == NULL) {
		return &say_hello;
	}
	if (r->has_mail || r->chunked) {
		return &nested_mail;
	}
	if (r->conf->size_max > 0 && mail->params.size > r->conf->size_max) {
		return &too_large; /* [RFC 1870 6.1] */
	}
	const struct smtp_reply *reply = r->ops->mail(r, mail);

	if (reply->code < 300) {
		keep_mail(r, mail);
	} else {
		log_refused(r, "sender.refused", &mail->path, reply);
	}
	return reply;
}

static const struct smtp_reply *
do_rcpt(struct receiver *r, const struct smtp_cmd *cmd)
{
	if (!r->has_mail) {
		return &need_mail;
	}
	if (r->chunked) {
		return &smtp_bad_sequence;
	}
	if (r->n_rcpts >= r->conf->rcpts_max) {
		return &many_rcpts; /* [RFC 5321 4.5.3.1.10] */
	}
	if (cmd->rcpt.path.utf8 && !r->mail.params.utf8) {
		return &smtp_recipient_utf8;
	}
	const struct smtp_reply *reply = r->ops->rcpt(r, &cmd->rcpt);

	if (reply->code < 300) {
		r->n_rcpts++;
	} else {
		log_refused(r, "recipient.refused", &cmd->rcpt.path, reply);
	}
	return reply;
}

static const struct smtp_reply *
do_data(struct receiver *r)
{
	static const struct smtp_reply go = {
	    354, "", "Send the message, then CRLF . CRLF"};
	static const struct smtp_reply binary = {
	    503, "5.5.1", "BODY=BINARYMIME comes by BDAT"};

	if (!r->has_mail) {
		return &need_mail;
	}
	if (r->chunked) {
		return &smtp_bad_sequence; /* [RFC 3030 2] */
	}
	if (r->n_rcpts == 0) {
		return r->conf->lmtp ? &need_rcpt : &no_rcpt;
	}
	if (r->mail.params.body == SMTP_BODY_BINARY) {
		return &binary; /* [RFC 3030 3] */
	}
	receiver_reply(r, &go);
	return receiver_read_data(r);
}

/* What BDAT cannot be done for; its octets are read and dropped. */
static const struct smtp_reply *
judge_bdat(const struct receiver *r)
{
	if (!r->has_mail) {
		return &need_mail;
	}
	if (r->n_rcpts == 0) {
		return r->conf->lmtp ? &need_rcpt : &no_rcpt;
	}
	return r->failed ? &smtp_bad_sequence : NULL;
}

/* A message of which one chunk was refused has failed, whatever chunks come
 * behind it.  [RFC 3030 2] */
static void
fail_chunks(struct receiver *r)
{
	r->chunked = r->has_mail;
	r->failed = r->has_mail;
}

static const struct smtp_reply *
do_bdat(struct receiver *r, const struct smtp_bdat *bdat)
{
	const struct smtp_reply *bad = judge_bdat(r);

	if (bad == NULL) {
		return receiver_read_chunk(r, bdat);
	}
	if (!receiver_skip(r, bdat->size)) {
		return NULL;
	}
	fail_chunks(r);
	/* One answer a recipient, and none without one. [RFC 2033 4.3] */
	if (bdat->last) {
		receiver_answer(r, bad);
		return NULL;
	}
	return bad;
}

static const struct smtp_reply *
command_reply(struct receiver *r, const struct smtp_cmd *cmd)
{
	switch (cmd->verb) {
	case SMTP_EHLO:
	case SMTP_HELO:
	case SMTP_LHLO:
		return do_hello(r, cmd);
	case SMTP_MAIL:
		return do_mail(r, cmd);
	case SMTP_RCPT:
		return do_rcpt(r, cmd);
	case SMTP_DATA:
		return do_data(r);
	case SMTP_BDAT:
		return do_bdat(r, &cmd->bdat);
	case SMTP_RSET:
		receiver_reset(r);
		return &ok;
	case SMTP_NOOP:
		return &ok;
	case SMTP_VRFY:
		return &vrfy;
	case SMTP_EXPN:
		return &not_offered;
	case SMTP_HELP:
		return &help;
	case SMTP_QUIT:
		receiver_leave(r, &closing);
		return NULL;
	case SMTP_STARTTLS:
	case SMTP_AUTH:
		return r->ops->other(r, cmd);
	case SMTP_VERBS:
		break;
	}
	return &not_offered;
}

static bool
is_transaction(enum smtp_verb verb)
{
	return verb == SMTP_MAIL || verb == SMTP_RCPT || verb == SMTP_DATA
	       || verb == SMTP_BDAT;
}

void
receiver_do(struct receiver *r, const struct smtp_cmd *cmd)
{
	if (!is_transaction(cmd->verb)) {
		r->commands++;
	}
	if (r->conf->commands_max > 0 && r->commands > r->conf->commands_max) {
		receiver_leave(r, &many_commands);
		return;
	}
	const struct smtp_reply *reply = command_reply(r, cmd);

	if (reply != NULL) {
		receiver_reply(r, reply);
	}
}

/* A line that could not be read as one: the refusal, or NULL if the peer has
 * gone. */
static const struct smtp_reply *
line_reply(struct receiver *r, int err)
{
	if (err == -EMSGSIZE) {
		return &smtp_line_too_long;
	}
	if (err == -EILSEQ) {
		return &smtp_line_end_bare;
	}
	if (err == -ETIMEDOUT) {
		receiver_leave(r, &timeout);
	} else if (err == -ECANCELED) {
		receiver_leave(r, &stopping);
	} else if (err == -EPROTO) {
		receiver_leave(r, &smtp_line_too_long); /* no end of it */
	} else {
		r->closing = true;
	}
	return NULL;
}

/* The refusal of a line, with what a malformed BDAT brings along dropped. */
static void
refuse(struct receiver *r, const struct smtp_reply *bad,
    const struct smtp_cmd *cmd, struct sv line)
{
	if (cmd->verb == SMTP_BDAT) {
		if (!receiver_skip(r, cmd->bdat.size)) {
			return;
		}
		fail_chunks(r);
	}
	if (cmd->verb == SMTP_MAIL || cmd->verb == SMTP_RCPT) {
		LOG(LOG_INFO, "command.refused", kv_hex("session", r->s.id),
		    kv_sv("line", line), kv_u64("code", bad->code),
		    kv_str("status", bad->status));
	}
	receiver_reply(r, bad);
}

enum verdict
receiver_run(struct receiver *r)
{
	const struct smtp_grammar grammar = {
	    .lmtp = r->conf->lmtp,
	    .ext = r->ext | r->conf->params,
	};
	struct arena scratch = {0};
	struct smtp_cmd cmd;
	struct sv line = SV_EMPTY;
	int err = c_line(r->s.c, SMTP_AUTH_LINE_MAX - 2, LINE_CRLF, &line);
	const struct smtp_reply *bad;

	cmd.verb = SMTP_VERBS;
	if (foreign_is_http(line)) {
		bad = &no_web_server;
	} else if (err != 0) {
		bad = line_reply(r, err);
	} else {
		bad = smtp_parse(line, &grammar, &scratch, &cmd);
	}
	if (bad != NULL) {
		refuse(r, bad, &cmd, line);
	} else if (err == 0) {
		receiver_do(r, &cmd);
	}
	arena_deinit(&scratch);
	return r->closing ? V_CLOSE : V_PARK;
}

bool
receiver_begin(struct receiver *r, unsigned why)
{
	if ((why & WHY_START) != 0) {
		r->ext = r->conf->ext;
		smtp_greeting_write(sv_cstr(r->conf->host),
		    r->conf->lmtp ? "LMTP" : "ESMTP", c_out(r->s.c));
	}
	if ((why & WHY_SHUTDOWN) != 0) {
		receiver_leave(r, &stopping);
	} else if ((why & WHY_TIMEOUT) != 0) {
		receiver_leave(r, &timeout);
	}
	return !r->closing && (why & WHY_INPUT) != 0;
}
