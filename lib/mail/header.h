/*
 * header: walk the fields of a message's header, octet-exact.
 *
 * A header section is a run of fields that ends behind the first empty line,
 * or with the message where there is none.  [RFC 5322 2.1, 2.2]  Lines end
 * with LF or CRLF; a CR anywhere else is an octet like others.  A line that
 * begins with SP or HT continues the field above it.
 *
 * Nothing is refused.  What is no field (no colon, a blank or a control in
 * the name, an mbox "From " line) is given as a field with an empty name, so
 * that the raw slices of all fields and the blank line make up the section
 * without a gap.
 *
 * Threads: plain values over borrowed octets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/sv.h"

/* Octets of one field's body that are read for what they say; the rest of a
 * longer one only counts as octets. */
enum { HEADER_FIELD_MAX = 1024 * 1024 };

struct header_field {
	struct sv name; /* "" if this is no field; without blanks, colon */
	struct sv body; /* behind the colon, still folded, without its end */
	struct sv raw;	/* the whole of it with its line ends */
};

struct header_iter {
	struct sv text; /* what begins with a header section */
	size_t at;	/* where the next field begins */
	size_t blank;	/* length of the empty line at `at`: 0, 1 or 2 */
};

/* Names to look for among many fields, in time that grows with the logarithm
 * of their number. */
struct header_names {
	const struct sv *given; /* borrowed */
	size_t n;
	struct sv *sorted; /* owned; NULL for a few */
};

/* `text` may go on behind the section. */
void header_iter_init(struct header_iter *it, struct sv text);

/*
 * The next field; false behind the last, and then it->at is the size of all
 * fields and it->at + it->blank that of the section.  Linear over a walk.
 */
bool header_next(struct header_iter *it, struct header_field *out);

/* Size of the section with its empty line: where the body begins. */
size_t header_size(struct sv text);

/* First field of that name, case apart.  False if there is none. */
bool header_find(struct sv text, struct sv name, struct header_field *out);

/*
 * Append `body` unfolded: line ends are dropped, leading and trailing blanks
 * too, NULs left out; all other octets as they are.  [RFC 5322 2.2.3]
 */
void header_unfold(struct sv body, struct buf *to);

/*
 * Append the fields whose names are among `names` (or, with `invert`, are
 * not), each as it stands, and then the empty line as it stands.
 * [RFC 3501 6.4.5 HEADER.FIELDS]
 */
void header_filter(struct sv section, const struct sv *names, size_t n,
    bool invert, struct buf *to);

/* Is `name` what may stand before a colon?  [RFC 5322 3.6.8 ftext] */
bool header_name_valid(struct sv name);
