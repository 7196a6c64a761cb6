/*
 * listen: listening sockets, and who may connect to them.
 *
 * A listener has its socket from the environment (LISTEN_FDS, LISTEN_PID,
 * LISTEN_FDNAMES as systemd's sd_listen_fds(3) defines them; postroom passes
 * them the same way) or opens it.  One thread accepts on all of them.
 *
 * A peer over a limit is sent its protocol's `busy` line and closed.  When
 * descriptors run out, accepting pauses for a moment instead of spinning, and
 * one descriptor kept in reserve is used to turn the peer away.
 *
 * From a balancer named in `balancers` the connection begins with a PROXY
 * protocol version 2 header, which gives the peer's address; anything else
 * closes it.  From anybody else such a header is just wrong input.
 *
 * Threads: set up from main before listen_start.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/fail.h"
#include "net/addr.h"
#include "net/session.h"

struct listener;

struct listen_conf {
	unsigned total_max;	    /* connections of the process; 0 = 10000 */
	unsigned peer_max;	    /* of one client network; 0 = 100.
				     * Loopback and Unix peers are not counted */
	struct addr_nets balancers; /* borrowed */
};

struct listen_spec {
	const char *name; /* "imap": as in LISTEN_FDNAMES */
	const struct protocol *proto;
	bool tls;	       /* TLS from the first octet */
	const char *addresses; /* "127.0.0.1, ::1", "*"; NULL for a path */
	uint16_t port;	       /* 0 with an address: any free port */
	const char *path;      /* Unix-domain socket */
	unsigned mode;	       /* of `path`, 0 = 0600 */
	gid_t group;	       /* of `path`, 0 = our own */
};

/*
 * Open `spec`, or take every inherited socket of its name.  0 with *n_out the
 * number of sockets, which is 0 if others were inherited but none of this
 * name.  An IPv6 address on a machine without IPv6 is passed over if there
 * is another.  FAIL_DENIED, FAIL_EXISTS (address in use), FAIL_SYNTAX.
 */
int listen_open(
    const struct listen_spec *spec, unsigned *n_out, struct fail *f) MUST_CHECK;

/* Open the sockets of `spec`, but only return them, at most `most`: for the
 * monitor, which passes them on.  *n_out is their number. */
int listen_sockets(const struct listen_spec *spec, int *fds, unsigned most,
    unsigned *n_out, struct fail *f) MUST_CHECK;

/* The port that the first socket of that name is bound to; 0 if there is
 * none, or it has no port.  For tests. */
uint16_t listen_port(const char *name);

int listen_start(const struct listen_conf *conf, struct fail *f) MUST_CHECK;
void listen_stop(void); /* stop accepting, close all sockets */
