/*
 * handover: the parts of the hand-over's server.
 *
 *	handover.c	the session, whom smtpd speaks for, the envelope
 *	handover_auth.c	XAUTH: who may sign in
 *	handover_message.c	XHAND: the message
 *
 * Threads: session-owned.
 */
#pragma once

#include <stdint.h>

#include "auth/auth.h"
#include "base/sv.h"
#include "lmtpd/session.h"
#include "proto/handover.h"
#include "proto/smtp_reply.h"

/* The peer that smtpd speaks for; borrows from `remote`. */
struct auth_peer handover_peer(const struct remote *remote);

/* XAUTH: what to answer, or NULL if that has been done. */
const struct smtp_reply *handover_auth(
    struct lmtp_session *s, const struct handover_auth *cmd);

/* XHAND: takes the descriptor that came with it, delivers and answers. */
void handover_message(
    struct lmtp_session *s, uint64_t size, uint64_t prefix, struct sv id);
