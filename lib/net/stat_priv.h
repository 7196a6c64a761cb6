/*
 * stat: what session.c and conn.c tell it.
 *
 * Threads: any.
 */
#pragma once

#include "net/session.h"

/* From session_new, when s->c is there, and before it goes. */
void stat_session_add(struct session *s);
void stat_session_remove(struct session *s);

/* The addresses that a balancer named. */
void stat_session_peer(
    struct session *s, const struct addr *peer, const struct addr *local);

/* After a handshake; `version` is static. */
void stat_session_tls(struct session *s, const char *version);
