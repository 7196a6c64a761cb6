/*
 * lmtp_load: deliveries by LMTP, pipelined as an MTA does: MAIL, each RCPT
 * and DATA in one write, then the message.  Its items are recipients.
 *
 * Threads: each function runs on its worker's thread.
 */
#pragma once

#include "bench/crew.h"

extern const struct workload lmtp_load;
