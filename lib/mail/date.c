#include "mail/date.h"

#include "base/clock.h"

enum {
	TOKENS_MAX = 48, /* a real date has about 12 */
	NUMBERS_MAX = 3,
	DAY_S = 24 * 60 * 60,
};

static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May",
    "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char day_names[7][4] = {
    "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

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

struct civil {
	int64_t year;
	int month; /* 1..12 */
	int day;   /* 1..31 */
};

/* Proleptic Gregorian, in eras of 400 years that begin in March. */
static int64_t
days_from_civil(struct civil c)
{
	int64_t y = c.month <= 2 ? c.year - 1 : c.year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year =
	    (153 * (c.month + (c.month > 2 ? -3 : 9)) + 2) / 5 + c.day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4
			     - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

static struct civil
civil_from_days(int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	struct civil c;

	c.day = (int)(doy - (153 * mp + 2) / 5 + 1);
	c.month = (int)(mp < 10 ? mp + 3 : mp - 9);
	c.year = yoe + era * 400 + (c.month <= 2);
	return c;
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int
month_length(int64_t year, int month)
{
	static const signed char length[12] = {
	    31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return length[month - 1] + (month == 2 && leap);
}

/* 1..12 if `word` is a month's name or at least three letters of one. */
static int
month_by_name(struct sv word)
{
	static const char *const full[12] = {"January", "February", "March",
	    "April", "May", "June", "July", "August", "September", "October",
	    "November", "December"};

	for (int i = 0; i < 12 && word.len >= 3; i++) {
		struct sv name = sv_cstr(full[i]);

		if (sv_eq_nocase(word, sv_sub(name, 0, word.len))) {
			return i + 1;
		}
	}
	return 0;
}

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
	return t[-1].kind == TOKEN_NUMBER ? !p->timed || p->n_numbers > 0
					  : month_by_name(t[-1].text) != 0;
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
	int month = month_by_name(word);

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
	out->unix_s = days_from_civil(day) * DAY_S + p.hour * 3600
		      + p.minute * 60 + p.second - p.zone * 60;
	out->zone = p.zone;
	return true;
}

/* The calendar and clock where `d` was written, within years 1..9999. */
static struct civil
local(struct date d, int *second_of_day_out)
{
	static const int64_t first = -62135596800, last = 253402300799;
	int64_t at = d.unix_s;
	int64_t days;

	at = at < first ? first : at > last ? last : at;
	at += (int64_t)d.zone * 60;
	at = at < first ? first : at > last ? last : at;
	days = floor_div(at, DAY_S);
	*second_of_day_out = (int)(at - days * DAY_S);
	return civil_from_days(days);
}

/* 4 digits of a zone: hours and minutes, at most 9959. */
static int
zone_digits(int zone)
{
	int minutes = zone < 0 ? -zone : zone;

	if (minutes > 99 * 60 + 59) {
		minutes = 99 * 60 + 59;
	}
	return minutes / 60 * 100 + minutes % 60;
}

void
date_format(struct date d, struct buf *to)
{
	int s;
	struct civil c = local(d, &s);
	int64_t weekday = (days_from_civil(c) % 7 + 11) % 7;

	buf_addf(to, "%s, %d %s %04d %02d:%02d:%02d %c%04d", day_names[weekday],
	    c.day, month_names[c.month - 1], (int)c.year, s / 3600, s / 60 % 60,
	    s % 60, d.zone < 0 ? '-' : '+', zone_digits(d.zone));
}

static char *
put_digits(char *p, int v, int n)
{
	for (int i = n - 1; i >= 0; i--) {
		p[i] = (char)('0' + v % 10);
		v /= 10;
	}
	return p + n;
}

/* Without printf: a FETCH of a whole mailbox asks for one each message. */
void
date_format_imap_time(struct date d, struct buf *to)
{
	int s;
	struct civil c = local(d, &s);
	char text[26];
	char *p = put_digits(text, c.day, 2);

	if (text[0] == '0') {
		text[0] = ' ';
	}
	*p++ = '-';
	memcpy(p, month_names[c.month - 1], 3);
	p[3] = '-';
	p = put_digits(p + 4, (int)c.year, 4);
	*p++ = ' ';
	p = put_digits(p, s / 3600, 2);
	*p++ = ':';
	p = put_digits(p, s / 60 % 60, 2);
	*p++ = ':';
	p = put_digits(p, s % 60, 2);
	*p++ = ' ';
	*p++ = d.zone < 0 ? '-' : '+';
	(void)put_digits(p, zone_digits(d.zone), 4);
	buf_add(to, text, sizeof(text));
}

/* Cut exactly `digits` digits off `*s`. */
static bool
take_digits(struct sv *s, size_t digits, int *out)
{
	uint32_t n;

	if (s->len < digits || !sv_u32(sv_sub(*s, 0, digits), &n)) {
		return false;
	}
	*out = (int)n;
	*s = sv_from(*s, digits);
	return true;
}

static bool
take_char(struct sv *s, char c)
{
	if (s->len == 0 || s->p[0] != c) {
		return false;
	}
	*s = sv_from(*s, 1);
	return true;
}

/* A day of `digits` digits, as in "1-Feb-1994" or "01-Feb-1994", off `*s`. */
static bool
take_imap_day(struct sv *s, size_t digits, struct civil *out)
{
	int year;

	if (!take_digits(s, digits, &out->day) || !take_char(s, '-')) {
		return false;
	}
	out->month = month_by_name(sv_sub(*s, 0, 3));
	*s = sv_from(*s, 3);
	if (out->month == 0 || !take_char(s, '-')
	    || !take_digits(s, 4, &year)) {
		return false;
	}
	out->year = year;
	return year >= 1 && out->day >= 1
	       && out->day <= month_length(year, out->month);
}

bool
date_parse_imap_day(struct sv text, int64_t *day_out)
{
	size_t digits = text.len > 1 && ascii_digit(text.p[1]) ? 2 : 1;
	struct civil c;

	if (!take_imap_day(&text, digits, &c) || text.len != 0) {
		return false;
	}
	*day_out = days_from_civil(c);
	return true;
}

bool
date_parse_imap_time(struct sv text, struct date *out)
{
	struct civil c;
	int h, m, s, zone_h, zone_m;
	bool west;

	if (!take_imap_day(&text, take_char(&text, ' ') ? 1 : 2, &c)
	    || !take_char(&text, ' ') || !take_digits(&text, 2, &h)
	    || !take_char(&text, ':') || !take_digits(&text, 2, &m)
	    || !take_char(&text, ':') || !take_digits(&text, 2, &s)
	    || !take_char(&text, ' ')) {
		return false;
	}
	west = text.len > 0 && text.p[0] == '-';
	if ((!take_char(&text, '+') && !take_char(&text, '-'))
	    || !take_digits(&text, 2, &zone_h)
	    || !take_digits(&text, 2, &zone_m) || text.len != 0 || h > 23
	    || m > 59 || s > 60 || zone_m > 59) {
		return false;
	}
	out->zone = (zone_h * 60 + zone_m) * (west ? -1 : 1);
	out->unix_s =
	    days_from_civil(c) * DAY_S + h * 3600 + m * 60 + s - out->zone * 60;
	return true;
}

int64_t
date_day(struct date d)
{
	return floor_div(d.unix_s + (int64_t)d.zone * 60, DAY_S);
}

struct date
date_now(void)
{
	return (struct date){.unix_s = floor_div(clock_wall_ms(), 1000)};
}
