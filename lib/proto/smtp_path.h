/*
 * smtp_path: reverse-path and forward-path, by the grammar and nothing else.
 *
 * [RFC 5321 4.1.2, 4.1.3] with the UTF-8 of [RFC 6531 3.3].  This is the
 * strict reading for what a peer puts into MAIL and RCPT; header fields have
 * a tolerant one of their own in lib/mail.  A source route is accepted and
 * ignored [RFC 5321 4.1.2, appendix C].
 *
 * Local parts are given without quotes and backslashes, since all quoted
 * forms of one are equivalent [RFC 5321 4.1.2]; smtp_path_write() puts back
 * as few as the grammar needs.
 *
 * Threads: pure functions on plain values.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/sv.h"

enum {
	/* [RFC 5321 4.5.3.1] asks for 64, 255 and 256 at least.  Addresses
	 * that mailers make up (VERP, SRS) are longer. */
	SMTP_LOCAL_MAX = 256,
	SMTP_DOMAIN_MAX = 255,
	SMTP_PATH_MAX = 1024, /* with source route and quoting */
};

enum smtp_path_kind {
	SMTP_PATH_NULL,	      /* <>: reverse-path only */
	SMTP_PATH_POSTMASTER, /* <Postmaster>: forward-path only */
	SMTP_PATH_MAILBOX,
};

struct smtp_path {
	enum smtp_path_kind kind;
	struct sv local;  /* unquoted; "postmaster" for that kind */
	struct sv domain; /* as written; a literal with its brackets */
	bool literal;	  /* domain is an address literal */
	bool utf8;	  /* has octets above 0x7f, well formed */
};

enum smtp_path_result {
	SMTP_PATH_OK,
	SMTP_PATH_SYNTAX,   /* not by the grammar */
	SMTP_PATH_TOO_LONG, /* a limit above */
	SMTP_PATH_NOT_UTF8, /* octets above 0x7f that are not UTF-8 */
};

/*
 * Take "<...>" from the front of `*s`, which is left at what follows.  Slices
 * point into `*s`, or into `arena` where a local part had backslashes.
 */
enum smtp_path_result smtp_path_parse(
    struct sv *s, struct arena *arena, struct smtp_path *out) MUST_CHECK;

/* local@domain, "quoted local"@domain, Postmaster, or nothing for the null
 * path; without the angle brackets. */
void smtp_path_write(const struct smtp_path *path, struct buf *to);

/* Domain or address literal, by the grammar.  [RFC 5321 4.1.3, 4.1.1.1] */
bool smtp_domain_valid(struct sv s);
bool smtp_literal_valid(struct sv s); /* with its brackets */
