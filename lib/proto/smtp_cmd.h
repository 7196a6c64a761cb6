/*
 * smtp_cmd: one command line of SMTP, submission or LMTP.
 *
 * [RFC 5321 4.1] [RFC 6409] [RFC 2033], and the commands of STARTTLS
 * [RFC 3207], AUTH [RFC 4954] and CHUNKING [RFC 3030].  The parser sees a
 * line without its CRLF and says what it means, or the reply that refuses it.
 * Order of commands, rights and limits of number are the session's.
 *
 * Blanks at the end of a line are forgiven [RFC 5321 4.1.1], and so is one
 * behind "FROM:" and "TO:", which many clients send.
 *
 * Threads: pure functions on plain values.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/sv.h"
#include "proto/smtp_param.h"
#include "proto/smtp_path.h"
#include "proto/smtp_reply.h"

enum {
	/* Lines with CRLF. */
	SMTP_LINE_MAX = 512,	       /* [RFC 5321 4.5.3.1.4] */
	SMTP_ENVELOPE_LINE_MAX = 2048, /* MAIL and RCPT, with what the
					* extensions add */
	SMTP_AUTH_LINE_MAX = 12288,    /* [RFC 4954 4] */
};

enum smtp_verb {
	SMTP_EHLO,
	SMTP_HELO,
	SMTP_LHLO,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_BDAT,
	SMTP_RSET,
	SMTP_VRFY,
	SMTP_EXPN,
	SMTP_HELP,
	SMTP_NOOP,
	SMTP_QUIT,
	SMTP_STARTTLS,
	SMTP_AUTH,
	SMTP_VERBS,
};

/* Which language: LMTP has LHLO in place of EHLO and HELO. */
struct smtp_grammar {
	bool lmtp;
	unsigned ext; /* enum smtp_ext: what is on */
};

struct smtp_mail {
	struct smtp_path path;
	struct smtp_mail_params params;
};

struct smtp_rcpt {
	struct smtp_path path; /* utf8 is for the caller to compare */
	struct smtp_rcpt_params params;
};

struct smtp_bdat {
	uint64_t size; /* octets that follow the line */
	bool last;
};

struct smtp_auth {
	struct sv mech; /* 1 to 20 octets of the SASL alphabet */
	bool has_initial;
	struct sv initial; /* base64, or "=": empty; not decoded */
};

struct smtp_cmd {
	enum smtp_verb verb;
	struct sv arg; /* EHLO, HELO, LHLO: the name; VRFY, EXPN, HELP, NOOP:
			* what was given */
	union {
		struct smtp_mail mail;
		struct smtp_rcpt rcpt;
		struct smtp_bdat bdat;
		struct smtp_auth auth;
	};
};

/*
 * NULL and *out, or the reply that refuses the line; out->verb is SMTP_VERBS
 * then, unless a verb was recognised.  Of a malformed BDAT with a number the
 * number is given, so that its octets can be skipped.  Slices point into
 * `line` or `arena`, which needs no more than the line is long.
 */
const struct smtp_reply *smtp_parse(struct sv line,
    const struct smtp_grammar *grammar, struct arena *arena,
    struct smtp_cmd *out) MUST_CHECK;

/* Replies that parser and sessions both give. */
extern const struct smtp_reply smtp_line_too_long;  /* 500 5.5.2 */
extern const struct smtp_reply smtp_line_end_bare;  /* 500 5.5.2 */
extern const struct smtp_reply smtp_bad_sequence;   /* 503 5.5.1 */
extern const struct smtp_reply smtp_sender_utf8;    /* 550 5.6.7 */
extern const struct smtp_reply smtp_recipient_utf8; /* 553 5.6.7 */
