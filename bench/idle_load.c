#include "bench/idle_load.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bench/imap_load.h"
#include "bench/lmtp_load.h"

struct idle_state {
	struct worker lmtp; /* delivers to our user alone */
	struct options lmtp_options;
};

static int
idle_open(struct worker *w, struct fail *f)
{
	struct idle_state *s = xcalloc(1, sizeof(*s));

	w->state = s;
	s->lmtp_options = *w->opt;
	s->lmtp_options.port = w->opt->deliver;
	s->lmtp_options.first += w->index % w->opt->users;
	s->lmtp_options.users = 1;
	s->lmtp.opt = &s->lmtp_options;
	if (lmtp_load.open(&s->lmtp, f) != 0) {
		return -1;
	}
	return imap_open_standing(w->opt, w->index, &w->conn, f);
}

/* Read on until mail is announced. */
static int
wait_exists(struct conn *conn, struct fail *f)
{
	struct sv line;

	do {
		if (conn_line(conn, &line, f) != 0) {
			return fail_wrap(f, "IDLE");
		}
		if (sv_starts(line, SV("a "))) {
			return fail_set(f, FAIL_PERM, "%.*s", SV_ARG(line));
		}
	} while (!sv_ends_nocase(line, SV(" EXISTS")));
	return 0;
}

static int
idle_step(struct worker *w, struct fail *f)
{
	struct idle_state *s = w->state;

	if (lmtp_load.step(&s->lmtp, f) != 0) {
		return -1;
	}
	w->began_ns = s->lmtp.began_ns;
	w->items++;
	return wait_exists(w->conn, f);
}

static void
idle_close(struct worker *w)
{
	struct idle_state *s = w->state;

	if (s->lmtp.state != NULL) {
		lmtp_load.close(&s->lmtp);
	}
	conn_close(&s->lmtp.conn);
	free(s);
	w->state = NULL;
}

const struct workload imap_idle_load = {"imap-idle",
    "in IDLE, from a delivery to its EXISTS", idle_open, idle_step, idle_close};
