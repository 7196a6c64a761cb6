/*
 * capability: what a session offers.
 *
 * Threads: session-owned.
 */
#pragma once

#include "base/buf.h"
#include "imapd/session.h"

/* "CAPABILITY IMAP4rev1 ...", as the session stands now. */
void capability_put(struct buf *to, const struct imap *im);
