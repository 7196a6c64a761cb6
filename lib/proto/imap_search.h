/*
 * imap_search: the search program as a tree.
 * [RFC 3501 6.4.4 and 9 search; RFC 4731 ESEARCH; RFC 5182 SAVE;
 *  RFC 7162 3.1.5 MODSEQ; RFC 8474 6 EMAILID]
 *
 * What the grammar spells in many ways is brought to few kinds of node:
 * UNSEEN is NOT of a flag, FROM is a header with a name, NEW is AND of two.
 * Sets stay as written: what they mean is decided against a mailbox.
 *
 * Threads: parsed trees are immutable.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "proto/imap_lex.h"
#include "proto/imap_set.h"

enum {
	IMAP_SEARCH_DEPTH = 64,	 /* NOT, OR and parentheses in one another */
	IMAP_SEARCH_KEYS = 2048, /* nodes of one tree */
};

enum imap_search_kind {
	SEARCH_ALL,
	SEARCH_AND,	/* children: all of them */
	SEARCH_OR,	/* two children */
	SEARCH_NOT,	/* one child */
	SEARCH_SEQ,	/* set */
	SEARCH_UID,	/* set */
	SEARCH_FLAG,	/* flag: one bit of enum imap_flag, maybe RECENT */
	SEARCH_KEYWORD, /* text: its name */
	SEARCH_BEFORE,	/* day; INTERNALDATE, its zone disregarded */
	SEARCH_ON,
	SEARCH_SINCE,
	SEARCH_SENTBEFORE, /* day; Date:, its zone disregarded */
	SEARCH_SENTON,
	SEARCH_SENTSINCE,
	SEARCH_LARGER, /* number: octets */
	SEARCH_SMALLER,
	SEARCH_HEADER,	 /* field, text; empty text: the field exists */
	SEARCH_BODY,	 /* text */
	SEARCH_TEXT,	 /* text: header or body */
	SEARCH_MODSEQ,	 /* number: at least that */
	SEARCH_EMAILID,	 /* text */
	SEARCH_THREADID, /* text */
};

struct imap_search {
	enum imap_search_kind kind;
	struct imap_search *child; /* first; AND, OR, NOT */
	struct imap_search *next;  /* sibling */
	union {
		struct imap_set set;
		uint32_t flag;
		int32_t day;
		uint64_t number;
		struct {
			struct sv field;
			struct sv text; /* in the charset of the command */
			bool addresses; /* FROM, TO, CC, BCC */
		};
	};
};

enum imap_search_return { /* bits */
	RETURN_MIN = 1,
	RETURN_MAX = 2,
	RETURN_ALL = 4,
	RETURN_COUNT = 8,
	RETURN_SAVE = 16,
};

struct imap_search_args {
	bool has_charset;
	struct sv charset;
	bool extended;	  /* RETURN was given: answer ESEARCH */
	unsigned returns; /* enum imap_search_return; () counts as ALL */
	bool modseq;	  /* a MODSEQ key occurs */
	bool numbers;	  /* sequence numbers occur */
	bool eight_bit;	  /* a text to look for is not ASCII */
	struct imap_search *tree;
};

/* What follows "SEARCH" and its space. */
int imap_lex_search(
    struct imap_lex *lex, struct imap_search_args *out) MUST_CHECK;
