/*
 * received: the trace fields.  [RFC 5321 4.4]
 *
 * Threads: pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/sv.h"
#include "mail/date.h"

struct received {
	struct sv helo;	   /* as the client said it */
	struct sv name;	   /* of its address by DNS, or empty */
	struct sv address; /* textual IPv4 or IPv6 address, or empty */
	struct sv by;	   /* our host name */
	struct sv with;	   /* "ESMTPS", "LMTP"... [RFC 3848] */
	struct sv tls;	   /* for the comment: "TLSv1.3 cipher ..."; or empty */
	struct sv id;	   /* or empty */
	struct sv rcpt;	   /* FOR, only with one recipient; or empty */
	struct date date;
};

/* Append a whole field with CRLF, folded below 78 octets where it can be.
 * Peer octets that a comment or an atom may not hold become "?". */
void received_format(const struct received *r, struct buf *to);

/* "Return-Path: <address>" with CRLF; an empty address is "<>".
 * The address is in wire form. */
void received_return_path(struct sv address, struct buf *to);

/* Received fields in a header section, at most `max`: a loop if more than
 * the limit.  [RFC 5321 6.3] */
unsigned received_count(struct sv header, unsigned max);
