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
};

/*
 * Open `spec`, or take every inherited socket of its name.  0 with *n_out the
 * number of sockets, which may be 0 if others were inherited but none of this
 * name.  FAIL_DENIED, FAIL_EXISTS (address in use), FAIL_SYNTAX.
 */
int listen_open(
    const struct listen_spec *spec, unsigned *n_out, struct fail *f) MUST_CHECK;

/* Open a listening socket as listen_open does, but only return it: for the
 * monitor, which passes it on.  An address list gives several: call with
 * i = 0, 1, ... until *fd_out is -1. */
int listen_socket(const struct listen_spec *spec, unsigned i, int *fd_out,
    struct fail *f) MUST_CHECK;

/* The port that the i-th socket of all opened so far is bound to, 0 if there
 * is none or it has no port: for tests. */
uint16_t listen_port(unsigned i);

int listen_start(const struct listen_conf *conf, struct fail *f) MUST_CHECK;
void listen_stop(void); /* stop accepting, close all sockets */
