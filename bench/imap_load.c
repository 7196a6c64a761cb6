#include "bench/imap_load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "bench/message.h"

enum { OPENERS = 8 }; /* threads that open the connections of imap_hold() */

/* What a worker holds besides its connection. */
struct imap_state {
	struct buf out;
	struct message message;
	uint64_t number;
};

/* Octets of the literal that a line announces at its end, or 0. */
static uint64_t
literal_size(struct sv line)
{
	ptrdiff_t open = sv_rchr(line, '{');
	uint64_t size;

	if (open < 0 || line.len < 3 || line.p[line.len - 1] != '}'
	    || !sv_u64(
		sv_sub(line, (size_t)open + 1, line.len - (size_t)open - 2),
		&size)) {
		return 0;
	}
	return size;
}

/* Read to the tagged answer, which must be OK. */
static int
read_answer(struct conn *conn, struct fail *f)
{
	for (;;) {
		struct sv line;

		if (conn_line(conn, &line, f) != 0) {
			return -1;
		}
		uint64_t size = literal_size(line);

		if (size > 0 && conn_skip(conn, size, f) != 0) {
			return -1;
		}
		if (sv_starts(line, SV("a OK"))) {
			return 0;
		}
		if (sv_starts(line, SV("a "))) {
			return fail_set(f, FAIL_PERM, "%.*s", SV_ARG(line));
		}
	}
}

static int
command(struct conn *conn, struct buf *out, const char *text, struct fail *f)
{
	buf_clear(out);
	buf_addf(out, "a %s\r\n", text);
	if (conn_send(conn, buf_sv(out), f) != 0 || read_answer(conn, f) != 0) {
		return fail_wrap(f, "%s", text);
	}
	return 0;
}

static int
connect_and_login(struct worker *w, struct buf *out, uint64_t nth,
    struct conn **conn, struct fail *f)
{
	const struct options *opt = w->opt;
	struct sv greeting;
	char user[USER_NAME_SIZE];

	if (conn_open(opt->host, opt->port, opt->tls, conn, f) != 0
	    || conn_line(*conn, &greeting, f) != 0) {
		return -1;
	}
	worker_user(w, nth, user);
	buf_clear(out);
	buf_addf(out, "a LOGIN \"%s\" \"%s\"\r\n", user, opt->password);
	if (conn_send(*conn, buf_sv(out), f) != 0
	    || read_answer(*conn, f) != 0) {
		return fail_wrap(f, "LOGIN %s", user);
	}
	return 0;
}

static struct imap_state *
state_new(struct worker *w)
{
	struct imap_state *s = xcalloc(1, sizeof(*s));

	w->state = s;
	message_init(&s->message, w->opt->size);
	return s;
}

static void
state_close(struct worker *w)
{
	struct imap_state *s = w->state;

	if (s != NULL) {
		message_deinit(&s->message);
		buf_deinit(&s->out);
		free(s);
		w->state = NULL;
	}
}

static int
open_plain(struct worker *w, struct fail *f)
{
	struct imap_state *s = state_new(w);

	return connect_and_login(w, &s->out, 0, &w->conn, f);
}

static int
open_selected(struct worker *w, struct fail *f)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "SELECT \"%s\"", w->opt->mailbox);
	if (open_plain(w, f) != 0) {
		return -1;
	}
	struct imap_state *s = w->state;

	return command(w->conn, &s->out, text, f);
}

static int
open_nothing(struct worker *w, struct fail *f)
{
	(void)f;
	(void)state_new(w);
	return 0;
}

static int
login_step(struct worker *w, struct fail *f)
{
	struct imap_state *s = w->state;
	struct conn *conn = NULL;
	int rc = connect_and_login(w, &s->out, s->number++, &conn, f);

	if (rc == 0) {
		rc = command(conn, &s->out, "LOGOUT", f);
	}
	conn_close(&conn);
	w->items++;
	return rc;
}

static int
noop_step(struct worker *w, struct fail *f)
{
	struct imap_state *s = w->state;

	w->items++;
	return command(w->conn, &s->out, "NOOP", f);
}

static int
append_step(struct worker *w, struct fail *f)
{
	struct imap_state *s = w->state;

	message_number(
	    &s->message, (uint64_t)w->index * 1000000000 + s->number++);
	buf_clear(&s->out);
	buf_addf(&s->out, "a APPEND \"%s\" {%zu+}\r\n", w->opt->mailbox,
	    s->message.text.len);
	buf_add_sv(&s->out, buf_sv(&s->message.text));
	buf_add_str(&s->out, "\r\n");
	w->items++;
	if (conn_send(w->conn, buf_sv(&s->out), f) != 0
	    || read_answer(w->conn, f) != 0) {
		return fail_wrap(f, "APPEND");
	}
	return 0;
}

static int
run_commands(struct worker *w, const struct command_list *list, struct fail *f)
{
	struct imap_state *s = w->state;

	for (unsigned i = 0; i < list->n; i++) {
		if (command(w->conn, &s->out, list->items[i], f) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
create_step(struct worker *w, struct fail *f)
{
	struct imap_state *s = w->state;
	char text[256];

	(void)snprintf(text, sizeof(text), "CREATE \"%s/%u-%llu\"",
	    w->opt->mailbox, w->index, (unsigned long long)s->number++);
	w->items++;
	return command(w->conn, &s->out, text, f);
}

static int
command_open(struct worker *w, struct fail *f)
{
	if (open_plain(w, f) != 0) {
		return -1;
	}
	return run_commands(w, &w->opt->prepare, f);
}

static int
command_step(struct worker *w, struct fail *f)
{
	w->items += w->opt->items;
	return run_commands(w, &w->opt->commands, f);
}

const struct workload imap_login_load = {"imap-login", "connect, LOGIN, LOGOUT",
    open_nothing, login_step, state_close};
const struct workload imap_noop_load = {"imap-noop",
    "NOOP with a mailbox selected", open_selected, noop_step, state_close};
const struct workload imap_append_load = {
    "imap-append", "APPEND to --mailbox", open_plain, append_step, state_close};
const struct workload imap_create_load = {"imap-create",
    "CREATE a mailbox below --mailbox", open_plain, create_step, state_close};
const struct workload imap_command_load = {"imap-command",
    "each --command in turn, after each --prepare", command_open, command_step,
    state_close};

/* --- connections that only stand ---------------------------------------- */
struct opener {
	const struct options *opt;
	struct conn **conns; /* borrowed: all of them */
	pthread_t thread;
	unsigned first;
	bool failed;
	struct fail fail;
};

int
imap_open_standing(const struct options *opt, unsigned index,
    struct conn **conn, struct fail *f)
{
	struct worker w = {.opt = opt, .index = index};
	struct buf out = {0};
	char text[256];
	struct sv line;

	(void)snprintf(text, sizeof(text), "SELECT \"%s\"", opt->mailbox);
	int rc = connect_and_login(&w, &out, 0, conn, f);

	rc = rc == 0 ? command(*conn, &out, text, f) : rc;
	if (rc == 0 && opt->idle) {
		rc = conn_send(*conn, SV("a IDLE\r\n"), f);
		rc = rc == 0 ? conn_line(*conn, &line, f) : rc;
	}
	buf_deinit(&out);
	return rc;
}

static void *
opener_main(void *arg)
{
	struct opener *o = arg;

	for (unsigned i = o->first; i < o->opt->connections; i += OPENERS) {
		if (imap_open_standing(o->opt, i, &o->conns[i], &o->fail)
		    != 0) {
			o->failed = true;
			break;
		}
	}
	return NULL;
}

static int
open_all(const struct options *opt, struct conn **conns, struct fail *f)
{
	struct opener openers[OPENERS] = {0};
	int rc = 0;

	for (unsigned i = 0; i < OPENERS; i++) {
		openers[i] =
		    (struct opener){.opt = opt, .first = i, .conns = conns};
		int err = pthread_create(
		    &openers[i].thread, NULL, opener_main, &openers[i]);

		ASSERT(err == 0);
	}
	for (unsigned i = 0; i < OPENERS; i++) {
		(void)pthread_join(openers[i].thread, NULL);
		if (openers[i].failed) {
			*f = openers[i].fail;
			rc = -1;
		}
	}
	return rc;
}

int
imap_hold(const struct options *opt, struct fail *f)
{
	struct conn **conns = xcalloc(opt->connections, sizeof(struct conn *));
	int rc = open_all(opt, conns, f);

	if (rc == 0) {
		char c;

		(void)printf("ready\n");
		(void)fflush(stdout);
		while (read(STDIN_FILENO, &c, 1) > 0) {
		}
	}
	for (unsigned i = 0; i < opt->connections; i++) {
		conn_close(&conns[i]);
	}
	free(conns);
	return rc;
}
