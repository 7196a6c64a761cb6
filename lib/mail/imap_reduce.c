/*
 * BODY out of BODYSTRUCTURE.  The text is walked value by value; a stack of
 * one octet a level says in what kind of body the walk is.
 */
#include "mail/imap_text_priv.h"

enum kind { IN_MULTIPART = 'm', IN_MESSAGE = 'r' };

struct walk {
	struct sv text;
	size_t at;
	struct buf *to;
	struct buf levels; /* enum kind, innermost last */
	bool bad;
};

static char
peek(const struct walk *w)
{
	return w->at < w->text.len ? w->text.p[w->at] : '\0';
}

/* Behind the quoted string at `at`; 0 if it has no end. */
static size_t
quoted_end(struct sv s, size_t at)
{
	for (size_t i = at + 1; i < s.len; i++) {
		if (s.p[i] == '\\') {
			i++;
		} else if (s.p[i] == '"') {
			return i + 1;
		}
	}
	return 0;
}

/* Behind the literal at `at`; 0 if it is none or is cut. */
static size_t
literal_end(struct sv s, size_t at)
{
	struct sv rest = sv_from(s, at + 1);
	uint64_t n;
	struct sv digits = sv_cut(&rest, '}');

	if (!sv_u64(digits, &n) || !sv_starts(rest, SV("\r\n"))
	    || n > rest.len - 2) {
		return 0;
	}
	return at + 1 + digits.len + 1 + 2 + (size_t)n;
}

/* Behind a string, number or NIL; 0 if there is none. */
static size_t
atom_end(struct sv s, size_t at)
{
	size_t i = at;

	if (at < s.len && s.p[at] == '"') {
		return quoted_end(s, at);
	}
	if (at < s.len && s.p[at] == '{') {
		return literal_end(s, at);
	}
	while (i < s.len && (ascii_alpha(s.p[i]) || ascii_digit(s.p[i]))) {
		i++;
	}
	return i > at ? i : 0;
}

/* Behind the value at `at`, which may be a list; 0 if there is none. */
static size_t
value_end(struct sv s, size_t at)
{
	size_t depth = 0;

	do {
		if (at < s.len && s.p[at] == '(') {
			depth++;
			at++;
		} else if (at < s.len && s.p[at] == ')' && depth > 0) {
			depth--;
			at++;
		} else if (at < s.len && s.p[at] == ' ' && depth > 0) {
			at++;
		} else {
			at = atom_end(s, at);
		}
	} while (depth > 0 && at != 0);
	return at;
}

static void
copy_char(struct walk *w, char c)
{
	if (peek(w) != c) {
		w->bad = true;
		return;
	}
	buf_add_char(w->to, c);
	w->at++;
}

static struct sv
copy_value(struct walk *w)
{
	size_t end = value_end(w->text, w->at);
	struct sv value;

	if (end == 0 || w->bad) {
		w->bad = true;
		return SV_EMPTY;
	}
	value = sv_sub(w->text, w->at, end - w->at);
	buf_add_sv(w->to, value);
	w->at = end;
	return value;
}

static void
copy_next_value(struct walk *w)
{
	copy_char(w, ' ');
	(void)copy_value(w);
}

/* The extension data and the closing parenthesis. */
static void
end_body(struct walk *w)
{
	while (!w->bad && peek(w) == ' ') {
		w->at = value_end(w->text, w->at + 1);
		w->bad = w->at == 0;
	}
	copy_char(w, ')');
}

/* What stands before the bodies within; false if there are none. */
static bool
begin_body(struct walk *w)
{
	struct sv type, subtype;

	copy_char(w, '(');
	if (peek(w) == '(') {
		buf_add_char(&w->levels, IN_MULTIPART);
		return true;
	}
	type = copy_value(w);
	copy_char(w, ' ');
	subtype = copy_value(w);
	for (int i = 0; i < 5; i++) {
		copy_next_value(w);
	}
	if (sv_eq_nocase(type, SV("\"message\""))
	    && (sv_eq_nocase(subtype, SV("\"rfc822\""))
		|| sv_eq_nocase(subtype, SV("\"global\"")))) {
		copy_next_value(w); /* envelope */
		copy_char(w, ' ');
		buf_add_char(&w->levels, IN_MESSAGE);
		return true;
	}
	if (sv_eq_nocase(type, SV("\"text\""))) {
		copy_next_value(w); /* lines */
	}
	return false;
}

/* Behind a body: its parents' rest.  False if another body follows. */
static bool
end_bodies(struct walk *w)
{
	end_body(w);
	while (!w->bad && w->levels.len > 0) {
		bool multi = w->levels.data[w->levels.len - 1] == IN_MULTIPART;

		if (multi && peek(w) == '(') {
			return false;
		}
		copy_next_value(w); /* subtype, or lines */
		w->levels.len--;
		end_body(w);
	}
	return true;
}

bool
imap_text_body_from_structure(struct sv structure, struct buf *to)
{
	struct walk w = {.text = structure, .to = to};
	size_t from = to->len;
	bool done = false;

	while (!done && !w.bad) {
		done = !begin_body(&w) && end_bodies(&w);
	}
	buf_deinit(&w.levels);
	if (w.bad || w.at != structure.len) {
		to->len = from;
		return false;
	}
	return true;
}
