/*
 * conn_priv: a connection from inside lib/net.
 *
 * Threads: session-owned.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/buf.h"
#include "net/conn.h"

enum {
	CONN_IN_FIRST = 4096,	  /* octets of input buffer */
	CONN_IN_BULK = 64 * 1024, /* for long input */
	CONN_FDS_MAX = 4,
};

struct tls; /* of net/tls_conn.c */

/* Descriptors received, the oldest first. */
struct conn_fds {
	int fds[CONN_FDS_MAX];
	unsigned n;
};

struct conn {
	int fd;
	bool registered; /* with the epoll set */
	struct session *s;
	const struct conn_limits *limits; /* borrowed, never NULL */
	struct tls *tls;		  /* NULL: plain */
	struct conn_fds *received;	  /* NULL: none are accepted */

	char *in; /* NULL while cap is 0 */
	size_t in_cap;
	size_t in_at; /* what is buffered: in[in_at .. in_end) */
	size_t in_end;
	size_t bulk; /* of long input: what the next read may take */
	struct buf out;
	int in_error; /* sticks; negative errno or 0 */
	int out_error;
	bool reset; /* the peer broke the connection */
	/* What the last attempt to read would have waited for: input, or room
	 * for what TLS has to say first. */
	uint32_t awaits;

	int64_t deadline; /* of conn_set_deadline */
	/* Since when a call waits, and how much had been moved by then;
	 * 0 = it has not waited yet. */
	int64_t in_since;
	uint64_t in_since_n;
	int64_t out_since;
	uint64_t out_since_n;
	_Atomic uint64_t n_in; /* atomic for statistics alone */
	_Atomic uint64_t n_out;
};

/* System calls apart from the functions that suspend, because the compiler
 * may keep the address of errno there: all return a negative errno. */
ssize_t conn_sys_recv(struct conn *c, void *to, size_t n);
ssize_t conn_sys_send(struct conn *c, const void *p, size_t n, int flags);
ssize_t conn_recv_fds(struct conn *c, void *to, size_t n);

/* Which way a call waits. */
enum conn_way { CONN_READS, CONN_WRITES };

/* Wait until the descriptor is ready for `events` on behalf of a call that
 * reads or writes, within its limits.  0 (try again) or a negative errno,
 * which has been made to stick. */
int conn_wait(struct conn *c, enum conn_way way, uint32_t events) MUST_CHECK;

/* Make an error stick: an output error ends input too. */
int conn_broken(struct conn *c, enum conn_way way, int error);

/* One attempt to read without waiting: octets added to the buffer, 0 if it
 * would have to wait (*events_out says for what), or a negative errno. */
ssize_t conn_try(struct conn *c, uint32_t *events_out) MUST_CHECK;

static inline struct sv
conn_buffered(const struct conn *c)
{
	return (struct sv){
	    c->in_cap != 0 ? c->in + c->in_at : "", c->in_end - c->in_at};
}

/* Begin a call that reads: its clock has not started. */
static inline void
conn_in_begin(struct conn *c)
{
	c->in_since = 0;
}

/* Exactly n octets from a plain socket, none beyond them; 0 or -errno. */
int conn_read_direct(struct conn *c, void *to, size_t n) MUST_CHECK;

/* For net/session.c: give back the buffers, arm for what the last attempt to
 * read would have waited for; 0 or -errno. */
int conn_rest(struct conn *c) MUST_CHECK;
int64_t conn_idle_ms(const struct conn *c);
int64_t conn_input_ms(const struct conn *c);

/* Close in order: what was written still reaches the peer. */
void conn_shut(struct conn *c);

/* ---- of net/tls_conn.c ---- */

/* Handshake as server over c; its first octets may not be read yet.  0 or a
 * negative errno. */
int tls_accept(struct conn *c) MUST_CHECK;
void tls_free(struct tls **tls);
void tls_shut(struct tls *tls); /* close_notify, without waiting */

/* As recv and send: octets, or -EAGAIN with *events_out, or -EPIPE, -EPROTO.
 * 0 is not returned. */
ssize_t tls_recv(struct tls *tls, void *to, size_t n, uint32_t *events_out);
ssize_t tls_send(
    struct tls *tls, const void *p, size_t n, uint32_t *events_out);
