/*
 * proxy: the header by which a load balancer says whose connection it
 * passes on, PROXY protocol version 2 (haproxy.org, proxy-protocol.txt 2.2).
 *
 * Threads: pure functions.
 */
#pragma once

#include <stddef.h>

#include "base/sv.h"
#include "net/addr.h"

enum {
	PROXY_HEAD = 16,  /* octets before the addresses */
	PROXY_MAX = 1024, /* of a whole header that we take */
};

enum proxy_found {
	PROXY_MORE,  /* so far it could be one: read on up to *len_out octets,
		      * which is at most PROXY_MAX */
	PROXY_WHOLE, /* *len_out octets of it */
	PROXY_LOCAL, /* the same, but the balancer speaks for itself: keep the
		      * connection's own addresses */
	PROXY_BAD,
};

/* Look at the start of a connection.  TLVs behind the addresses are skipped;
 * an address family that is neither IPv4 nor IPv6 counts as PROXY_LOCAL. */
enum proxy_found proxy_read(struct sv octets, size_t *len_out,
    struct addr *peer_out, struct addr *local_out);
