/*
 * lmtp_load: deliveries by LMTP, SMTP, and submission by users who have
 * signed in: MAIL, each RCPT and DATA pipelined in one write as an MTA does,
 * then the message.  Items are recipients.
 *
 * Threads: each function runs on its worker's thread.
 */
#pragma once

#include "bench/crew.h"

extern const struct workload lmtp_load;
extern const struct workload smtp_load;
extern const struct workload submission_load;
