/*
 * pop3_reply: status lines, and the one table from failures to them.
 * [RFC 1939 3] [RFC 2449 8] [RFC 3206]
 *
 * Threads: pure functions.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/fail.h"
#include "base/sv.h"

enum { POP3_REPLY_LINE_MAX = 512 }; /* with CRLF [RFC 1939 3] */

/* "+OK text" or "-ERR text" with CRLF; octets that may not stand in a status
 * line become '?', a line too long is cut. */
void pop3_ok(struct buf *to, struct sv text);
void pop3_err(struct buf *to, struct sv text);

/* The text, with its response code, that a failed command gets: "[SYS/TEMP]
 * ...".  `login`: it was one of those that sign in. */
const char *pop3_fail_text(enum fail_kind kind, bool login) MUST_CHECK;
