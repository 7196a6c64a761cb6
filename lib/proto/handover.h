/*
 * handover: what smtpd and lmtpd say to each other.
 *
 * A Unix-domain stream socket; smtpd is the client.  The language is LMTP
 * [RFC 2033] without LHLO, with MAIL, RCPT, RSET, NOOP and QUIT as there, and
 *
 *	XSESSION kind=K peer=A tls=B loopback=B unique=H exporter=H id=I
 *		Whom smtpd speaks for from now on: K is `mx` (mail for us) or
 *		`submission`, A the peer's address as text, H channel binding
 *		data in hex or empty, I smtpd's session id.  Forgets who was
 *		signed in.  250; of a submission the text is the names of the
 *		SASL mechanisms to offer.
 *
 *	XAUTH mechanism [initial=R]
 *		A SASL exchange, relayed step by step: R is a response in
 *		base64 or "=".  334 with a challenge, to which the next line is
 *		the response or "*"; 235 with the account's address as its
 *		text; or a refusal.  lmtpd waits where an attempt is to be
 *		slowed.
 *
 *	XHAND size prefix id
 *		The message, in place of DATA: a sealed memfd, or a file that
 *		is going to be copied, comes with the line's first octet.  It
 *		has `size` octets, the first `prefix` of which smtpd put before
 *		what the client sent.  Logs know it by `id`.  One reply a
 *		recipient, as after DATA.
 *
 *	XDONE kept|lost
 *		Whether the client has got the answer, as far as smtpd can
 *		tell; lost also when the answer was that it should try again.
 *		No reply.  Without it, `lost` when the connection ends.
 *
 * lmtpd looks up recipients, checks senders of submissions and passwords;
 * nothing of that is known to smtpd.
 *
 * Values are xtext [RFC 3461 4].  Lines end with CRLF.
 *
 * Threads: pure functions on plain values.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/sv.h"
#include "proto/smtp_cmd.h"
#include "proto/smtp_reply.h"

enum {
	HANDOVER_LINE_MAX = 16 * 1024, /* with CRLF */
	HANDOVER_BINDING_MAX = 64,     /* octets of channel binding data */
	HANDOVER_MEMORY_MAX = 1 << 20, /* larger messages come in files */
	HANDOVER_ID_MAX = 39,	       /* octets of a message's id */
};

enum handover_verb {
	HANDOVER_SMTP, /* one of LMTP's: in `smtp` */
	HANDOVER_SESSION,
	HANDOVER_AUTH,
	HANDOVER_HAND,
	HANDOVER_DONE,
};

struct handover_session {
	bool submission;
	bool tls;
	bool loopback;
	struct sv peer;
	struct sv unique;   /* raw octets */
	struct sv exporter; /* raw octets */
	struct sv id;
};

struct handover_auth {
	struct sv mech;
	bool has_initial;
	struct sv initial; /* base64, or "=" */
};

struct handover_cmd {
	enum handover_verb verb;
	union {
		struct smtp_cmd smtp;
		struct handover_session session;
		struct handover_auth auth;
		struct {
			uint64_t size;
			uint64_t prefix;
			struct sv id;
		} hand;
		bool kept;
	};
};

/* What MAIL and RCPT may carry between the two. */
extern const struct smtp_grammar handover_grammar;

/* NULL and *out, or the reply that refuses the line.  Slices point into
 * `line` or `arena`. */
const struct smtp_reply *handover_parse(
    struct sv line, struct arena *arena, struct handover_cmd *out) MUST_CHECK;

/* Append a command with its CRLF. */
void handover_session_write(
    const struct handover_session *session, struct buf *to);
void handover_auth_write(const struct handover_auth *auth, struct buf *to);
void handover_hand_write(
    uint64_t size, uint64_t prefix, struct sv id, struct buf *to);
void handover_done_write(bool kept, struct buf *to);
void handover_mail_write(const struct smtp_mail *mail, struct buf *to);
void handover_rcpt_write(const struct smtp_rcpt *rcpt, struct buf *to);
