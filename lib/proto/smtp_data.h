/*
 * smtp_data: the octets between DATA and the dot, read exactly.
 *
 * The message ends at CR LF . CR LF and nowhere else [RFC 5321 4.1.1.4].  A
 * line that begins with a dot loses it [RFC 5321 4.5.2].  CR and LF that do
 * not stand together are octets like all others here, never a line end; they
 * are noted, so that a server that refuses them [RFC 5321 2.3.8] can, once
 * the message has been read to its end.  That leaves no way to put a message
 * into another.
 *
 * smtp_data_next() gives runs of content without copying, most messages in
 * one run a buffer.
 *
 * Threads: plain values.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/sv.h"

/* What was seen in the content, bits. */
enum smtp_seen {
	SMTP_SEEN_BARE_CR = 1,
	SMTP_SEEN_BARE_LF = 2,
	SMTP_SEEN_NUL = 4,
	SMTP_SEEN_8BIT = 8,
};

enum smtp_data_state {	/* what has been read last */
	SMTP_DATA_LINE, /* CR LF, or nothing yet */
	SMTP_DATA_TEXT,
	SMTP_DATA_CR,
	SMTP_DATA_DOT,	  /* a dot at the start of a line */
	SMTP_DATA_DOT_CR, /* and CR */
	SMTP_DATA_END,
};

/* A zeroed struct is at the start of a message. */
struct smtp_data {
	enum smtp_data_state state;
	unsigned seen;	   /* enum smtp_seen */
	uint64_t line_len; /* octets of the line in hand */
	uint64_t longest;  /* line, with CRLF [RFC 5321 4.5.3.1.6] */
};

/*
 * Take octets from the front of `*in` and give the next run of content,
 * which points into `*in` or is static.  False when all of `*in` is used, or
 * when the message has ended: then state is SMTP_DATA_END and `*in` is what
 * follows it.
 */
bool smtp_data_next(
    struct smtp_data *d, struct sv *in, struct sv *run_out) MUST_CHECK;

/* Note what is in a chunk of BDAT: content as it is, without dots.  Call
 * smtp_chunk_end() behind the last. */
void smtp_chunk_scan(struct smtp_data *d, struct sv chunk);
void smtp_chunk_end(struct smtp_data *d);
