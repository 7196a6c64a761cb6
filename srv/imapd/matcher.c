#include "imapd/matcher.h"

#include "base/log.h"
#include "imapd/letter.h"
#include "imapd/objectid.h"
#include "imapd/tell.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/search.h"
#include "proto/imap_flag.h"

enum { DAY_MS = 86400000 };

/* What it takes to answer a key. */
enum cost {
	COST_STATE,  /* the mailbox's state */
	COST_DIGEST, /* mostly no more than the digest */
	COST_MESSAGE,
};

struct node {
	enum imap_search_kind kind;
	enum cost cost;
	struct node *child, *next;
	const struct imap_search *key; /* borrowed */
	struct imap_set seqs;	       /* SEQ, UID */
	uint64_t bits[2];	       /* KEYWORD; EMAILID */
	struct search_key text;	       /* HEADER, BODY, TEXT */
	struct node *next_text;	       /* of those that have one */
};

struct matcher {
	struct command *cmd;
	const struct imap_search_args *args;
	const struct mbox *mbox;
	struct node *root;
	struct node *texts; /* to be freed */
	struct imap_set all;
	struct letter letter;

	/* Of the message in hand. */
	uint32_t seq;
	const struct msg *msg; /* in the view of the numbers */
	const struct msg *now; /* the same with the flags that it has by now */
	bool turned;	       /* the letter to it */
	bool has_header;
	struct buf header; /* its section, if it had to be read */
	bool unreadable;
};

/* ---- making ready ---- */

static enum cost
cost_of(enum imap_search_kind kind)
{
	switch (kind) {
	case SEARCH_ALL:
	case SEARCH_AND:
	case SEARCH_OR:
	case SEARCH_NOT:
	case SEARCH_SEQ:
	case SEARCH_UID:
	case SEARCH_FLAG:
	case SEARCH_KEYWORD:
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
	case SEARCH_LARGER:
	case SEARCH_SMALLER:
	case SEARCH_MODSEQ:
	case SEARCH_EMAILID:
	case SEARCH_THREADID:
		return COST_STATE;
	case SEARCH_SENTBEFORE:
	case SEARCH_SENTON:
	case SEARCH_SENTSINCE:
	case SEARCH_HEADER:
		return COST_DIGEST;
	case SEARCH_BODY:
	case SEARCH_TEXT:
		break;
	}
	return COST_MESSAGE;
}

static void
prepare_text(struct matcher *m, struct node *n)
{
	struct buf utf8 = {0};

	charset_to_utf8(m->args->has_charset ? m->args->charset : SV("UTF-8"),
	    n->key->text, &utf8);
	search_key_init(&n->text, buf_sv(&utf8));
	buf_deinit(&utf8);
	n->next_text = m->texts;
	m->texts = n;
}

/* What the key's own argument comes to. */
static int
prepare(struct matcher *m, struct node *n)
{
	const struct imap_search *key = n->key;
	int bit;

	switch (n->kind) {
	case SEARCH_SEQ:
		command_set_within(m->cmd, &key->set, &n->seqs);
		return 0;
	case SEARCH_UID:
		return command_set(m->cmd, &key->set, true, &n->seqs);
	case SEARCH_KEYWORD:
		bit = mbox_keyword(tell_mbox(&m->cmd->im->box), key->text);
		n->bits[0] = bit >= 0 ? (uint64_t)1 << bit : 0;
		return 0;
	case SEARCH_EMAILID:
		if (!objectid_parse_email(key->text, n->bits)) {
			n->bits[0] = n->bits[1] = 0; /* no message's */
		}
		return 0;
	case SEARCH_HEADER:
	case SEARCH_BODY:
	case SEARCH_TEXT:
		prepare_text(m, n);
		return 0;
	case SEARCH_ALL:
	case SEARCH_AND:
	case SEARCH_OR:
	case SEARCH_NOT:
	case SEARCH_FLAG:
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
	case SEARCH_SENTBEFORE:
	case SEARCH_SENTON:
	case SEARCH_SENTSINCE:
	case SEARCH_LARGER:
	case SEARCH_SMALLER:
	case SEARCH_MODSEQ:
	case SEARCH_THREADID:
		break;
	}
	return 0;
}

/* Put `n` among its siblings behind all that cost no more. */
static void
insert_by_cost(struct node **list, struct node *n)
{
	while (*list != NULL && (*list)->cost <= n->cost) {
		list = &(*list)->next;
	}
	n->next = *list;
	*list = n;
}

/* Depth is bounded by the parser. */
static int
compile(struct matcher *m, const struct imap_search *key, struct node **out)
{
	struct node *n = arena_alloc(&m->cmd->arena, sizeof(*n));
	bool inner = key->kind == SEARCH_AND || key->kind == SEARCH_OR
		     || key->kind == SEARCH_NOT;

	n->kind = key->kind;
	n->key = key;
	n->cost = cost_of(key->kind);
	for (const struct imap_search *c = inner ? key->child : NULL; c != NULL;
	     c = c->next) {
		struct node *child;

		if (compile(m, c, &child) != 0) {
			return -1;
		}
		insert_by_cost(&n->child, child);
		n->cost = child->cost > n->cost ? child->cost : n->cost;
	}
	*out = n;
	return prepare(m, n);
}

static bool
charset_ok(struct command *cmd, const struct imap_search_args *args)
{
	if (!args->has_charset
	    || (args->charset.len != 0 && charset_known(args->charset))) {
		return true;
	}
	reply_no(cmd, "BADCHARSET (UTF-8 US-ASCII)", "Unknown charset");
	return false;
}

struct matcher *
matcher_new(struct command *cmd, const struct imap_search_args *args)
{
	struct imap *im = cmd->im;
	struct matcher *m;

	if (!charset_ok(cmd, args)) {
		return NULL;
	}
	m = arena_alloc(&cmd->arena, sizeof(*m));
	m->cmd = cmd;
	m->args = args;
	m->mbox = im->box.mbox;
	letter_init(&m->letter, im->account, im->box.view, im->box.mbox);
	if (m->mbox->exists != 0) {
		m->all.r = arena_array(&cmd->arena, 1, sizeof(*m->all.r));
		m->all.r[0] = (struct imap_range){1, m->mbox->exists};
		m->all.n = 1;
	}
	if (compile(m, args->tree, &m->root) != 0) {
		matcher_deinit(m);
		return NULL;
	}
	return m;
}

void
matcher_deinit(struct matcher *m)
{
	for (struct node *n = m->texts; n != NULL; n = n->next_text) {
		search_key_deinit(&n->text);
	}
	m->texts = NULL;
	buf_deinit(&m->header);
	letter_deinit(&m->letter);
}

const struct imap_set *
matcher_range(const struct matcher *m)
{
	const struct node *n = m->root;

	if (n->kind == SEARCH_AND) {
		for (n = n->child; n != NULL; n = n->next) {
			if (n->kind == SEARCH_SEQ || n->kind == SEARCH_UID) {
				return &n->seqs;
			}
		}
		return &m->all;
	}
	return n->kind == SEARCH_SEQ || n->kind == SEARCH_UID ? &n->seqs
							      : &m->all;
}

/* ---- matching ---- */

static bool
cannot_read(struct matcher *m, const struct fail *f)
{
	m->unreadable = true;
	LOG(f->kind == FAIL_ABSENT ? LOG_DEBUG : LOG_ERROR, "search.unreadable",
	    kv_hex("session", m->cmd->im->s.id), kv_u64("uid", m->msg->uid),
	    kv_fail(f));
	return false;
}

static struct letter *
letter_of(struct matcher *m)
{
	if (!m->turned) {
		letter_begin(&m->letter, m->msg);
		m->turned = true;
	}
	return &m->letter;
}

/* The header section; false if it cannot be read. */
static bool
read_header(struct matcher *m)
{
	struct fail f;

	if (m->has_header || m->unreadable) {
		return m->has_header;
	}
	buf_clear(&m->header);
	if (letter_header(letter_of(m), &m->header, &f) != 0) {
		return cannot_read(m, &f);
	}
	m->has_header = true;
	return true;
}

/* The calendar day on which it was sent, by its Date field. */
static bool
sent_day(struct matcher *m, int64_t *out)
{
	const struct digest *d = letter_digest(letter_of(m));
	struct header_field field;
	struct date date;

	if (d != NULL) {
		*out = date_day(d->sent);
		return (d->flags & DIGEST_SENT) != 0;
	}
	if (!read_header(m)
	    || !header_find(buf_sv(&m->header), SV("Date"), &field)
	    || !date_parse(field.body, &date)) {
		return false;
	}
	*out = date_day(date);
	return true;
}

static int64_t
internal_day(const struct msg *msg)
{
	int64_t ms = msg->date_ms + (int64_t)msg->zone_min * 60000;

	return (ms >= 0 ? ms : ms - (DAY_MS - 1)) / DAY_MS;
}

/* FROM, TO, CC and BCC look at the envelope's addresses, HEADER at the text.
 * [RFC 3501 6.4.4] */
static bool
field_has(const struct node *n, struct sv body)
{
	return n->key->addresses ? search_addresses(&n->text, body)
				 : search_field(&n->text, body);
}

static bool
match_header(struct matcher *m, const struct node *n)
{
	const struct digest *d = letter_digest(letter_of(m));
	struct sv body;
	size_t at = 0;

	if (d != NULL) {
		switch (digest_field(d, n->key->field, &body)) {
		case DIGEST_ABSENT:
			return false;
		case DIGEST_HELD:
			while (
			    digest_field_next(d, n->key->field, &at, &body)) {
				if (field_has(n, body)) {
					return true;
				}
			}
			return false;
		case DIGEST_UNKNOWN:
			break;
		}
	}
	if (!read_header(m)) {
		return false;
	}
	return n->key->addresses
		   ? search_address_header(
		       &n->text, buf_sv(&m->header), n->key->field)
		   : search_header(&n->text, buf_sv(&m->header), n->key->field);
}

static bool
match_body(struct matcher *m, const struct node *n)
{
	const struct mime *mime;
	struct fail f;

	if (m->unreadable) {
		return false;
	}
	if (letter_mime(letter_of(m), &mime, &f) != 0) {
		return cannot_read(m, &f);
	}
	return search_message(&n->text, mime, n->kind == SEARCH_TEXT);
}

static bool
match_flag(const struct matcher *m, uint32_t flag)
{
	if (flag == IMAP_RECENT) {
		return uidset_has(&m->cmd->im->box.recent, m->msg->uid);
	}
	return (m->now->flags & flag) != 0;
}

static bool
match_day(struct matcher *m, const struct node *n)
{
	int64_t day = internal_day(m->msg);
	bool sent = n->kind == SEARCH_SENTBEFORE || n->kind == SEARCH_SENTON
		    || n->kind == SEARCH_SENTSINCE;

	if (sent && !sent_day(m, &day)) {
		return false;
	}
	if (n->kind == SEARCH_BEFORE || n->kind == SEARCH_SENTBEFORE) {
		return day < n->key->day;
	}
	if (n->kind == SEARCH_ON || n->kind == SEARCH_SENTON) {
		return day == n->key->day;
	}
	return day >= n->key->day;
}

static bool match(struct matcher *m, const struct node *n);

static bool
match_any(struct matcher *m, const struct node *n)
{
	for (; n != NULL; n = n->next) {
		if (match(m, n)) {
			return true;
		}
	}
	return false;
}

static bool
match_each(struct matcher *m, const struct node *n)
{
	for (; n != NULL; n = n->next) {
		if (!match(m, n)) {
			return false;
		}
	}
	return true;
}

static bool
match(struct matcher *m, const struct node *n)
{
	const struct msg *msg = m->msg;

	switch (n->kind) {
	case SEARCH_ALL:
		return true;
	case SEARCH_AND:
		return match_each(m, n->child);
	case SEARCH_OR:
		return match_any(m, n->child);
	case SEARCH_NOT:
		return !match(m, n->child);
	case SEARCH_SEQ:
	case SEARCH_UID:
		return imap_set_has(&n->seqs, m->seq);
	case SEARCH_FLAG:
		return match_flag(m, n->key->flag);
	case SEARCH_KEYWORD:
		return (m->now->keywords & n->bits[0]) != 0;
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
	case SEARCH_SENTBEFORE:
	case SEARCH_SENTON:
	case SEARCH_SENTSINCE:
		return match_day(m, n);
	case SEARCH_LARGER:
		return msg->size > n->key->number;
	case SEARCH_SMALLER:
		return msg->size < n->key->number;
	case SEARCH_HEADER:
		return match_header(m, n);
	case SEARCH_BODY:
	case SEARCH_TEXT:
		return match_body(m, n);
	case SEARCH_MODSEQ:
		return m->now->modseq >= n->key->number;
	case SEARCH_EMAILID:
		return msg->email_id[0] == n->bits[0]
		       && msg->email_id[1] == n->bits[1];
	case SEARCH_THREADID:
		break;
	}
	return false;
}

bool
matcher_has_read(const struct matcher *m)
{
	return m->turned;
}

bool
matcher_match(struct matcher *m, uint32_t seq, const struct msg *msg)
{
	m->seq = seq;
	m->now = msg;
	m->msg = m->cmd->im->box.ahead_mbox == NULL
		     ? msg
		     : mbox_msg(m->mbox, seq - 1);
	m->turned = false;
	m->has_header = false;
	m->unreadable = false;
	return match(m, m->root);
}
