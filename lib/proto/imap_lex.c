#include "proto/imap_lex.h"

#include <string.h>

bool
imap_is_atom_char(char c)
{
	unsigned char u = (unsigned char)c;

	return u > 0x20 && u < 0x7f && c != '(' && c != ')' && c != '{'
	       && c != '%' && c != '*' && c != '"' && c != '\\' && c != ']';
}

static bool
imap_is_astring_char(char c)
{
	return imap_is_atom_char(c) || c == ']';
}

static bool
imap_is_list_char(char c)
{
	return imap_is_astring_char(c) || c == '%' || c == '*';
}

bool
imap_is_tag(struct sv s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!imap_is_astring_char(s.p[i]) || s.p[i] == '+') {
			return false;
		}
	}
	return s.len != 0;
}

int
imap_lex_fail(struct imap_lex *lex, enum imap_errkind kind, const char *text)
{
	if (lex->error.kind == IMAP_ERR_NONE) {
		lex->error = (struct imap_error){kind, text, lex->at};
	}
	return -1;
}

int
imap_lex_bad(struct imap_lex *lex, const char *text)
{
	return imap_lex_fail(lex, IMAP_ERR_SYNTAX, text);
}

int
imap_lex_peek(const struct imap_lex *lex)
{
	return imap_lex_at_end(lex) ? -1 : (unsigned char)lex->text.p[lex->at];
}

bool
imap_lex_at_end(const struct imap_lex *lex)
{
	return lex->at >= lex->text.len;
}

bool
imap_lex_take(struct imap_lex *lex, char c)
{
	if (imap_lex_at_end(lex) || lex->text.p[lex->at] != c) {
		return false;
	}
	lex->at++;
	return true;
}

int
imap_lex_char(struct imap_lex *lex, char c)
{
	if (imap_lex_take(lex, c)) {
		return 0;
	}
	return imap_lex_bad(lex, c == '('   ? "expected ("
				 : c == ')' ? "expected )"
					    : "unexpected character");
}

int
imap_lex_sp(struct imap_lex *lex)
{
	if (imap_lex_take(lex, ' ')) {
		return 0;
	}
	return imap_lex_bad(lex, imap_lex_at_end(lex) ? "an argument is missing"
						      : "expected one space");
}

int
imap_lex_end(struct imap_lex *lex)
{
	if (imap_lex_at_end(lex)) {
		return 0;
	}
	return imap_lex_bad(lex, "more than this command takes");
}

/* The run of octets of one class that comes next; maybe empty. */
static struct sv
take_run(struct imap_lex *lex, bool (*is)(char c))
{
	size_t from = lex->at;

	while (!imap_lex_at_end(lex) && is(lex->text.p[lex->at])) {
		lex->at++;
	}
	return sv_sub(lex->text, from, lex->at - from);
}

int
imap_lex_atom(struct imap_lex *lex, struct sv *out)
{
	*out = take_run(lex, imap_is_atom_char);
	return out->len != 0 ? 0 : imap_lex_bad(lex, "expected an atom");
}

static bool
is_word_char(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '.' || c == '-'
	       || c == '_';
}

int
imap_lex_word(struct imap_lex *lex, struct sv *out)
{
	*out = take_run(lex, is_word_char);
	return out->len != 0 ? 0 : imap_lex_bad(lex, "expected a keyword");
}

bool
imap_lex_take_word(struct imap_lex *lex, struct sv word)
{
	size_t from = lex->at;
	struct sv s = take_run(lex, is_word_char);

	if (sv_eq_nocase(s, word)) {
		return true;
	}
	lex->at = from;
	return false;
}

/* Copy what stands between the quotes, without its escapes. */
static int
unescape(struct imap_lex *lex, struct sv raw, struct sv *out)
{
	char *p = arena_alloc(lex->arena, raw.len);
	size_t n = 0;

	for (size_t i = 0; i < raw.len; i++) {
		if (raw.p[i] == '\\') {
			i++;
		}
		p[n++] = raw.p[i];
	}
	*out = (struct sv){p, n};
	return 0;
}

/* Octets above 0x7f are taken as they are: clients send UTF-8 passwords and
 * search strings in quotes, and RFC 9051 allows it. */
static int
lex_quoted(struct imap_lex *lex, struct sv *out)
{
	struct sv t = lex->text;
	size_t from = lex->at + 1, i = from;
	bool escaped = false;

	for (; i < t.len && t.p[i] != '"'; i++) {
		if (t.p[i] == '\\') {
			i++;
			escaped = true;
			if (i >= t.len || (t.p[i] != '"' && t.p[i] != '\\')) {
				return imap_lex_bad(
				    lex, "wrong escape in a quoted string");
			}
		} else if (t.p[i] == '\r' || t.p[i] == '\n' || t.p[i] == '\0') {
			return imap_lex_bad(
			    lex, "CR, LF or NUL in a quoted string");
		}
	}
	if (i >= t.len) {
		return imap_lex_bad(lex, "a quoted string does not end");
	}
	lex->at = i + 1;
	*out = sv_sub(t, from, i - from);
	return escaped ? unescape(lex, *out, out) : 0;
}

static int
lex_literal(struct imap_lex *lex, struct sv *out)
{
	struct sv rest = sv_from(lex->text, lex->at);
	ptrdiff_t cr = sv_chr(rest, '\r');
	struct imap_literal lit;
	size_t from;

	if (cr < 0 || (size_t)cr + 1 >= rest.len || rest.p[cr + 1] != '\n'
	    || !imap_literal_at_end(sv_sub(rest, 0, (size_t)cr), &lit)
	    || lit.at != 0 || lit.binary) {
		return imap_lex_bad(lex, "malformed literal");
	}
	from = (size_t)cr + 2;
	if (lit.size > rest.len - from) {
		return imap_lex_bad(lex, "a literal does not end");
	}
	*out = sv_sub(rest, from, (size_t)lit.size);
	if (sv_chr(*out, '\0') >= 0) {
		return imap_lex_bad(lex, "NUL in a literal");
	}
	lex->at += from + (size_t)lit.size;
	return 0;
}

int
imap_lex_string(struct imap_lex *lex, struct sv *out)
{
	switch (imap_lex_peek(lex)) {
	case '"':
		return lex_quoted(lex, out);
	case '{':
		return lex_literal(lex, out);
	default:
		return imap_lex_bad(lex, "expected a string");
	}
}

static int
lex_string_or(struct imap_lex *lex, bool (*is)(char c), struct sv *out)
{
	int c = imap_lex_peek(lex);

	if (c == '"' || c == '{') {
		return imap_lex_string(lex, out);
	}
	*out = take_run(lex, is);
	return out->len != 0 ? 0 : imap_lex_bad(lex, "expected a string");
}

int
imap_lex_astring(struct imap_lex *lex, struct sv *out)
{
	return lex_string_or(lex, imap_is_astring_char, out);
}

int
imap_lex_list_mailbox(struct imap_lex *lex, struct sv *out)
{
	return lex_string_or(lex, imap_is_list_char, out);
}

int
imap_lex_nstring(struct imap_lex *lex, struct sv *out, bool *nil_out)
{
	*out = SV_EMPTY;
	*nil_out = imap_lex_take_word(lex, SV("NIL"));
	return *nil_out ? 0 : imap_lex_string(lex, out);
}

static bool
is_digit(char c)
{
	return ascii_digit(c);
}

int
imap_lex_u64(struct imap_lex *lex, uint64_t *out)
{
	size_t from = lex->at;

	if (!sv_u64(take_run(lex, is_digit), out)) {
		lex->at = from;
		return imap_lex_bad(lex, "expected a number");
	}
	return 0;
}

static int
imap_lex_u32(struct imap_lex *lex, uint32_t *out)
{
	uint64_t v;
	size_t from = lex->at;

	if (imap_lex_u64(lex, &v) != 0) {
		return -1;
	}
	if (v > UINT32_MAX) {
		lex->at = from;
		return imap_lex_bad(lex, "a number over 4294967295");
	}
	*out = (uint32_t)v;
	return 0;
}

int
imap_lex_nz32(struct imap_lex *lex, uint32_t *out)
{
	/* nz-number begins with 1 to 9. */
	if (imap_lex_peek(lex) == '0') {
		return imap_lex_bad(lex, "expected a number above 0");
	}
	return imap_lex_u32(lex, out);
}

int
imap_lex_modseq(struct imap_lex *lex, uint64_t *out)
{
	if (imap_lex_u64(lex, out) != 0) {
		return -1;
	}
	if (*out > INT64_MAX) {
		return imap_lex_bad(lex, "a mod-sequence over 63 bits");
	}
	return 0;
}

bool
imap_literal_at_end(struct sv line, struct imap_literal *out)
{
	size_t i = line.len, end;

	*out = (struct imap_literal){.sync = true};
	if (i < 3 || line.p[--i] != '}') {
		return false;
	}
	if (line.p[i - 1] == '+') {
		out->sync = false;
		i--;
	}
	end = i;
	while (i > 0 && ascii_digit(line.p[i - 1])) {
		i--;
	}
	if (i == end || i == 0 || line.p[i - 1] != '{') {
		return false;
	}
	if (!sv_u64(sv_sub(line, i, end - i), &out->size)) {
		out->size = UINT64_MAX;
	}
	out->at = i - 1;
	if (out->at > 0 && line.p[out->at - 1] == '~') {
		out->binary = true;
		out->at--;
	}
	return true;
}
