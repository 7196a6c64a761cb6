/*
 * stat: what a server tells msstat about itself.
 *
 * Each server listens on DIR/run/stat/PROGRAM.PID, a Unix-domain stream
 * socket of mode 0600.  Whoever connects gets one JSON object and the end of
 * the stream:
 *
 *	{"program":"imapd","pid":417,"since":"2026-01-31T09:30:00Z",
 *	 "threads":6,"workers":4,"memory":{"pss":..,"rss":..},
 *	 "counters":{"imap.connections":12,...},
 *	 "sessions":[{"id":"1a","protocol":"imap","peer":"192.0.2.1",
 *	   "user":"ann@example.org","state":"INBOX idle",
 *	   "since":"...","in":120,"out":4711,"tls":"TLSv1.3"},...]}
 *
 * Memory is in octets.  Sessions appear by themselves (net/session.h).
 *
 * Threads: counters are atomic, for any thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/fail.h"

struct stat_counter {
	const char *name; /* "lmtp.delivered" */
	_Atomic uint64_t value;
};

static inline void
stat_add(struct stat_counter *c, uint64_t n)
{
	/* A figure for people: no order with anything else is needed. */
	atomic_fetch_add_explicit(&c->value, n, memory_order_relaxed);
}

/* Listen in `dir` (DIR/run/stat, which must exist) and answer on a thread
 * of its own.  `counters` end with NULL and are borrowed for good. */
int stat_open(const char *dir, const char *program,
    struct stat_counter *const *counters, struct fail *f) MUST_CHECK;
void stat_close(void); /* removes the socket */
