/*
 * session: a connection by LMTP or from smtpd.
 *
 * Threads: session-owned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lmtpd/deliver.h"
#include "lmtpd/envelope.h"
#include "lmtpd/lmtpd.h"
#include "lmtpd/pending.h"
#include "mta/receiver.h"

/* Of the peer that smtpd speaks for. */
struct remote {
	bool submission;
	bool tls;
	bool loopback;
	struct addr addr;
	uint8_t unique[AUTH_BINDING_MAX]; /* channel binding data */
	size_t unique_len;
	uint8_t exporter[AUTH_BINDING_MAX];
	size_t exporter_len;
	char id[32];			   /* smtpd's session, for the log */
	struct directory_account *account; /* who signed in, or NULL */
};

struct lmtp_session {
	struct receiver r; /* first */
	struct envelope envelope;
	/* Deliveries whose answer the client may not have yet. */
	struct claim *claims; /* owned */
	size_t n_claims;
	uint64_t in_at; /* octets had come in when it was sent */
	struct remote remote;
};

static inline struct lmtp_session *
lmtp_session_of(struct receiver *r)
{
	return (struct lmtp_session *)r;
}

/* Deliver, answer each recipient and see the answers off. */
void session_deliver(struct lmtp_session *s, const struct content *content);

/* The client has the last answers, or may not have them. */
void session_settle(struct lmtp_session *s, bool kept);

/* Octets that came in behind the answers show that they were read. */
void session_note_input(struct lmtp_session *s);
