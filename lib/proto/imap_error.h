/*
 * imap_error: what is wrong with a command, in words for its sender.
 *
 * Unlike the text of a struct fail this one is sent to the peer: it is static
 * and names no octet that the peer sent.
 *
 * Threads: plain values.
 */
#pragma once

#include <stddef.h>

enum imap_errkind {
	IMAP_ERR_NONE = 0,
	IMAP_ERR_SYNTAX, /* BAD: not what the grammar allows */
	IMAP_ERR_LIMIT,	 /* NO [LIMIT]: more than this server takes */
	IMAP_ERR_TOOBIG, /* NO [TOOBIG]: a literal over its limit */
};

struct imap_error {
	enum imap_errkind kind;
	const char *text; /* static; "expected a date" */
	size_t at;	  /* octet of the command where it was noticed */
};
