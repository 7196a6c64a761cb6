/*
 * imap_frame: where a command ends.  [RFC 3501 2.2, 4.3; RFC 7888]
 *
 * A command is lines with literals between them.  The frame collects them and
 * says after each piece what to read next:
 *
 *	imap_frame_init(&fr, &limits);
 *	need = imap_frame_line(&fr, line);	(without its CRLF)
 *	while (need is not IMAP_DONE or IMAP_FATAL)
 *		IMAP_LITERAL	if (fr.literal.sync) write "+ OK\r\n";
 *				read fr.literal.size octets,
 *				imap_frame_add(&fr, octets)
 *		IMAP_MESSAGE	the same, but read into a spool; or
 *				need = imap_frame_refuse(&fr, kind, text)
 *		IMAP_SKIP	read fr.literal.size octets, drop them
 *		then read a line: need = imap_frame_line(&fr, line)
 *
 * and the command is in fr.text, as imap_cmd_parse() takes it.  The octets of
 * an APPEND's message are not in it.
 *
 * A literal that is refused ends the command at once if the client waits for
 * leave to send it.  One that is on its way already is read and dropped, with
 * the rest of its command, if it is small, and else fatal: the connection
 * ends with BYE.  [RFC 7888 4]
 *
 * Threads: owned by one runner at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/sv.h"
#include "proto/imap_error.h"
#include "proto/imap_lex.h"

struct imap_frame_limits {
	size_t command;	  /* octets of lines and literals together */
	uint64_t literal; /* octets of one argument */
	uint64_t message; /* octets of an APPEND's message */
	uint64_t skip;	  /* octets worth reading to drop them */
};

enum imap_need {
	IMAP_LITERAL, /* of an argument */
	IMAP_MESSAGE, /* the literal of an APPEND */
	IMAP_SKIP,
	IMAP_DONE,  /* the command is whole, or `error` says why not */
	IMAP_FATAL, /* say BYE and close; `error` says why */
};

struct imap_frame {
	struct buf text;			/* owned */
	const struct imap_frame_limits *limits; /* borrowed */
	struct imap_literal literal;		/* that comes next */
	struct imap_error error;
	bool append; /* the verb is APPEND */
};

void imap_frame_init(
    struct imap_frame *fr, const struct imap_frame_limits *limits);
void imap_frame_deinit(struct imap_frame *fr); /* wipes the text */

enum imap_need imap_frame_line(
    struct imap_frame *fr, struct sv line) MUST_CHECK;
void imap_frame_add(struct imap_frame *fr, struct sv octets);
enum imap_need imap_frame_refuse(
    struct imap_frame *fr, enum imap_errkind kind, const char *text) MUST_CHECK;

/* The tag, as far as the command goes; empty if it has none.  For answers to
 * what cannot be parsed. */
struct sv imap_frame_tag(const struct imap_frame *fr);
