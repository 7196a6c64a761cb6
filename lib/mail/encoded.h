/*
 * encoded: header text as people read it, in UTF-8.
 *
 * Threads: pure functions.
 */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/sv.h"

/*
 * Append a field's body (or a display name) as UTF-8: unfolded, with its
 * encoded words decoded and the blanks between two of them dropped; words
 * that are not well-formed stay as they are; raw 8-bit text is UTF-8 or else
 * windows-1252.  Controls other than HT are left out.  Output is bounded by
 * CHARSET_GROWTH times the input, of which at most HEADER_FIELD_MAX octets
 * are read.  [RFC 2047, RFC 2231 5]
 */
void encoded_decode(struct sv body, struct buf *to);

/*
 * Append UTF-8 text as an unstructured body: as it is if it is plain ASCII,
 * else as encoded words of at most 75 octets in base64, folded.  [RFC 2047]
 */
void encoded_encode(struct sv utf8, struct buf *to);
