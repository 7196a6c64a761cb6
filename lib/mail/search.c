/*
 * Knuth, Morris and Pratt, "Fast pattern matching in strings" (1977), so that
 * text can come in pieces and no text makes it slow.
 */
#include "mail/search.h"

#include <stdlib.h>

#include "base/mem.h"
#include "mail/charset.h"
#include "mail/encoded.h"
#include "mail/extract.h"
#include "mail/header.h"

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

bool
search_header(const struct search_key *k, struct sv header, struct sv name)
{
	struct header_field field;
	struct header_iter it;

	header_iter_init(&it, header);
	while (header_next(&it, &field)) {
		if (sv_eq_nocase(field.name, name)
		    && search_field(k, field.body)) {
			return true;
		}
	}
	return false;
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

static bool
search_leaf(
    const struct search_key *k, const struct mime *m, const struct mime_part *p)
{
	struct buf piece = {.len = 0};
	struct extract e;
	struct scan s;

	extract_init(&e, m, p);
	if (!e.text) {
		extract_deinit(&e);
		return false;
	}
	scan_begin(&s, k);
	while (!s.found && extract_next(&e, &piece)) {
		scan_text(&s, buf_sv(&piece));
		buf_clear(&piece);
	}
	scan_end(&s);
	extract_deinit(&e);
	buf_deinit(&piece);
	return s.found;
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
