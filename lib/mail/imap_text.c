/*
 * Strings and ENVELOPE; body structures are in imap_body.c.
 */
#include "mail/imap_text_priv.h"

#include "mail/address.h"
#include "mail/header.h"

/* QUOTED-CHAR alone, backslashes aside?  [RFC 3501 9] */
static bool
can_be_quoted(struct sv s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '\r' || c == '\n' || c == '\0' || c >= 0x80) {
			return false;
		}
	}
	return true;
}

static size_t
count_nuls(struct sv s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		n += s.p[i] == '\0';
	}
	return n;
}

static void
add_literal(struct sv s, struct buf *to)
{
	size_t nuls = count_nuls(s);

	buf_add_char(to, '{');
	buf_add_u64(to, s.len - nuls);
	buf_add_str(to, "}\r\n");
	if (nuls == 0) {
		buf_add_sv(to, s);
		return;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] != '\0') {
			buf_add_char(to, s.p[i]);
		}
	}
}

void
imap_text_string(struct sv s, struct buf *to)
{
	size_t from = 0;

	if (!can_be_quoted(s)) {
		add_literal(s, to);
		return;
	}
	buf_add_char(to, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\') {
			buf_add_sv(to, sv_sub(s, from, i - from));
			buf_add_char(to, '\\');
			from = i;
		}
	}
	buf_add_sv(to, sv_from(s, from));
	buf_add_char(to, '"');
}

/* The same, but p NULL is NIL. */
static void
imap_text_nstring(struct sv s, struct buf *to)
{
	if (s.p == NULL) {
		buf_add_str(to, "NIL");
	} else {
		imap_text_string(s, to);
	}
}

void
imap_text_field(struct sv body, struct buf *to)
{
	struct buf line = {.len = 0};

	if (body.p == NULL) {
		buf_add_str(to, "NIL");
		return;
	}
	body = sv_sub(body, 0, HEADER_FIELD_MAX);
	if (sv_chr(body, '\n') < 0 && sv_chr(body, '\0') < 0) {
		imap_text_string(sv_trim(body), to);
		return;
	}
	header_unfold(body, &line);
	imap_text_string(buf_sv(&line), to);
	buf_deinit(&line);
}

/*
 * ENVELOPE.
 */

enum field {
	DATE,
	SUBJECT,
	FROM,
	SENDER,
	REPLY_TO,
	TO,
	CC,
	BCC,
	IN_REPLY_TO,
	MESSAGE_ID,
	FIELDS
};

static const struct {
	struct sv name;
	bool merged; /* addresses of several are one list */
} fields[FIELDS] = {
    [DATE] = {{"Date", 4}, false},
    [SUBJECT] = {{"Subject", 7}, false},
    [FROM] = {{"From", 4}, false},
    [SENDER] = {{"Sender", 6}, false},
    [REPLY_TO] = {{"Reply-To", 8}, false},
    [TO] = {{"To", 2}, true},
    [CC] = {{"Cc", 2}, true},
    [BCC] = {{"Bcc", 3}, true},
    [IN_REPLY_TO] = {{"In-Reply-To", 11}, false},
    [MESSAGE_ID] = {{"Message-ID", 10}, false},
};

struct envelope {
	struct sv text[FIELDS];	      /* p NULL if absent */
	struct buf addresses[FIELDS]; /* rendered, without parentheses */
	struct arena arena;
};

/* NIL where it is absent or empty: names and routes. */
static void
add_if_any(struct sv s, struct buf *to)
{
	imap_text_nstring(s.len != 0 ? s : SV_EMPTY, to);
}

/* (name route mailbox host).  A group begins with the host NIL and ends with
 * mailbox and host NIL; so a mailbox must have both. */
static void
add_address(const struct address *a, struct buf *to)
{
	switch (a->kind) {
	case ADDRESS_GROUP:
		buf_add_str(to, "(NIL NIL ");
		imap_text_string(a->name, to);
		buf_add_str(to, " NIL)");
		break;
	case ADDRESS_GROUP_END:
		buf_add_str(to, "(NIL NIL NIL NIL)");
		break;
	case ADDRESS_MAILBOX:
		buf_add_char(to, '(');
		add_if_any(a->name, to);
		buf_add_char(to, ' ');
		add_if_any(a->route, to);
		buf_add_char(to, ' ');
		imap_text_string(
		    a->local.len != 0 ? a->local : SV("MISSING_MAILBOX"), to);
		buf_add_char(to, ' ');
		imap_text_string(
		    a->domain.len != 0 ? a->domain : SV("MISSING_DOMAIN"), to);
		buf_add_char(to, ')');
		break;
	}
}

static void
add_addresses(struct envelope *e, enum field i, struct sv body)
{
	struct address_list list;

	body = sv_sub(body, 0, HEADER_FIELD_MAX);
	address_list_parse(body, ADDRESS_LIST_MAX, &e->arena, &list);
	for (size_t k = 0; k < list.n; k++) {
		add_address(&list.at[k], &e->addresses[i]);
	}
	arena_reset(&e->arena);
}

static void
note_field(struct envelope *e, const struct header_field *field)
{
	for (enum field i = 0; i < FIELDS; i++) {
		bool seen = e->text[i].p != NULL;

		if (field->name.len != fields[i].name.len
		    || !sv_eq_nocase(field->name, fields[i].name)) {
			continue;
		}
		if (!seen) {
			e->text[i] = field->body;
		}
		if (i >= FROM && i <= BCC && (!seen || fields[i].merged)) {
			add_addresses(e, i, field->body);
		}
		return;
	}
}

static void
write_addresses(const struct envelope *e, enum field i, struct buf *to)
{
	const struct buf *list = &e->addresses[i];

	/* What is absent or empty is as From.  [RFC 3501 7.4.2] */
	if (list->len == 0 && (i == SENDER || i == REPLY_TO)) {
		list = &e->addresses[FROM];
	}
	if (list->len == 0) {
		buf_add_str(to, "NIL");
		return;
	}
	buf_add_char(to, '(');
	buf_add_sv(to, buf_sv(list));
	buf_add_char(to, ')');
}

void
imap_text_envelope(struct sv header, struct buf *to)
{
	struct envelope e = {.text = {{NULL, 0}}};
	struct header_field field;
	struct header_iter it;

	header_iter_init(&it, header);
	while (header_next(&it, &field)) {
		note_field(&e, &field);
	}
	for (enum field i = 0; i < FIELDS; i++) {
		buf_add_char(to, i == 0 ? '(' : ' ');
		if (i >= FROM && i <= BCC) {
			write_addresses(&e, i, to);
		} else {
			imap_text_field(e.text[i], to);
		}
	}
	buf_add_char(to, ')');
	for (enum field i = 0; i < FIELDS; i++) {
		buf_deinit(&e.addresses[i]);
	}
	arena_deinit(&e.arena);
}
