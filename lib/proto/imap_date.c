#include "proto/imap_date.h"

static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May",
    "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

enum { DAY_S = 86400, ERA_DAYS = 146097, EPOCH_SHIFT = 719468 };

/* Years begin in March, so that the leap day is the last of its year. */
int32_t
imap_day_of(int year, int month, int day)
{
	int y = month <= 2 ? year - 1 : year;
	int era = (y >= 0 ? y : y - 399) / 400;
	int of_era = y - era * 400;
	int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100
	       + of_year - EPOCH_SHIFT;
}

static void
day_split(int64_t days, int *year, int *month, int *day)
{
	int64_t z = days + EPOCH_SHIFT;
	int64_t era = (z >= 0 ? z : z - (ERA_DAYS - 1)) / ERA_DAYS;
	int of_era = (int)(z - era * ERA_DAYS);
	int yoe =
	    (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int of_year = of_era - (365 * yoe + yoe / 4 - yoe / 100);
	int mp = (5 * of_year + 2) / 153;

	*day = of_year - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = (int)(era * 400) + yoe + (*month <= 2);
}

static int
days_in(int year, int month)
{
	static const char days[12] = {
	    31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

/* Exactly n digits as a number. */
static int
lex_digits(struct imap_lex *lex, int n, int *out)
{
	*out = 0;
	for (int i = 0; i < n; i++) {
		int c = imap_lex_peek(lex);

		if (c < '0' || c > '9') {
			return imap_lex_bad(lex, "expected a digit of a date");
		}
		*out = *out * 10 + (c - '0');
		lex->at++;
	}
	return 0;
}

static int
lex_month(struct imap_lex *lex, int *out)
{
	struct sv name = sv_sub(lex->text, lex->at, 3);

	for (int i = 0; i < 12; i++) {
		if (sv_eq_nocase(name, (struct sv){month_names[i], 3})) {
			lex->at += 3;
			*out = i + 1;
			return 0;
		}
	}
	return imap_lex_bad(lex, "expected a month such as Feb");
}

/* "-Feb-1994" behind a day of the month. */
static int
lex_month_year(struct imap_lex *lex, int day, int32_t *day_out, int *year)
{
	int month = 1;

	if (imap_lex_char(lex, '-') != 0 || lex_month(lex, &month) != 0
	    || imap_lex_char(lex, '-') != 0 || lex_digits(lex, 4, year) != 0) {
		return -1;
	}
	if (day < 1 || day > days_in(*year, month)) {
		return imap_lex_bad(lex, "no such day in that month");
	}
	*day_out = imap_day_of(*year, month, day);
	return 0;
}

int
imap_lex_date(struct imap_lex *lex, int32_t *day_out)
{
	bool quoted = imap_lex_take(lex, '"');
	int day = 0, digit = 0, year = 0, c;

	if (lex_digits(lex, 1, &day) != 0) {
		return -1;
	}
	c = imap_lex_peek(lex);
	if (c >= '0' && c <= '9') {
		if (lex_digits(lex, 1, &digit) != 0) {
			return -1;
		}
		day = day * 10 + digit;
	}
	if (lex_month_year(lex, day, day_out, &year) != 0) {
		return -1;
	}
	return quoted ? imap_lex_char(lex, '"') : 0;
}

/* "12:00:00" as seconds; 60 seconds are a leap second. */
static int
lex_time(struct imap_lex *lex, int *out)
{
	int h = 0, m = 0, s = 0;

	if (lex_digits(lex, 2, &h) != 0 || imap_lex_char(lex, ':') != 0
	    || lex_digits(lex, 2, &m) != 0 || imap_lex_char(lex, ':') != 0
	    || lex_digits(lex, 2, &s) != 0) {
		return -1;
	}
	if (h > 23 || m > 59 || s > 60) {
		return imap_lex_bad(lex, "no such time of day");
	}
	*out = (h * 60 + m) * 60 + s;
	return 0;
}

static int
lex_zone(struct imap_lex *lex, int *out)
{
	int hhmm = 0;
	bool west = imap_lex_take(lex, '-');

	if ((!west && imap_lex_char(lex, '+') != 0)
	    || lex_digits(lex, 4, &hhmm) != 0) {
		return -1;
	}
	if (hhmm % 100 > 59) {
		return imap_lex_bad(lex, "no such time zone");
	}
	*out = hhmm / 100 * 60 + hhmm % 100;
	*out = west ? -*out : *out;
	return 0;
}

int
imap_lex_date_time(struct imap_lex *lex, int64_t *ms_out, int16_t *zone_min_out)
{
	int day = 0, year = 0, seconds = 0, zone = 0;
	int32_t days = 0;
	bool padded;

	if (imap_lex_char(lex, '"') != 0) {
		return -1;
	}
	padded = imap_lex_take(lex, ' ');
	if (lex_digits(lex, padded ? 1 : 2, &day) != 0
	    || lex_month_year(lex, day, &days, &year) != 0
	    || imap_lex_sp(lex) != 0 || lex_time(lex, &seconds) != 0
	    || imap_lex_sp(lex) != 0 || lex_zone(lex, &zone) != 0
	    || imap_lex_char(lex, '"') != 0) {
		return -1;
	}
	*ms_out = ((int64_t)days * DAY_S + seconds - zone * 60) * 1000;
	*zone_min_out = (int16_t)zone;
	return 0;
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

void
imap_put_date_time(struct buf *to, int64_t ms, int16_t zone_min)
{
	/* Whole seconds, downwards; the year is kept to four digits. */
	int64_t s = (ms >= 0 ? ms : ms - 999) / 1000 + zone_min * 60;
	int64_t days = (s >= 0 ? s : s - (DAY_S - 1)) / DAY_S;
	int of_day = (int)(s - days * DAY_S);
	int zone = zone_min < 0 ? -zone_min : zone_min;
	int year, month, day;
	char text[28], *p = text;

	if (days < imap_day_of(0, 1, 1) || days > imap_day_of(9999, 12, 31)) {
		days = 0;
	}
	day_split(days, &year, &month, &day);
	*p++ = '"';
	p = put_digits(p, day, 2);
	if (text[1] == '0') {
		text[1] = ' ';
	}
	*p++ = '-';
	for (int i = 0; i < 3; i++) {
		*p++ = month_names[month - 1][i];
	}
	*p++ = '-';
	p = put_digits(p, year, 4);
	*p++ = ' ';
	p = put_digits(p, of_day / 3600, 2);
	*p++ = ':';
	p = put_digits(p, of_day / 60 % 60, 2);
	*p++ = ':';
	p = put_digits(p, of_day % 60, 2);
	*p++ = ' ';
	*p++ = zone_min < 0 ? '-' : '+';
	p = put_digits(p, zone / 60, 2);
	p = put_digits(p, zone % 60, 2);
	*p++ = '"';
	buf_add(to, text, (size_t)(p - text));
}
