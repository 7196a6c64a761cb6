#include "proto/imap_search.h"

#include "base/mem.h"
#include "proto/imap_date.h"
#include "proto/imap_flag.h"

struct search_parse {
	struct imap_lex *lex;
	struct imap_search_args *args;
	unsigned depth;
	unsigned nodes;
};

static int lex_key(struct search_parse *p, struct imap_search **out);

static int
node_new(struct search_parse *p, enum imap_search_kind kind,
    struct imap_search **out)
{
	if (p->nodes++ == IMAP_SEARCH_KEYS) {
		return imap_lex_fail(
		    p->lex, IMAP_ERR_LIMIT, "too many search keys");
	}
	*out = arena_alloc(p->lex->arena, sizeof(**out));
	(*out)->kind = kind;
	return 0;
}

/* Put NOT above `*node`. */
static int
negate(struct search_parse *p, struct imap_search **node)
{
	struct imap_search *child = *node;

	if (node_new(p, SEARCH_NOT, node) != 0) {
		return -1;
	}
	(*node)->child = child;
	return 0;
}

static int
flag_node(
    struct search_parse *p, uint32_t flag, bool set, struct imap_search **out)
{
	if (node_new(p, SEARCH_FLAG, out) != 0) {
		return -1;
	}
	(*out)->flag = flag;
	return set ? 0 : negate(p, out);
}

static int
lex_text(struct search_parse *p, struct sv *out)
{
	if (imap_lex_astring(p->lex, out) != 0) {
		return -1;
	}
	for (size_t i = 0; i < out->len && !p->args->eight_bit; i++) {
		p->args->eight_bit = (unsigned char)out->p[i] > 0x7f;
	}
	return 0;
}

/* "/flags/\\seen" and "all": read and, as one mod-sequence serves all
 * metadata of a message, ignored.  [RFC 7162 3.1.5] */
static int
lex_modseq_entry(struct search_parse *p)
{
	struct sv name;

	if (imap_lex_peek(p->lex) != '"') {
		return 0;
	}
	if (imap_lex_string(p->lex, &name) != 0) {
		return -1;
	}
	if (!sv_starts_nocase(name, SV("/flags/"))) {
		return imap_lex_bad(p->lex, "expected \"/flags/...\"");
	}
	if (imap_lex_sp(p->lex) != 0) {
		return -1;
	}
	if (!imap_lex_take_word(p->lex, SV("all"))
	    && !imap_lex_take_word(p->lex, SV("priv"))
	    && !imap_lex_take_word(p->lex, SV("shared"))) {
		return imap_lex_bad(p->lex, "expected all, priv or shared");
	}
	return imap_lex_sp(p->lex);
}

/* ---- the named keys ---- */

struct key_def;
typedef int key_fn(struct search_parse *p, const struct key_def *def,
    struct imap_search **out);

struct key_def {
	struct sv name;
	key_fn *parse;
	enum imap_search_kind kind;
	uint32_t flag;	 /* of flag keys */
	struct sv field; /* of header keys */
};

static int
key_plain(
    struct search_parse *p, const struct key_def *def, struct imap_search **out)
{
	return node_new(p, def->kind, out);
}

static int
key_flag(
    struct search_parse *p, const struct key_def *def, struct imap_search **out)
{
	return flag_node(p, def->flag, true, out);
}

static int
key_unflag(
    struct search_parse *p, const struct key_def *def, struct imap_search **out)
{
	return flag_node(p, def->flag, false, out);
}

/* NEW is (RECENT UNSEEN). */
static int
key_new(
    struct search_parse *p, const struct key_def *def, struct imap_search **out)
{
	(void)def;
	if (node_new(p, SEARCH_AND, out) != 0
	    || flag_node(p, IMAP_RECENT, true, &(*out)->child) != 0) {
		return -1;
	}
	return flag_node(p, IMAP_SEEN, false, &(*out)->child->next);
}

static int
key_keyword(
    struct search_parse *p, const struct key_def *def, struct imap_search **out)
{
	if (imap_lex_sp(p->lex) != 0 || node_new(p, SEARCH_KEYWORD, out) != 0
	    || imap_lex_atom(p->lex, &(*out)->text) != 0) {
		return -1;
	}
	return def->kind == SEARCH_NOT ? negate(p, out) : 0;
}

static int
key_date(
    struct search_parse *p, const struct key_def *def, struct imap_search **out)
{
	if (imap_lex_sp(p->lex) != 0 || node_new(p, def->kind, out) != 0) {
		return -1;
	}
	return imap_lex_date(p->lex, &(*out)->day);
}

static int
key_number(
    struct search_parse *p, const struct key_def *def, struct imap_search **out)
{
	if (imap_lex_sp(p->lex) != 0 || node_new(p, def->kind, out) != 0) {
		return -1;
	}
	return imap_lex_u64(p->lex, &(*out)->number);
}

static int
key_modseq(
    struct search_parse *p, const struct key_def *def, struct imap_search **out)
{
	if (imap_lex_sp(p->lex) != 0 || lex_modseq_entry(p) != 0
	    || node_new(p, def->kind, out) != 0) {
		return -1;
	}
	p->args->modseq = true;
	return imap_lex_modseq(p->lex, &(*out)->number);
}

static int
key_text(
    struct search_parse *p, const struct key_def *def, struct imap_search **out)
{
	if (imap_lex_sp(p->lex) != 0 || node_new(p, def->kind, out) != 0) {
		return -1;
	}
	(*out)->field = def->field;
	return lex_text(p, &(*out)->text);
}

static int
key_addresses(
    struct search_parse *p, const struct key_def *def, struct imap_search **out)
{
	if (key_text(p, def, out) != 0) {
		return -1;
	}
	(*out)->addresses = true;
	return 0;
}

static int
key_header(
    struct search_parse *p, const struct key_def *def, struct imap_search **out)
{
	if (imap_lex_sp(p->lex) != 0 || node_new(p, def->kind, out) != 0
	    || imap_lex_astring(p->lex, &(*out)->field) != 0
	    || imap_lex_sp(p->lex) != 0) {
		return -1;
	}
	return lex_text(p, &(*out)->text);
}

static int
key_objectid(
    struct search_parse *p, const struct key_def *def, struct imap_search **out)
{
	if (imap_lex_sp(p->lex) != 0 || node_new(p, def->kind, out) != 0) {
		return -1;
	}
	return imap_lex_astring(p->lex, &(*out)->text);
}

static int
key_uid(
    struct search_parse *p, const struct key_def *def, struct imap_search **out)
{
	if (imap_lex_sp(p->lex) != 0 || node_new(p, def->kind, out) != 0) {
		return -1;
	}
	return imap_lex_set(p->lex, &(*out)->set);
}

static int
key_not(
    struct search_parse *p, const struct key_def *def, struct imap_search **out)
{
	(void)def;
	if (imap_lex_sp(p->lex) != 0 || lex_key(p, out) != 0) {
		return -1;
	}
	return negate(p, out);
}

static int
key_or(
    struct search_parse *p, const struct key_def *def, struct imap_search **out)
{
	struct imap_search **child;

	if (node_new(p, def->kind, out) != 0) {
		return -1;
	}
	child = &(*out)->child;
	if (imap_lex_sp(p->lex) != 0 || lex_key(p, child) != 0) {
		return -1;
	}
	child = &(*child)->next;
	if (imap_lex_sp(p->lex) != 0) {
		return -1;
	}
	return lex_key(p, child);
}

#define KEY(name_, parse_, ...)                                                \
	{                                                                      \
		.name = {(name_), sizeof(name_) - 1}, .parse = (parse_),       \
		__VA_ARGS__                                                    \
	}
#define FIELD(text) .field = {(text), sizeof(text) - 1}

static const struct key_def keys[] = {
    KEY("ALL", key_plain, .kind = SEARCH_ALL),
    KEY("ANSWERED", key_flag, .flag = IMAP_ANSWERED),
    KEY("BCC", key_addresses, .kind = SEARCH_HEADER, FIELD("Bcc")),
    KEY("BEFORE", key_date, .kind = SEARCH_BEFORE),
    KEY("BODY", key_text, .kind = SEARCH_BODY),
    KEY("CC", key_addresses, .kind = SEARCH_HEADER, FIELD("Cc")),
    KEY("DELETED", key_flag, .flag = IMAP_DELETED),
    KEY("DRAFT", key_flag, .flag = IMAP_DRAFT),
    KEY("EMAILID", key_objectid, .kind = SEARCH_EMAILID),
    KEY("FLAGGED", key_flag, .flag = IMAP_FLAGGED),
    KEY("FROM", key_addresses, .kind = SEARCH_HEADER, FIELD("From")),
    KEY("HEADER", key_header, .kind = SEARCH_HEADER),
    KEY("KEYWORD", key_keyword, .kind = SEARCH_KEYWORD),
    KEY("LARGER", key_number, .kind = SEARCH_LARGER),
    KEY("MODSEQ", key_modseq, .kind = SEARCH_MODSEQ),
    KEY("NEW", key_new, .kind = SEARCH_AND),
    KEY("NOT", key_not, .kind = SEARCH_NOT),
    KEY("OLD", key_unflag, .flag = IMAP_RECENT),
    KEY("ON", key_date, .kind = SEARCH_ON),
    KEY("OR", key_or, .kind = SEARCH_OR),
    KEY("RECENT", key_flag, .flag = IMAP_RECENT),
    KEY("SEEN", key_flag, .flag = IMAP_SEEN),
    KEY("SENTBEFORE", key_date, .kind = SEARCH_SENTBEFORE),
    KEY("SENTON", key_date, .kind = SEARCH_SENTON),
    KEY("SENTSINCE", key_date, .kind = SEARCH_SENTSINCE),
    KEY("SINCE", key_date, .kind = SEARCH_SINCE),
    KEY("SMALLER", key_number, .kind = SEARCH_SMALLER),
    KEY("SUBJECT", key_text, .kind = SEARCH_HEADER, FIELD("Subject")),
    KEY("TEXT", key_text, .kind = SEARCH_TEXT),
    KEY("THREADID", key_objectid, .kind = SEARCH_THREADID),
    KEY("TO", key_addresses, .kind = SEARCH_HEADER, FIELD("To")),
    KEY("UID", key_uid, .kind = SEARCH_UID),
    KEY("UNANSWERED", key_unflag, .flag = IMAP_ANSWERED),
    KEY("UNDELETED", key_unflag, .flag = IMAP_DELETED),
    KEY("UNDRAFT", key_unflag, .flag = IMAP_DRAFT),
    KEY("UNFLAGGED", key_unflag, .flag = IMAP_FLAGGED),
    KEY("UNKEYWORD", key_keyword, .kind = SEARCH_NOT),
    KEY("UNSEEN", key_unflag, .flag = IMAP_SEEN),
};

static const struct key_def *
key_find(struct sv name)
{
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		if (sv_eq_nocase(name, keys[i].name)) {
			return &keys[i];
		}
	}
	return NULL;
}

/* search-key *(SP search-key) as one node: AND if there are several. */
static int
lex_key_list(struct search_parse *p, struct imap_search **out)
{
	struct imap_search *first = NULL, **tail = &first;

	do {
		struct imap_search *key = NULL;

		if (lex_key(p, &key) != 0) {
			return -1;
		}
		ASSERT(key != NULL);
		*tail = key;
		tail = &key->next;
	} while (imap_lex_take(p->lex, ' '));
	if (first->next == NULL) {
		*out = first;
		return 0;
	}
	if (node_new(p, SEARCH_AND, out) != 0) {
		return -1;
	}
	(*out)->child = first;
	return 0;
}

static int
lex_key_at_depth(struct search_parse *p, struct imap_search **out)
{
	const struct key_def *def;
	struct sv name;
	int c = imap_lex_peek(p->lex);

	if (imap_lex_take(p->lex, '(')) {
		return lex_key_list(p, out) != 0 ? -1
						 : imap_lex_char(p->lex, ')');
	}
	if (c == '*' || c == '$' || (c >= '0' && c <= '9')) {
		if (node_new(p, SEARCH_SEQ, out) != 0) {
			return -1;
		}
		p->args->numbers = p->args->numbers || c != '$';
		return imap_lex_set(p->lex, &(*out)->set);
	}
	if (imap_lex_word(p->lex, &name) != 0) {
		return -1;
	}
	def = key_find(name);
	if (def == NULL) {
		return imap_lex_bad(p->lex, "unknown search key");
	}
	return def->parse(p, def, out);
}

static int
lex_key(struct search_parse *p, struct imap_search **out)
{
	int rc;

	if (p->depth == IMAP_SEARCH_DEPTH) {
		return imap_lex_fail(
		    p->lex, IMAP_ERR_LIMIT, "search keys nested too deeply");
	}
	p->depth++;
	rc = lex_key_at_depth(p, out);
	p->depth--;
	return rc;
}

/* ---- in front of the keys ---- */

static int
lex_return_option(struct imap_lex *lex, unsigned *out)
{
	static const struct {
		struct sv name;
		unsigned bit;
	} options[] = {
	    {{"MIN", 3}, RETURN_MIN},
	    {{"MAX", 3}, RETURN_MAX},
	    {{"ALL", 3}, RETURN_ALL},
	    {{"COUNT", 5}, RETURN_COUNT},
	    {{"SAVE", 4}, RETURN_SAVE},
	};

	for (size_t i = 0; i < COUNT_OF(options); i++) {
		if (imap_lex_take_word(lex, options[i].name)) {
			*out |= options[i].bit;
			return 0;
		}
	}
	return imap_lex_bad(lex, "unknown search return option");
}

/* "(MIN COUNT)" behind RETURN.  [RFC 4731 3.1] */
static int
lex_return(struct imap_lex *lex, struct imap_search_args *out)
{
	out->extended = true;
	if (imap_lex_sp(lex) != 0 || imap_lex_char(lex, '(') != 0) {
		return -1;
	}
	if (imap_lex_take(lex, ')')) {
		out->returns = RETURN_ALL;
		return imap_lex_sp(lex);
	}
	do {
		if (lex_return_option(lex, &out->returns) != 0) {
			return -1;
		}
	} while (imap_lex_take(lex, ' '));
	return imap_lex_char(lex, ')') != 0 ? -1 : imap_lex_sp(lex);
}

int
imap_lex_search(struct imap_lex *lex, struct imap_search_args *out)
{
	struct search_parse p = {.lex = lex, .args = out};

	*out = (struct imap_search_args){0};
	if (imap_lex_take_word(lex, SV("RETURN"))
	    && lex_return(lex, out) != 0) {
		return -1;
	}
	out->has_charset = imap_lex_take_word(lex, SV("CHARSET"));
	if (out->has_charset
	    && (imap_lex_sp(lex) != 0
		|| imap_lex_astring(lex, &out->charset) != 0
		|| imap_lex_sp(lex) != 0)) {
		return -1;
	}
	return lex_key_list(&p, &out->tree);
}
