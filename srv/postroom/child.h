/*
 * child: one program that the monitor keeps running.
 *
 * A child gets its listening sockets by systemd's protocol (LISTEN_FDS,
 * LISTEN_PID, LISTEN_FDNAMES, from descriptor 3 on), which stay open here
 * while it is away: clients wait for the restart instead of being refused.
 * It says READY=1 on NOTIFY_SOCKET.  When it ends unasked it is started again
 * after a pause that doubles from restart_min_ms to restart_max_ms, and is
 * forgotten when it has run for restart_good_ms.
 *
 * Threads: the monitor has one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/fail.h"

enum { CHILD_SOCKETS_MAX = 32 };

enum child_state {
	CHILD_DOWN,	/* not running; start_at says when it will be */
	CHILD_STARTING, /* running, READY=1 not yet seen */
	CHILD_READY,
	CHILD_STOPPING, /* asked to end */
};

struct child {
	const char *name; /* also the program's file name */
	enum child_state state;
	pid_t pid; /* 0 while down */

	int sockets[CHILD_SOCKETS_MAX]; /* owned */
	const char *socket_names[CHILD_SOCKETS_MAX];
	size_t n_sockets;

	int64_t started;  /* clock_mono_ms */
	int64_t start_at; /* clock_mono_ms, while down */
	int64_t pause_ms; /* before the next restart */
	uint64_t restarts;
};

/* How children are started; all borrowed. */
struct child_plan {
	const char *bin_dir;	 /* holds the programs */
	const char *const *args; /* NULL-ended, behind the program's name */
	const char *notify;	 /* NOTIFY_SOCKET for them */
	int64_t restart_min_ms;
	int64_t restart_max_ms;
	int64_t restart_good_ms;
};

/* Fork and execute.  FAIL_LIMIT, FAIL_TEMP; a program that cannot be executed
 * ends with status 127. */
int child_start(
    struct child *c, const struct child_plan *plan, struct fail *f) MUST_CHECK;

/* The child has ended with `status` of waitpid(2): log it and plan its
 * restart, unless it was asked to stop. */
void child_ended(struct child *c, const struct child_plan *plan, int status);

/* Send a signal; a child that is down is a no-op. */
void child_signal(const struct child *c, int sig);

/* SIGTERM, once. */
void child_stop(struct child *c);

void child_close_sockets(struct child *c);
