#include "access/peer.h"

#include "net/conn.h"

struct auth_peer
peer_of_session(
    const struct session *s, struct sv service, struct peer_binding *binding)
{
	struct auth_peer peer = {
	    .service = service,
	    .has_ip = s->peer.family == AF_INET || s->peer.family == AF_INET6,
	    .loopback = addr_is_loopback(&s->peer),
	    .tls = c_is_tls(s->c),
	};

	addr_to_ip6(&s->peer, peer.ip);
	if (peer.tls) {
		peer.tls_unique = sv_make(binding->unique,
		    tls_channel_binding(s->c, TLS_UNIQUE, binding->unique));
		peer.tls_exporter = sv_make(binding->exporter,
		    tls_channel_binding(s->c, TLS_EXPORTER, binding->exporter));
	}
	return peer;
}
