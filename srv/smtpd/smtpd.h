/*
 * smtpd: what the parts of the program share.
 *
 * Threads: set in start(), immutable afterwards; counters are atomic.
 */
#pragma once

#include "mta/receiver.h"
#include "net/conn.h"
#include "net/session.h"
#include "net/stat.h"
#include "settings/settings.h"

struct smtpd {
	const struct settings *set;
	struct receiver_conf mx;
	struct receiver_conf submission;
	struct conn_limits limits;
	const char *handover;		   /* path of lmtpd's socket */
	struct stat_counter messages;	   /* that were whole */
	struct stat_counter accepted;	   /* of them, answered 2yz */
	struct stat_counter early_talkers; /* spoke before the greeting */
	struct stat_counter logins;
	struct stat_counter logins_failed;
};

extern struct smtpd smtpd;

extern struct protocol mx_protocol;
extern struct protocol submission_protocol;
