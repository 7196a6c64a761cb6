/*
 * mailaddr: a mail address in the one form by which it is compared.
 *
 * The domain is in lower case and in its ASCII form (A-labels); a domain
 * literal stays in brackets.  The local part is folded to ASCII lower case,
 * other letters are kept as they are in Unicode normalisation form C, and it
 * is quoted only where it must be: "ann"@EXAMPLE.org and ann@example.org are
 * one text.  RFC 5321 2.4 leaves the case of a local part to its host; here
 * no two accounts differ in it alone.
 *
 * [RFC 5321 4.1.2, 4.5.3.1] [RFC 5891 5] [RFC 6531 3.3] [RFC 6532 3.1]
 *
 * Threads: plain values and pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/fail.h"
#include "base/sv.h"

enum {
	MAILADDR_LOCAL_MAX = 64,   /* octets [RFC 5321 4.5.3.1.1] */
	MAILADDR_DOMAIN_MAX = 255, /* octets [RFC 5321 4.5.3.1.2] */
	/* a local part of 64 octets may double when it is quoted again */
	MAILADDR_TEXT_SIZE =
	    2 * MAILADDR_LOCAL_MAX + 2 + 1 + MAILADDR_DOMAIN_MAX + 1,
};

struct mailaddr {
	uint16_t local_len;
	uint16_t domain_len;
	char text[MAILADDR_TEXT_SIZE]; /* local@domain, NUL-ended */
};

/*
 * From `text` as it stands between < and >, without a source route.
 * FAIL_SYNTAX for anything that is no address, FAIL_LIMIT when a part is too
 * long.
 */
int mailaddr_parse(
    struct sv text, struct mailaddr *out, struct fail *f) MUST_CHECK;

/* From a local part as it stands on the wire and a domain. */
int mailaddr_make(struct sv local, struct sv domain, struct mailaddr *out,
    struct fail *f) MUST_CHECK;

/* The ASCII form of a domain, NUL-ended; FAIL_SYNTAX or FAIL_LIMIT. */
int mailaddr_domain_parse(struct sv text, char out[MAILADDR_DOMAIN_MAX + 1],
    struct fail *f) MUST_CHECK;

/*
 * Cut a subaddress off: "ann+lists" with separators "+" gives "ann" as `base`
 * and "lists" as `detail_out`, borrowed from `a`.  The first separator that
 * is not the first octet counts.  False when there is none, or the local part
 * is quoted.
 */
bool mailaddr_split(const struct mailaddr *a, const char *separators,
    struct mailaddr *base_out, struct sv *detail_out);

/* All three are borrowed from `a`. */
static inline struct sv
mailaddr_local(const struct mailaddr *a)
{
	return (struct sv){a->text, a->local_len};
}

static inline struct sv
mailaddr_domain(const struct mailaddr *a)
{
	return (struct sv){a->text + a->local_len + 1, a->domain_len};
}

static inline struct sv
mailaddr_sv(const struct mailaddr *a)
{
	return (struct sv){
	    a->text, (size_t)a->local_len + 1u + (size_t)a->domain_len};
}
