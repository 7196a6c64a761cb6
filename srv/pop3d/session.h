/*
 * session: one POP3 client.  [RFC 1939 3]
 *
 * A session that has signed in holds the view of the account that was newest
 * then: message numbers, sizes and unique ids stay as they were, whatever
 * others do to the mailbox.  Nothing is locked; any number of sessions are at
 * one mailbox at once.
 *
 * Threads: session-owned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/session.h"
#include "pop3d/pop3d.h"
#include "proto/pop3_cmd.h"

struct pop3_session {
	struct session s; /* first */
	enum pop3_state state;
	unsigned errors;
	bool utf8; /* [RFC 6856] */
	bool closing;
	char *user; /* of USER, owned; or NULL */

	/* From login on. */
	struct account *account; /* a reference */
	struct view *view;	 /* a reference */
	const struct mbox *mbox; /* INBOX, in the view */
	uint64_t *deleted;	 /* bits, owned; NULL: none */
	uint32_t n_deleted;
};

/* Answers, into the connection's buffer. */
void pop3_say_ok(struct pop3_session *s, const char *text);
void pop3_say_err(struct pop3_session *s, const char *text);

/* Headers go to this client in ASCII.  [RFC 6856 2.1] */
bool pop3_wants_ascii(const struct pop3_session *s);

/* USER PASS AUTH STLS CAPA UTF8 LANG */
void pop3_user(struct pop3_session *s, const struct pop3_cmd *cmd);
void pop3_pass(struct pop3_session *s, const struct pop3_cmd *cmd);
void pop3_auth(struct pop3_session *s, const struct pop3_cmd *cmd);
void pop3_stls(struct pop3_session *s);
void pop3_capa(struct pop3_session *s);
void pop3_utf8(struct pop3_session *s);
void pop3_lang(struct pop3_session *s, const struct pop3_cmd *cmd);

/* STAT LIST UIDL RETR TOP DELE RSET; QUIT's update */
void pop3_stat(struct pop3_session *s);
void pop3_list(struct pop3_session *s, const struct pop3_cmd *cmd);
void pop3_uidl(struct pop3_session *s, const struct pop3_cmd *cmd);
void pop3_retr(struct pop3_session *s, const struct pop3_cmd *cmd);
void pop3_dele(struct pop3_session *s, const struct pop3_cmd *cmd);
void pop3_rset(struct pop3_session *s);
void pop3_update(struct pop3_session *s);

/*
 * The message of a number that was given, with its index; NULL when that has
 * been answered: there is none, or it is deleted.
 */
const struct msg *pop3_message(
    struct pop3_session *s, const struct pop3_cmd *cmd, uint32_t *index_out);
