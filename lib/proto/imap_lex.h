/*
 * imap_lex: the tokens of a command.  [RFC 3501 9, RFC 4466 3]
 *
 * A lexer walks over one whole command: its lines joined by CRLF, with the
 * octets of each literal in between, without the last CRLF (imap_frame.h).
 * Tokens are slices into that text; only quoted strings with escapes are
 * copied, into the arena.
 *
 * Each function consumes its token and returns 0, or returns -1 with `error`
 * set and consumes nothing of use.  After an error nothing more should be
 * asked; the first one stays.
 *
 * Threads: owned by one runner at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/sv.h"
#include "proto/imap_error.h"

struct imap_lex {
	struct sv text;	     /* borrowed */
	size_t at;	     /* next octet */
	struct arena *arena; /* borrowed */
	struct imap_error error;
};

/* Character classes of the grammar. */
bool imap_is_atom_char(char c); /* ATOM-CHAR */
bool imap_is_tag(struct sv s);	/* 1*<ASTRING-CHAR except "+"> */

/* Fail: -1, keeping the first error.  `text` is static. */
int imap_lex_fail(
    struct imap_lex *lex, enum imap_errkind kind, const char *text);
int imap_lex_bad(struct imap_lex *lex, const char *text);

/* Next octet, or -1 at the end; nothing is consumed. */
int imap_lex_peek(const struct imap_lex *lex);
bool imap_lex_at_end(const struct imap_lex *lex);

/* Consume `c` if it is next. */
bool imap_lex_take(struct imap_lex *lex, char c);

/*
 * What follows takes the token of its name: 0, or -1 with the error kept and
 * the place it stands at.  Slices point into the text, or into the arena where
 * quotes had backslashes.
 */
int imap_lex_char(struct imap_lex *lex, char c) MUST_CHECK;
int imap_lex_sp(struct imap_lex *lex) MUST_CHECK;
int imap_lex_end(struct imap_lex *lex) MUST_CHECK; /* there is no more */

int imap_lex_atom(struct imap_lex *lex, struct sv *out) MUST_CHECK;

/* A word of letters, digits, ".", "-", "_": names of items and options. */
int imap_lex_word(struct imap_lex *lex, struct sv *out) MUST_CHECK;

/* Consume `word` in any case if it is next and ends there. */
bool imap_lex_take_word(struct imap_lex *lex, struct sv word);

/* Quoted or literal; astring: an atom too; list-mailbox: with wildcards. */
int imap_lex_string(struct imap_lex *lex, struct sv *out) MUST_CHECK;
int imap_lex_astring(struct imap_lex *lex, struct sv *out) MUST_CHECK;
int imap_lex_list_mailbox(struct imap_lex *lex, struct sv *out) MUST_CHECK;

/* `*nil_out` tells NIL from an empty string. */
int imap_lex_nstring(
    struct imap_lex *lex, struct sv *out, bool *nil_out) MUST_CHECK;

/* nz-number, number64. */
int imap_lex_nz32(struct imap_lex *lex, uint32_t *out) MUST_CHECK;
int imap_lex_u64(struct imap_lex *lex, uint64_t *out) MUST_CHECK;

/* mod-sequence-valzer: 63 bits.  [RFC 7162 7] */
int imap_lex_modseq(struct imap_lex *lex, uint64_t *out) MUST_CHECK;

/* Call a literal's announcement ("{12+}" at the end of a line) by its parts.
 * A count that does not fit is UINT64_MAX.  False if `line` ends in none. */
struct imap_literal {
	uint64_t size;
	bool sync;   /* the client waits for "+" */
	bool binary; /* "~{": literal8 */
	size_t at;   /* where in the line it begins */
};
bool imap_literal_at_end(struct sv line, struct imap_literal *out);
