#include "net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { V4_LEN = 4, V6_LEN = 16, V4_BITS = 32, V6_BITS = 128, CLIENT_V6 = 64 };

static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

static void
set_v6(struct addr *out, const uint8_t *ip)
{
	if (memcmp(ip, v4_mapped, sizeof(v4_mapped)) == 0) {
		out->family = AF_INET;
		memcpy(out->ip, ip + sizeof(v4_mapped), V4_LEN);
		return;
	}
	out->family = AF_INET6;
	memcpy(out->ip, ip, V6_LEN);
}

void
addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct addr *out)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memset(out, 0, sizeof(*out));
	if (len < sizeof(sa->sa_family)) {
		return;
	}
	if (sa->sa_family == AF_INET && len >= sizeof(v4)) {
		memcpy(&v4, sa, sizeof(v4));
		out->family = AF_INET;
		out->port = ntohs(v4.sin_port);
		memcpy(out->ip, &v4.sin_addr, V4_LEN);
	} else if (sa->sa_family == AF_INET6 && len >= sizeof(v6)) {
		memcpy(&v6, sa, sizeof(v6));
		out->port = ntohs(v6.sin6_port);
		set_v6(out, v6.sin6_addr.s6_addr);
	} else if (sa->sa_family == AF_UNIX) {
		out->family = AF_UNIX;
	}
}

socklen_t
addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *out)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	memset(out, 0, sizeof(*out));
	if (a->family == AF_INET) {
		v4.sin_port = htons(a->port);
		memcpy(&v4.sin_addr, a->ip, V4_LEN);
		memcpy(out, &v4, sizeof(v4));
		return sizeof(v4);
	}
	v6.sin6_port = htons(a->port);
	memcpy(&v6.sin6_addr, a->ip, V6_LEN);
	memcpy(out, &v6, sizeof(v6));
	return sizeof(v6);
}

void
addr_to_ip6(const struct addr *a, uint8_t out[16])
{
	memset(out, 0, V6_LEN);
	if (a->family == AF_INET) {
		memcpy(out, v4_mapped, sizeof(v4_mapped));
		memcpy(out + sizeof(v4_mapped), a->ip, V4_LEN);
	} else if (a->family == AF_INET6) {
		memcpy(out, a->ip, V6_LEN);
	}
}

int
addr_parse(struct sv text, struct addr *out, struct fail *f)
{
	char cstr[ADDR_TEXT_SIZE];
	uint8_t ip[V6_LEN];

	memset(out, 0, sizeof(*out));
	if (text.len < sizeof(cstr) && memchr(text.p, '\0', text.len) == NULL) {
		memcpy(cstr, text.p, text.len);
		cstr[text.len] = '\0';
		if (inet_pton(AF_INET, cstr, ip) == 1) {
			out->family = AF_INET;
			memcpy(out->ip, ip, V4_LEN);
			return 0;
		}
		if (inet_pton(AF_INET6, cstr, ip) == 1) {
			set_v6(out, ip);
			return 0;
		}
	}
	return fail_set(f, FAIL_SYNTAX, "\"%.*s\" is not an IP address",
	    text.len < ADDR_TEXT_SIZE ? (int)text.len : ADDR_TEXT_SIZE, text.p);
}

const char *
addr_text(const struct addr *a, char buf[ADDR_TEXT_SIZE])
{
	if (a->family == AF_INET || a->family == AF_INET6) {
		(void)inet_ntop(a->family, a->ip, buf, ADDR_TEXT_SIZE);
	} else {
		(void)snprintf(buf, ADDR_TEXT_SIZE, "%s",
		    a->family == AF_UNIX ? "local" : "unknown");
	}
	return buf;
}

bool
addr_is_loopback(const struct addr *a)
{
	static const uint8_t v6_loopback[V6_LEN] = {[15] = 1};

	switch (a->family) {
	case AF_UNIX:
		return true;
	case AF_INET:
		return a->ip[0] == 127;
	case AF_INET6:
		return memcmp(a->ip, v6_loopback, V6_LEN) == 0;
	default:
		return false;
	}
}

bool
addr_eq(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && memcmp(a->ip, b->ip, V6_LEN) == 0;
}

/* All but the first `bits` of the address become 0. */
static void
mask(struct addr *a, unsigned bits)
{
	for (unsigned i = 0; i < V6_LEN; i++) {
		if (bits >= 8 * (i + 1)) {
			continue;
		}
		a->ip[i] &=
		    bits <= 8 * i ? 0 : (uint8_t)(0xff << (8 * (i + 1) - bits));
	}
}

struct addr
addr_client_net(const struct addr *a)
{
	struct addr net = *a;

	net.port = 0;
	if (a->family == AF_INET6) {
		mask(&net, CLIENT_V6);
	}
	return net;
}

static int
net_parse(struct sv text, struct addr_net *out, struct fail *f)
{
	struct sv bits = text;
	struct sv ip = sv_cut(&bits, '/');
	unsigned most;
	uint32_t n;

	if (addr_parse(ip, &out->addr, f) != 0) {
		return -1;
	}
	most = out->addr.family == AF_INET ? V4_BITS : V6_BITS;
	n = most;
	if (ip.len != text.len && (!sv_u32(bits, &n) || n > most)) {
		return fail_set(f, FAIL_SYNTAX,
		    "\"%.*s\": expected a prefix length up to %u", SV_ARG(text),
		    most);
	}
	out->bits = n;
	mask(&out->addr, n);
	return 0;
}

/* The next word of a list with commas and blanks; empty at its end. */
static struct sv
next_word(struct sv *rest)
{
	size_t i = 0;
	struct sv word;

	while (rest->len != 0 && strchr(", \t", rest->p[0]) != NULL) {
		*rest = sv_from(*rest, 1);
	}
	while (i < rest->len && strchr(", \t", rest->p[i]) == NULL) {
		i++;
	}
	word = sv_sub(*rest, 0, i);
	*rest = sv_from(*rest, i);
	return word;
}

int
addr_nets_parse(
    struct sv text, struct arena *arena, struct addr_nets *out, struct fail *f)
{
	struct addr_net *nets = NULL;
	size_t cap = 0;
	size_t n = 0;
	struct sv word;

	while ((word = next_word(&text)).len != 0) {
		nets = arena_grow(arena, nets, n, &cap, sizeof(*nets));
		if (net_parse(word, &nets[n], f) != 0) {
			return -1;
		}
		n++;
	}
	*out = (struct addr_nets){nets, n};
	return 0;
}

bool
addr_nets_have(const struct addr_nets *nets, const struct addr *a)
{
	for (size_t i = 0; i < nets->n; i++) {
		struct addr masked = *a;

		mask(&masked, nets->nets[i].bits);
		if (addr_eq(&masked, &nets->nets[i].addr)) {
			return true;
		}
	}
	return false;
}
