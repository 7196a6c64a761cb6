#include "mail/header.h"

#include <stdlib.h>

#include "base/mem.h"

enum { NAMES_SCANNED_MAX = 12 }; /* more are sorted and searched */

void
header_iter_init(struct header_iter *it, struct sv text)
{
	*it = (struct header_iter){.text = text};
}

/* Length of the empty line that `s` begins with, or 0. */
static size_t
empty_line(struct sv s)
{
	if (s.len >= 1 && s.p[0] == '\n') {
		return 1;
	}
	return s.len >= 2 && s.p[0] == '\r' && s.p[1] == '\n' ? 2 : 0;
}

/* Where the line behind the one at `at` begins. */
static size_t
line_end(struct sv s, size_t at)
{
	const char *lf = memchr(s.p + at, '\n', s.len - at);

	return lf != NULL ? (size_t)(lf - s.p) + 1 : s.len;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Without the line end that `s` may end with. */
static struct sv
chomp(struct sv s)
{
	if (s.len > 0 && s.p[s.len - 1] == '\n') {
		s.len--;
		if (s.len > 0 && s.p[s.len - 1] == '\r') {
			s.len--;
		}
	}
	return s;
}

bool
header_name_valid(struct sv name)
{
	for (size_t i = 0; i < name.len; i++) {
		if ((unsigned char)name.p[i] <= ' ' || name.p[i] == 0x7f
		    || name.p[i] == ':') {
			return false;
		}
	}
	return name.len > 0;
}

/* Take `raw` apart; its colon, if any, is in its first line. */
static void
split_field(struct sv raw, size_t first_line, struct header_field *out)
{
	ptrdiff_t colon = sv_chr(sv_sub(raw, 0, first_line), ':');
	struct sv name = sv_sub(raw, 0, colon > 0 ? (size_t)colon : 0);

	out->raw = raw;
	/* Blanks before the colon are obsolete syntax.  [RFC 5322 4.5.8] */
	while (name.len > 0 && is_blank(name.p[name.len - 1])) {
		name.len--;
	}
	if (!header_name_valid(name)) {
		out->name = sv_sub(raw, 0, 0);
		out->body = chomp(raw);
		return;
	}
	out->name = name;
	out->body = chomp(sv_from(raw, (size_t)colon + 1));
}

bool
header_next(struct header_iter *it, struct header_field *out)
{
	struct sv rest = sv_from(it->text, it->at);
	size_t first_line;
	size_t len;

	it->blank = empty_line(rest);
	if (rest.len == 0 || it->blank != 0) {
		return false;
	}
	first_line = line_end(rest, 0);
	len = first_line;
	while (len < rest.len && is_blank(rest.p[len])) {
		len = line_end(rest, len);
	}
	split_field(sv_sub(rest, 0, len), first_line, out);
	it->at += len;
	return true;
}

size_t
header_size(struct sv text)
{
	size_t at = 0;

	while (at < text.len) {
		size_t blank = empty_line(sv_from(text, at));

		if (blank != 0) {
			return at + blank;
		}
		at = line_end(text, at);
	}
	return at;
}

bool
header_find(struct sv text, struct sv name, struct header_field *out)
{
	struct header_iter it;

	header_iter_init(&it, text);
	while (header_next(&it, out)) {
		if (sv_eq_nocase(out->name, name)) {
			return true;
		}
	}
	return false;
}

void
header_unfold(struct sv body, struct buf *to)
{
	body = sv_trim(body);
	for (size_t i = 0; i < body.len;) {
		size_t run = i;

		while (run < body.len && body.p[run] != '\n'
		       && body.p[run] != '\0'
		       && !(body.p[run] == '\r' && run + 1 < body.len
			    && body.p[run + 1] == '\n')) {
			run++;
		}
		buf_add_sv(to, sv_sub(body, i, run - i));
		i = run + 1;
	}
}

static int
name_order(const void *a, const void *b)
{
	return sv_cmp_nocase(*(const struct sv *)a, *(const struct sv *)b);
}

static void
header_names_init(struct header_names *set, const struct sv *names, size_t n)
{
	*set = (struct header_names){.given = names, .n = n};
	if (n > NAMES_SCANNED_MAX) {
		set->sorted = xcalloc(n, sizeof(*names));
		memcpy(set->sorted, names, n * sizeof(*names));
		qsort(set->sorted, n, sizeof(*names), name_order);
	}
}

static void
header_names_deinit(struct header_names *set)
{
	free(set->sorted);
	*set = (struct header_names){.n = 0};
}

static bool
header_names_has(const struct header_names *set, struct sv name)
{
	if (set->sorted != NULL) {
		return bsearch(
			   &name, set->sorted, set->n, sizeof(name), name_order)
		       != NULL;
	}
	for (size_t i = 0; i < set->n; i++) {
		if (sv_eq_nocase(set->given[i], name)) {
			return true;
		}
	}
	return false;
}

void
header_filter(struct sv section, const struct sv *names, size_t n, bool invert,
    struct buf *to)
{
	struct header_names set;
	struct header_field field;
	struct header_iter it;

	header_names_init(&set, names, n);
	header_iter_init(&it, section);
	while (header_next(&it, &field)) {
		if (header_names_has(&set, field.name) != invert) {
			buf_add_sv(to, field.raw);
		}
	}
	buf_add_sv(to, sv_sub(section, it.at, it.blank));
	header_names_deinit(&set);
}
