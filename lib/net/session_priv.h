/*
 * session_priv: what listen.c needs of session.c.
 *
 * Threads: before park_add.
 */
#pragma once

#include "net/session.h"

/* What a session waits for before its protocol begins. */
enum stage {
	STAGE_PROXY,	 /* a PROXY header, then the protocol */
	STAGE_PROXY_TLS, /* a PROXY header, then TLS */
	STAGE_TLS,	 /* the first octets of TLS */
	STAGE_START,	 /* nothing: the next turn is the first */
	STAGE_RUN,
};

void session_stage(struct session *s, enum stage stage);
