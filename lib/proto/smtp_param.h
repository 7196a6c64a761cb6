/*
 * smtp_param: the parameters of MAIL and RCPT.
 *
 *	SIZE			[RFC 1870]
 *	BODY			[RFC 6152] [RFC 3030 BINARYMIME]
 *	SMTPUTF8		[RFC 6531]
 *	AUTH			[RFC 4954 5]
 *	RET ENVID NOTIFY ORCPT	[RFC 3461]
 *
 * A parameter that is not known, or whose extension is off, is refused with
 * 555, one that is malformed or given twice with 501.
 *
 * Threads: pure functions on plain values.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/sv.h"
#include "proto/smtp_reply.h"

/* Extensions that a server may have, bits: what EHLO names and which
 * parameters and commands are understood. */
enum smtp_ext {
	SMTP_EXT_PIPELINING = 1 << 0, /* [RFC 2920] */
	SMTP_EXT_SIZE = 1 << 1,
	SMTP_EXT_8BITMIME = 1 << 2,
	SMTP_EXT_ENHANCED = 1 << 3, /* [RFC 2034] */
	SMTP_EXT_CHUNKING = 1 << 4, /* [RFC 3030] */
	SMTP_EXT_BINARYMIME = 1 << 5,
	SMTP_EXT_SMTPUTF8 = 1 << 6,
	SMTP_EXT_STARTTLS = 1 << 7, /* [RFC 3207] */
	SMTP_EXT_AUTH = 1 << 8,	    /* [RFC 4954] */
	SMTP_EXT_DSN = 1 << 9,
};

enum {
	SMTP_ENVID_MAX = 100, /* [RFC 3461 4.4] */
	SMTP_ORCPT_MAX = 500, /* [RFC 3461 4.2] */
	SMTP_AUTH_MAX = 500,  /* [RFC 4954 3] */
};

enum smtp_body { SMTP_BODY_7BIT, SMTP_BODY_8BIT, SMTP_BODY_BINARY };
enum smtp_ret { SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HDRS };
enum smtp_notify { /* bits; 0: not given */
	SMTP_NOTIFY_NEVER = 1,
	SMTP_NOTIFY_SUCCESS = 2,
	SMTP_NOTIFY_FAILURE = 4,
	SMTP_NOTIFY_DELAY = 8,
};

/* Slices point into the line and are as they stood there (xtext). */
struct smtp_mail_params {
	uint64_t size; /* octets declared; 0: not given */
	enum smtp_body body;
	enum smtp_ret ret;
	bool utf8;
	struct sv auth; /* "<>" or a mailbox */
	struct sv envid;
};

struct smtp_rcpt_params {
	unsigned notify; /* enum smtp_notify */
	struct sv orcpt; /* "type;address" */
};

/* NULL, or the reply that refuses `text`: all that follows the path. */
const struct smtp_reply *smtp_mail_params_parse(
    struct sv text, unsigned ext, struct smtp_mail_params *out) MUST_CHECK;
const struct smtp_reply *smtp_rcpt_params_parse(
    struct sv text, unsigned ext, struct smtp_rcpt_params *out) MUST_CHECK;

/* xtext [RFC 3461 4].  Decoding appends and is false if it is malformed or
 * gives what is not printable ASCII. */
bool smtp_xtext_decode(struct sv text, struct buf *to) MUST_CHECK;
void smtp_xtext_encode(struct sv text, struct buf *to);
