/*
 * monitor: starts the programs, watches them, restarts and stops them.
 *
 * One thread, one poll(2) over a signalfd and the notification socket.  The
 * programs stand in a table in the order in which they stop: those that take
 * mail in before the one that they hand it to.
 *
 * Threads: one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/fail.h"
#include "postroom/child.h"

struct monitor_conf {
	struct child_plan plan; /* `notify` is filled in by monitor_run */
	int64_t start_ms;	/* for all programs to become ready at first */
	int64_t stop_ms;	/* from SIGTERM to SIGKILL */
	void (*ready)(void);	/* called once, when all are ready */
	void (*hup)(void *arg); /* at each SIGHUP, before it is passed on */
	void *arg;
};

/*
 * Run until SIGTERM or SIGINT, then stop all children (their sockets are
 * closed).  FAIL_SYNTAX when one could not start with the settings, and
 * FAIL_TEMP when they did not become ready in time, at the first start;
 * FAIL_CANCELLED when one could not be stopped but by SIGKILL.
 */
int monitor_run(struct child *children, size_t n, struct monitor_conf *conf,
    struct fail *f) MUST_CHECK;
