#include "net/proxy.h"

#include <string.h>

#include "base/mem.h"

/* Thirteenth octet: version 2 above, command below.  Fourteenth: family
 * above, transport below. */
enum {
	VERSION_LOCAL = 0x20,
	VERSION_PROXY = 0x21,
	FAMILY_INET = 1,
	FAMILY_INET6 = 2,
	TRANSPORT_STREAM = 1,
	LEN_INET = 12,
	LEN_INET6 = 36,
};

static const char signature[12] = {
    '\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

static unsigned
number16(const char *p)
{
	unsigned hi = (unsigned char)p[0];
	unsigned lo = (unsigned char)p[1];

	return hi << 8 | lo;
}

static void
take_addresses(const char *p, unsigned family, size_t size, struct addr *peer,
    struct addr *local)
{
	*peer =
	    (struct addr){.family = family == FAMILY_INET ? AF_INET : AF_INET6,
		.port = (uint16_t)number16(p + 2 * size)};
	*local = (struct addr){.family = peer->family,
	    .port = (uint16_t)number16(p + 2 * size + 2)};
	memcpy(peer->ip, p, size);
	memcpy(local->ip, p + size, size);
}

enum proxy_found
proxy_read(struct sv octets, size_t *len_out, struct addr *peer_out,
    struct addr *local_out)
{
	const unsigned char *head = (const unsigned char *)octets.p;
	size_t seen =
	    octets.len < sizeof(signature) ? octets.len : sizeof(signature);
	unsigned family;
	size_t body;

	if (!sv_eq(sv_sub(octets, 0, seen), sv_make(signature, seen))) {
		return PROXY_BAD;
	}
	if (octets.len < PROXY_HEAD) {
		*len_out = PROXY_HEAD;
		return PROXY_MORE;
	}
	body = number16(octets.p + 14);
	if ((head[12] != VERSION_LOCAL && head[12] != VERSION_PROXY)
	    || body > PROXY_MAX - PROXY_HEAD) {
		return PROXY_BAD;
	}
	*len_out = PROXY_HEAD + body;
	if (octets.len < *len_out) {
		return PROXY_MORE;
	}
	family = head[13] >> 4;
	if (head[12] == VERSION_LOCAL
	    || (family != FAMILY_INET && family != FAMILY_INET6)) {
		return PROXY_LOCAL;
	}
	if ((head[13] & 0x0f) != TRANSPORT_STREAM
	    || body < (family == FAMILY_INET ? LEN_INET : LEN_INET6)) {
		return PROXY_BAD;
	}
	take_addresses(octets.p + PROXY_HEAD, family,
	    family == FAMILY_INET ? 4 : 16, peer_out, local_out);
	return PROXY_WHOLE;
}
