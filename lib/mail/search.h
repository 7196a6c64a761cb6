/*
 * search: does a message hold a text?  [RFC 3501 6.4.4]
 *
 * Keys match substrings under i;unicode-casemap [RFC 5051], so that neither
 * case nor the composition of letters counts.  An empty key matches always.
 * All searches take linear time and a few pages of memory, whatever the size
 * of the message.
 *
 * Threads: a struct search_key is immutable once made.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/sv.h"
#include "mail/mime.h"

enum { SEARCH_KEY_MAX = 8192 }; /* octets; of a longer key no more counts */

struct search_key {
	struct buf folded;
	uint32_t *border; /* owned: where to go on after a mismatch */
};

/* The text is copied, folded. */
void search_key_init(struct search_key *k, struct sv utf8);
void search_key_deinit(struct search_key *k);

/* In plain UTF-8 text; in a field's body with encoded words decoded. */
bool search_text(const struct search_key *k, struct sv utf8) MUST_CHECK;
bool search_field(const struct search_key *k, struct sv body) MUST_CHECK;

/* In an address list as a field's body: in its text, or in a name or an
 * address "local@domain" of it without comments, quotes and blanks. */
bool search_addresses(const struct search_key *k, struct sv body) MUST_CHECK;

/* SEARCH HEADER: in any field of that name in a header section; an empty key
 * matches if the field is there. */
bool search_header(
    const struct search_key *k, struct sv header, struct sv name) MUST_CHECK;

/* SEARCH FROM, TO, CC, BCC: the same with search_addresses(). */
bool search_address_header(
    const struct search_key *k, struct sv header, struct sv name) MUST_CHECK;

/*
 * SEARCH BODY: in the decoded text of all text parts (of HTML the source, and
 * what people see of it), in the MIME headers of
 * parts and the headers of messages within; with `whole` (SEARCH TEXT) in the
 * message's own header too.
 */
bool search_message(
    const struct search_key *k, const struct mime *m, bool whole) MUST_CHECK;
