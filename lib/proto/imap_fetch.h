/*
 * imap_fetch: what a FETCH asks for.
 * [RFC 3501 6.4.5 and 9 fetch-att, RFC 7162 3.1.4, RFC 8474 5]
 *
 * Items that are one value each are bits; body sections are a list, each with
 * the words that name it in the answer made once for all messages.
 *
 * Threads: parsed items are immutable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "mail/section.h"
#include "proto/imap_lex.h"
#include "proto/imap_set.h"

enum {
	IMAP_SECTIONS_MAX = 64,	      /* body sections in one FETCH */
	IMAP_SECTION_DEPTH = 64,      /* numbers in "1.2.3" */
	IMAP_HEADER_FIELDS_MAX = 256, /* names in one HEADER.FIELDS */
	IMAP_FIELD_NAME_MAX = 255,    /* octets of one of them */
};

enum imap_att { /* bits, in the order of the answer */
	ATT_UID = 1,
	ATT_FLAGS = 2,
	ATT_MODSEQ = 4,
	ATT_INTERNALDATE = 8,
	ATT_SIZE = 16, /* RFC822.SIZE */
	ATT_ENVELOPE = 32,
	ATT_BODY = 64,
	ATT_BODYSTRUCTURE = 128,
	ATT_EMAILID = 256,
	ATT_THREADID = 512,
};

struct imap_section {
	struct section what; /* MIME only with a path */
	bool peek;	     /* does not set \Seen */
	bool partial;
	uint64_t from, count; /* octets; count is not 0 */
	struct sv label;      /* "BODY[1.HEADER]<0>", "RFC822.TEXT" */
};

struct imap_fetch_args {
	struct imap_set set;
	uint32_t atts; /* enum imap_att */
	struct imap_section *sections;
	size_t n_sections;
	bool changed; /* CHANGEDSINCE was given */
	uint64_t changed_since;
	bool vanished; /* [RFC 7162 3.2.6] */
};

/* What follows the set and its space: items, then modifiers. */
int imap_lex_fetch_items(
    struct imap_lex *lex, struct imap_fetch_args *out) MUST_CHECK;

/* Whether any section sets \Seen. */
bool imap_fetch_sets_seen(const struct imap_fetch_args *args);
