#include "bench/pop3_load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

struct pop3_state {
	uint64_t messages;
	uint64_t next;
};

/* Send a line and read the status line, which must be +OK. */
static int
command(struct conn *conn, const char *text, struct sv *answer, struct fail *f)
{
	if (conn_send(conn, sv_cstr(text), f) != 0
	    || conn_line(conn, answer, f) != 0) {
		return -1;
	}
	if (!sv_starts(*answer, SV("+OK"))) {
		return fail_set(f, FAIL_PERM, "%.*s", SV_ARG(*answer));
	}
	return 0;
}

static int
pop3_open(struct worker *w, struct fail *f)
{
	struct pop3_state *s = xcalloc(1, sizeof(*s));
	char user[USER_NAME_SIZE];
	char text[USER_NAME_SIZE + 32];
	struct sv line;

	w->state = s;
	if (conn_open(w->opt->host, w->opt->port, w->opt->tls, &w->conn, f) != 0
	    || conn_line(w->conn, &line, f) != 0) {
		return -1;
	}
	worker_user(w, 0, user);
	(void)snprintf(text, sizeof(text), "USER %s\r\n", user);
	if (command(w->conn, text, &line, f) != 0) {
		return -1;
	}
	(void)snprintf(text, sizeof(text), "PASS %s\r\n", w->opt->password);
	if (command(w->conn, text, &line, f) != 0
	    || command(w->conn, "STAT\r\n", &line, f) != 0) {
		return -1;
	}
	line = sv_from(line, 4);
	if (!sv_u64(sv_cut(&line, ' '), &s->messages) || s->messages == 0) {
		return fail_set(f, FAIL_ABSENT, "%s: nothing to read", user);
	}
	return 0;
}

static int
pop3_step(struct worker *w, struct fail *f)
{
	struct pop3_state *s = w->state;
	char text[64];
	struct sv line;

	(void)snprintf(text, sizeof(text), "RETR %" PRIu64 "\r\n",
	    s->next++ % s->messages + 1);
	if (command(w->conn, text, &line, f) != 0) {
		return -1;
	}
	do {
		if (conn_line(w->conn, &line, f) != 0) {
			return -1;
		}
	} while (!sv_eq(line, SV(".")));
	w->items++;
	return 0;
}

static void
pop3_close(struct worker *w)
{
	free(w->state);
	w->state = NULL;
}

const struct workload pop3_retr_load = {
    "pop3-retr", "RETR each message in turn", pop3_open, pop3_step, pop3_close};
