/*
 * Knuth, Morris and Pratt, "Fast pattern matching in strings" (1977), so that
 * text can come in pieces and no text makes it slow.
 */
#include "mail/search.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "mail/charset.h"
#include "mail/encoded.h"
#include "mail/extract.h"
#include "mail/header.h"
#include "mail/html.h"

/* A search through one text that comes in pieces. */
struct scan {
	const struct search_key *key;
	size_t matched; /* octets of the key that the text ends with */
	struct buf folded;
	bool found;
};

void
search_key_init(struct search_key *k, struct sv utf8)
{
	const char *key;
	size_t n;
	uint32_t b = 0;

	*k = (struct search_key){.border = NULL};
	charset_casemap(utf8_cut(utf8, SEARCH_KEY_MAX), &k->folded);
	n = k->folded.len;
	key = k->folded.data;
	if (n == 0) {
		return;
	}
	k->border = xcalloc(n, sizeof(*k->border));
	for (size_t i = 1; i < n; i++) {
		while (b > 0 && key[i] != key[b]) {
			b = k->border[b - 1];
		}
		b += key[i] == key[b];
		k->border[i] = b;
	}
}

void
search_key_deinit(struct search_key *k)
{
	buf_deinit(&k->folded);
	free(k->border);
	*k = (struct search_key){.border = NULL};
}

static void
scan_begin(struct scan *s, const struct search_key *key)
{
	*s = (struct scan){.key = key, .found = key->folded.len == 0};
}

static void
scan_end(struct scan *s)
{
	buf_deinit(&s->folded);
}

/* Look on in folded text. */
static void
scan_folded(struct scan *s, struct sv text)
{
	const char *key = s->key->folded.data;
	size_t n = s->key->folded.len;

	for (size_t i = 0; i < text.len && !s->found; i++) {
		if (s->matched == 0) {
			const char *at =
			    memchr(text.p + i, key[0], text.len - i);

			if (at == NULL) {
				return;
			}
			i = (size_t)(at - text.p);
		}
		while (s->matched > 0 && text.p[i] != key[s->matched]) {
			s->matched = s->key->border[s->matched - 1];
		}
		s->matched += text.p[i] == key[s->matched];
		s->found = s->matched == n;
	}
}

/* A piece of UTF-8 text that cuts no character. */
static void
scan_text(struct scan *s, struct sv utf8)
{
	while (utf8.len > 0 && !s->found) {
		struct sv piece = utf8_cut(utf8, EXTRACT_CHUNK);

		buf_clear(&s->folded);
		charset_casemap(piece, &s->folded);
		scan_folded(s, buf_sv(&s->folded));
		utf8 = sv_from(utf8, piece.len);
	}
}

bool
search_text(const struct search_key *k, struct sv utf8)
{
	struct scan s;

	scan_begin(&s, k);
	scan_text(&s, utf8);
	scan_end(&s);
	return s.found;
}

bool
search_field(const struct search_key *k, struct sv body)
{
	struct buf text = {.len = 0};
	bool found;

	encoded_decode(body, &text);
	found = search_text(k, buf_sv(&text));
	buf_deinit(&text);
	return found;
}

/* Whether the addresses are in the text as they stand: there is nothing that
 * the parser would take out. */
static bool
is_plain_list(struct sv body)
{
	bool blank = false; /* the octet before was one, or an "@" */

	for (size_t i = 0; i < body.len; i++) {
		char c = body.p[i];
		bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n';

		if (c == '(' || c == '"' || c == '\\'
		    || (blank && (space || c == '@' || c == '.'))) {
			return false;
		}
		blank = space || c == '@' || c == '.';
	}
	return true;
}

static bool
address_has(const struct search_key *k, const struct address *a)
{
	struct buf text = {.len = 0};
	bool found;

	buf_add_sv(&text, a->local);
	if (a->domain.len != 0) {
		buf_add_char(&text, '@');
		buf_add_sv(&text, a->domain);
	}
	found = search_text(k, buf_sv(&text)) || search_field(k, a->name);
	buf_deinit(&text);
	return found;
}

bool
search_addresses(const struct search_key *k, struct sv body)
{
	struct arena arena = {0};
	struct address_list list;
	bool found = search_field(k, body);

	if (found || is_plain_list(body)) {
		return found;
	}
	address_list_parse(
	    sv_sub(body, 0, HEADER_FIELD_MAX), ADDRESS_LIST_MAX, &arena, &list);
	for (size_t i = 0; i < list.n && !found; i++) {
		found = address_has(k, &list.at[i]);
	}
	arena_deinit(&arena);
	return found;
}

static bool
search_fields(const struct search_key *k, struct sv header, struct sv name,
    bool (*has)(const struct search_key *k, struct sv body))
{
	struct header_field field;
	struct header_iter it;

	header_iter_init(&it, header);
	while (header_next(&it, &field)) {
		if (sv_eq_nocase(field.name, name) && has(k, field.body)) {
			return true;
		}
	}
	return false;
}

bool
search_header(const struct search_key *k, struct sv header, struct sv name)
{
	return search_fields(k, header, name, search_field);
}

bool
search_address_header(
    const struct search_key *k, struct sv header, struct sv name)
{
	return search_fields(k, header, name, search_addresses);
}

/* All fields, with their names. */
static bool
search_all_fields(const struct search_key *k, struct sv header)
{
	struct header_field field;
	struct header_iter it;
	bool found = false;

	header_iter_init(&it, header);
	while (!found && header_next(&it, &field)) {
		struct buf text = {.len = 0};

		if (field.name.len > 0) {
			buf_add_sv(&text, field.name);
			buf_add_str(&text, ": ");
		}
		encoded_decode(field.body, &text);
		found = search_text(k, buf_sv(&text));
		buf_deinit(&text);
	}
	return found;
}

/* HTML is searched as it stands, and as people see it. */
struct html_scan {
	struct html_text html;
	struct buf text;
	struct scan scan;
};

static void
html_scan_piece(struct html_scan *h, struct sv piece)
{
	html_text_put(&h->html, piece, &h->text);
	scan_text(&h->scan, buf_sv(&h->text));
	buf_clear(&h->text);
}

static void
html_scan_last(struct html_scan *h)
{
	html_text_finish(&h->html, &h->text);
	scan_text(&h->scan, buf_sv(&h->text));
}

static void
html_scan_end(struct html_scan *h)
{
	buf_deinit(&h->text);
	scan_end(&h->scan);
}

static bool
search_leaf(
    const struct search_key *k, const struct mime *m, const struct mime_part *p)
{
	bool html = sv_eq_nocase(p->subtype, SV("html"));
	struct buf piece = {.len = 0};
	struct html_scan seen = {.scan = {.found = false}};
	struct extract e;
	struct scan s;

	extract_init(&e, m, p);
	if (!e.text) {
		extract_deinit(&e);
		return false;
	}
	scan_begin(&s, k);
	scan_begin(&seen.scan, k);
	while (!s.found && !seen.scan.found && extract_next(&e, &piece)) {
		scan_text(&s, buf_sv(&piece));
		if (html) {
			html_scan_piece(&seen, buf_sv(&piece));
		}
		buf_clear(&piece);
	}
	if (html) {
		html_scan_last(&seen);
	}
	scan_end(&s);
	html_scan_end(&seen);
	extract_deinit(&e);
	buf_deinit(&piece);
	return s.found || seen.scan.found;
}

bool
search_message(const struct search_key *k, const struct mime *m, bool whole)
{
	if (k->folded.len == 0) {
		return true;
	}
	for (uint32_t i = 0; i < m->n_parts; i++) {
		const struct mime_part *p = &m->parts[i];

		if ((i > 0 || whole)
		    && search_all_fields(k, mime_header(m, p))) {
			return true;
		}
		if (p->span.kind == MIME_LEAF && search_leaf(k, m, p)) {
			return true;
		}
	}
	return false;
}
