/*
 * pop3_dots: a message on its way to the client.  [RFC 1939 3, 5]
 *
 * The stored octets are given again as lines that end with CRLF, a dot put
 * before each line that begins with one.  What is not in that form was
 * stored so by someone else than an SMTP client (IMAP APPEND, import): LF
 * alone becomes CRLF, CR alone stays an octet, and a last line without an
 * end gets one.  pop3_wire_size() counts what is sent so, without the dots
 * put in and the line that ends the reply, which is the size that LIST must
 * tell [RFC 1939 11, RFC 6856 2.1].
 *
 * Threads: plain values.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/sv.h"

struct pop3_dots {
	bool top;	   /* stop after `lines` lines of the body */
	uint32_t lines;	   /* left */
	bool done;	   /* TOP has enough */
	bool in_body;	   /* behind the empty line */
	bool line_start;   /* the next octet is a line's first */
	bool dotted;	   /* its dot has been doubled */
	bool last_cr;	   /* the octet before the next was CR */
	bool lf_pending;   /* give CRLF for the LF that comes next */
	uint64_t line_len; /* octets of the line in hand */
};

/* Begin; `lines` counts only with `top`. */
void pop3_dots_init(struct pop3_dots *d, bool top, uint32_t lines);

/*
 * The next run to send, made from the front of `*in`; it points into `*in`
 * or is static.  False when all of `*in` is used or d->done (TOP has
 * enough): give more, or pop3_dots_end().
 */
bool pop3_dots_next(
    struct pop3_dots *d, struct sv *in, struct sv *run_out) MUST_CHECK;

/* What closes the reply: the dot's line, with a CRLF before it if the
 * message did not end with one.  Static. */
struct sv pop3_dots_end(const struct pop3_dots *d);

/* Octets added to a message by CRLF, over calls on consecutive pieces. */
struct pop3_count {
	uint64_t extra; /* CRs put before LFs alone */
	char last;	/* octet before the piece; '\0' at the start */
	bool any;
};
void pop3_count_add(struct pop3_count *c, struct sv piece);
uint64_t pop3_wire_size(const struct pop3_count *c, uint64_t stored_size);
