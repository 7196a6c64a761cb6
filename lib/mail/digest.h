/*
 * digest: what listing a mailbox needs of a message, made once at delivery.
 *
 * A digest is at most DIGEST_MAX octets, self-contained and versioned.  The
 * store keeps it in the ADD record and reads it back for FETCH, SEARCH, SORT
 * and THREAD, so that a listing opens no message.  It holds
 *
 *	sizes, the sent date, a filter of all field names in the header,
 *	the place of each part,
 *	ENVELOPE and BODYSTRUCTURE as text,
 *	the fields that clients list by, octet for octet.
 *
 * Each of these but the first line may be missing when it did not fit; then
 * the accessor says so and the caller reads the message instead.  Opening a
 * digest takes any octets and gives a sound result or FAIL_CORRUPT.
 *
 * The format is defined in digest.c and docs/mime.md.
 *
 * Threads: a struct digest is an immutable view of borrowed octets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/fail.h"
#include "base/sv.h"
#include "mail/date.h"
#include "mail/mime.h"
#include "mail/section.h"

enum { DIGEST_MAX = 4096 }; /* octets */

enum digest_flag {
	DIGEST_PARTS = 1 << 0, /* the part table is there */
	DIGEST_ENVELOPE = 1 << 1,
	DIGEST_STRUCTURE = 1 << 2,
	DIGEST_FIELDS = 1 << 3,	    /* every listed field is there */
	DIGEST_SENT = 1 << 4,	    /* Date was there and understood */
	DIGEST_ATTACHMENT = 1 << 5, /* a part is one to be saved */
	DIGEST_CRLF = 1 << 6,	    /* each LF has a CR before it, and the last
				     * octet is one: its size on the wire of POP3
				     * is that stored */
	DIGEST_ASCII = 1 << 7,	    /* the header is ASCII alone */
};
#define DIGEST_WHOLE                                                           \
	(DIGEST_PARTS | DIGEST_ENVELOPE | DIGEST_STRUCTURE | DIGEST_FIELDS)

struct digest {
	unsigned flags;	      /* enum digest_flag */
	uint64_t size;	      /* octets of the message */
	uint64_t header_size; /* with the empty line */
	uint64_t lines;	      /* LFs in the body */
	struct date sent;     /* if DIGEST_SENT */
	uint32_t n_parts;     /* 0 if the table is not there */
	/* Inner views: use the functions. */
	unsigned blank;	   /* octets of the header's empty line */
	unsigned n_listed; /* fields that the maker knew */
	uint64_t missing;  /* listed fields that did not fit, by number */
	struct sv names;   /* filter of field names */
	struct sv parts;
	struct sv envelope;
	struct sv structure;
	struct sv fields;
};

/*
 * Append the digest of a message: never more than DIGEST_MAX octets.  True
 * if it is whole, false if something was left out.  Memory: one arena for
 * the call, bounded by the limits.
 */
bool digest_build(struct sv message, struct buf *to);

/* The same where the tree is there already. */
bool digest_build_parsed(const struct mime *m, struct buf *to);

/* `octets` is borrowed as long as *out is used.  FAIL_CORRUPT: not a digest,
 * or of a version that this program does not know (make it anew). */
int digest_open(
    struct sv octets, struct digest *out, struct fail *f) MUST_CHECK;

/* Append the text.  False, with nothing appended: read the message. */
bool digest_envelope(const struct digest *d, struct buf *to) MUST_CHECK;
bool digest_body(const struct digest *d, struct buf *to) MUST_CHECK;
bool digest_structure(const struct digest *d, struct buf *to) MUST_CHECK;

/*
 * Append the fields of the message's header named, as they stand and in
 * their order, and the empty line: as header_filter().  False, with nothing
 * appended, if one of them may be in the message and is not held.
 */
bool digest_header_fields(const struct digest *d, const struct sv *names,
    size_t n, struct buf *to) MUST_CHECK;

enum digest_answer {
	DIGEST_HELD,	/* here it is */
	DIGEST_ABSENT,	/* the message has no such field */
	DIGEST_UNKNOWN, /* read the message */
};

/* The body of the first field of that name, as stored. */
enum digest_answer digest_field(
    const struct digest *d, struct sv name, struct sv *body_out);

/* All of that name: start with *at 0.  False behind the last.  Only sensible
 * if digest_field() said DIGEST_HELD. */
bool digest_field_next(
    const struct digest *d, struct sv name, size_t *at, struct sv *body_out);

/*
 * The spans of all parts, in the arena.  False if they are not held.
 */
bool digest_spans(const struct digest *d, struct arena *a,
    struct section_spans *out) MUST_CHECK;
