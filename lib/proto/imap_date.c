#include "proto/imap_date.h"

#include "mail/date.h"

enum { DATE_TIME_LEN = 26 };

int
imap_lex_date(struct imap_lex *lex, int32_t *day_out)
{
	bool quoted = imap_lex_take(lex, '"');
	size_t end = lex->at;
	int64_t day;

	/* Digits, letters and hyphens: what a date is made of. */
	while (
	    end < lex->text.len
	    && (ascii_digit(lex->text.p[end]) || ascii_alpha(lex->text.p[end])
		|| lex->text.p[end] == '-')) {
		end++;
	}
	if (!date_parse_imap_day(
		sv_sub(lex->text, lex->at, end - lex->at), &day)) {
		return imap_lex_bad(lex, "expected a date such as 1-Feb-1994");
	}
	lex->at = end;
	*day_out = (int32_t)day; /* of a year up to 9999 */
	return quoted ? imap_lex_char(lex, '"') : 0;
}

int
imap_lex_date_time(struct imap_lex *lex, int64_t *ms_out, int16_t *zone_min_out)
{
	struct date d;

	if (imap_lex_char(lex, '"') != 0) {
		return -1;
	}
	if (!date_parse_imap_time(
		sv_sub(lex->text, lex->at, DATE_TIME_LEN), &d)) {
		return imap_lex_bad(lex, "expected a date-time such as"
					 " \" 7-Feb-1994 21:52:25 -0800\"");
	}
	lex->at += DATE_TIME_LEN;
	*ms_out = d.unix_s * 1000;
	*zone_min_out = (int16_t)d.zone;
	return imap_lex_char(lex, '"');
}

void
imap_put_date_time(struct buf *to, int64_t ms, int16_t zone_min)
{
	const struct date d = {
	    .unix_s = (ms >= 0 ? ms : ms - 999) / 1000, .zone = zone_min};

	buf_add_char(to, '"');
	date_format_imap_time(d, to);
	buf_add_char(to, '"');
}
