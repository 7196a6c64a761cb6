/* How commands end: see command.h. */
#include "base/log.h"
#include "imapd/command.h"

static void
reply(struct command *cmd, enum reply_status status, const char *code,
    const char *text)
{
	cmd->status = status;
	cmd->text = text;
	buf_clear(&cmd->code);
	if (code != NULL) {
		buf_add_str(&cmd->code, code);
	}
}

void
reply_ok(struct command *cmd, const char *code, const char *text)
{
	reply(cmd, REPLY_OK, code, text);
}

void
reply_no(struct command *cmd, const char *code, const char *text)
{
	reply(cmd, REPLY_NO, code, text);
}

void
reply_bad(struct command *cmd, const char *text)
{
	reply(cmd, REPLY_BAD, NULL, text);
}

/* [RFC 5530 3] */
static const struct {
	const char *code, *text;
} failures[] = {
    [FAIL_NONE] = {"SERVERBUG", "Something went wrong"},
    [FAIL_TEMP] = {"UNAVAILABLE", "Not possible now, try again later"},
    [FAIL_PERM] = {"CANNOT", "That is not possible"},
    [FAIL_ABSENT] = {"NONEXISTENT", "There is no such mailbox"},
    [FAIL_EXISTS] = {"ALREADYEXISTS", "There is such a mailbox already"},
    [FAIL_DENIED] = {"NOPERM", "That is not allowed"},
    [FAIL_LIMIT] = {"LIMIT", "That is more than there is room for"},
    [FAIL_SYNTAX] = {"CANNOT", "That name is not possible"},
    [FAIL_CORRUPT] = {"CORRUPTION", "Stored data is damaged"},
    [FAIL_CANCELLED] = {"UNAVAILABLE", "Interrupted"},
    [FAIL_UNKNOWN] = {"UNAVAILABLE", "It is not known whether this was done"},
};

void
reply_fail(struct command *cmd, const struct fail *f)
{
	bool ours = f->kind == FAIL_TEMP || f->kind == FAIL_CORRUPT
		    || f->kind == FAIL_NONE || f->kind == FAIL_UNKNOWN;

	LOG(ours ? LOG_ERROR : LOG_DEBUG, "command.failed",
	    kv_hex("session", cmd->im->s.id),
	    kv_str("command", imap_verb_name(cmd->c.verb)),
	    kv_str("kind", fail_kind_name(f->kind)), kv_fail(f));
	reply_no(cmd, failures[f->kind].code, failures[f->kind].text);
}
