/*
 * pop3_cmd: one command line of POP3.
 *
 * [RFC 1939] [RFC 2449] [RFC 2595] [RFC 5034] [RFC 6856].  The parser sees a
 * line without its CRLF and gives a verb with its arguments, or says what to
 * answer behind -ERR.  APOP is known and refused: it would need passwords
 * kept in clear.
 *
 * Threads: pure functions on plain values.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/sv.h"

enum {
	POP3_LINE_MAX = 255,	    /* with CRLF [RFC 2449 4] */
	POP3_AUTH_LINE_MAX = 12288, /* of a SASL response [RFC 5034 4] */
};

enum pop3_verb {
	POP3_USER,
	POP3_PASS,
	POP3_APOP,
	POP3_AUTH,
	POP3_STLS,
	POP3_CAPA,
	POP3_STAT,
	POP3_LIST,
	POP3_UIDL,
	POP3_RETR,
	POP3_TOP,
	POP3_DELE,
	POP3_NOOP,
	POP3_RSET,
	POP3_UTF8,
	POP3_LANG,
	POP3_QUIT,
	POP3_VERBS,
};

/* Where a command may be given, bits.  [RFC 1939 3] */
enum pop3_state { POP3_AUTHORIZATION = 1, POP3_TRANSACTION = 2 };

struct pop3_cmd {
	enum pop3_verb verb;
	struct sv arg;	   /* USER, PASS: the rest; AUTH: mechanism; LANG */
	bool has_initial;  /* AUTH */
	struct sv initial; /* base64 or "=", not decoded */
	bool has_number;   /* LIST, UIDL: optional; RETR, DELE, TOP: always */
	uint32_t number;   /* message number; above UINT32_MAX: UINT32_MAX */
	uint32_t lines;	   /* TOP, cut likewise */
};

/*
 * NULL and *out, or the text for -ERR.  `state` is where the session stands;
 * a command that is not allowed there is refused.  Passwords may have blanks
 * [RFC 1939 7 PASS] and UTF-8 in them, NUL never.
 */
const char *pop3_parse(
    struct sv line, enum pop3_state state, struct pop3_cmd *out) MUST_CHECK;
