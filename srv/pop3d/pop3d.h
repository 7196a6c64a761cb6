/*
 * pop3d: what the parts of the program share.
 *
 * Threads: set in start(), immutable afterwards; counters are atomic.
 */
#pragma once

#include "access/backends.h"
#include "auth/auth.h"
#include "net/conn.h"
#include "net/session.h"
#include "net/stat.h"
#include "settings/settings.h"
#include "store/store.h"

struct pop3d {
	const struct settings *set;
	struct backends back;
	struct conn_limits limits; /* before login */
	struct conn_limits limits_in;
	struct stat_counter logins;
	struct stat_counter logins_failed;
	struct stat_counter retrieved; /* messages */
	struct stat_counter deleted;
};

extern struct pop3d pop3d;

extern struct protocol pop3_protocol;
