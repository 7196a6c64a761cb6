#include "proto/imap_frame.h"

void
imap_frame_init(struct imap_frame *fr, const struct imap_frame_limits *limits)
{
	*fr = (struct imap_frame){.limits = limits};
	fr->text.limit = limits->command;
}

void
imap_frame_deinit(struct imap_frame *fr)
{
	buf_wipe(&fr->text);
}

static void
set_error(struct imap_frame *fr, enum imap_errkind kind, const char *text)
{
	if (fr->error.kind == IMAP_ERR_NONE) {
		fr->error = (struct imap_error){kind, text, fr->text.len};
	}
}

/* The word at `*s` and the space behind it are cut off. */
static struct sv
next_word(struct sv *s)
{
	return sv_cut(s, ' ');
}

struct sv
imap_frame_tag(const struct imap_frame *fr)
{
	struct sv rest = buf_sv(&fr->text);
	struct sv tag = next_word(&rest);

	return imap_is_tag(tag) ? tag : SV_EMPTY;
}

static bool
is_append(const struct imap_frame *fr)
{
	struct sv rest = buf_sv(&fr->text);

	(void)next_word(&rest);
	return sv_eq_nocase(next_word(&rest), SV("APPEND"));
}

/*
 * Whether the literal that the text ends with is the mailbox's name: then
 * nothing but "tag APPEND " stands before it.  Any later one is a message.
 */
static bool
is_append_name(const struct imap_frame *fr)
{
	struct sv rest = buf_sv(&fr->text);

	(void)next_word(&rest);
	(void)next_word(&rest);
	return rest.len != 0 && rest.p[0] == '{'
	       && sv_chr(rest, '\n') == (ptrdiff_t)rest.len - 1;
}

/* What to do about a literal that is not taken. */
static enum imap_need
turn_away(struct imap_frame *fr)
{
	if (fr->literal.sync) {
		return IMAP_DONE;
	}
	return fr->literal.size <= fr->limits->skip ? IMAP_SKIP : IMAP_FATAL;
}

enum imap_need
imap_frame_refuse(
    struct imap_frame *fr, enum imap_errkind kind, const char *text)
{
	set_error(fr, kind, text);
	return turn_away(fr);
}

static enum imap_need
decide_literal(struct imap_frame *fr)
{
	bool message = fr->append && !is_append_name(fr);

	if (fr->error.kind != IMAP_ERR_NONE) {
		return turn_away(fr);
	}
	if (fr->literal.size
	    > (message ? fr->limits->message : fr->limits->literal)) {
		return imap_frame_refuse(
		    fr, IMAP_ERR_TOOBIG, "a literal is too big");
	}
	if (message) {
		return IMAP_MESSAGE;
	}
	if (fr->literal.size > fr->limits->command - fr->text.len) {
		return imap_frame_refuse(
		    fr, IMAP_ERR_TOOBIG, "a command is too big");
	}
	return IMAP_LITERAL;
}

enum imap_need
imap_frame_line(struct imap_frame *fr, struct sv line)
{
	bool first = fr->text.len == 0;

	if (fr->error.kind == IMAP_ERR_NONE) {
		buf_add_sv(&fr->text, line);
	}
	if (fr->text.overflow) {
		set_error(fr, IMAP_ERR_LIMIT, "a command is too long");
	} else if (sv_chr(line, '\0') >= 0) {
		set_error(fr, IMAP_ERR_SYNTAX, "NUL in a command");
	}
	if (first) {
		fr->append = is_append(fr);
	}
	if (!imap_literal_at_end(line, &fr->literal)) {
		return IMAP_DONE;
	}
	if (fr->error.kind == IMAP_ERR_NONE) {
		buf_add_str(&fr->text, "\r\n");
		if (fr->text.overflow) {
			set_error(fr, IMAP_ERR_LIMIT, "a command is too long");
		}
	}
	return decide_literal(fr);
}

void
imap_frame_add(struct imap_frame *fr, struct sv octets)
{
	buf_add_sv(&fr->text, octets);
}
