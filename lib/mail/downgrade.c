#include "mail/downgrade.h"

#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "mail/encoded.h"
#include "mail/header.h"
#include "mail/param.h"

/* What a field holds. */
enum kind {
	KIND_TEXT, /* unstructured, or unknown */
	KIND_ADDRESSES,
	KIND_PARAMS,
	KIND_OTHER, /* where no encoded word may stand */
};

static const struct {
	const char *name; /* one that ends in '-' is the beginning of more */
	enum kind kind;
} kinds[] = {
    {"From", KIND_ADDRESSES},
    {"Sender", KIND_ADDRESSES},
    {"Reply-To", KIND_ADDRESSES},
    {"To", KIND_ADDRESSES},
    {"Cc", KIND_ADDRESSES},
    {"Bcc", KIND_ADDRESSES},
    {"Resent-From", KIND_ADDRESSES},
    {"Resent-Sender", KIND_ADDRESSES},
    {"Resent-Reply-To", KIND_ADDRESSES},
    {"Resent-To", KIND_ADDRESSES},
    {"Resent-Cc", KIND_ADDRESSES},
    {"Resent-Bcc", KIND_ADDRESSES},
    {"Disposition-Notification-To", KIND_ADDRESSES},
    {"Errors-To", KIND_ADDRESSES},
    {"Mail-Followup-To", KIND_ADDRESSES},
    {"Mail-Reply-To", KIND_ADDRESSES},
    {"Content-Type", KIND_PARAMS},
    {"Content-Disposition", KIND_PARAMS},
    {"Content-Description", KIND_TEXT},
    {"Content-", KIND_OTHER},
    {"Return-Path", KIND_OTHER},
    {"Delivered-To", KIND_OTHER},
    {"Received", KIND_OTHER},
    {"Received-SPF", KIND_OTHER},
    {"Date", KIND_OTHER},
    {"Resent-Date", KIND_OTHER},
    {"Resent-Message-ID", KIND_OTHER},
    {"Message-ID", KIND_OTHER},
    {"In-Reply-To", KIND_OTHER},
    {"References", KIND_OTHER},
    {"MIME-Version", KIND_OTHER},
    {"DKIM-Signature", KIND_OTHER},
    {"Authentication-Results", KIND_OTHER},
    {"ARC-", KIND_OTHER},
    {"List-", KIND_OTHER},
};

static enum kind
kind_of(struct sv name)
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		struct sv known = sv_cstr(kinds[i].name);
		bool open = known.p[known.len - 1] == '-';

		if (open ? sv_starts_nocase(name, known)
			 : sv_eq_nocase(name, known)) {
			return kinds[i].kind;
		}
	}
	return KIND_TEXT;
}

/* One '?' for each character. */
static void
add_masked(struct sv s, struct buf *to)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x80) {
			buf_add_char(to, (char)c);
		} else if ((c & 0xc0) != 0x80) {
			buf_add_char(to, '?');
		}
	}
}

/* ---- text ---- */

static void
add_text(struct sv body, struct buf *to)
{
	struct buf plain = {.data = NULL};

	encoded_decode(body, &plain);
	encoded_encode(sv_trim(buf_sv(&plain)), to);
	buf_deinit(&plain);
}

static void
add_quoted(struct sv s, struct buf *to)
{
	buf_add_char(to, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\') {
			buf_add_char(to, '\\');
		}
		buf_add_char(to, s.p[i]);
	}
	buf_add_char(to, '"');
}

/* ---- addresses ---- */

/* A name that is ASCII may hold encoded words, which a quoted string may
 * not. */
static void
add_phrase(struct sv name, struct buf *to)
{
	if (!utf8_is_ascii(name) || memmem(name.p, name.len, "=?", 2) != NULL) {
		add_text(name, to);
		return;
	}
	for (size_t i = 0; i < name.len; i++) {
		if (!address_is_atext(name.p[i]) && name.p[i] != ' ') {
			add_quoted(name, to);
			return;
		}
	}
	buf_add_sv(to, name);
}

static void
add_addr_spec(const struct address *a, struct buf *to)
{
	char *at = buf_reserve(to, 2 * a->local.len + 2);

	if (at != NULL) {
		to->len += address_local_write(a->local, at);
	}
	if (a->domain.p != NULL) {
		buf_add_char(to, '@');
		buf_add_sv(to, a->domain);
	}
}

static void
add_mailbox(const struct address *a, struct buf *to)
{
	struct buf spec = {.data = NULL};
	bool ascii;

	add_addr_spec(a, &spec);
	ascii = utf8_is_ascii(buf_sv(&spec));
	if (a->name.len > 0 || !ascii) {
		add_phrase(a->name.len > 0 ? a->name : buf_sv(&spec), to);
		buf_add_char(to, ' ');
	}
	buf_add_char(to, '<');
	buf_add_sv(to, ascii ? buf_sv(&spec)
			     : SV("invalid@internationalized-address.invalid"));
	buf_add_char(to, '>');
	buf_deinit(&spec);
}

static void
add_addresses(struct sv body, struct arena *arena, struct buf *to)
{
	struct address_list list;
	bool first = true; /* nothing stands before it that wants a comma */

	address_list_parse(body, ADDRESS_LIST_MAX, arena, &list);
	for (size_t i = 0; i < list.n; i++) {
		const struct address *a = &list.at[i];

		if (a->kind == ADDRESS_GROUP_END) {
			buf_add_char(to, ';');
			first = false;
			continue;
		}
		if (i > 0) {
			buf_add_str(to, first ? "\r\n " : ",\r\n ");
		}
		first = a->kind == ADDRESS_GROUP;
		if (first) {
			add_phrase(a->name, to);
			buf_add_char(to, ':');
		} else {
			add_mailbox(a, to);
		}
	}
}

/* ---- parameters ---- */

/* [RFC 2231 4] */
static void
add_extended(struct sv name, struct sv utf8, struct buf *to)
{
	static const char digits[] = "0123456789ABCDEF";

	add_masked(name, to);
	buf_add_str(to, "*=utf-8''");
	for (size_t i = 0; i < utf8.len; i++) {
		unsigned char c = (unsigned char)utf8.p[i];

		if (ascii_alpha((char)c) || ascii_digit((char)c) || c == '-'
		    || c == '.' || c == '_') {
			buf_add_char(to, (char)c);
		} else {
			buf_add_char(to, '%');
			buf_add_char(to, digits[c >> 4]);
			buf_add_char(to, digits[c & 15]);
		}
	}
}

static void
add_param(const struct param_list *list, const struct param *p, struct buf *to)
{
	bool extended = p->name.len > 0 && p->name.p[p->name.len - 1] == '*';
	struct buf text = {.data = NULL};

	if (utf8_is_ascii(p->name) && utf8_is_ascii(p->value)) {
		buf_add_sv(to, p->name);
		buf_add_char(to, '=');
		if (extended) {
			buf_add_sv(to, p->value);
		} else {
			add_quoted(p->value, to);
		}
		return;
	}
	struct sv name = sv_sub(p->name, 0, p->name.len - (extended ? 1 : 0));

	if (param_text(list, name, &text)) {
		add_extended(name, buf_sv(&text), to);
	} else {
		add_masked(name, to);
	}
	buf_deinit(&text);
}

static void
add_params(struct sv body, struct arena *arena, struct buf *to)
{
	struct param_list list;

	param_parse(body, PARAM_MAX, arena, &list);
	add_masked(list.value, to);
	for (size_t i = 0; i < list.n; i++) {
		buf_add_str(to, ";\r\n ");
		add_param(&list, &list.at[i], to);
	}
}

/* ---- fields ---- */

static void
add_field(const struct header_field *f, struct buf *to)
{
	struct arena arena = {.head = NULL};
	enum kind kind = kind_of(f->name);

	if (f->name.len == 0 || kind == KIND_OTHER
	    || f->body.len > HEADER_FIELD_MAX || !utf8_is_ascii(f->name)) {
		add_masked(f->raw, to);
		return;
	}
	buf_add_sv(to, f->name);
	buf_add_str(to, ": ");
	if (kind == KIND_TEXT) {
		add_text(f->body, to);
	} else if (kind == KIND_ADDRESSES) {
		add_addresses(f->body, &arena, to);
	} else {
		add_params(f->body, &arena, to);
	}
	buf_add_str(to, "\r\n");
	arena_deinit(&arena);
}

void
downgrade_header(struct sv section, struct buf *to)
{
	struct header_field field;
	struct header_iter it;

	header_iter_init(&it, section);
	while (header_next(&it, &field)) {
		if (utf8_is_ascii(field.raw) || !utf8_valid(field.raw)) {
			buf_add_sv(to, field.raw);
		} else {
			add_field(&field, to);
		}
	}
	buf_add_sv(to, sv_sub(section, it.at, it.blank));
}
