/*
 * listen_priv: listening from inside lib/net.
 *
 * Threads: listen_admit and listen_release any; the others main.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "net/session.h"

/* Count a session that came through a balancer against the limit of the peer
 * that its header named; false if that is reached. */
bool listen_admit(struct session *s) MUST_CHECK;

/* The session ends: count it no more. */
void listen_release(struct session *s);

/* The inherited sockets of that name, at most `most`; their number, or -1 if
 * this process has inherited none of any name. */
int listen_inherit(const char *name, int *fds, unsigned most) MUST_CHECK;

/* Options that accepted sockets shall have. */
void listen_tune(int fd);
