/*
 * session: what every protocol's session begins with, and the table by which
 * a protocol tells lib/net how to run it.
 *
 *	struct imap_session {
 *		struct session s;
 *		... the protocol's own fields, zeroed at first ...
 *	};
 *
 * The life of a session: the listener (or session_new) allocates
 * session_size octets, `run` is called with WHY_START once the connection is
 * ready (on a TLS port: after the handshake), then again whenever there is
 * something to do, until it returns V_CLOSE; then `close`, and all is freed.
 *
 * `run` executes on a coroutine: c_*() calls of net/conn.h suspend it while
 * the peer is slow and it may continue on another thread.  So no lock,
 * thread-local pointer or errno is held across one (the compiler may keep
 * the address of errno: a function that looks at errno itself does not call
 * c_*()), and large arrays do not belong on its stack (128 KiB).
 *
 * A call of `run` does what it was woken for, usually one command, and
 * returns V_PARK.  If more input is there already it is called again at once,
 * on the same coroutine, with fairness towards other sessions; output is
 * gathered and sent when the input is used up.  Else stack and buffers are
 * given back and the session is parked.
 *
 * Threads: a session is session-owned: one runner at a time.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/sv.h"
#include "net/addr.h"

struct conn;
struct conn_limits;
struct session;

enum verdict {
	V_PARK,	 /* wait for input or another wake; output is flushed */
	V_CLOSE, /* flush, close, free */
};

/* Bits of `why`; several can come together. */
enum why {
	WHY_START = 1,	   /* the first call: greet */
	WHY_INPUT = 2,	   /* octets are there, or the peer has gone */
	WHY_WAKE = 4,	   /* somebody called park_wake */
	WHY_TIMER = 8,	   /* the time of park_timer has come */
	WHY_TIMEOUT = 16,  /* no input for idle_ms: say so and V_CLOSE */
	WHY_SHUTDOWN = 32, /* the program stops: say so and V_CLOSE */
};

struct protocol {
	const char *name;    /* "imap": in logs and statistics */
	size_t session_size; /* of the struct that begins with struct session */
	enum verdict (*run)(struct session *s, unsigned why);
	void (*close)(struct session *s); /* free what run made; may be NULL.
					   * c_*() fail or do nothing here */
	const struct conn_limits *limits; /* of new sessions; borrowed */
	struct sv busy;	 /* sent to a peer over a limit, then closed; one
			  * whole line or empty */
	const void *tag; /* for the protocol: what tells ports apart */
};

/* What others hold instead of a pointer to a session that may be gone. */
struct park_ref {
	uint32_t slot;
	uint32_t gen; /* never 0 */
};

struct session {
	/* For the protocol to read. */
	const struct protocol *proto;
	struct conn *c;	   /* the client's connection; owned by the session */
	uint64_t id;	   /* of no other session ever: in every log line */
	struct addr peer;  /* from the PROXY header where one was sent */
	struct addr local; /* the address that the peer connected to */

	/* Of net/park.c and what stands behind it. */
	struct park_ref ref;
	struct co *co;		    /* while a command runs or is suspended */
	uint8_t rest_mask;	    /* events that end the present suspension */
	bool yields;		    /* suspended only to let others run */
	bool closing;		    /* the turn ended with V_CLOSE */
	uint8_t stage;		    /* of net/session.c */
	unsigned burst;		    /* commands in this turn */
	int64_t burst_from;	    /* ns */
	int64_t idle_from;	    /* ms: when the last command ended */
	int64_t timer;		    /* park_timer, 0 = none */
	_Atomic int64_t deadline;   /* when the wheel shall fire */
	_Atomic int64_t wheel_when; /* when it looks, 0 = not in it */
	struct session *wheel_next; /* guarded by the wheel's lock */
	struct session **wheel_prev;	 /* guarded by the wheel's lock */
	struct session *queue_next;	 /* guarded by the queue's lock */
	const struct listener *listener; /* counted in its limits, or NULL */
	struct addr counted;		 /* the network counted, or family 0 */

	/* Of net/stat.c. */
	int64_t since;	 /* wall time, ms */
	char *user;	 /* guarded by the list's lock, owned, or NULL */
	char *state;	 /* guarded by the list's lock, owned, or NULL */
	const char *tls; /* guarded by the list's lock, static, or NULL */
	struct session *stat_next; /* guarded by the list's lock */
	struct session **stat_prev;
};

/*
 * Make a session over a connected stream socket (taken; made non-blocking).
 * It does not run before park_add().  For tests and for connections that no
 * listener accepted.
 */
struct session *session_new(const struct protocol *proto, int fd,
    const struct addr *peer, const struct addr *local) MUST_CHECK;

/* For msstat: who is logged in, and what the session is at ("INBOX idle").
 * Copied; an empty slice clears.  From within run only. */
void session_user(struct session *s, struct sv user);
void session_state(struct session *s, struct sv state);
