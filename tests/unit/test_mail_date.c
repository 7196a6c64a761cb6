#include "base/mem.h"
#include "mail/date.h"
#include "unit.h"

static void
dates_in_all_their_forms_are_read(void **state)
{
	static const struct {
		const char *body;
		int64_t unix_s;
		int zone;
	} rows[] = {
	    {"Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360},
	    {"21 Nov 1997 09:55:06 -0600", 880127706, -360},
	    {"Fri,21 Nov 1997 09:55:06-0600", 880127706, -360},
	    {"  Fri , 21 Nov\r\n 1997 09 : 55 : 06 -0600", 880127706, -360},
	    /* [RFC 5322 A.5, A.6.2] */
	    {"Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32"
	     "\r\n               -0330 (Newfoundland Time)",
		-27723480, -210},
	    {"21 Nov 97 09:55:06 GMT", 880106106, 0},
	    /* [RFC 5322 4.3] */
	    {"1 Jan 49 00:00 UT", 2493072000, 0},
	    {"1 Jan 50 00:00 UT", -631152000, 0},
	    {"1 Jan 100 00:00 UT", 946684800, 0},
	    {"1 Jan 2000 00:00 EST", 946702800, -300},
	    {"1 Jan 2000 00:00 PDT", 946710000, -420},
	    {"1 Jan 2000 00:00 A", 946684800, 0},
	    {"1 Jan 2000 00:00 NOWHERE", 946684800, 0},
	    {"1 Jan 2000 00:00 -0000", 946684800, 0},
	    {"1 Jan 2000 00:00", 946684800, 0},
	    {"1 Jan 2000", 946684800, 0},
	    {"29 Feb 2000 23:59:60 +0000", 951868800, 0},
	    {"31 Feb 2000 00:00 +0000", 951955200, 0},
	    /* names in full, or wrong, or without a comma */
	    {"Friday, 21 November 1997 09:55:06 -0600", 880127706, -360},
	    {"Xyz 21 Sept 1997 00:00:00 +0000", 874800000, 0},
	    {"21 nov 1997 09:55:06 -0600", 880127706, -360},
	    /* asctime() and date(1) */
	    {"Fri Nov 21 09:55:06 1997", 880106106, 0},
	    {"Fri Nov 21 09:55:06 CET 1997", 880102506, 60},
	    {"Fri Nov 21 09:55:06 +0100 1997", 880102506, 60},
	    /* ISO 8601 */
	    {"1997-11-21T09:55:06Z", 880106106, 0},
	    {"1997-11-21 09:55:06.123 +01:00", 880102506, 60},
	    {"1997-11-21", 880070400, 0},
	    /* zones twice, short and by both name and number */
	    {"21 Nov 1997 09:55:06 GMT-0600", 880127706, -360},
	    {"21 Nov 1997 09:55:06 -0600 CST", 880127706, -360},
	    {"21 Nov 1997 09:55:06 CST -0600", 880127706, -360},
	    {"21 Nov 1997 09:55:06 GMT+1", 880102506, 60},
	    {"21 Nov 1997 09:55:06 +01", 880102506, 60},
	    {"21 Nov 1997 09:55:06 \"GMT\"", 880106106, 0},
	    /* the rest */
	    {"21-Nov-1997 09:55:06 -0600", 880127706, -360},
	    {"09:55:06 21-Nov-1997", 880106106, 0},
	    {"11/21/1997 9:55:06 PM", 880149306, 0},
	    {"21/11/1997 12:00 AM", 880070400, 0},
	    {"21.11.1997 09:55:06", 880106106, 0},
	    {"21 Nov 1997 09.55.06 -0600", 880127706, -360},
	    {"Nov 21, 1997 9:55:06 AM", 880106106, 0},
	    {"1997 Nov 21 09:55:06", 880106106, 0},
	    {"(x (y) \\) z) 21 (Nov) Nov 1997", 880070400, 0},
	    {"1 Jan 1 00:00 +0000", 978307200, 0},
	    {"1 Jan 0001 00:00 +0000", -62135596800, 0},
	    {"31 Dec 9999 23:59:59 +0000", 253402300799, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct date d;

		if (!date_parse(sv_cstr(rows[i].body), &d)
		    || d.unix_s != rows[i].unix_s || d.zone != rows[i].zone) {
			fail_msg("%s: %lld, zone %d", rows[i].body,
			    (long long)d.unix_s, d.zone);
		}
	}
}

static void
what_is_no_date_is_refused(void **state)
{
	static const char *const rows[] = {"", "no date", "Nov", "21 Nov",
	    "12:00:00", "0 Nov 1997", "32 Nov 1997", "21 Nov 1997 25:00",
	    "21 Nov 1997 12:60", "21 Nov 1997 12:00:61", "21 13 1997",
	    "1 Jan 10000", "1 Jan 0000", "99999999999 Nov 21", "(21 Nov 1997"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct date d;

		if (date_parse(sv_cstr(rows[i]), &d)) {
			fail_msg("%s is no date", rows[i]);
		}
	}
}

/* [RFC 5322 3.3] */
static void
dates_are_written_to_be_read(void **state)
{
	static const struct {
		struct date d;
		const char *mail, *imap;
	} rows[] = {
	    {{880127706, -360}, "Fri, 21 Nov 1997 09:55:06 -0600",
		"21-Nov-1997 09:55:06 -0600"},
	    {{0, 0}, "Thu, 1 Jan 1970 00:00:00 +0000",
		" 1-Jan-1970 00:00:00 +0000"},
	    {{-1, 345}, "Thu, 1 Jan 1970 05:44:59 +0545",
		" 1-Jan-1970 05:44:59 +0545"},
	    {{951782400, 0}, "Tue, 29 Feb 2000 00:00:00 +0000",
		"29-Feb-2000 00:00:00 +0000"},
	    {{INT64_MAX, 0}, "Fri, 31 Dec 9999 23:59:59 +0000",
		"31-Dec-9999 23:59:59 +0000"},
	    {{INT64_MIN, 0}, "Mon, 1 Jan 0001 00:00:00 +0000",
		" 1-Jan-0001 00:00:00 +0000"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf got = {.len = 0};

		date_format(rows[i].d, &got);
		assert_string_equal(buf_cstr(&got), rows[i].mail);
		buf_clear(&got);
		date_format_imap_time(rows[i].d, &got);
		assert_string_equal(buf_cstr(&got), rows[i].imap);
		buf_deinit(&got);
	}
}

static void
every_day_of_four_centuries_comes_back(void **state)
{
	struct buf text = {.len = 0};

	(void)state;
	for (int64_t day = -135140; day < 11000; day += 7) {
		struct date d = {day * 86400 + 43200, 0}, back;

		buf_clear(&text);
		date_format(d, &text);
		assert_true(date_parse(buf_sv(&text), &back));
		assert_true(back.unix_s == d.unix_s);
		assert_true(date_day(back) == day);
	}
	buf_deinit(&text);
}

/* [RFC 3501 9 date-time] */
static void
imap_date_times_are_read_strictly(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		int64_t unix_s;
		int zone;
	} rows[] = {
	    {"21-Nov-1997 09:55:06 -0600", true, 880127706, -360},
	    {" 1-Jan-1970 00:00:00 +0000", true, 0, 0},
	    {"01-jan-1970 00:00:00 +0100", true, -3600, 60},
	    {"1-Jan-1970 00:00:00 +0000", false, 0, 0},
	    {"31-Feb-1997 09:55:06 -0600", false, 0, 0},
	    {"29-Feb-1997 09:55:06 -0600", false, 0, 0},
	    {"21-Nov-97 09:55:06 -0600", false, 0, 0},
	    {"21-Nov-1997 09:55:06", false, 0, 0},
	    {"21-Nov-1997 9:55:06 -0600", false, 0, 0},
	    {"21-Nov-1997 24:00:00 -0600", false, 0, 0},
	    {"21-Nov-1997 09:55:06 0600", false, 0, 0},
	    {"21-Nov-1997 09:55:06 -0660", false, 0, 0},
	    {"21-Nov-1997 09:55:06 -0600 ", false, 0, 0},
	    {"21-Foo-1997 09:55:06 -0600", false, 0, 0},
	    {"", false, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct date d = {0, 0};
		bool ok = date_parse_imap_time(sv_cstr(rows[i].text), &d);

		assert_int_equal(ok, rows[i].ok);
		assert_true(!ok || d.unix_s == rows[i].unix_s);
		assert_true(!ok || d.zone == rows[i].zone);
	}
}

/* [RFC 3501 6.4.4] SENTON disregards time and zone. */
static void
days_are_those_of_the_writer(void **state)
{
	struct date d;
	int64_t day, want;

	(void)state;
	assert_true(date_parse_imap_day(SV("1-Feb-1994"), &want));
	assert_true(date_parse(SV("1 Feb 1994 23:59:59 -1200"), &d));
	assert_true(date_day(d) == want);
	assert_true(date_parse(SV("1 Feb 1994 00:00:00 +1400"), &d));
	assert_true(date_day(d) == want);
	assert_true(date_parse_imap_day(SV("01-FEB-1994"), &day));
	assert_true(day == want);
	assert_false(date_parse_imap_day(SV("1-Feb-94"), &day));
	assert_false(date_parse_imap_day(SV("32-Jan-1994"), &day));
	assert_false(date_parse_imap_day(SV("1-Feb-1994x"), &day));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(dates_in_all_their_forms_are_read),
	    cmocka_unit_test(what_is_no_date_is_refused),
	    cmocka_unit_test(dates_are_written_to_be_read),
	    cmocka_unit_test(every_day_of_four_centuries_comes_back),
	    cmocka_unit_test(imap_date_times_are_read_strictly),
	    cmocka_unit_test(days_are_those_of_the_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
