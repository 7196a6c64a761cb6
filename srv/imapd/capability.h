/*
 * capability: what a session offers.
 *
 * Threads: session-owned.
 */
#pragma once

#include "auth/auth.h"
#include "base/buf.h"
#include "imapd/session.h"

/* "CAPABILITY IMAP4rev1 ...", as the session stands now. */
void capability_put(struct buf *to, const struct imap *im);

/* Who is asking, as lib/auth wants to know it; borrows from *im and *bindings,
 * which holds what the TLS connection gives for channel binding. */
struct capability_bindings {
	uint8_t unique[64];
	uint8_t exporter[64];
};
void capability_peer(const struct imap *im,
    struct capability_bindings *bindings, struct auth_peer *out);
