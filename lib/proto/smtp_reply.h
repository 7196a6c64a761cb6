/*
 * smtp_reply: what a server answers, and the one table from failures to it.
 *
 * A reply is three digits, an enhanced status code [RFC 2034, 3463, 5248] and
 * text of one line or more [RFC 5321 4.2].  The enhanced code stands on every
 * line of 2yz, 4yz and 5yz replies except the greeting and the answer to
 * EHLO [RFC 2034 4], which are made with an empty one.
 *
 * Threads: replies are immutable; the writers are pure.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/fail.h"
#include "base/sv.h"

enum { SMTP_REPLY_LINE_MAX = 512 }; /* with CRLF [RFC 5321 4.5.3.1.5] */

struct smtp_reply {
	unsigned code;
	const char *status; /* "2.1.0", or "" */
	const char *text;   /* lines are parted by '\n' */
};

/*
 * Append a reply, with `text` in place of its own.  Octets that may not stand
 * in one (controls, and those above 0x7e, which only a client that asked for
 * SMTPUTF8 may see) become '?'; lines are cut to SMTP_REPLY_LINE_MAX.
 */
void smtp_reply_write(
    const struct smtp_reply *reply, struct sv text, struct buf *to);

/*
 * Parse one line of a reply, without CRLF: for those who relay another
 * server's answer.  `text_out` is what follows the code and its separator.
 */
bool smtp_reply_parse(
    struct sv line, unsigned *code_out, bool *last_out, struct sv *text_out);

/* "5.1.1 text": cut the enhanced code off the front, empty if none. */
struct sv smtp_status_cut(struct sv *text);

/*
 * The reply that a failed command gets.  The text says nothing of paths or
 * causes: those are for the log.
 */
const struct smtp_reply *smtp_reply_for(enum fail_kind kind) MUST_CHECK;
