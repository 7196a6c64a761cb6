/*
 * section: find what BODY[...] names in a message.  [RFC 3501 6.4.5]
 *
 * Works on the spans of a parsed tree or of a digest: no octet of the message
 * is read.
 *
 * Threads: plain values.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sv.h"
#include "mail/mime.h"

enum section_what {
	SECTION_ALL,	    /* BODY[], BODY[1.2] */
	SECTION_HEADER,	    /* BODY[HEADER], BODY[1.HEADER] */
	SECTION_FIELDS,	    /* HEADER.FIELDS (names) */
	SECTION_FIELDS_NOT, /* HEADER.FIELDS.NOT (names) */
	SECTION_TEXT,	    /* BODY[TEXT], BODY[1.TEXT] */
	SECTION_MIME,	    /* BODY[1.MIME] */
};

enum { SECTION_DEPTH_MAX = 128 };

struct section {
	enum section_what what;
	const uint32_t *path; /* part numbers from 1 */
	size_t depth;	      /* of path; 0 = the message itself */
	const struct sv *names;
	size_t n_names;
};

struct section_range {
	uint64_t at; /* octets from the message's start */
	uint64_t len;
	uint32_t part; /* index of the part whose body or header it is */
	bool filter;   /* header_filter() must pick from it */
};

/* An array of spans, perhaps inside larger elements. */
struct section_spans {
	const struct mime_span *first;
	size_t stride; /* octets from one span to the next */
	uint32_t n;
};

static inline struct section_spans
section_spans_of(const struct mime *m)
{
	return (struct section_spans){
	    &m->parts[0].span, sizeof(struct mime_part), m->n_parts};
}

/* False if the message has no such part. */
bool section_find(struct section_spans spans, const struct section *s,
    struct section_range *out);
