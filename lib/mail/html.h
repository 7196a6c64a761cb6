/*
 * html: the text that people see in an HTML part, for search.
 *
 * No parser of documents: tags, comments, scripts and styles are left out,
 * character references become characters, runs of blanks one space.  A tag
 * within a word (<b>, <font>, <wbr>) leaves the word whole, any other is a
 * blank.  What is no HTML is text as it stands.
 *
 * Text comes in pieces and none of it is kept: memory is a struct.
 *
 * Threads: a struct html_text is owned by one runner at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/sv.h"

enum { HTML_WORD_MAX = 12 }; /* octets of a name that is known */

struct html_text {
	enum {
		HTML_TEXT,
		HTML_LESS, /* "<" */
		HTML_NAME, /* of a tag */
		HTML_TAG,  /* what follows its name */
		HTML_QUOTE,
		HTML_DECLARATION, /* "<!" or "<?" */
		HTML_COMMENT,
		HTML_REFERENCE, /* "&" */
	} state;
	char word[HTML_WORD_MAX + 1]; /* name or reference in hand */
	size_t n;		      /* octets of it */
	char quote;
	unsigned dashes; /* in a row, in a comment */
	bool closing;	 /* the tag in hand is </...> */
	bool blank;	 /* one is due before the next text */
	char hidden[8];	 /* "script", "style": nothing till it is closed */
};

/* Begin with zeros.  Append the text of a piece that cuts no character. */
void html_text_put(struct html_text *h, struct sv utf8, struct buf *to);

/* Append what was held back. */
void html_text_finish(struct html_text *h, struct buf *to);
