/*
 * foreign: what other protocols say first.
 *
 * A web page can make its reader's browser send a request to any port, with
 * a body of the page's choice, in which commands may stand.  A mail server
 * that goes on behind the first line of a request may be made to do them.
 *
 * Threads: pure function.
 */
#pragma once

#include <stdbool.h>

#include "base/sv.h"

/* Does a line, or the beginning of a long one, begin with a method of HTTP?
 * No command of SMTP, LMTP or POP3 has such a name.  [RFC 9110 9, RFC 5789] */
bool foreign_is_http(struct sv line);
