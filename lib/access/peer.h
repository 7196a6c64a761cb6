/*
 * peer: who is at the other end of a session, as lib/auth wants to know it.
 *
 * Threads: plain values.
 */
#pragma once

#include <stdint.h>

#include "auth/auth.h"
#include "base/sv.h"
#include "net/session.h"
#include "net/tls.h"

/* What the TLS connection gives for channel binding. */
struct peer_binding {
	uint8_t unique[TLS_BINDING_MAX];
	uint8_t exporter[TLS_BINDING_MAX];
};

/* The peer of the session's connection; `service` as in struct auth_peer.
 * The result borrows from `service` and *binding, which is filled in. */
struct auth_peer peer_of_session(
    const struct session *s, struct sv service, struct peer_binding *binding);
