/*
 * hand_priv: what hand.c and hand_message.c share.
 *
 * Threads: session-owned.
 */
#pragma once

#include "proto/smtp_reply.h"
#include "smtpd/hand.h"

struct smtp_session;

extern const struct smtp_reply hand_away; /* lmtpd cannot be asked */

/* The next reply, kept as long as the message in hand; NULL if the connection
 * broke. */
const struct smtp_reply *hand_reply(struct smtp_session *s);

/* Something went wrong on it: nothing more can be said there. */
void hand_drop(struct hand *h);
