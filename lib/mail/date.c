#include "mail/date.h"

#include "base/clock.h"
#include "mail/civil_priv.h"

static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May",
    "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char day_names[7][4] = {
    "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
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
	days = floor_div(at, CIVIL_DAY_S);
	*second_of_day_out = (int)(at - days * CIVIL_DAY_S);
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
	int64_t weekday = (civil_to_days(c) % 7 + 11) % 7;

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
	out->month = civil_month_by_name(sv_sub(*s, 0, 3));
	*s = sv_from(*s, 3);
	if (out->month == 0 || !take_char(s, '-')
	    || !take_digits(s, 4, &year)) {
		return false;
	}
	out->year = year;
	return year >= 1 && out->day >= 1
	       && out->day <= civil_month_length(year, out->month);
}

bool
date_parse_imap_day(struct sv text, int64_t *day_out)
{
	size_t digits = text.len > 1 && ascii_digit(text.p[1]) ? 2 : 1;
	struct civil c;

	if (!take_imap_day(&text, digits, &c) || text.len != 0) {
		return false;
	}
	*day_out = civil_to_days(c);
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
	out->unix_s = civil_to_days(c) * CIVIL_DAY_S + h * 3600 + m * 60 + s
		      - out->zone * 60;
	return true;
}

int64_t
date_day(struct date d)
{
	return floor_div(d.unix_s + (int64_t)d.zone * 60, CIVIL_DAY_S);
}

struct date
date_now(void)
{
	return (struct date){.unix_s = floor_div(clock_wall_ms(), 1000)};
}
