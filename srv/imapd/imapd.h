/*
 * imapd: what all sessions of the process share.
 *
 * Threads: filled in before sessions start, immutable from then on; what it
 * points to is safe from any thread.
 */
#pragma once

#include "access/backends.h"
#include "net/conn.h"
#include "net/stat.h"
#include "proto/imap_frame.h"
#include "settings/settings.h"

struct imapd {
	const struct settings *set;
	struct backends back;
	struct conn_limits limits;
	struct imap_frame_limits frame;	     /* of commands after login */
	struct imap_frame_limits frame_anon; /* and before it */

	struct stat_counter commands, logins, refused;
	struct stat_counter appended, fetched; /* messages */
};

extern struct imapd imapd;

enum {
	IMAPD_LINE_ANON = 8192,		/* octets of a line before login */
	IMAPD_LITERAL_ANON = 4096,	/* and of a literal */
	IMAPD_COMMAND_ANON = 16384,	/* of all of them in one command */
	IMAPD_LITERAL = 65536,		/* after login; messages apart */
	IMAPD_MESSAGE_MEMORY = 1 << 20, /* of an APPEND, in memory */
	IMAPD_SKIP = 1 << 20,		/* of a refused literal on its way */
};
