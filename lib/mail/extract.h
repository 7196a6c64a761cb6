/*
 * extract: decoded text of a message, for search, previews and filters.
 *
 * Streaming: a part is decoded and converted to UTF-8 some kilobytes at a
 * time, whatever its size.
 *
 * Threads: a struct extract is owned by one runner at a time; a struct
 * search_key is immutable once made.
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

void extract_init(
    struct extract *e, const struct mime *m, const struct mime_part *p);
void extract_deinit(struct extract *e);

/* Append the next piece; false when there is no more. */
bool extract_next(struct extract *e, struct buf *to) MUST_CHECK;

/*
 * A search key: matches substrings under i;unicode-casemap, so that case and
 * the composition of letters do not count.  An empty one matches always.
 * [RFC 3501 6.4.4, RFC 5051]
 */
struct search_key {
	struct buf folded;
	size_t *shift; /* owned: of the search in linear time */
};

enum { SEARCH_KEY_MAX = 8192 }; /* octets; longer keys are cut */

void search_key_init(struct search_key *k, struct sv utf8);
void search_key_deinit(struct search_key *k);

/* In plain UTF-8 text; in a field's body with encoded words decoded. */
bool search_text(const struct search_key *k, struct sv utf8);
bool search_field(const struct search_key *k, struct sv body);

/* SEARCH HEADER name: in any field of that name in a header section.  An
 * empty key matches if the field is there. */
bool search_header(
    const struct search_key *k, struct sv header, struct sv name);

/*
 * SEARCH BODY: in the decoded text of the leaves that are text, and in the
 * headers of messages within and MIME headers of parts.  With
 * `whole` (SEARCH TEXT) in the message's header too.
 */
bool search_message(
    const struct search_key *k, const struct mime *m, bool whole);
