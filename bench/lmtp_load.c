#include "bench/lmtp_load.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "bench/message.h"

struct lmtp_state {
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
lmtp_open(struct worker *w, struct fail *f)
{
	struct lmtp_state *s = xcalloc(1, sizeof(*s));

	w->state = s;
	message_init(&s->message, w->opt->size);
	/* Workers begin far apart, so that they rarely meet at one user. */
	s->rcpt = (uint64_t)w->index * w->opt->users / w->opt->connections;
	if (conn_open(w->opt->host, w->opt->port, w->opt->tls, &w->conn, f) != 0
	    || read_reply(w->conn, '2', f) != 0
	    || conn_send(w->conn, SV("LHLO load.test\r\n"), f) != 0) {
		return -1;
	}
	return read_reply(w->conn, '2', f);
}

static void
add_envelope(struct worker *w)
{
	struct lmtp_state *s = w->state;

	buf_clear(&s->out);
	buf_add_str(&s->out, "MAIL FROM:<j.mueller@example.net>\r\n");
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
	if (conn_send(w->conn, buf_sv(&s->out), f) != 0) {
		return -1;
	}
	for (unsigned i = 0; i < w->opt->recipients; i++) {
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
