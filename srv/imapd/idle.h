/*
 * idle: a session in IDLE.  [RFC 2177]
 *
 * Nothing runs for it: the account's watch wakes the parked session, which
 * tells its client what is new and parks again.
 *
 * Threads: session-owned.
 */
#pragma once

#include "imapd/session.h"

/* What a session in IDLE was woken for. */
enum verdict idle_run(struct imap *im, unsigned why);
