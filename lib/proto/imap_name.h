/*
 * imap_name: mailbox names, on the wire and inside.
 *
 * On the wire a name is modified UTF-7 [RFC 3501 5.1.3], or UTF-8 once a
 * client enabled it [RFC 6855 3]; inside it is UTF-8.  Every name has exactly
 * one form on the wire: decoding refuses what encoding would not have made
 * (printable ASCII in base64, shifts that are not needed, padding bits set),
 * so that no two names of a client are one mailbox.
 *
 * INBOX is INBOX in any case, alone or as the first level.
 *
 * Threads: pure functions.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/sv.h"

enum { IMAP_NAME_MAX = 3000 }; /* octets on the wire */

/*
 * Append the UTF-8 form; false, with nothing appended, if `wire` is no
 * modified UTF-7, or holds NUL or other controls.
 */
bool imap_name_from_utf7(struct sv wire, struct buf *to) MUST_CHECK;

/* Append the wire form of well-formed UTF-8. */
void imap_name_to_utf7(struct sv utf8, struct buf *to);

/* Append a name given in UTF-8; false as above. */
bool imap_name_from_utf8(struct sv wire, struct buf *to) MUST_CHECK;

/* Append the name as a client that did or did not enable UTF-8 reads it, as
 * astring. */
void imap_put_name(struct buf *to, struct sv utf8, bool utf8_enabled);
