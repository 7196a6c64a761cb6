/*
 * idle_load: how long a client in IDLE waits for a message: each step hands
 * one in by LMTP, at --deliver, and waits for its EXISTS; timed from the end
 * of the text.  Each worker has a user of its own.
 *
 * Threads: each function runs on its worker's thread.
 */
#pragma once

#include "bench/crew.h"

extern const struct workload imap_idle_load;
