/*
 * addr: the address of a peer, and networks such as 192.0.2.0/24.
 *
 * IPv4 addresses that arrive mapped into IPv6 (::ffff:192.0.2.1) become
 * IPv4.  A Unix-domain peer has family AF_UNIX and no address.
 *
 * Threads: plain values.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/fail.h"
#include "base/sv.h"

enum { ADDR_TEXT_SIZE = 64 };

struct addr {
	uint16_t family; /* AF_INET, AF_INET6, AF_UNIX; 0 = unknown */
	uint16_t port;	 /* host order */
	uint8_t ip[16];	 /* AF_INET: the first four octets */
};

struct addr_net {
	struct addr addr;
	unsigned bits; /* 0 to 32 or 128 */
};

struct addr_nets {
	const struct addr_net *nets;
	size_t n;
};

/* Both ways; a family that is not one of ours becomes 0.  The result of the
 * second is the length of what it wrote. */
void addr_from_sockaddr(
    const struct sockaddr *sa, socklen_t len, struct addr *out);
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *out);

/* IPv6, or IPv4 mapped into it [RFC 4291 2.5.5.2]; zeros for another family.
 */
void addr_to_ip6(const struct addr *a, uint8_t out[16]);

/* "192.0.2.1", "2001:db8::1"; FAIL_SYNTAX otherwise.  The port becomes 0. */
int addr_parse(struct sv text, struct addr *out, struct fail *f) MUST_CHECK;

/* "192.0.2.1", "2001:db8::1", "local" for AF_UNIX.  Result is in `buf`. */
const char *addr_text(const struct addr *a, char buf[ADDR_TEXT_SIZE]);
/* 127.0.0.0/8, ::1 and Unix-domain sockets. */
bool addr_is_loopback(const struct addr *a);
bool addr_eq(const struct addr *a, const struct addr *b); /* without ports */

/* The network that limits count by: an IPv4 address, an IPv6 /64. */
struct addr addr_client_net(const struct addr *a);

/* "127.0.0.0/8, ::1 10.0.0.1": commas and blanks between; in `arena`. */
int addr_nets_parse(struct sv text, struct arena *arena, struct addr_nets *out,
    struct fail *f) MUST_CHECK;
bool addr_nets_have(const struct addr_nets *nets, const struct addr *a);
