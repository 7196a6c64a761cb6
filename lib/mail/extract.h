/*
 * extract: the decoded content of a part, for search, previews and filters.
 *
 * Streaming: a part is decoded and converted to UTF-8 some kilobytes at a
 * time, whatever its size.
 *
 * Threads: a struct extract is owned by one runner at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/sv.h"
#include "mail/charset.h"
#include "mail/mime.h"
#include "mail/transfer.h"

enum { EXTRACT_CHUNK = 16384 }; /* octets read at a time */

/* One part's body, decoded; text to UTF-8. */
struct extract {
	struct sv rest; /* of the body, not yet read */
	struct transfer transfer;
	struct charset charset;
	bool text; /* convert by the charset parameter */
	bool done;
	struct buf raw; /* decoded, before conversion */
};

/* Message and part are borrowed until the end. */
void extract_init(
    struct extract *e, const struct mime *m, const struct mime_part *p);
void extract_deinit(struct extract *e);

/* Append the next piece; false when there is no more. */
bool extract_next(struct extract *e, struct buf *to) MUST_CHECK;
