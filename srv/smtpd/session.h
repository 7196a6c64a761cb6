/*
 * session: one client, on port 25 (mail for us) or on 587 and 465 (mail from
 * our users).
 *
 * Threads: session-owned.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "mta/receiver.h"
#include "smtpd/hand.h"
#include "smtpd/smtpd.h"

struct smtp_session {
	struct receiver r; /* first */
	bool submission;
	struct hand hand;
	char *user;	      /* who signed in, owned; NULL: nobody */
	struct sv first_rcpt; /* in the message's arena */
	/* 250 was sent for a message, and the client may not have it yet. */
	bool unconfirmed;
	uint64_t in_at; /* octets had come in by then */
};

static inline struct smtp_session *
smtp_session_of(struct receiver *r)
{
	return (struct smtp_session *)r;
}

/* AUTH.  [RFC 4954]  What to answer, or NULL if that has been done. */
const struct smtp_reply *smtp_auth(
    struct smtp_session *s, const struct smtp_auth *auth);

/* Received, Return-Path and what a submission lacks.  smtp_head() is put in
 * front of the message; it has the missing fields inserted once the message's
 * header is there. */
void smtp_head(struct smtp_session *s, struct buf *to);
void smtp_complete(struct spool *body, void *session);
