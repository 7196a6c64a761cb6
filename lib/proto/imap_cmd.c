#include "proto/imap_cmd.h"

#include "proto/imap_cmd_priv.h"
#include "proto/imap_date.h"
#include "proto/imap_lex.h"

/* ---- any state ---- */

static int
parse_nothing(struct imap_lex *lex, struct imap_cmd *out)
{
	(void)out;
	return imap_lex_end(lex);
}

/* [RFC 2971 3.1] */
static int
parse_id_pair(struct imap_lex *lex, struct imap_id_pair *out)
{
	if (imap_lex_string(lex, &out->field) != 0 || imap_lex_sp(lex) != 0
	    || imap_lex_nstring(lex, &out->value, &out->nil) != 0) {
		return -1;
	}
	if (out->field.len > IMAP_ID_FIELD_MAX
	    || out->value.len > IMAP_ID_VALUE_MAX) {
		return imap_lex_bad(lex, "an ID field is too long");
	}
	return 0;
}

static int
parse_id(struct imap_lex *lex, struct imap_cmd *out)
{
	struct imap_id_pair *pairs = NULL;
	size_t cap = 0, n = 0;

	if (imap_lex_sp(lex) != 0) {
		return -1;
	}
	if (imap_lex_take_word(lex, SV("NIL"))) {
		return 0;
	}
	if (imap_lex_char(lex, '(') != 0) {
		return -1;
	}
	if (imap_lex_take(lex, ')')) {
		return 0;
	}
	do {
		if (n == IMAP_ID_PAIRS_MAX) {
			return imap_lex_bad(lex, "more than 30 ID fields");
		}
		pairs = arena_grow(lex->arena, pairs, n, &cap, sizeof(*pairs));
		if (parse_id_pair(lex, &pairs[n++]) != 0) {
			return -1;
		}
	} while (imap_lex_take(lex, ' '));
	out->id = (struct imap_id_args){pairs, n};
	return imap_lex_char(lex, ')');
}

/* ---- not authenticated ---- */

static int
parse_login(struct imap_lex *lex, struct imap_cmd *out)
{
	if (imap_lex_sp(lex) != 0
	    || imap_lex_astring(lex, &out->login.user) != 0
	    || imap_lex_sp(lex) != 0) {
		return -1;
	}
	return imap_lex_astring(lex, &out->login.password);
}

static int
parse_authenticate(struct imap_lex *lex, struct imap_cmd *out)
{
	struct imap_authenticate_args *a = &out->authenticate;

	if (imap_lex_sp(lex) != 0 || imap_lex_atom(lex, &a->mechanism) != 0) {
		return -1;
	}
	if (imap_lex_at_end(lex)) {
		return 0;
	}
	/* Base64 and "=" are all octets of atoms.  [RFC 4959 5] */
	a->has_initial = true;
	return imap_lex_sp(lex) != 0 ? -1 : imap_lex_atom(lex, &a->initial);
}

/* ---- authenticated ---- */

/* [RFC 5161 4] */
static int
parse_enable(struct imap_lex *lex, struct imap_cmd *out)
{
	struct sv *names = NULL;
	size_t cap = 0, n = 0;

	do {
		if (n == IMAP_ENABLE_MAX) {
			return imap_lex_fail(
			    lex, IMAP_ERR_LIMIT, "too many capabilities");
		}
		names = arena_grow(lex->arena, names, n, &cap, sizeof(*names));
		if (imap_lex_sp(lex) != 0
		    || imap_lex_atom(lex, &names[n++]) != 0) {
			return -1;
		}
	} while (!imap_lex_at_end(lex));
	out->enable = (struct imap_enable_args){names, n};
	return 0;
}

static int
parse_mailbox(struct imap_lex *lex, struct imap_cmd *out)
{
	if (imap_lex_sp(lex) != 0) {
		return -1;
	}
	return imap_lex_astring(lex, &out->mailbox);
}

static int
parse_rename(struct imap_lex *lex, struct imap_cmd *out)
{
	if (imap_lex_sp(lex) != 0
	    || imap_lex_astring(lex, &out->rename.from) != 0
	    || imap_lex_sp(lex) != 0) {
		return -1;
	}
	return imap_lex_astring(lex, &out->rename.to);
}

/* The announcement of the message's literal; its octets went elsewhere. */
static int
parse_append_literal(struct imap_lex *lex, struct imap_append_args *a)
{
	struct sv rest = sv_from(lex->text, lex->at);
	ptrdiff_t cr = sv_chr(rest, '\r');
	struct imap_literal lit;

	if (cr < 0 || !imap_literal_at_end(sv_sub(rest, 0, (size_t)cr), &lit)
	    || lit.at != 0) {
		return imap_lex_bad(lex, "expected the message as a literal");
	}
	if (lit.binary) {
		return imap_lex_bad(lex, "literal8 is not supported");
	}
	lex->at += (size_t)cr;
	a->size = lit.size;
	return imap_lex_char(lex, '\r') != 0 ? -1 : imap_lex_char(lex, '\n');
}

static int
parse_append(struct imap_lex *lex, struct imap_cmd *out)
{
	struct imap_append_args *a = &out->append;

	if (imap_lex_sp(lex) != 0 || imap_lex_astring(lex, &a->mailbox) != 0
	    || imap_lex_sp(lex) != 0) {
		return -1;
	}
	if (imap_lex_peek(lex) == '('
	    && (imap_lex_flag_list(lex, &a->flags) != 0
		|| imap_lex_sp(lex) != 0)) {
		return -1;
	}
	if (imap_lex_peek(lex) == '"') {
		a->dated = true;
		if (imap_lex_date_time(lex, &a->date_ms, &a->zone_min) != 0
		    || imap_lex_sp(lex) != 0) {
			return -1;
		}
	}
	return parse_append_literal(lex, a);
}

/* ---- selected ---- */

static int
parse_copy(struct imap_lex *lex, struct imap_cmd *out)
{
	if (imap_lex_sp(lex) != 0 || imap_lex_set(lex, &out->copy.set) != 0
	    || imap_lex_sp(lex) != 0) {
		return -1;
	}
	return imap_lex_astring(lex, &out->copy.mailbox);
}

/* [RFC 4315 2.1] */
static int
parse_expunge(struct imap_lex *lex, struct imap_cmd *out)
{
	if (!out->uid) {
		return 0;
	}
	return imap_lex_sp(lex) != 0 ? -1 : imap_lex_set(lex, &out->expunge);
}

static int
parse_fetch(struct imap_lex *lex, struct imap_cmd *out)
{
	if (imap_lex_sp(lex) != 0 || imap_lex_set(lex, &out->fetch.set) != 0
	    || imap_lex_sp(lex) != 0
	    || imap_lex_fetch_items(lex, &out->fetch) != 0) {
		return -1;
	}
	if (out->uid) {
		out->fetch.atts |= ATT_UID; /* [RFC 3501 6.4.8] */
	}
	if (out->fetch.vanished && (!out->uid || !out->fetch.changed)) {
		return imap_lex_bad(
		    lex, "VANISHED needs UID FETCH and CHANGEDSINCE");
	}
	return 0;
}

static int
parse_search(struct imap_lex *lex, struct imap_cmd *out)
{
	return imap_lex_sp(lex) != 0 ? -1 : imap_lex_search(lex, &out->search);
}

/* "(UNCHANGEDSINCE 12) ".  [RFC 7162 3.1.3, RFC 4466 2.5] */
static int
parse_store_modifier(struct imap_lex *lex, struct imap_store_args *a)
{
	if (!imap_lex_take(lex, '(')) {
		return 0;
	}
	if (!imap_lex_take_word(lex, SV("UNCHANGEDSINCE"))) {
		return imap_lex_bad(lex, "unknown store modifier");
	}
	a->conditional = true;
	if (imap_lex_sp(lex) != 0
	    || imap_lex_modseq(lex, &a->unchanged_since) != 0
	    || imap_lex_char(lex, ')') != 0) {
		return -1;
	}
	return imap_lex_sp(lex);
}

static int
parse_store(struct imap_lex *lex, struct imap_cmd *out)
{
	struct imap_store_args *a = &out->store;

	if (imap_lex_sp(lex) != 0 || imap_lex_set(lex, &a->set) != 0
	    || imap_lex_sp(lex) != 0 || parse_store_modifier(lex, a) != 0) {
		return -1;
	}
	if (imap_lex_take(lex, '+')) {
		a->how = IMAP_STORE_ADD;
	} else if (imap_lex_take(lex, '-')) {
		a->how = IMAP_STORE_REMOVE;
	}
	if (imap_lex_take_word(lex, SV("FLAGS.SILENT"))) {
		a->silent = true;
	} else if (!imap_lex_take_word(lex, SV("FLAGS"))) {
		return imap_lex_bad(lex, "expected FLAGS or FLAGS.SILENT");
	}
	return imap_lex_sp(lex) != 0 ? -1
				     : imap_lex_store_flags(lex, &a->flags);
}

/* ---- the table ---- */

static const struct {
	const char *name;
	imap_parse_fn *parse;
	bool uid; /* may stand behind UID */
} verbs[IMAP_VERBS] = {
    [IMAP_APPEND] = {"APPEND", parse_append, false},
    [IMAP_AUTHENTICATE] = {"AUTHENTICATE", parse_authenticate, false},
    [IMAP_CAPABILITY] = {"CAPABILITY", parse_nothing, false},
    [IMAP_CHECK] = {"CHECK", parse_nothing, false},
    [IMAP_CLOSE] = {"CLOSE", parse_nothing, false},
    [IMAP_COPY] = {"COPY", parse_copy, true},
    [IMAP_CREATE] = {"CREATE", imap_parse_create, false},
    [IMAP_DELETE] = {"DELETE", parse_mailbox, false},
    [IMAP_ENABLE] = {"ENABLE", parse_enable, false},
    [IMAP_EXAMINE] = {"EXAMINE", imap_parse_select, false},
    [IMAP_EXPUNGE] = {"EXPUNGE", parse_expunge, true},
    [IMAP_FETCH] = {"FETCH", parse_fetch, true},
    [IMAP_ID] = {"ID", parse_id, false},
    [IMAP_IDLE] = {"IDLE", parse_nothing, false},
    [IMAP_LIST] = {"LIST", imap_parse_list, false},
    [IMAP_LOGIN] = {"LOGIN", parse_login, false},
    [IMAP_LOGOUT] = {"LOGOUT", parse_nothing, false},
    [IMAP_LSUB] = {"LSUB", imap_parse_lsub, false},
    [IMAP_MOVE] = {"MOVE", parse_copy, true},
    [IMAP_NAMESPACE] = {"NAMESPACE", parse_nothing, false},
    [IMAP_NOOP] = {"NOOP", parse_nothing, false},
    [IMAP_RENAME] = {"RENAME", parse_rename, false},
    [IMAP_SEARCH] = {"SEARCH", parse_search, true},
    [IMAP_SELECT] = {"SELECT", imap_parse_select, false},
    [IMAP_STARTTLS] = {"STARTTLS", parse_nothing, false},
    [IMAP_STATUS] = {"STATUS", imap_parse_status, false},
    [IMAP_STORE] = {"STORE", parse_store, true},
    [IMAP_SUBSCRIBE] = {"SUBSCRIBE", parse_mailbox, false},
    [IMAP_UNSELECT] = {"UNSELECT", parse_nothing, false},
    [IMAP_UNSUBSCRIBE] = {"UNSUBSCRIBE", parse_mailbox, false},
};

const char *
imap_verb_name(enum imap_verb verb)
{
	return verbs[verb].name;
}

static int
lex_tag(struct imap_lex *lex, struct sv *out)
{
	size_t from = lex->at;
	struct sv tag;

	while (!imap_lex_at_end(lex) && lex->text.p[lex->at] != ' ') {
		lex->at++;
	}
	tag = sv_sub(lex->text, from, lex->at - from);
	if (!imap_is_tag(tag)) {
		lex->at = from;
		return imap_lex_bad(lex, "expected a tag");
	}
	*out = tag;
	return 0;
}

static int
lex_verb(struct imap_lex *lex, struct imap_cmd *out)
{
	struct sv name;

	if (imap_lex_take_word(lex, SV("UID"))) {
		out->uid = true;
		if (imap_lex_sp(lex) != 0) {
			return -1;
		}
	}
	if (imap_lex_word(lex, &name) != 0) {
		return -1;
	}
	for (size_t i = 0; i < COUNT_OF(verbs); i++) {
		if (sv_eq_nocase(name, sv_cstr(verbs[i].name))
		    && (verbs[i].uid || !out->uid)) {
			out->verb = (enum imap_verb)i;
			return 0;
		}
	}
	return imap_lex_bad(lex, "unknown command");
}

int
imap_cmd_parse(struct sv text, struct arena *arena, struct imap_cmd *out,
    struct imap_error *error)
{
	struct imap_lex lex = {.text = text, .arena = arena};
	int rc = -1;

	*out = (struct imap_cmd){0};
	if (lex_tag(&lex, &out->tag) == 0 && imap_lex_sp(&lex) == 0
	    && lex_verb(&lex, out) == 0
	    && verbs[out->verb].parse(&lex, out) == 0) {
		rc = imap_lex_end(&lex);
	}
	*error = lex.error;
	return rc;
}
