/*
 * imap_text: ENVELOPE, BODY and BODYSTRUCTURE as IMAP writes them.
 *
 * The text is made once, at delivery, and kept in the digest; so it is plain
 * RFC 3501 that every client can be sent: quoted strings hold 7-bit text,
 * anything else is a literal, NULs are left out.  [RFC 3501 7.4.2, 9]
 *
 * Threads: pure functions.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/sv.h"
#include "mail/mime.h"

/* Quoted string or literal; p NULL is "". */
void imap_text_string(struct sv s, struct buf *to);

/* "(...)" of a header section. */
void imap_text_envelope(struct sv header, struct buf *to);

/* "(...)" of the part and what is in it; with `extended` that is
 * BODYSTRUCTURE, without it BODY. */
void imap_text_body(
    const struct mime *m, uint32_t part, bool extended, struct buf *to);

/*
 * Append BODY made from the text of a BODYSTRUCTURE, by leaving out the
 * extension data.  False, with nothing appended, if `structure` is not what
 * imap_text_body() writes.
 */
bool imap_text_body_from_structure(struct sv structure, struct buf *to);
