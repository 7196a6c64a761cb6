#include "proto/smtp_cmd.h"

#include <string.h>

#include "base/utf8.h"

const struct smtp_reply smtp_line_too_long = {500, "5.5.2", "Line too long"};
const struct smtp_reply smtp_line_end_bare = {
    500, "5.5.2", "Lines end with CRLF, nothing else"};
const struct smtp_reply smtp_bad_sequence = {
    503, "5.5.1", "Bad sequence of commands"};
const struct smtp_reply smtp_sender_utf8 = {
    550, "5.6.7", "Non-ASCII sender address needs SMTPUTF8"};
const struct smtp_reply smtp_recipient_utf8 = {
    553, "5.6.7", "Non-ASCII recipient address needs SMTPUTF8"};

static const struct smtp_reply not_recognised = {
    500, "5.5.1", "Command not recognized"};
static const struct smtp_reply not_implemented = {
    502, "5.5.1", "Command not implemented"};
static const struct smtp_reply bad_octet = {
    500, "5.5.2", "Control characters are not allowed"};
static const struct smtp_reply no_argument = {
    501, "5.5.4", "This command takes no argument"};
static const struct smtp_reply needs_argument = {
    501, "5.5.4", "This command needs an argument"};
static const struct smtp_reply mail_syntax = {
    501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]"};
static const struct smtp_reply rcpt_syntax = {
    501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]"};
static const struct smtp_reply sender_syntax = {
    501, "5.1.7", "Bad sender address syntax"};
static const struct smtp_reply recipient_syntax = {
    501, "5.1.3", "Bad recipient address syntax"};
static const struct smtp_reply bdat_syntax = {
    501, "5.5.4", "Syntax: BDAT size [LAST]"};
static const struct smtp_reply auth_syntax = {
    501, "5.5.4", "Syntax: AUTH mechanism [initial-response]"};

static const struct smtp_reply *
parse_none(struct sv rest, const struct smtp_grammar *g UNUSED,
    struct arena *arena UNUSED, struct smtp_cmd *out UNUSED)
{
	return rest.len > 0 ? &no_argument : NULL;
}

static const struct smtp_reply *
parse_any(struct sv rest, const struct smtp_grammar *g UNUSED,
    struct arena *arena UNUSED, struct smtp_cmd *out)
{
	out->arg = rest;
	return NULL;
}

static const struct smtp_reply *
parse_some(struct sv rest, const struct smtp_grammar *g UNUSED,
    struct arena *arena UNUSED, struct smtp_cmd *out)
{
	out->arg = rest;
	return rest.len == 0 ? &needs_argument : NULL;
}

/* One word.  Whether it is a name of the right form is the session's to ask:
 * too many clients send others.  [RFC 5321 4.1.4] */
static const struct smtp_reply *
parse_helo(struct sv rest, const struct smtp_grammar *g UNUSED,
    struct arena *arena UNUSED, struct smtp_cmd *out)
{
	static const struct smtp_reply syntax = {
	    501, "", "Give your host name or address literal"};

	out->arg = rest;
	if (rest.len == 0 || sv_chr(rest, ' ') >= 0 || sv_chr(rest, '\t') >= 0
	    || rest.len > SMTP_DOMAIN_MAX || !utf8_is_ascii(rest)) {
		return &syntax;
	}
	return NULL;
}

/* "FROM:" or "TO:" and the path, leaving the parameters in `*rest`. */
static enum smtp_path_result
take_path(struct sv *rest, struct sv word, struct arena *arena,
    struct smtp_path *out, bool *has_word)
{
	*has_word = sv_starts_nocase(*rest, word);
	if (!*has_word) {
		return SMTP_PATH_SYNTAX;
	}
	*rest = sv_from(*rest, word.len);
	while (rest->len > 0 && rest->p[0] == ' ') {
		*rest = sv_from(*rest, 1);
	}
	enum smtp_path_result rc = smtp_path_parse(rest, arena, out);

	if (rc == SMTP_PATH_OK && rest->len > 0 && rest->p[0] != ' ') {
		return SMTP_PATH_SYNTAX;
	}
	return rc;
}

static const struct smtp_reply *
path_reply(enum smtp_path_result rc, const struct smtp_reply *syntax)
{
	static const struct smtp_reply too_long = {
	    501, "5.5.4", "Path too long"}; /* [RFC 5321 4.5.3.1.10] */

	switch (rc) {
	case SMTP_PATH_OK:
		break;
	case SMTP_PATH_TOO_LONG:
		return &too_long;
	case SMTP_PATH_SYNTAX:
	case SMTP_PATH_NOT_UTF8:
		return syntax;
	}
	return NULL;
}

static const struct smtp_reply *
parse_mail(struct sv rest, const struct smtp_grammar *g, struct arena *arena,
    struct smtp_cmd *out)
{
	struct smtp_mail *mail = &out->mail;
	bool has_word;
	enum smtp_path_result rc =
	    take_path(&rest, SV("FROM:"), arena, &mail->path, &has_word);

	if (!has_word) {
		return &mail_syntax;
	}
	if (rc != SMTP_PATH_OK) {
		return path_reply(rc, &sender_syntax);
	}
	if (mail->path.kind == SMTP_PATH_POSTMASTER) {
		return &sender_syntax;
	}
	const struct smtp_reply *bad =
	    smtp_mail_params_parse(rest, g->ext, &mail->params);

	if (bad != NULL) {
		return bad;
	}
	if (!utf8_is_ascii(rest) && !mail->params.utf8) {
		return &mail_syntax;
	}
	if (mail->path.utf8 && (g->ext & SMTP_EXT_SMTPUTF8) == 0) {
		return &sender_syntax;
	}
	return mail->path.utf8 && !mail->params.utf8 ? &smtp_sender_utf8 : NULL;
}

static const struct smtp_reply *
parse_rcpt(struct sv rest, const struct smtp_grammar *g, struct arena *arena,
    struct smtp_cmd *out)
{
	struct smtp_rcpt *rcpt = &out->rcpt;
	bool has_word;
	enum smtp_path_result rc =
	    take_path(&rest, SV("TO:"), arena, &rcpt->path, &has_word);

	if (!has_word) {
		return &rcpt_syntax;
	}
	if (rc != SMTP_PATH_OK) {
		return path_reply(rc, &recipient_syntax);
	}
	if (rcpt->path.kind == SMTP_PATH_NULL
	    || (rcpt->path.utf8 && (g->ext & SMTP_EXT_SMTPUTF8) == 0)) {
		return &recipient_syntax;
	}
	return smtp_rcpt_params_parse(rest, g->ext, &rcpt->params);
}

static bool
all_digits(struct sv s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_digit(s.p[i])) {
			return false;
		}
	}
	return true;
}

static const struct smtp_reply *
parse_bdat(struct sv rest, const struct smtp_grammar *g UNUSED,
    struct arena *arena UNUSED, struct smtp_cmd *out)
{
	struct sv size = sv_cut(&rest, ' ');

	if (!sv_u64(size, &out->bdat.size)) {
		/* Digits that mean more than can be skipped, or none. */
		out->bdat.size =
		    size.len > 0 && all_digits(size) ? UINT64_MAX : 0;
		return &bdat_syntax;
	}
	out->bdat.last = sv_eq_nocase(rest, SV("LAST"));
	return rest.len > 0 && !out->bdat.last ? &bdat_syntax : NULL;
}

static bool
mech_valid(struct sv s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i])
		    && s.p[i] != '-' && s.p[i] != '_') {
			return false;
		}
	}
	return s.len > 0 && s.len <= 20; /* [RFC 4422 3.1] */
}

static const struct smtp_reply *
parse_auth(struct sv rest, const struct smtp_grammar *g UNUSED,
    struct arena *arena UNUSED, struct smtp_cmd *out)
{
	out->auth.mech = sv_cut(&rest, ' ');
	out->auth.has_initial = rest.len > 0;
	out->auth.initial = rest;
	if (!mech_valid(out->auth.mech) || sv_chr(rest, ' ') >= 0) {
		return &auth_syntax;
	}
	return NULL;
}

enum dialect { BOTH, SMTP_ONLY, LMTP_ONLY };

static const struct verb {
	const char *name;
	const struct smtp_reply *(*parse)(struct sv rest,
	    const struct smtp_grammar *g, struct arena *arena,
	    struct smtp_cmd *out);
	enum dialect dialect;
	unsigned ext; /* that must be on, or 0 */
	size_t line_max;
} verbs[SMTP_VERBS] = {
    [SMTP_EHLO] = {"EHLO", parse_helo, SMTP_ONLY, 0, SMTP_LINE_MAX},
    [SMTP_HELO] = {"HELO", parse_helo, SMTP_ONLY, 0, SMTP_LINE_MAX},
    [SMTP_LHLO] = {"LHLO", parse_helo, LMTP_ONLY, 0, SMTP_LINE_MAX},
    [SMTP_MAIL] = {"MAIL", parse_mail, BOTH, 0, SMTP_ENVELOPE_LINE_MAX},
    [SMTP_RCPT] = {"RCPT", parse_rcpt, BOTH, 0, SMTP_ENVELOPE_LINE_MAX},
    [SMTP_DATA] = {"DATA", parse_none, BOTH, 0, SMTP_LINE_MAX},
    [SMTP_BDAT] = {"BDAT", parse_bdat, BOTH, SMTP_EXT_CHUNKING, SMTP_LINE_MAX},
    [SMTP_RSET] = {"RSET", parse_none, BOTH, 0, SMTP_LINE_MAX},
    [SMTP_VRFY] = {"VRFY", parse_some, BOTH, 0, SMTP_LINE_MAX},
    [SMTP_EXPN] = {"EXPN", parse_some, BOTH, 0, SMTP_LINE_MAX},
    [SMTP_HELP] = {"HELP", parse_any, BOTH, 0, SMTP_LINE_MAX},
    [SMTP_NOOP] = {"NOOP", parse_any, BOTH, 0, SMTP_LINE_MAX},
    [SMTP_QUIT] = {"QUIT", parse_none, BOTH, 0, SMTP_LINE_MAX},
    [SMTP_STARTTLS] = {"STARTTLS", parse_none, SMTP_ONLY, 0, SMTP_LINE_MAX},
    [SMTP_AUTH] = {"AUTH", parse_auth, SMTP_ONLY, 0, SMTP_AUTH_LINE_MAX},
};

static enum smtp_verb
verb_find(struct sv word, const struct smtp_grammar *g)
{
	unsigned v = 0;

	for (; v < SMTP_VERBS; v++) {
		if (sv_eq_nocase(word, sv_cstr(verbs[v].name))
		    && verbs[v].dialect != (g->lmtp ? SMTP_ONLY : LMTP_ONLY)) {
			break;
		}
	}
	return (enum smtp_verb)v;
}

/* Commands of older standards, known but gone.  [RFC 5321 F.1, F.6] */
static bool
verb_is_old(struct sv word)
{
	return sv_eq_nocase(word, SV("TURN")) || sv_eq_nocase(word, SV("SEND"))
	       || sv_eq_nocase(word, SV("SOML"))
	       || sv_eq_nocase(word, SV("SAML"));
}

static bool
has_control(struct sv line)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f) {
			return true;
		}
	}
	return false;
}

const struct smtp_reply *
smtp_parse(struct sv line, const struct smtp_grammar *grammar,
    struct arena *arena, struct smtp_cmd *out)
{
	size_t len = line.len + 2;

	*out = (struct smtp_cmd){.verb = SMTP_VERBS};
	while (
	    line.len > 0
	    && (line.p[line.len - 1] == ' ' || line.p[line.len - 1] == '\t')) {
		line.len--;
	}
	struct sv rest = line, word = sv_cut(&rest, ' ');
	enum smtp_verb v = verb_find(word, grammar);

	if (len > (v < SMTP_VERBS ? verbs[v].line_max : SMTP_LINE_MAX)) {
		if (v == SMTP_BDAT) {
			out->verb = v;
			out->bdat.size = UINT64_MAX;
		}
		return &smtp_line_too_long;
	}
	if (has_control(line)) {
		return &bad_octet;
	}
	if (v == SMTP_VERBS) {
		return verb_is_old(word) ? &not_implemented : &not_recognised;
	}
	if (verbs[v].ext != 0 && (grammar->ext & verbs[v].ext) == 0) {
		return &not_implemented;
	}
	out->verb = v;
	while (rest.len > 0 && rest.p[0] == ' ') {
		rest = sv_from(rest, 1);
	}
	return verbs[v].parse(rest, grammar, arena, out);
}
