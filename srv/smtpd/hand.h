/*
 * hand: smtpd's end of the hand-over to lmtpd (proto/handover.h).
 *
 * A session takes a connection from a small pool when it has a question, and
 * gives it back when the message is over; one that has signed somebody in
 * keeps it, since lmtpd knows the user by it.  A connection from the pool may
 * be of an lmtpd that has ended: then a new one is made, if nothing depends
 * on the old.
 *
 * Threads: struct hand is session-owned; the pool is locked inside.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/sv.h"
#include "proto/smtp_cmd.h"
#include "proto/smtp_reply.h"

struct conn;
struct smtp_session;

enum { HAND_MECHS_MAX = 8 };

/* A zeroed one holds no connection. */
struct hand {
	struct conn *c;	   /* NULL: none */
	bool used;	   /* it is from the pool */
	bool named;	   /* XSESSION was sent for this session */
	bool mailed;	   /* MAIL of the message in hand was sent */
	bool mail_refused; /* and not taken */
	char *mechs;	   /* names parted by NUL, owned */
	const char *mech[HAND_MECHS_MAX];
	size_t n_mechs;
};

/* The channel to lmtpd: XSESSION if it is not known yet.  NULL, or why not. */
const struct smtp_reply *hand_name(struct smtp_session *s);

/* MAIL as the receiver has it in hand; with it XSESSION where needed. */
const struct smtp_reply *hand_mail(
    struct smtp_session *s, const struct smtp_mail *mail);

/* RCPT; with it XSESSION and MAIL where they were put off. */
const struct smtp_reply *hand_rcpt(
    struct smtp_session *s, const struct smtp_rcpt *rcpt);

/* Hand the message over: one answer for all recipients. */
const struct smtp_reply *hand_message(struct smtp_session *s);

/* One line, and the line answered: for AUTH.  False if lmtpd is gone. */
bool hand_ask(struct smtp_session *s, struct sv line, unsigned *code_out,
    struct sv *text_out) MUST_CHECK;

/* Tell lmtpd what became of the last answer. */
void hand_done(struct smtp_session *s, bool kept);

/* The message is over: RSET if lmtpd does not know. */
void hand_reset(struct smtp_session *s);

/* Give the connection back, or close it; nothing is known to lmtpd then. */
void hand_release(struct smtp_session *s);
void hand_deinit(struct smtp_session *s);

/* Close the pool's connections, at exit. */
void hand_stop(void);
