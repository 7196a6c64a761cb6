/*
 * imap_load: the IMAP workloads.
 *
 * Threads: each function runs on its worker's thread.
 */
#pragma once

#include "bench/crew.h"

extern const struct workload imap_login_load;	/* connect, LOGIN, LOGOUT */
extern const struct workload imap_noop_load;	/* NOOP on a selected box */
extern const struct workload imap_append_load;	/* APPEND */
extern const struct workload imap_command_load; /* --prepare, --command */

extern const struct workload imap_create_load; /* CREATE */

/* A connection of worker `index`, logged in, --mailbox selected, in IDLE when
 * opt->idle.  *out is owned. */
int imap_open_standing(const struct options *opt, unsigned index,
    struct conn **out, struct fail *f) MUST_CHECK;

/*
 * Open opt->connections of those; write "ready" on standard output; hold them until standard
 * input ends.
 */
int imap_hold(const struct options *opt, struct fail *f) MUST_CHECK;
