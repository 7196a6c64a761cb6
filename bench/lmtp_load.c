#include "bench/lmtp_load.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "bench/message.h"
#include "mail/transfer.h"

struct lmtp_state {
	bool smtp; /* one answer to a message */
	char sender[USER_NAME_SIZE];
	struct buf out;
	struct message message;
	uint64_t number;
	uint64_t rcpt; /* recipients named so far */
};

/* Read one reply, which must begin with the digit `want`. */
static int
read_reply(struct conn *conn, char want, struct fail *f)
{
	struct sv line;

	do {
		if (conn_line(conn, &line, f) != 0) {
			return -1;
		}
		if (line.len < 3 || line.p[0] != want) {
			return fail_set(f, FAIL_PERM, "%.*s", SV_ARG(line));
		}
	} while (line.len > 3 && line.p[3] == '-');
	return 0;
}

static int
open_with(struct worker *w, const char *greeting, struct fail *f)
{
	struct lmtp_state *s = xcalloc(1, sizeof(*s));

	w->state = s;
	message_init(&s->message, w->opt->size);
	(void)snprintf(s->sender, sizeof(s->sender), "j.mueller@example.net");
	/* Workers begin far apart, so that they rarely meet at one user. */
	s->rcpt = (uint64_t)w->index * w->opt->users / w->opt->connections;
	if (conn_open(w->opt->host, w->opt->port, w->opt->tls, &w->conn, f) != 0
	    || read_reply(w->conn, '2', f) != 0
	    || conn_send(w->conn, sv_cstr(greeting), f) != 0) {
		return -1;
	}
	return read_reply(w->conn, '2', f);
}

static int
lmtp_open(struct worker *w, struct fail *f)
{
	return open_with(w, "LHLO load.test\r\n", f);
}

static int
smtp_open(struct worker *w, struct fail *f)
{
	int rc = open_with(w, "EHLO load.test\r\n", f);
	struct lmtp_state *s = w->state;

	s->smtp = true;
	return rc;
}

/* AUTH LOGIN, whose answers need no more than base64. [RFC 4954] */
static int
answer(struct conn *conn, const char *text, char want, struct fail *f)
{
	struct buf out = {0};

	transfer_base64(sv_cstr(text), &out);
	buf_add_str(&out, "\r\n");
	int rc = conn_send(conn, buf_sv(&out), f);

	buf_deinit(&out);
	return rc != 0 ? -1 : read_reply(conn, want, f);
}

static int
submission_open(struct worker *w, struct fail *f)
{
	struct lmtp_state *s;

	if (smtp_open(w, f) != 0) {
		return -1;
	}
	s = w->state;
	worker_user(w, 0, s->sender);
	if (conn_send(w->conn, SV("AUTH LOGIN\r\n"), f) != 0
	    || read_reply(w->conn, '3', f) != 0
	    || answer(w->conn, s->sender, '3', f) != 0
	    || answer(w->conn, w->opt->password, '2', f) != 0) {
		return fail_wrap(f, "AUTH %s", s->sender);
	}
	return 0;
}

static void
add_envelope(struct worker *w)
{
	struct lmtp_state *s = w->state;

	buf_clear(&s->out);
	buf_addf(&s->out, "MAIL FROM:<%s>\r\n", s->sender);
	for (unsigned i = 0; i < w->opt->recipients; i++) {
		uint64_t user = w->opt->first + s->rcpt++ % w->opt->users;

		buf_addf(&s->out, "RCPT TO:<u%05llu@%s>\r\n",
		    (unsigned long long)user, w->opt->domain);
	}
	buf_add_str(&s->out, "DATA\r\n");
}

static int
lmtp_step(struct worker *w, struct fail *f)
{
	struct lmtp_state *s = w->state;

	add_envelope(w);
	if (conn_send(w->conn, buf_sv(&s->out), f) != 0) {
		return -1;
	}
	for (unsigned i = 0; i < w->opt->recipients + 1; i++) {
		if (read_reply(w->conn, '2', f) != 0) {
			return fail_wrap(f, "MAIL or RCPT");
		}
	}
	if (read_reply(w->conn, '3', f) != 0) {
		return fail_wrap(f, "DATA");
	}
	message_number(
	    &s->message, (uint64_t)w->index * 1000000000 + s->number++);
	buf_clear(&s->out);
	buf_add_sv(&s->out, buf_sv(&s->message.text));
	buf_add_str(&s->out, ".\r\n");
	w->began_ns = w->opt->deliver != 0 ? clock_mono_ns() : w->began_ns;
	if (conn_send(w->conn, buf_sv(&s->out), f) != 0) {
		return -1;
	}
	for (unsigned i = 0; i < (s->smtp ? 1 : w->opt->recipients); i++) {
		if (read_reply(w->conn, '2', f) != 0) {
			return fail_wrap(f, "delivery");
		}
	}
	w->items += w->opt->recipients;
	return 0;
}

static void
lmtp_close(struct worker *w)
{
	struct lmtp_state *s = w->state;

	message_deinit(&s->message);
	buf_deinit(&s->out);
	free(s);
	w->state = NULL;
}

const struct workload lmtp_load = {"lmtp", "deliver to --recipients at once",
    lmtp_open, lmtp_step, lmtp_close};
const struct workload smtp_load = {
    "smtp", "the same over port 25", smtp_open, lmtp_step, lmtp_close};
const struct workload submission_load = {"submission",
    "the same as users of the server", submission_open, lmtp_step, lmtp_close};
