/*
 * imap_flag: flags and keywords.  [RFC 3501 2.3.2, 9 flag]
 *
 * System flags are bits, keywords are names.  What a client may not set
 * (\Recent) or what is not defined ("\" and any other atom) is read over, as
 * the RFC allows for flags that are not in PERMANENTFLAGS.
 *
 * Threads: plain values.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/sv.h"
#include "proto/imap_lex.h"

enum { IMAP_KEYWORDS_MAX = 64 }; /* in one list */

enum imap_flag { /* bits */
	IMAP_SEEN = 1,
	IMAP_ANSWERED = 2,
	IMAP_FLAGGED = 4,
	IMAP_DELETED = 8,
	IMAP_DRAFT = 16,
	IMAP_RECENT = 32,
};

struct imap_flags {
	uint32_t system; /* enum imap_flag; never IMAP_RECENT */
	struct sv *keywords;
	size_t n_keywords;
};

/* "(\Seen $Junk)", or for STORE also without parentheses. */
int imap_lex_flag_list(struct imap_lex *lex, struct imap_flags *out) MUST_CHECK;
int imap_lex_store_flags(
    struct imap_lex *lex, struct imap_flags *out) MUST_CHECK;

/* "\Seen \Deleted", a space between two; as many as there are bits. */
struct buf;
void imap_put_system_flags(struct buf *to, uint32_t flags);
