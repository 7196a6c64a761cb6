/* Parsers of the commands that name mailboxes and take options. */
#include "proto/imap_cmd.h"

#include "proto/imap_cmd_priv.h"

/* A word and the bits it stands for. */
struct option {
	struct sv name;
	unsigned bit;
};

static bool
take_option(
    struct imap_lex *lex, const struct option *options, size_t n, unsigned *out)
{
	for (size_t i = 0; i < n; i++) {
		if (imap_lex_take_word(lex, options[i].name)) {
			*out |= options[i].bit;
			return true;
		}
	}
	return false;
}

/* ---- STATUS ---- */

static int
lex_status_items(struct imap_lex *lex, unsigned *out)
{
	static const struct option items[] = {
	    {{"MESSAGES", 8}, STATUS_MESSAGES},
	    {{"RECENT", 6}, STATUS_RECENT},
	    {{"UIDNEXT", 7}, STATUS_UIDNEXT},
	    {{"UIDVALIDITY", 11}, STATUS_UIDVALIDITY},
	    {{"UNSEEN", 6}, STATUS_UNSEEN},
	    {{"HIGHESTMODSEQ", 13}, STATUS_HIGHESTMODSEQ},
	    {{"SIZE", 4}, STATUS_SIZE},
	    {{"MAILBOXID", 9}, STATUS_MAILBOXID},
	    {{"APPENDLIMIT", 11}, STATUS_APPENDLIMIT},
	};

	if (imap_lex_char(lex, '(') != 0) {
		return -1;
	}
	do {
		if (!take_option(lex, items, COUNT_OF(items), out)) {
			return imap_lex_bad(lex, "unknown status item");
		}
	} while (imap_lex_take(lex, ' '));
	return imap_lex_char(lex, ')');
}

int
imap_parse_status(struct imap_lex *lex, struct imap_cmd *out)
{
	if (imap_lex_sp(lex) != 0
	    || imap_lex_astring(lex, &out->status.mailbox) != 0
	    || imap_lex_sp(lex) != 0) {
		return -1;
	}
	return lex_status_items(lex, &out->status.items);
}

/* ---- SELECT, EXAMINE ---- */

/* "(7 41,43:116 (1 41))" behind QRESYNC.  [RFC 7162 3.2.5] */
static int
lex_qresync(struct imap_lex *lex, struct imap_select_args *a)
{
	a->qresync = true;
	if (imap_lex_sp(lex) != 0 || imap_lex_char(lex, '(') != 0
	    || imap_lex_nz32(lex, &a->uidvalidity) != 0 || imap_lex_sp(lex) != 0
	    || imap_lex_modseq(lex, &a->modseq) != 0) {
		return -1;
	}
	if (imap_lex_take(lex, ')')) {
		return 0;
	}
	if (imap_lex_sp(lex) != 0) {
		return -1;
	}
	if (imap_lex_peek(lex) != '(') {
		a->has_known = true;
		if (imap_lex_known_set(lex, &a->known) != 0) {
			return -1;
		}
		if (imap_lex_take(lex, ')')) {
			return 0;
		}
		if (imap_lex_sp(lex) != 0) {
			return -1;
		}
	}
	a->has_match = true;
	if (imap_lex_char(lex, '(') != 0
	    || imap_lex_known_set(lex, &a->match_seqs) != 0
	    || imap_lex_sp(lex) != 0
	    || imap_lex_known_set(lex, &a->match_uids) != 0
	    || imap_lex_char(lex, ')') != 0) {
		return -1;
	}
	return imap_lex_char(lex, ')');
}

static int
lex_select_param(struct imap_lex *lex, struct imap_select_args *a)
{
	if (imap_lex_take_word(lex, SV("CONDSTORE"))) {
		a->condstore = true;
		return 0;
	}
	if (imap_lex_take_word(lex, SV("QRESYNC"))) {
		return lex_qresync(lex, a);
	}
	return imap_lex_bad(lex, "unknown parameter");
}

int
imap_parse_select(struct imap_lex *lex, struct imap_cmd *out)
{
	if (imap_lex_sp(lex) != 0
	    || imap_lex_astring(lex, &out->select.mailbox) != 0) {
		return -1;
	}
	if (imap_lex_at_end(lex)) {
		return 0;
	}
	if (imap_lex_sp(lex) != 0 || imap_lex_char(lex, '(') != 0) {
		return -1;
	}
	do {
		if (lex_select_param(lex, &out->select) != 0) {
			return -1;
		}
	} while (imap_lex_take(lex, ' '));
	return imap_lex_char(lex, ')');
}

/* ---- CREATE ---- */

static int
lex_use_attr(struct imap_lex *lex, unsigned *out)
{
	static const struct option uses[] = {
	    {{"All", 3}, IMAP_USE_ALL},
	    {{"Archive", 7}, IMAP_USE_ARCHIVE},
	    {{"Drafts", 6}, IMAP_USE_DRAFTS},
	    {{"Flagged", 7}, IMAP_USE_FLAGGED},
	    {{"Junk", 4}, IMAP_USE_JUNK},
	    {{"Sent", 4}, IMAP_USE_SENT},
	    {{"Trash", 5}, IMAP_USE_TRASH},
	    {{"Important", 9}, IMAP_USE_IMPORTANT},
	};
	struct sv other;

	if (imap_lex_char(lex, '\\') != 0) {
		return -1;
	}
	if (take_option(lex, uses, COUNT_OF(uses), out)) {
		return 0;
	}
	*out |= IMAP_USE_UNKNOWN;
	return imap_lex_atom(lex, &other);
}

/* "(USE (\Drafts \Sent))".  [RFC 6154 6] */
static int
lex_create_params(struct imap_lex *lex, struct imap_create_args *a)
{
	if (imap_lex_sp(lex) != 0 || imap_lex_char(lex, '(') != 0) {
		return -1;
	}
	if (!imap_lex_take_word(lex, SV("USE"))) {
		return imap_lex_bad(lex, "unknown parameter");
	}
	if (imap_lex_sp(lex) != 0 || imap_lex_char(lex, '(') != 0) {
		return -1;
	}
	if (!imap_lex_take(lex, ')')) {
		do {
			if (lex_use_attr(lex, &a->use) != 0) {
				return -1;
			}
		} while (imap_lex_take(lex, ' '));
		if (imap_lex_char(lex, ')') != 0) {
			return -1;
		}
	}
	return imap_lex_char(lex, ')');
}

int
imap_parse_create(struct imap_lex *lex, struct imap_cmd *out)
{
	if (imap_lex_sp(lex) != 0
	    || imap_lex_astring(lex, &out->create.mailbox) != 0) {
		return -1;
	}
	return imap_lex_at_end(lex) ? 0 : lex_create_params(lex, &out->create);
}

/* ---- LIST, LSUB ---- */

/* "(SUBSCRIBED RECURSIVEMATCH)" in front of the reference. */
static int
lex_list_select(struct imap_lex *lex, struct imap_list_args *a)
{
	static const struct option options[] = {
	    {{"SUBSCRIBED", 10}, LIST_SUBSCRIBED},
	    {{"REMOTE", 6}, LIST_REMOTE},
	    {{"RECURSIVEMATCH", 14}, LIST_RECURSIVEMATCH},
	    {{"SPECIAL-USE", 11}, LIST_SPECIAL_USE},
	};

	if (!imap_lex_take(lex, '(')) {
		return 0;
	}
	a->extended = true;
	if (!imap_lex_take(lex, ')')) {
		do {
			if (!take_option(
				lex, options, COUNT_OF(options), &a->select)) {
				return imap_lex_bad(
				    lex, "unknown selection option");
			}
		} while (imap_lex_take(lex, ' '));
		if (imap_lex_char(lex, ')') != 0) {
			return -1;
		}
	}
	if ((a->select & LIST_RECURSIVEMATCH) != 0
	    && (a->select & (LIST_SUBSCRIBED | LIST_SPECIAL_USE)) == 0) {
		return imap_lex_bad(
		    lex, "RECURSIVEMATCH needs another selection option");
	}
	return imap_lex_sp(lex);
}

static int
lex_list_return_option(struct imap_lex *lex, struct imap_list_args *a)
{
	static const struct option options[] = {
	    {{"SUBSCRIBED", 10}, LIST_SUBSCRIBED},
	    {{"CHILDREN", 8}, LIST_CHILDREN},
	    {{"SPECIAL-USE", 11}, LIST_SPECIAL_USE},
	};

	if (take_option(lex, options, COUNT_OF(options), &a->returns)) {
		return 0;
	}
	if (imap_lex_take_word(lex, SV("STATUS"))) {
		a->returns |= LIST_STATUS;
		return imap_lex_sp(lex) != 0
			   ? -1
			   : lex_status_items(lex, &a->status);
	}
	return imap_lex_bad(lex, "unknown return option");
}

/* " RETURN (CHILDREN STATUS (MESSAGES))" behind the patterns. */
static int
lex_list_return(struct imap_lex *lex, struct imap_list_args *a)
{
	if (imap_lex_at_end(lex)) {
		return 0;
	}
	if (imap_lex_sp(lex) != 0) {
		return -1;
	}
	if (!imap_lex_take_word(lex, SV("RETURN"))) {
		return imap_lex_bad(lex, "expected RETURN");
	}
	a->extended = true;
	if (imap_lex_sp(lex) != 0 || imap_lex_char(lex, '(') != 0) {
		return -1;
	}
	if (imap_lex_take(lex, ')')) {
		return 0;
	}
	do {
		if (lex_list_return_option(lex, a) != 0) {
			return -1;
		}
	} while (imap_lex_take(lex, ' '));
	return imap_lex_char(lex, ')');
}

static int
lex_patterns(struct imap_lex *lex, struct imap_list_args *a)
{
	struct sv *patterns = NULL;
	size_t cap = 0;
	bool many = imap_lex_take(lex, '(');

	do {
		if (a->n_patterns == IMAP_PATTERNS_MAX) {
			return imap_lex_fail(
			    lex, IMAP_ERR_LIMIT, "too many patterns");
		}
		patterns = arena_grow(lex->arena, patterns, a->n_patterns, &cap,
		    sizeof(*patterns));
		if (imap_lex_list_mailbox(lex, &patterns[a->n_patterns++])
		    != 0) {
			return -1;
		}
	} while (many && imap_lex_take(lex, ' '));
	a->patterns = patterns;
	a->extended = a->extended || many;
	return many ? imap_lex_char(lex, ')') : 0;
}

int
imap_parse_list(struct imap_lex *lex, struct imap_cmd *out)
{
	struct imap_list_args *a = &out->list;

	if (imap_lex_sp(lex) != 0 || lex_list_select(lex, a) != 0
	    || imap_lex_astring(lex, &a->reference) != 0
	    || imap_lex_sp(lex) != 0 || lex_patterns(lex, a) != 0) {
		return -1;
	}
	return lex_list_return(lex, a);
}

int
imap_parse_lsub(struct imap_lex *lex, struct imap_cmd *out)
{
	struct imap_list_args *a = &out->list;

	if (imap_lex_sp(lex) != 0 || imap_lex_astring(lex, &a->reference) != 0
	    || imap_lex_sp(lex) != 0) {
		return -1;
	}
	return imap_lex_peek(lex) == '('
		   ? imap_lex_bad(lex, "expected one pattern")
		   : lex_patterns(lex, a);
}
