/*
 * charset: any charset to UTF-8, and the two collations of search.
 *
 * Conversion never fails.  Names are known by iconv and by a table of the
 * wrong ones that mail uses; "unknown-8bit" and names that nobody knows are
 * read as UTF-8 where the octets are that, else as windows-1252.  Octets that
 * mean nothing become U+FFFD.  Output is always well-formed UTF-8, and at
 * most CHARSET_GROWTH times as long as the input.
 *
 * Threads: a struct charset is owned by one runner at a time; the functions
 * without one are pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/sv.h"

enum {
	CHARSET_NAME_MAX = 40, /* octets; longer ones are unknown */
	CHARSET_GROWTH = 12,
};

enum charset_kind {
	CHARSET_UTF8,  /* checked, not converted */
	CHARSET_GUESS, /* UTF-8, else windows-1252, decided line by line */
	CHARSET_WINDOWS_1252,
	CHARSET_ICONV,
};

struct charset {
	enum charset_kind kind;
	bool known;    /* false: the name was not */
	void *cd;      /* iconv_t; owned */
	size_t n_held; /* octets of a character cut by a chunk's end */
	char held[32];
};

/* Is the name one that can be converted?  (SEARCH CHARSET) */
bool charset_known(struct sv name);

/* An empty name is US-ASCII, which guesses at octets above 0x7f. */
void charset_init(struct charset *c, struct sv name);
void charset_deinit(struct charset *c);

/* Append `in` as UTF-8; characters may be cut between calls. */
void charset_convert(struct charset *c, struct sv in, struct buf *to);
void charset_finish(struct charset *c, struct buf *to); /* what is held */

/* All at once. */
void charset_to_utf8(struct sv name, struct sv in, struct buf *to);

/*
 * Append UTF-8 text as i;unicode-casemap compares it: titlecase, then full
 * decomposition; octets that are no UTF-8 stay.  [RFC 5051 2]  A text may be
 * given in pieces that cut no character.  Output is at most 11 times as long.
 */
void charset_casemap(struct sv utf8, struct buf *to);

/* Append UTF-8 text in normalisation form C, in which names are compared.
 * False, with nothing appended, if it is not well-formed.  Marks behind one
 * character are sorted in time that is quadratic in their number: the caller
 * bounds the text. */
bool charset_compose(struct sv utf8, struct buf *to) MUST_CHECK;
