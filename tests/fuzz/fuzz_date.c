/*
 * Any octets as a date; one that is understood is written in a form that is
 * understood as the same.
 */
#include "base/mem.h"
#include "mail/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Either answer is right. */
static void
any(bool answer)
{
	(void)answer;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv text = sv_make(data, size);
	struct buf out = {.len = 0};
	struct date d, again;
	int64_t day;

	if (date_parse(text, &d)) {
		date_format(d, &out);
		ASSERT(date_parse(buf_sv(&out), &again));
		/* Not at the very ends of the calendar, where a zone would
		 * lead out of it. */
		ASSERT((d.unix_s == again.unix_s && d.zone == again.zone)
		       || date_day(d) < -719162 + 10
		       || date_day(d) > 2932896 - 10 || d.zone > 99 * 60 + 59
		       || d.zone < -(99 * 60 + 59));
		(void)date_day(d);
	}
	buf_clear(&out);
	if (date_parse_imap_time(text, &d)) {
		date_format_imap_time(d, &out);
		ASSERT(date_parse_imap_time(buf_sv(&out), &again));
		ASSERT(d.zone == again.zone || d.zone > 99 * 60
		       || d.zone < -99 * 60);
	}
	any(date_parse_imap_day(text, &day));
	buf_deinit(&out);
	return 0;
}
