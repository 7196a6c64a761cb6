/*
 * lmtpd: what the parts of the program share.
 *
 * Threads: set in start(), immutable afterwards; counters are atomic.
 */
#pragma once

#include "access/backends.h"
#include "auth/auth.h"
#include "directory/directory.h"
#include "mta/receiver.h"
#include "net/conn.h"
#include "net/session.h"
#include "net/stat.h"
#include "settings/settings.h"
#include "store/store.h"

struct lmtpd {
	const struct settings *set;
	struct backends back;
	struct receiver_conf lmtp;
	struct receiver_conf handover;
	struct conn_limits lmtp_limits;
	struct conn_limits handover_limits;
	struct stat_counter messages;	/* that were whole */
	struct stat_counter delivered;	/* recipients answered 2yz */
	struct stat_counter deferred;	/* 4yz */
	struct stat_counter refused;	/* 5yz */
	struct stat_counter duplicates; /* of the delivered: there already */
};

extern struct lmtpd lmtpd;

extern struct protocol lmtp_protocol;
extern struct protocol handover_protocol;
