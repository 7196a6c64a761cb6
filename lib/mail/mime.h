/*
 * mime: the tree of a message's parts, with exact offsets.
 *
 * The parser takes any octets and never fails.  It reads each line once, so
 * it is linear whatever the number of parts and the depth; beyond a limit the
 * part in hand is kept whole as an opaque leaf.
 *
 * The message is one contiguous slice (the caller maps the file).  Its parts
 * are in one array in the order of the text: part 0 is the message itself,
 * a child comes behind its parent.  A part is
 *
 *	header_at .. body_at	header section with its empty line
 *	body_at .. end		body as stored: multipart and message too
 *
 * The line end before a boundary belongs to the boundary [RFC 2046 5.1.1],
 * but a header that a boundary cuts short keeps its last.
 * A message/rfc822 or message/global part has one child: the message in it,
 * whose header is that of the message.  A multipart has at least one: where
 * its boundary does not come, a text/plain that is all of its body.  One
 * without a boundary parameter is not a multipart but malformed, and so
 * text/plain.  [RFC 2045 5.2]  The body of a message within must not be
 * encoded; one that is stays a leaf.  Lines may end with LF or CRLF; sizes
 * are octets as stored and lines are counted by LF.
 *
 * Threads: a tree is immutable once parsed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/fail.h"
#include "base/sv.h"
#include "mail/transfer.h"

enum mime_kind {
	MIME_LEAF,
	MIME_MULTIPART,
	MIME_MESSAGE, /* message/rfc822, message/global; one child */
};

#define MIME_NONE UINT32_MAX

/* The place of a part: all that finding a section needs. */
struct mime_span {
	uint32_t parent; /* index, or MIME_NONE */
	uint32_t first;	 /* first child */
	uint32_t next;	 /* next child of the same parent */
	enum mime_kind kind;
	enum transfer_encoding encoding;
	uint64_t header_at;
	uint64_t body_at;
	uint64_t end;
};

struct mime_part {
	struct mime_span span;
	uint32_t depth;	       /* of the message: 0 */
	uint64_t header_lines; /* LFs in the header section */
	uint64_t body_lines;   /* LFs in the body */
	bool digest_child;     /* default type is message/rfc822 */
	bool by_default;       /* the type is not from content_type */
	bool opaque;	       /* it should have parts, but is kept whole */
	/* Bodies of the header's fields as stored, p NULL if absent.  The
	 * first of each name counts. */
	struct sv content_type;
	struct sv content_encoding;
	struct sv content_id;
	struct sv content_description;
	struct sv content_disposition;
	struct sv content_language;
	struct sv content_location;
	struct sv content_md5;
	/* From content_type, or the default where that is malformed. */
	struct sv type;
	struct sv subtype;
};

struct mime_limits {
	uint32_t parts;	     /* in all */
	uint32_t depth;	     /* of multipart and message in each other */
	uint32_t params;     /* of one field */
	uint64_t header_max; /* octets of a header that are looked at */
};

extern const struct mime_limits mime_limits_default;

struct mime {
	struct sv message; /* borrowed */
	struct mime_part *parts;
	uint32_t n_parts; /* at least 1 */
	bool limited;	  /* some part is opaque */
	uint64_t work;	  /* octets compared and scanned: tests of linearity */
};

/* `a` holds the tree (about 600 octets a part); `message` is borrowed as
 * long as the tree is used.  limits NULL: the default. */
void mime_parse(struct sv message, const struct mime_limits *limits,
    struct arena *a, struct mime *out);

static inline struct sv
mime_header(const struct mime *m, const struct mime_part *p)
{
	return sv_sub(
	    m->message, p->span.header_at, p->span.body_at - p->span.header_at);
}

static inline struct sv
mime_body(const struct mime *m, const struct mime_part *p)
{
	return sv_sub(
	    m->message, p->span.body_at, p->span.end - p->span.body_at);
}
