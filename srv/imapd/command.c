#include "imapd/command.h"

#include <errno.h>

#include "base/log.h"
#include "imapd/imapd.h"
#include "imapd/incoming.h"
#include "imapd/tell.h"
#include "proto/imap_frame.h"

/* What may be told before a command's tagged line. */
enum tell_when {
	TELL_NOTHING,
	TELL_ALL,
	TELL_IF_UID, /* EXPUNGE only if it was a UID command */
};

/* In the order of enum imap_verb. */
static const struct {
	run_fn *run;
	unsigned states; /* enum imap_state */
	enum tell_when tell;
} table[IMAP_VERBS] = {
#define ANON STATE_ANONYMOUS
#define USER (STATE_USER | STATE_SELECTED)
#define ANY (STATE_ANONYMOUS | STATE_USER | STATE_SELECTED)
#define SEL STATE_SELECTED
    [IMAP_APPEND] = {run_append, USER, TELL_ALL},
    [IMAP_AUTHENTICATE] = {run_authenticate, ANON, TELL_NOTHING},
    [IMAP_CAPABILITY] = {run_capability, ANY, TELL_ALL},
    [IMAP_CHECK] = {run_check, SEL, TELL_ALL},
    [IMAP_CLOSE] = {run_close, SEL, TELL_NOTHING},
    [IMAP_COPY] = {run_copy, SEL, TELL_ALL},
    [IMAP_CREATE] = {run_create, USER, TELL_ALL},
    [IMAP_DELETE] = {run_delete, USER, TELL_ALL},
    [IMAP_ENABLE] = {run_enable, USER, TELL_NOTHING},
    [IMAP_EXAMINE] = {run_select, USER, TELL_NOTHING},
    [IMAP_EXPUNGE] = {run_expunge, SEL, TELL_ALL},
    [IMAP_FETCH] = {run_fetch, SEL, TELL_IF_UID},
    [IMAP_ID] = {run_id, ANY, TELL_NOTHING},
    [IMAP_IDLE] = {run_idle, USER, TELL_NOTHING},
    [IMAP_LIST] = {run_list, USER, TELL_ALL},
    [IMAP_LOGIN] = {run_login, ANON, TELL_NOTHING},
    [IMAP_LOGOUT] = {run_logout, ANY, TELL_NOTHING},
    [IMAP_LSUB] = {run_lsub, USER, TELL_ALL},
    [IMAP_MOVE] = {run_copy, SEL, TELL_ALL},
    [IMAP_NAMESPACE] = {run_namespace, USER, TELL_ALL},
    [IMAP_NOOP] = {run_noop, ANY, TELL_ALL},
    [IMAP_RENAME] = {run_rename, USER, TELL_ALL},
    [IMAP_SEARCH] = {run_search, SEL, TELL_IF_UID},
    [IMAP_SELECT] = {run_select, USER, TELL_NOTHING},
    [IMAP_STARTTLS] = {run_starttls, ANON, TELL_NOTHING},
    [IMAP_STATUS] = {run_status, USER, TELL_ALL},
    [IMAP_STORE] = {run_store, SEL, TELL_IF_UID},
    [IMAP_SUBSCRIBE] = {run_subscribe, USER, TELL_ALL},
    [IMAP_UNSELECT] = {run_unselect, SEL, TELL_NOTHING},
    [IMAP_UNSUBSCRIBE] = {run_subscribe, USER, TELL_ALL},
#undef ANON
#undef USER
#undef ANY
#undef SEL
};

/* ---- reading ---- */

/* Pieces of a literal go to the frame. */
struct frame_sink {
	struct sink sink;
	struct imap_frame *fr;
};

static int
frame_put(struct sink *to, struct sv piece)
{
	imap_frame_add(((struct frame_sink *)to)->fr, piece);
	return 0;
}

static int
drop_put(struct sink *to, struct sv piece)
{
	(void)to;
	(void)piece;
	return 0;
}

static size_t
line_max(const struct imap *im)
{
	return im->state == STATE_ANONYMOUS ? IMAPD_LINE_ANON
					    : imapd.set->limits_line;
}

/*
 * The next line to the frame.  0 or -errno of the connection; a line over the
 * limit is answered, and is the end of its command.
 */
static int
read_line(struct command *cmd, struct imap_frame *fr, enum imap_need *need)
{
	struct sv line;
	int rc =
	    c_line(cmd->im->s.c, line_max(cmd->im), LINE_CRLF_OR_LF, &line);

	if (rc == -EMSGSIZE) {
		*need = IMAP_DONE;
		if (fr->text.len == 0) {
			(void)!imap_frame_line(fr, line); /* for its tag */
		}
		reply_bad(cmd, "The line is too long");
		return 0;
	}
	if (rc == -EPROTO) {
		session_bye(cmd->im, "", "The line has no end");
	}
	if (rc == 0) {
		*need = imap_frame_line(fr, line);
	}
	return rc;
}

/* Octets of the literal that the frame asks for.  0 or -errno. */
static int
read_literal(struct command *cmd, struct imap_frame *fr, enum imap_need need)
{
	struct frame_sink keep = {{frame_put}, fr};
	struct sink drop = {drop_put};
	struct sink *to = &drop;
	struct conn *c = cmd->im->s.c;
	int rc = 0;

	if (need == IMAP_LITERAL) {
		to = &keep.sink;
	} else if (need == IMAP_MESSAGE) {
		incoming_free(&cmd->incoming);
		cmd->incoming = incoming_new();
		to = incoming_sink(cmd->incoming);
	}
	if (fr->literal.sync) {
		rc = c_write(c, SV("+ OK\r\n"));
		rc = rc == 0 ? c_flush(c) : rc;
	}
	rc = rc == 0 ? c_literal(c, fr->literal.size, to) : rc;
	/* What an incoming message was refused for is looked at when the
	 * command runs. */
	return rc == -EIO ? 0 : rc;
}

static int
read_command(struct command *cmd, struct imap_frame *fr, bool *fatal_out)
{
	enum imap_need need;
	int rc = read_line(cmd, fr, &need);

	while (rc == 0 && need != IMAP_DONE && need != IMAP_FATAL) {
		if (need == IMAP_MESSAGE
		    && append_begin(cmd, buf_sv(&fr->text), fr->literal.size)
			   != 0) {
			need = imap_frame_refuse(fr, IMAP_ERR_LIMIT, "");
			continue;
		}
		rc = read_literal(cmd, fr, need);
		rc = rc == 0 ? read_line(cmd, fr, &need) : rc;
	}
	*fatal_out = rc == 0 && need == IMAP_FATAL;
	return rc;
}

/* ---- running ---- */

/* What the frame or the parser found wrong. */
static void
reply_error(struct command *cmd, const struct imap_error *error)
{
	switch (error->kind) {
	case IMAP_ERR_NONE:
		break;
	case IMAP_ERR_SYNTAX:
		reply_bad(cmd, error->text);
		break;
	case IMAP_ERR_LIMIT:
		reply_no(cmd, "LIMIT", error->text);
		break;
	case IMAP_ERR_TOOBIG:
		reply_no(cmd, "TOOBIG", error->text);
		break;
	}
}

static void
run(struct command *cmd)
{
	struct imap *im = cmd->im;

	if ((table[cmd->c.verb].states & im->state) == 0) {
		reply_bad(cmd, table[cmd->c.verb].states == STATE_ANONYMOUS
				   ? "Not after login"
			       : im->state == STATE_ANONYMOUS
				   ? "Log in first"
				   : "Select a mailbox first");
		return;
	}
	table[cmd->c.verb].run(cmd);
}

/* A UID SEARCH for sequence numbers is no place to change what they mean.
 * [RFC 7162 3.2.10.2] */
static bool
names_numbers(const struct command *cmd)
{
	return cmd->c.verb == IMAP_SEARCH && cmd->c.search.numbers;
}

/* Changes that others made, and those of this command. */
static void
tell(struct command *cmd)
{
	enum tell_when when = table[cmd->c.verb].tell;
	unsigned how = TELL_CLAIM | command_tell_uid(cmd);
	struct fail f;

	if (cmd->im->state != STATE_SELECTED || when == TELL_NOTHING) {
		return;
	}
	if (when == TELL_ALL || (cmd->c.uid && !names_numbers(cmd))) {
		how |= TELL_EXPUNGE;
	}
	if (tell_changes(cmd->im, how, NULL, &f) != 0) {
		LOG(LOG_ERROR, "refresh.failed",
		    kv_hex("session", cmd->im->s.id), kv_fail(&f));
	}
	tell_delayed(cmd->im);
}

static void
write_tagged(struct command *cmd, struct sv tag)
{
	static const char *const words[] = {
	    [REPLY_OK] = " OK ", [REPLY_NO] = " NO ", [REPLY_BAD] = " BAD "};
	struct buf *out;

	if (cmd->status == REPLY_NONE || cmd->im->closing) {
		return;
	}
	out = c_out(cmd->im->s.c);
	if (tag.len != 0) {
		buf_add_sv(out, tag);
	} else {
		buf_add_char(out, '*');
	}
	buf_add_str(out, words[cmd->status]);
	if (cmd->code.len != 0) {
		buf_add_char(out, '[');
		buf_add_sv(out, buf_sv(&cmd->code));
		buf_add_str(out, "] ");
	}
	buf_add_str(out, cmd->text);
	buf_add_str(out, "\r\n");
	(void)c_drain(cmd->im->s.c);
}

static void
count_bad(struct imap *im, enum reply_status status)
{
	uint64_t max = imapd.set->imap_errors;

	if (status != REPLY_BAD) {
		im->bad = 0;
	} else if (++im->bad >= max && max != 0) {
		session_bye(im, "", "Too many wrong commands");
	}
}

static void
execute(struct command *cmd, struct imap_frame *fr)
{
	struct imap_error error = fr->error;
	bool wrong = cmd->status != REPLY_NONE; /* refused while it came */

	if (!wrong && error.kind == IMAP_ERR_NONE) {
		(void)!imap_cmd_parse(
		    buf_sv(&fr->text), &cmd->arena, &cmd->c, &error);
	}
	if (!wrong && error.kind != IMAP_ERR_NONE) {
		reply_error(cmd, &error);
		wrong = true;
	}
	if (!wrong) {
		run(cmd);
		tell(cmd);
	}
	stat_add(&imapd.commands, 1);
	(void)session_usable(cmd->im);
	write_tagged(cmd, imap_frame_tag(fr));
	session_part(cmd->im);
	count_bad(cmd->im, cmd->status);
}

static void
connection_failed(struct imap *im, int rc)
{
	if (rc == -ETIMEDOUT) {
		session_bye(im, "", "That took too long");
	} else if (rc == -ECANCELED) {
		session_bye(im, "", "The server is shutting down");
	}
	im->closing = true;
}

enum verdict
command_run(struct imap *im)
{
	struct command cmd = {.im = im};
	struct imap_frame fr;
	bool fatal = false;
	int rc;

	imap_frame_init(&fr,
	    im->state == STATE_ANONYMOUS ? &imapd.frame_anon : &imapd.frame);
	rc = read_command(&cmd, &fr, &fatal);
	if (rc != 0) {
		connection_failed(im, rc);
	} else if (fatal) {
		session_bye(im, "TOOBIG", "A literal is too big");
	} else {
		execute(&cmd, &fr);
	}
	imap_frame_deinit(&fr);
	incoming_free(&cmd.incoming);
	buf_deinit(&cmd.code);
	arena_deinit(&cmd.arena);
	return im->closing ? V_CLOSE : V_PARK;
}
