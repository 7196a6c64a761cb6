/*
 * receiver: the server side of SMTP and LMTP, as far as the two are one.
 *
 * It reads commands, holds them to their order, keeps the limits, collects
 * the message by DATA or BDAT, and answers.  What becomes of envelope and
 * message is decided by the server's struct receiver_ops.
 *
 * [RFC 5321 4.1.4] order of commands; [RFC 2033 4.2] one answer a recipient;
 * [RFC 3030] chunks; [RFC 5321 4.5.3] limits.
 *
 * Threads: session-owned; configurations are immutable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/fail.h"
#include "base/spool.h"
#include "base/sv.h"
#include "net/session.h"
#include "proto/handover.h"
#include "proto/smtp_cmd.h"
#include "proto/smtp_data.h"
#include "proto/smtp_ehlo.h"
#include "proto/smtp_reply.h"

struct receiver;
struct settings;

enum { RECEIVER_ID_SIZE = HANDOVER_ID_MAX + 1 };

struct receiver_conf {
	const char *host;      /* our name */
	bool lmtp;	       /* LHLO, and one answer a recipient */
	bool relayed;	       /* the client logs what is refused */
	unsigned ext;	       /* enum smtp_ext, before TLS and login */
	unsigned params;       /* those whose parameters are understood though
			    * they may not be named now */
	uint64_t size_max;     /* octets of a message */
	unsigned rcpts_max;    /* of one message */
	unsigned errors_max;   /* refused commands before 421; 0: any */
	unsigned commands_max; /* without a message before 421; 0: any */
	uint64_t line_max;     /* octets of a line of text; 0: any */
	bool lines_exact;      /* refuse bare CR and LF, and NUL, in text */
	int64_t text_ms;       /* longest time for a text, */
	uint64_t rate_min;     /* and a second more for so many octets */
};

/* What every receiver of ours offers and takes, as the settings say; the rest
 * is zero.  Borrows from `set`. */
struct receiver_conf receiver_conf_settings(const struct settings *set);

/* For struct protocol: what a client hears that is one too many.  Static. */
struct sv receiver_busy(const struct settings *set);

struct receiver_ops {
	/* EHLO, HELO, LHLO was said: NULL, or a refusal.  The answer is
	 * written by receiver_hello() afterwards. */
	const struct smtp_reply *(*hello)(
	    struct receiver *r, const struct smtp_cmd *cmd);
	/* Begin a message, name a recipient: what to answer.  What lasts is
	 * copied by the receiver (mail) or by the server (rcpt). */
	const struct smtp_reply *(*mail)(
	    struct receiver *r, const struct smtp_mail *mail);
	const struct smtp_reply *(*rcpt)(
	    struct receiver *r, const struct smtp_rcpt *rcpt);
	/* The octets to put in front of the message, before it comes. */
	void (*head)(struct receiver *r, struct buf *to);
	/* The message is whole in r->body: see to it and answer. */
	void (*message)(struct receiver *r);
	/* The message or attempt is over: forget recipients. */
	void (*reset)(struct receiver *r);
	/* STARTTLS, AUTH, VRFY, EXPN, HELP: what to answer, or NULL if that
	 * has been done. */
	const struct smtp_reply *(*other)(
	    struct receiver *r, const struct smtp_cmd *cmd);
};

struct receiver {
	struct session s; /* first: see net/session.h */
	const struct receiver_conf *conf;
	const struct receiver_ops *ops;

	char *helo;		  /* owned, or NULL: not greeted yet */
	bool esmtp;		  /* by EHLO or LHLO */
	unsigned ext;		  /* enum smtp_ext in force */
	const char *const *mechs; /* of AUTH; borrowed */
	size_t n_mechs;
	unsigned errors;   /* refused commands */
	unsigned commands; /* since the last message */
	bool closing;	   /* the connection ends behind this answer */

	/* The message in hand. */
	struct arena arena;
	bool has_mail;
	struct smtp_mail mail; /* copied into the arena */
	struct sv sender;      /* its path as text, in the arena */
	unsigned n_rcpts;      /* that were accepted */
	bool chunked;	       /* a BDAT has come */
	bool failed;	       /* and one of them has failed */
	struct smtp_data scan;
	struct spool body;
	uint64_t prefix; /* octets of it put in front of what came */
	/* By which logs, Received and replies know it: the session's and a
	 * number. */
	unsigned n_mails;
	char id[RECEIVER_ID_SIZE];
};

/* Begin: greets, or (`why` says so) takes leave.  True if there is a command
 * to read. */
bool receiver_begin(struct receiver *r, unsigned why);

/* Read one command and do it. */
enum verdict receiver_run(struct receiver *r);

/* Do one that was read already. */
void receiver_do(struct receiver *r, const struct smtp_cmd *cmd);

void receiver_deinit(struct receiver *r); /* for the protocol's close() */

/* For the server. */
void receiver_reply(struct receiver *r, const struct smtp_reply *reply);
/* One answer for the message: in LMTP one a recipient. */
void receiver_answer(struct receiver *r, const struct smtp_reply *reply);
/* Forget the greeting, as behind STARTTLS [RFC 3207 4.2]. */
void receiver_forget(struct receiver *r);
void receiver_reset(struct receiver *r); /* drop the message in hand */
/* 421 and the end. */
void receiver_leave(struct receiver *r, const struct smtp_reply *reply);
