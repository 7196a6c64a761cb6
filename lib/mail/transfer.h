/*
 * transfer: content transfer encodings, streaming.
 *
 * Decoders take anything: octets outside the alphabet are skipped, a broken
 * escape stands for itself, text behind the end is dropped.
 * [RFC 2045 6.7, 6.8]
 *
 * Threads: a struct transfer is owned by one runner at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/sv.h"

enum transfer_encoding {
	TRANSFER_7BIT, /* also what is said to be nothing */
	TRANSFER_8BIT,
	TRANSFER_BINARY,
	TRANSFER_QUOTED_PRINTABLE,
	TRANSFER_BASE64,
	TRANSFER_UUENCODE,
	TRANSFER_UNKNOWN, /* content is opaque [RFC 2045 6.4] */
};

/* By name, case apart, comments and blanks round it ignored; "" is 7bit. */
enum transfer_encoding transfer_by_name(struct sv name);
struct sv transfer_name(enum transfer_encoding e); /* lower case */

struct transfer {
	enum transfer_encoding encoding;
	unsigned state;	 /* meaning is the decoder's */
	uint32_t bits;	 /* base64: not yet written */
	unsigned n_held; /* octets held back from the last chunk */
	char held[128];
	bool damaged; /* something was skipped or missing */
};

void transfer_init(struct transfer *t, enum transfer_encoding e);

/* Append what `in` stands for, cut anywhere; then once what is left at the
 * end.  Unknown and identity encodings copy. */
void transfer_decode(struct transfer *t, struct sv in, struct buf *to);
void transfer_finish(struct transfer *t, struct buf *to);

/* Base64 without line ends, and in lines of 76 with CRLF. */
void transfer_base64(struct sv in, struct buf *to);
void transfer_base64_lines(struct sv in, struct buf *to);
