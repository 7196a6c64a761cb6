#include "mail/param.h"

#include "mail/charset.h"
#include "mail/encoded.h"
#include "mail/transfer_priv.h"

struct lexer {
	struct sv s;
	size_t i;
	size_t no_comment; /* "(" is a letter from here on: it has no end */
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

/* Behind the comment at `at`, or 0 if it has no end. */
static size_t
comment_end(struct lexer *l, size_t at)
{
	size_t depth = 0;

	for (size_t i = at; i < l->s.len && at < l->no_comment; i++) {
		if (l->s.p[i] == '\\') {
			i++;
		} else if (l->s.p[i] == '(') {
			depth++;
		} else if (l->s.p[i] == ')' && --depth == 0) {
			return i + 1;
		}
	}
	if (at < l->no_comment) {
		l->no_comment = at;
	}
	return 0;
}

static bool
more(const struct lexer *l)
{
	return l->i < l->s.len;
}

static char
peek(const struct lexer *l)
{
	return l->s.p[l->i];
}

/* Pass blanks and comments. */
static void
skip_blanks(struct lexer *l)
{
	while (more(l)) {
		size_t end = peek(l) == '(' ? comment_end(l, l->i) : 0;

		if (end != 0) {
			l->i = end;
		} else if (is_space(peek(l))) {
			l->i++;
		} else {
			break;
		}
	}
}

/* A run up to a blank, a comment or one of `stops`. */
static struct sv
take_run(struct lexer *l, const char *stops)
{
	size_t from = l->i;

	while (more(l) && !is_space(peek(l)) && strchr(stops, peek(l)) == NULL
	       && !(peek(l) == '(' && comment_end(l, l->i) != 0)) {
		l->i++;
	}
	return sv_sub(l->s, from, l->i - from);
}

/* Copy without line ends and NULs, and with `escapes` without backslashes. */
static struct sv
cleaned(struct sv s, bool escapes, struct arena *a)
{
	char *text = arena_alloc(a, s.len);
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == '\\' && escapes && i + 1 < s.len) {
			c = s.p[++i];
		}
		if (c != '\r' && c != '\n' && c != '\0') {
			text[n++] = c;
		}
	}
	return sv_make(text, n);
}

static bool
is_clean(struct sv s)
{
	return sv_chr(s, '\r') < 0 && sv_chr(s, '\n') < 0
	       && sv_chr(s, '\0') < 0;
}

/* "abc", without quotes; one without an end goes to the end of the text. */
static struct sv
take_quoted(struct lexer *l, struct arena *a)
{
	size_t from = ++l->i;
	bool escapes = false;
	struct sv s;

	while (more(l) && peek(l) != '"') {
		escapes |= peek(l) == '\\';
		l->i += peek(l) == '\\' && l->i + 1 < l->s.len ? 2 : 1;
	}
	s = sv_sub(l->s, from, l->i - from);
	l->i += more(l);
	return escapes || !is_clean(s) ? cleaned(s, escapes, a) : s;
}

/*
 * A value without quotes.  Blanks end it, but many forget the quotes round
 * a file name: what follows a blank belongs to it up to the next ";", unless
 * it looks like another parameter.
 */
static struct sv
take_bare(struct lexer *l, struct arena *a)
{
	struct sv value = take_run(l, ";");

	for (;;) {
		struct sv word;
		size_t before;

		skip_blanks(l);
		before = l->i;
		if (!more(l) || peek(l) == ';') {
			break;
		}
		word = take_run(l, ";");
		if (sv_chr(word, '=') >= 0 || word.len == 0) {
			l->i = before;
			break;
		}
		value.len = (size_t)(word.p + word.len - value.p);
	}
	return is_clean(value) ? value : cleaned(value, false, a);
}

/* One name=value as it stands, its name taken apart.  [RFC 2231 7] */
struct piece {
	struct sv name; /* as written */
	struct sv base; /* without "*0" and "*" */
	struct sv value;
	uint32_t number; /* of a continuation */
	bool continued;
	bool extended;
	bool used;
};

/* "title", "title*", "title*0", "title*1*". */
static void
split_name(struct piece *p)
{
	struct sv s = p->name;
	ptrdiff_t star;

	if (s.len > 1 && s.p[s.len - 1] == '*') {
		p->extended = true;
		s.len--;
	}
	p->base = s;
	star = sv_rchr(s, '*');
	if (star > 0 && sv_u32(sv_from(s, (size_t)star + 1), &p->number)) {
		p->continued = true;
		p->base = sv_sub(s, 0, (size_t)star);
	}
}

/* The next parameter; false at the end of the text. */
static bool
take_piece(struct lexer *l, struct arena *a, struct piece *out)
{
	for (;;) {
		skip_blanks(l);
		while (more(l) && (peek(l) == ';' || is_space(peek(l)))) {
			l->i++;
			skip_blanks(l);
		}
		if (!more(l)) {
			return false;
		}
		*out = (struct piece){.name = take_run(l, ";=")};
		skip_blanks(l);
		if (!more(l) || peek(l) != '=') {
			continue; /* a word alone is nothing */
		}
		l->i++;
		skip_blanks(l);
		if (more(l) && peek(l) == '"') {
			out->value = take_quoted(l, a);
		} else {
			out->value = take_bare(l, a);
		}
		if (out->name.len > 0) {
			split_name(out);
			return true;
		}
	}
}

static bool
same_base(const struct piece *a, const struct piece *b)
{
	return sv_eq_nocase(a->base, b->base);
}

/* The piece of that number, or NULL. */
static struct piece *
find_piece(
    struct piece *pieces, size_t n, const struct piece *like, uint32_t number)
{
	for (size_t i = 0; i < n; i++) {
		if (pieces[i].continued && !pieces[i].used
		    && pieces[i].number == number
		    && same_base(&pieces[i], like)) {
			return &pieces[i];
		}
	}
	return NULL;
}

static bool
is_attribute_char(char c) /* [RFC 2231 7] */
{
	return (unsigned char)c > ' ' && (unsigned char)c < 0x7f
	       && strchr("*'%()<>@,;:\\\"/[]?=", c) == NULL;
}

static size_t
copy_percent(struct sv s, char *to)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (is_attribute_char(s.p[i])) {
			to[n++] = s.p[i];
		} else {
			to[n++] = '%';
			to[n++] = hex[c >> 4];
			to[n++] = hex[c & 0xf];
		}
	}
	return n;
}

/* Join name*0, name*1... into one parameter; the pieces become used. */
static struct param
join_pieces(
    struct piece *pieces, size_t n, const struct piece *first, struct arena *a)
{
	const struct piece like = *first;
	struct piece *chain[PARAM_MAX];
	struct piece *p;
	size_t n_chain = 0;
	size_t room = 2 + like.base.len + 1;
	bool extended = false;
	char *text;
	size_t at = 0;

	while (
	    n_chain < PARAM_MAX
	    && (p = find_piece(pieces, n, &like, (uint32_t)n_chain)) != NULL) {
		p->used = true;
		extended |= p->extended;
		room += p->value.len * 3;
		chain[n_chain++] = p;
	}
	text = arena_alloc(a, room);
	if (extended && !chain[0]->extended) {
		text[at++] = '\''; /* neither charset nor language */
		text[at++] = '\'';
	}
	for (size_t i = 0; i < n_chain; i++) {
		struct sv value = chain[i]->value;

		if (extended && !chain[i]->extended) {
			at += copy_percent(value, text + at);
		} else if (value.len > 0) {
			memcpy(text + at, value.p, value.len);
			at += value.len;
		}
	}
	memcpy(text + at, like.base.p, like.base.len);
	text[at + like.base.len] = '*';
	return (struct param){
	    .name = sv_make(text + at, like.base.len + extended),
	    .value = sv_make(text, at)};
}

static bool
has_param(const struct param_list *l, struct sv name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (sv_eq_nocase(l->at[i].name, name)) {
			return true;
		}
	}
	return false;
}

/* Continuations without a piece 0 are nothing. */
static void
assemble(
    struct piece *pieces, size_t n, struct arena *a, struct param_list *out)
{
	struct param *params = arena_array(a, n, sizeof(*params));

	out->at = params;
	for (size_t i = 0; i < n; i++) {
		struct param p = {
		    .name = pieces[i].name, .value = pieces[i].value};

		if (pieces[i].used) {
			continue;
		}
		if (pieces[i].continued) {
			if (find_piece(pieces, n, &pieces[i], 0) == NULL) {
				continue;
			}
			p = join_pieces(pieces, n, &pieces[i], a);
		}
		if (!has_param(out, p.name)) {
			params[out->n++] = p;
		}
	}
}

/* What stands before the parameters: one token, or two round a "/". */
static struct sv
take_value(struct lexer *l, struct arena *a)
{
	struct sv value, more_of_it;
	char *text;

	skip_blanks(l);
	value = take_run(l, ";");
	for (int joins = 0; joins < 2; joins++) {
		skip_blanks(l);
		if (!more(l) || value.len == 0
		    || (peek(l) != '/' && value.p[value.len - 1] != '/')) {
			break;
		}
		more_of_it = take_run(l, ";");
		if (more_of_it.len == 0) {
			break;
		}
		text = arena_alloc(a, value.len + more_of_it.len);
		memcpy(text, value.p, value.len);
		memcpy(text + value.len, more_of_it.p, more_of_it.len);
		value = sv_make(text, value.len + more_of_it.len);
	}
	return value;
}

struct sv
param_value(struct sv body, struct arena *a)
{
	struct lexer l = {.s = body, .no_comment = SIZE_MAX};

	return take_value(&l, a);
}

void
param_parse(struct sv body, size_t max, struct arena *a, struct param_list *out)
{
	struct lexer l = {.s = body, .no_comment = SIZE_MAX};
	struct piece pieces[PARAM_MAX];
	struct piece next;
	size_t n = 0;

	max = max < PARAM_MAX ? max : PARAM_MAX;
	*out = (struct param_list){.value = take_value(&l, a)};
	while (take_piece(&l, a, &next)) {
		if (n == max) {
			out->cut = true;
			break;
		}
		pieces[n++] = next;
	}
	if (n > 0) {
		assemble(pieces, n, a, out);
	}
}

/* `name` itself, or with `extended` the parameter name*. */
static const struct param *
find(const struct param_list *l, struct sv name, bool extended)
{
	for (size_t i = 0; i < l->n; i++) {
		struct sv have = l->at[i].name;

		if (have.len == name.len + extended
		    && sv_starts_nocase(have, name)
		    && (!extended || have.p[name.len] == '*')) {
			return &l->at[i];
		}
	}
	return NULL;
}

struct sv
param_get(const struct param_list *l, struct sv name)
{
	const struct param *p = find(l, name, false);

	if (p == NULL) {
		p = find(l, name, true);
	}
	if (p == NULL) {
		return SV_EMPTY;
	}
	return p->value.p != NULL ? p->value : SV("");
}

static void
decode_percent(struct sv s, struct buf *to)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		int octet = -1;

		if (c == '%' && i + 2 < s.len) {
			octet = transfer_hex_pair(s.p[i + 1], s.p[i + 2]);
		}
		if (octet >= 0) {
			c = (char)octet;
			i += 2;
		}
		buf_add_char(to, c);
	}
}

/* charset'language'text.  [RFC 2231 4] */
static void
decode_extended(struct sv value, struct buf *to)
{
	struct buf octets = {.len = 0};
	struct sv text = value;
	struct sv charset = sv_cut(&text, '\'');

	if (sv_chr(text, '\'') < 0) {
		charset = SV_EMPTY; /* not in that form */
		text = value;
	} else {
		(void)sv_cut(&text, '\'');
	}
	decode_percent(text, &octets);
	charset_to_utf8(charset, buf_sv(&octets), to);
	buf_deinit(&octets);
}

/* The extended form counts more: the other is for programs that do not know
 * it. */
bool
param_text(const struct param_list *l, struct sv name, struct buf *to)
{
	const struct param *p = find(l, name, true);

	if (p != NULL) {
		decode_extended(p->value, to);
		return true;
	}
	p = find(l, name, false);
	if (p == NULL) {
		return false;
	}
	encoded_decode(p->value, to);
	return true;
}
