/*
 * command: one command while it runs, and how it is answered.
 *
 * A runner does its work, writes untagged responses, and says how the command
 * ended with one of the reply_*() calls; the tagged line is written behind it,
 * when the client has been told of changes as far as the command allows.
 *
 * Threads: session-owned.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/fail.h"
#include "imapd/session.h"
#include "proto/imap_cmd.h"

struct incoming;

enum reply_status {
	REPLY_NONE, /* not said yet; or: nothing is to be written */
	REPLY_OK,
	REPLY_NO,
	REPLY_BAD,
};

struct command {
	struct imap *im;
	struct arena arena; /* freed behind the command */
	struct imap_cmd c;
	struct incoming *incoming; /* an APPEND's message; owned */

	enum reply_status status;
	struct buf code;  /* response code without its brackets */
	const char *text; /* static */
};

/* `code` may be NULL.  The last call counts. */
void reply_ok(struct command *cmd, const char *code, const char *text);
void reply_no(struct command *cmd, const char *code, const char *text);
void reply_bad(struct command *cmd, const char *text);

/* The one table from kinds of failure to response codes; logs it. */
void reply_fail(struct command *cmd, const struct fail *f);

/* Read one command from the connection and run it. */
enum verdict command_run(struct imap *im);

/* The literal of an APPEND is to come: look at what stands before it.  0, or
 * -1 with the command answered.  In cmd_append.c. */
int append_begin(struct command *cmd, struct sv text, uint64_t size) MUST_CHECK;

/* A mailbox's name in UTF-8 and normalisation form C, in the command's arena.
 * -1 with the command answered NO. */
int command_name(
    struct command *cmd, struct sv wire, struct sv *out) MUST_CHECK;

/* A pattern, or a reference, in the wire form that names have; one that cuts
 * base64 with a wildcard is left as it is. */
struct sv command_pattern(struct command *cmd, struct sv wire);

/*
 * A view as new as session_view() gives, and a mailbox in it that can be
 * selected; else -1 with the command answered: with `create` by [TRYCREATE],
 * else by [NONEXISTENT].
 */
int command_mbox(struct command *cmd, struct sv wire, bool create,
    struct view **view_out, const struct mbox **out) MUST_CHECK;

/*
 * A set of messages as ascending ranges of sequence numbers in the view that
 * the client knows.  -1 with the command answered BAD when it names a number
 * that is not there.  [RFC 3501 9]
 */
int command_set(struct command *cmd, const struct imap_set *set, bool uid,
    struct imap_set *out) MUST_CHECK;

/* The same of a SEARCH, to which numbers that are not there are no error: they
 * match nothing. */
void command_set_within(
    struct command *cmd, const struct imap_set *set, struct imap_set *out);

/* As command_set(), as UIDs; the caller deinits *out. */
int command_uids(struct command *cmd, const struct imap_set *set, bool uid,
    struct uidset *out) MUST_CHECK;

/* TELL_UID if the command is a UID command, else 0. */
unsigned command_tell_uid(const struct command *cmd);

/* Whether anything in the selected mailbox is \Deleted by now: if not, there
 * is nothing to expunge and no record to write. */
bool command_any_deleted(struct imap *im);

/* False, with the command answered, in a mailbox opened by EXAMINE. */
bool command_writable(struct command *cmd) MUST_CHECK;

/* For the first command that shows that the client knows of mod-sequences: it
 * is told that of its mailbox, once all that it knows is on disk.  -1 with the
 * command answered.  [RFC 7162 3.1] */
int command_condstore(struct command *cmd) MUST_CHECK;

typedef void run_fn(struct command *cmd);

run_fn run_append;	 /* cmd_append.c */
run_fn run_authenticate; /* cmd_auth.c */
run_fn run_capability;	 /* cmd_any.c */
run_fn run_check;	 /* cmd_any.c */
run_fn run_close;	 /* cmd_select.c */
run_fn run_copy;	 /* cmd_copy.c */
run_fn run_create;	 /* cmd_mailbox.c */
run_fn run_delete;	 /* cmd_mailbox.c */
run_fn run_enable;	 /* cmd_any.c */
run_fn run_expunge;	 /* cmd_copy.c */
run_fn run_fetch;	 /* cmd_fetch.c */
run_fn run_id;		 /* cmd_any.c */
run_fn run_idle;	 /* cmd_idle.c */
run_fn run_list;	 /* cmd_list.c */
run_fn run_login;	 /* cmd_auth.c */
run_fn run_logout;	 /* cmd_any.c */
run_fn run_lsub;	 /* cmd_list.c */
run_fn run_namespace;	 /* cmd_list.c */
run_fn run_noop;	 /* cmd_any.c */
run_fn run_rename;	 /* cmd_mailbox.c */
run_fn run_search;	 /* cmd_search.c */
run_fn run_select;	 /* cmd_select.c */
run_fn run_starttls;	 /* cmd_auth.c */
run_fn run_status;	 /* cmd_status.c */
run_fn run_store;	 /* cmd_store.c */
run_fn run_subscribe;	 /* cmd_mailbox.c */
run_fn run_unselect;	 /* cmd_select.c */
