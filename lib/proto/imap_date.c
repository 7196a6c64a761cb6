#include "proto/imap_date.h"

#include "mail/date.h"

static bool
is_date_char(char c)
{
	return ascii_digit(c) || ascii_alpha(c) || c == '-';
}

int
imap_lex_date(struct imap_lex *lex, int64_t *day_out)
{
	bool quoted = imap_lex_take(lex, '"');
	size_t from = lex->at;

	while (!imap_lex_at_end(lex) && is_date_char(lex->text.p[lex->at])) {
		lex->at++;
	}
	if (!date_parse_imap_day(
		sv_sub(lex->text, from, lex->at - from), day_out)) {
		lex->at = from;
		return imap_lex_bad(lex, "expected a date such as 1-Feb-1994");
	}
	return quoted ? imap_lex_char(lex, '"') : 0;
}

int
imap_lex_date_time(struct imap_lex *lex, int64_t *ms_out, int16_t *zone_min_out)
{
	struct date d;
	struct sv text;
	size_t from = lex->at;

	if (imap_lex_string(lex, &text) != 0) {
		return -1;
	}
	if (!date_parse_imap_time(text, &d)) {
		lex->at = from;
		return imap_lex_bad(lex,
		    "expected a date such as \" 1-Feb-1994 12:00:00 +0100\"");
	}
	*ms_out = d.unix_s * 1000;
	*zone_min_out = (int16_t)d.zone;
	return 0;
}

void
imap_put_date_time(struct buf *to, int64_t ms, int16_t zone_min)
{
	struct date d = {
	    .unix_s = (ms >= 0 ? ms : ms - 999) / 1000, .zone = zone_min};

	buf_add_char(to, '"');
	date_format_imap_time(d, to);
	buf_add_char(to, '"');
}
