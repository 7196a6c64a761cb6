#include "proto/pop3_cmd.h"

#include <string.h>

static const char syntax[] = "Malformed argument";
static const char no_argument[] = "This command takes no argument";

/* The next word; false at the end.  One blank stands before it, and clients
 * that send more are understood. */
static bool
take_word(struct sv *rest, struct sv *out)
{
	while (rest->len > 0 && rest->p[0] == ' ') {
		*rest = sv_from(*rest, 1);
	}
	*out = sv_cut(rest, ' ');
	return out->len > 0;
}

/* Digits only; a number that no message can have stays one. */
static bool
take_number(struct sv *rest, uint32_t *out)
{
	struct sv word;

	if (!take_word(rest, &word)) {
		return false;
	}
	for (size_t i = 0; i < word.len; i++) {
		if (!ascii_digit(word.p[i])) {
			return false;
		}
	}
	if (!sv_u32(word, out)) {
		*out = UINT32_MAX;
	}
	return true;
}

static const char *
parse_none(struct sv rest, struct pop3_cmd *out UNUSED)
{
	return rest.len > 0 ? no_argument : NULL;
}

static const char *
parse_rest(struct sv rest, struct pop3_cmd *out)
{
	out->arg = rest;
	return rest.len == 0 ? "This command needs an argument" : NULL;
}

static const char *
parse_any(struct sv rest, struct pop3_cmd *out)
{
	out->arg = rest;
	return NULL;
}

static const char *
parse_number(struct sv rest, struct pop3_cmd *out)
{
	out->has_number = true;
	return take_number(&rest, &out->number) && rest.len == 0
		   ? NULL
		   : "A message number is needed";
}

static const char *
parse_number_or_none(struct sv rest, struct pop3_cmd *out)
{
	return rest.len == 0 ? NULL : parse_number(rest, out);
}

static const char *
parse_top(struct sv rest, struct pop3_cmd *out)
{
	out->has_number = true;
	return take_number(&rest, &out->number)
		       && take_number(&rest, &out->lines) && rest.len == 0
		   ? NULL
		   : "A message number and a number of lines are needed";
}

/* AUTH alone lists the mechanisms, as some clients still ask. */
static const char *
parse_auth(struct sv rest, struct pop3_cmd *out)
{
	out->arg = sv_cut(&rest, ' ');
	out->has_initial = rest.len > 0;
	out->initial = rest;
	for (size_t i = 0; i < out->arg.len; i++) {
		char c = out->arg.p[i];

		if (!ascii_alpha(c) && !ascii_digit(c) && c != '-'
		    && c != '_') {
			return syntax;
		}
	}
	return out->arg.len > 20 || sv_chr(rest, ' ') >= 0 ? syntax : NULL;
}

static const struct verb {
	const char *name;
	const char *(*parse)(struct sv rest, struct pop3_cmd *out);
	unsigned states; /* enum pop3_state */
} verbs[POP3_VERBS] = {
    [POP3_USER] = {"USER", parse_rest, POP3_AUTHORIZATION},
    [POP3_PASS] = {"PASS", parse_rest, POP3_AUTHORIZATION},
    [POP3_APOP] = {"APOP", parse_any, POP3_AUTHORIZATION},
    [POP3_AUTH] = {"AUTH", parse_auth, POP3_AUTHORIZATION},
    [POP3_STLS] = {"STLS", parse_none, POP3_AUTHORIZATION},
    [POP3_CAPA] = {"CAPA", parse_none, POP3_AUTHORIZATION | POP3_TRANSACTION},
    [POP3_STAT] = {"STAT", parse_none, POP3_TRANSACTION},
    [POP3_LIST] = {"LIST", parse_number_or_none, POP3_TRANSACTION},
    [POP3_UIDL] = {"UIDL", parse_number_or_none, POP3_TRANSACTION},
    [POP3_RETR] = {"RETR", parse_number, POP3_TRANSACTION},
    [POP3_TOP] = {"TOP", parse_top, POP3_TRANSACTION},
    [POP3_DELE] = {"DELE", parse_number, POP3_TRANSACTION},
    [POP3_NOOP] = {"NOOP", parse_none, POP3_TRANSACTION},
    [POP3_RSET] = {"RSET", parse_none, POP3_TRANSACTION},
    [POP3_UTF8] = {"UTF8", parse_none, POP3_AUTHORIZATION},
    [POP3_LANG] = {"LANG", parse_any, POP3_AUTHORIZATION | POP3_TRANSACTION},
    [POP3_QUIT] = {"QUIT", parse_none, POP3_AUTHORIZATION | POP3_TRANSACTION},
};

static enum pop3_verb
verb_find(struct sv word)
{
	unsigned v = 0;

	while (v < POP3_VERBS && !sv_eq_nocase(word, sv_cstr(verbs[v].name))) {
		v++;
	}
	return (enum pop3_verb)v;
}

static bool
has_control(struct sv line)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if (c < 0x20 || c == 0x7f) {
			return true;
		}
	}
	return false;
}

const char *
pop3_parse(struct sv line, enum pop3_state state, struct pop3_cmd *out)
{
	size_t len = line.len + 2;

	*out = (struct pop3_cmd){.verb = POP3_VERBS};
	struct sv rest = line, word = sv_cut(&rest, ' ');
	enum pop3_verb v = verb_find(word);

	/* A password is taken octet for octet, blanks at its end too. */
	while (v != POP3_PASS && rest.len > 0 && rest.p[rest.len - 1] == ' ') {
		rest.len--;
	}
	if (v == POP3_VERBS) {
		return "Unknown command";
	}
	if (len > POP3_LINE_MAX && v != POP3_AUTH) {
		return "Line too long";
	}
	if (has_control(line)) {
		return "Control characters are not allowed";
	}
	out->verb = v;
	if ((verbs[v].states & (unsigned)state) == 0) {
		return state == POP3_AUTHORIZATION
			   ? "Log in first"
			   : "This command is not allowed now";
	}
	return verbs[v].parse(rest, out);
}
