/*
 * date_parse.c: a Date field's body, read for what it may mean.
 *
 * The body is cut into numbers, words and marks; each is taken for what it
 * can be where it stands; which of the numbers is the day is settled last.
 */
#include "mail/civil_priv.h"
#include "mail/date.h"

enum {
	TOKENS_MAX = 48, /* a real date has about 12 */
	NUMBERS_MAX = 3,
};

/* [RFC 5322 4.3], and those whose meaning is known all the same.  Military
 * letters were defined wrongly once and mean nothing. */
static const struct {
	char name[5];
	int minutes;
} zones[] = {
    {"UT", 0},
    {"UTC", 0},
    {"GMT", 0},
    {"Z", 0},
    {"EST", -300},
    {"EDT", -240},
    {"CST", -360},
    {"CDT", -300},
    {"MST", -420},
    {"MDT", -360},
    {"PST", -480},
    {"PDT", -420},
    {"WET", 0},
    {"WEST", 60},
    {"CET", 60},
    {"CEST", 120},
    {"MET", 60},
    {"MEST", 120},
    {"EET", 120},
    {"EEST", 180},
    {"MSK", 180},
    {"JST", 540},
    {"KST", 540},
    {"NZST", 720},
    {"NZDT", 780},
};

enum token_kind { TOKEN_END, TOKEN_NUMBER, TOKEN_WORD, TOKEN_MARK };

struct token {
	enum token_kind kind;
	struct sv text;
	uint32_t number;
	bool joined; /* no blank or comment before it */
};

static size_t
skip_comment(struct sv s, size_t at)
{
	int depth = 0;

	for (; at < s.len; at++) {
		if (s.p[at] == '\\') {
			at++;
		} else if (s.p[at] == '(') {
			depth++;
		} else if (s.p[at] == ')' && --depth == 0) {
			return at + 1;
		}
	}
	return s.len;
}

/* Cut a token off `*s`. */
static struct token
next_token(struct sv *s)
{
	struct token t = {.kind = TOKEN_END, .joined = true};
	size_t i = 0;
	size_t from;

	while (i < s->len) {
		unsigned char c = (unsigned char)s->p[i];

		if (c == '(') {
			i = skip_comment(*s, i);
		} else if (c <= ' ' || c >= 0x7f || c == '"') {
			i++;
		} else {
			break;
		}
		t.joined = false;
	}
	from = i;
	if (i < s->len && ascii_digit(s->p[i])) {
		t.kind = TOKEN_NUMBER;
		while (i < s->len && ascii_digit(s->p[i])) {
			i++;
		}
	} else if (i < s->len && ascii_alpha(s->p[i])) {
		t.kind = TOKEN_WORD;
		while (i < s->len && ascii_alpha(s->p[i])) {
			i++;
		}
	} else if (i < s->len) {
		t.kind = TOKEN_MARK;
		i++;
	}
	t.text = sv_sub(*s, from, i - from);
	*s = sv_from(*s, i);
	return t;
}

/* What was made out so far. */
struct parts {
	struct token number[NUMBERS_MAX]; /* of the calendar, as found */
	unsigned n_numbers;
	char mark; /* between the first two of them */
	int month; /* by name, or 0 */
	bool timed;
	int hour, minute, second;
	bool zoned; /* by a number, which counts more than a name */
	bool zoned_by_name;
	int zone;
	bool wrong;
};

struct cursor {
	struct token at[TOKENS_MAX + 4]; /* ends with TOKEN_ENDs */
	size_t i;
};

static bool
is_mark(const struct token *t, char c)
{
	return t->kind == TOKEN_MARK && t->text.p[0] == c;
}

/* "9:55", "09:55:06", "09.55.06"; the fraction of a second is dropped. */
static bool
take_time(struct cursor *c, struct parts *p)
{
	const struct token *t = &c->at[c->i];
	bool dotted = is_mark(&t[1], '.') && t[2].kind == TOKEN_NUMBER
		      && is_mark(&t[3], '.') && t[2].text.len == 2
		      && t[0].text.len <= 2 && p->month != 0;
	char mark = dotted ? '.' : ':';

	if (p->timed || !is_mark(&t[1], mark) || t[2].kind != TOKEN_NUMBER) {
		return false;
	}
	p->timed = true;
	p->hour = (int)t[0].number;
	p->minute = (int)t[2].number;
	c->i += 3;
	t = &c->at[c->i];
	if (is_mark(&t[0], mark) && t[1].kind == TOKEN_NUMBER) {
		p->second = (int)t[1].number;
		c->i += 2;
		t = &c->at[c->i];
		if (is_mark(&t[0], '.') && t[1].kind == TOKEN_NUMBER) {
			c->i += 2;
		}
	}
	p->wrong |= p->hour > 24 || p->minute > 59 || p->second > 60;
	return true;
}

/* Is the "-" at the cursor one of "21-Nov-1997" and not a zone's sign? */
static bool
joins_calendar(const struct cursor *c, const struct parts *p)
{
	const struct token *t = &c->at[c->i];
	unsigned wanted = p->month != 0 ? 2 : 3;

	if (c->i == 0 || !t->joined || p->n_numbers >= wanted) {
		return false;
	}
	return t[-1].kind == TOKEN_NUMBER
		   ? !p->timed || p->n_numbers > 0
		   : civil_month_by_name(t[-1].text) != 0;
}

/* "+0100", "-06:00", "+1".  [RFC 5322 3.3] */
static bool
take_zone(struct cursor *c, struct parts *p)
{
	const struct token *t = &c->at[c->i];
	int minutes;

	if (t[1].kind != TOKEN_NUMBER || !t[1].joined
	    || (is_mark(t, '-') && joins_calendar(c, p))
	    || (!p->timed && p->n_numbers < 2)) {
		return false;
	}
	c->i += 2;
	if (t[1].text.len > 4 || p->zoned) {
		return true;
	}
	if (t[1].text.len <= 2 && is_mark(&t[2], ':') && t[2].joined
	    && t[3].kind == TOKEN_NUMBER && t[3].text.len == 2) {
		minutes = (int)(t[1].number * 60 + t[3].number);
		c->i += 2;
	} else if (t[1].text.len <= 2) {
		minutes = (int)t[1].number * 60;
	} else {
		minutes = (int)(t[1].number / 100 * 60 + t[1].number % 100);
	}
	p->zoned = true;
	p->zone = is_mark(t, '-') ? -minutes : minutes;
	return true;
}

static void
take_word(struct sv word, struct parts *p)
{
	int month = civil_month_by_name(word);

	if (month != 0 && p->month == 0) {
		p->month = month;
		return;
	}
	if (!p->timed) {
		return;
	}
	if (sv_eq_nocase(word, SV("PM")) && p->hour < 12) {
		p->hour += 12;
	} else if (sv_eq_nocase(word, SV("AM")) && p->hour == 12) {
		p->hour = 0;
	}
	for (size_t i = 0; i < COUNT_OF(zones); i++) {
		if (!p->zoned && !p->zoned_by_name
		    && sv_eq_nocase(word, sv_cstr(zones[i].name))) {
			p->zone = zones[i].minutes;
			p->zoned_by_name = true;
		}
	}
}

static void
take_number(struct cursor *c, struct parts *p)
{
	const struct token *t = &c->at[c->i];

	if (p->n_numbers < NUMBERS_MAX) {
		p->number[p->n_numbers++] = *t;
		if (p->n_numbers == 1 && t[1].kind == TOKEN_MARK) {
			p->mark = t[1].text.p[0];
		}
	}
	c->i++;
}

static void
tokenise(struct sv body, struct cursor *c)
{
	size_t n = 0;

	*c = (struct cursor){.i = 0};
	while (n < TOKENS_MAX) {
		struct token t = next_token(&body);

		if (t.kind == TOKEN_END) {
			break;
		}
		if (t.kind == TOKEN_NUMBER
		    && (t.text.len > 9 || !sv_u32(t.text, &t.number))) {
			t.kind = TOKEN_MARK;
		}
		c->at[n++] = t;
	}
}

/* A year as written, of two or three digits made whole.  [RFC 5322 4.3] */
static int64_t
whole_year(const struct token *t)
{
	if (t->text.len >= 4) {
		return t->number;
	}
	return t->number + (t->text.len < 3 && t->number < 50 ? 2000 : 1900);
}

static bool
is_year(const struct token *t)
{
	return t->text.len > 2 || t->number > 31;
}

/* Which number is the day, which the year. */
static bool
settle_calendar(const struct parts *p, struct civil *out)
{
	const struct token *n = p->number;
	bool swap;

	if (p->month != 0) {
		swap = is_year(&n[0]);
		out->month = p->month;
		out->day = (int)n[swap ? 1 : 0].number;
		out->year = whole_year(&n[swap ? 0 : 1]);
		return p->n_numbers >= 2;
	}
	if (p->n_numbers < 3) {
		return false;
	}
	if (is_year(&n[0])) { /* 1997-11-21 */
		out->year = whole_year(&n[0]);
		out->month = (int)n[1].number;
		out->day = (int)n[2].number;
		return true;
	}
	/* 11/21/1997, but 21.11.1997 */
	swap = p->mark == '/' && n[0].number <= 12;
	out->month = (int)n[swap ? 0 : 1].number;
	out->day = (int)n[swap ? 1 : 0].number;
	out->year = whole_year(&n[2]);
	return true;
}

bool
date_parse(struct sv body, struct date *out)
{
	struct cursor c;
	struct parts p = {.n_numbers = 0};
	struct civil day = {.month = 0};

	tokenise(body, &c);
	while (c.at[c.i].kind != TOKEN_END) {
		const struct token *t = &c.at[c.i];

		if (t->kind == TOKEN_NUMBER) {
			if (!take_time(&c, &p)) {
				take_number(&c, &p);
			}
			continue;
		}
		if (t->kind == TOKEN_WORD) {
			take_word(t->text, &p);
		} else if ((is_mark(t, '+') || is_mark(t, '-'))
			   && take_zone(&c, &p)) {
			continue;
		}
		c.i++;
	}
	if (p.wrong || !settle_calendar(&p, &day) || day.month < 1
	    || day.month > 12 || day.day < 1 || day.day > 31 || day.year < 1
	    || day.year > 9999) {
		return false;
	}
	/* A day that its month has not is one of the next. */
	out->unix_s = civil_to_days(day) * CIVIL_DAY_S + p.hour * 3600
		      + p.minute * 60 + p.second - p.zone * 60;
	out->zone = p.zone;
	return true;
}
