/*
 * crew: run one workload on many connections at once and measure it.
 *
 * Each worker is a thread with a connection of its own.  All are opened
 * first; then the clock and the server's CPU meter start, every worker takes
 * steps until the time or the count is used up, and the meters stop.
 *
 * Threads: crew_run() is called from one thread; a worker is its thread's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/fail.h"
#include "bench/conn.h"

struct command_list {
	const char *items[8];
	unsigned n;
};

struct options {
	const char *host;
	uint16_t port;
	bool tls;
	bool idle;
	unsigned connections;
	unsigned recipients; /* of one message */
	unsigned users;	     /* u00000@domain and on ... */
	unsigned first;	     /* ... from this number */
	const char *domain;
	const char *user; /* all log in as this one; NULL: spread */
	const char *password;
	const char *mailbox;
	const char *dir;
	struct command_list prepare;  /* IMAP, before the clock starts */
	struct command_list commands; /* IMAP, together one step */
	uint64_t items;		      /* a step stands for so many things */
	double seconds;
	uint64_t count;	  /* steps in all, 0 = until the time is up */
	size_t size;	  /* octets of a message */
	pid_t server;	  /* whose CPU time is measured, 0 = none */
	uint16_t deliver; /* port for LMTP, of workloads that use two */
};

struct worker {
	const struct options *opt;
	unsigned index;
	uint64_t steps;	   /* finished */
	uint64_t items;	   /* things done in them */
	int64_t began_ns;  /* set by a step whose time begins late */
	struct conn *conn; /* owned; closed after the workload's close */
	void *state;	   /* the workload's own */
};

struct workload {
	const char *name;
	const char *text; /* for --help */
	int (*open)(struct worker *w, struct fail *f);
	int (*step)(struct worker *w, struct fail *f);
	void (*close)(struct worker *w);
};

struct result {
	uint64_t steps;
	uint64_t items;
	double seconds;
	double cpu_ms; /* of the server */
	double p50_us;
	double p99_us;
};

int crew_run(const struct workload *load, const struct options *opt,
    struct result *out, struct fail *f) MUST_CHECK;

/* The `n`-th user that worker `w` logs in as.  `name` has USER_NAME_SIZE
 * octets. */
enum { USER_NAME_SIZE = 128 };
void worker_user(const struct worker *w, uint64_t n, char *name);
