/*
 * downgrade: a header section in ASCII, for a reader who cannot take UTF-8.
 * [RFC 6855 7, 6856 2.1]
 *
 * Fields of ASCII alone stay as they are, octet for octet, and so do those
 * that are not UTF-8, which no standard covers.  Of the others, text and
 * names become encoded words [RFC 2047], parameters of MIME fields the
 * extended form [RFC 2231 4].  An address that is not ASCII cannot be used by
 * such a reader: in its place stands one that does not exist, beside the
 * name, or the address itself where there is none.  In fields that hold neither (Received, Message-ID and their like)
 * such characters become '?'.
 *
 * Threads: pure functions.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/sv.h"

/* Append the section with its empty line, line ends CRLF in what is made
 * anew. */
void downgrade_header(struct sv section, struct buf *to);
