/* Sequence sets, names, patterns, dates, frames and what is written out. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "proto/imap_date.h"
#include "proto/imap_flag.h"
#include "proto/imap_frame.h"
#include "proto/imap_lex.h"
#include "proto/imap_match.h"
#include "proto/imap_name.h"
#include "proto/imap_out.h"
#include "proto/imap_set.h"
#include "unit.h"

/* ---- sequence sets ---- */

static void
rfc3501_9_sets_resolve_to_ascending_ranges(void **state)
{
	static const struct {
		const char *text;
		uint32_t last;
		const char *want;
	} rows[] = {
	    {"1", 10, "1"},
	    {"2,4:7,9,12:*", 15, "2,4:7,9,12:15"},
	    {"*:4,5:7", 10, "4:10"},
	    {"3291:*", 5, "5:3291"},
	    {"*", 7, "7"},
	    {"*:*", 7, "7"},
	    {"4:2", 9, "2:4"},
	    {"1,2,3", 9, "1:3"},
	    {"5,1,5,3", 9, "1,3,5"},
	    {"1:4294967295,7", 9, "1:4294967295"},
	    {"*", 0, ""},
	    {"4294967295,1", 9, "1,4294967295"},
	};
	struct arena arena = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct imap_lex lex = {
		    .text = sv_cstr(rows[i].text), .arena = &arena};
		struct imap_set set, out;
		struct buf got = {0};

		assert_int_equal(imap_lex_set(&lex, &set), 0);
		assert_true(imap_lex_at_end(&lex));
		imap_set_resolve(&set, rows[i].last, &arena, &out);
		for (size_t k = 0; k < out.n; k++) {
			buf_add_str(&got, k == 0 ? "" : ",");
			buf_add_u64(&got, out.r[k].lo);
			if (out.r[k].hi != out.r[k].lo) {
				buf_add_char(&got, ':');
				buf_add_u64(&got, out.r[k].hi);
			}
			assert_true(imap_set_has(&out, out.r[k].lo));
			assert_true(imap_set_has(&out, out.r[k].hi));
		}
		assert_string_equal(buf_cstr(&got), rows[i].want);
		buf_deinit(&got);
	}
	arena_deinit(&arena);
}

static void
sets_tell_their_highest_number(void **state)
{
	struct arena arena = {0};
	struct imap_lex lex = {.text = SV("3:*,9,2"), .arena = &arena};
	struct imap_set set;
	bool star;

	(void)state;
	assert_int_equal(imap_lex_set(&lex, &set), 0);
	assert_int_equal(imap_set_highest(&set, &star), 9);
	assert_true(star);
	arena_deinit(&arena);
}

/* ---- names ---- */

static void
rfc3501_5_1_3_names_have_one_form_on_the_wire(void **state)
{
	static const struct {
		const char *wire, *utf8;
	} rows[] = {
	    {"", ""},
	    {"Sent Items", "Sent Items"},
	    {"a&-b", "a&b"},
	    {"~peter/mail/&U,BTFw-/&ZeVnLIqe-",
		"~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
		"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
	    {"&Jjo-!", "\xe2\x98\xba!"},
	    {"&2D3eAA-", "\xf0\x9f\x98\x80"},
	    {"Entw&APw-rfe", "Entw\xc3\xbcrfe"},
	    {"&APw-&-", "\xc3\xbc&"},
	};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&b);
		assert_true(imap_name_from_utf7(sv_cstr(rows[i].wire), &b));
		assert_string_equal(buf_cstr(&b), rows[i].utf8);
		buf_clear(&b);
		imap_name_to_utf7(sv_cstr(rows[i].utf8), &b);
		assert_string_equal(buf_cstr(&b), rows[i].wire);
	}
	buf_deinit(&b);
}

static void
rfc3501_5_1_3_other_forms_are_refused(void **state)
{
	static const char *const rows[] = {
	    "&",		  /* shift that does not end */
	    "&Jjo",		  /* the same */
	    "&Jjo!",		  /* the same */
	    "&U,BTFw-&ZeVnLIqe-", /* superfluous shift */
	    "&AGE-",		  /* printable ASCII in base64 */
	    "&AAA-",		  /* NUL */
	    "&AAo-",		  /* LF */
	    "&AIU-",		  /* C1 control */
	    "&Jjp-",		  /* padding bits set */
	    "&JjoA-",		  /* a digit too many */
	    "&J-",		  /* not a whole unit */
	    "&2D0-",		  /* half a pair */
	    "&3gA-",		  /* the other half */
	    "&2D0AYQ-",		  /* a pair that is none */
	    "&Jj/o-",		  /* "/" is no digit here */
	    "a\x80-",
	    "\xc3\xbc", /* raw UTF-8 */
	    "a\tb",
	    "a\x7f",
	};
	struct buf b = {0};

	(void)state;
	buf_add_str(&b, "kept");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_false(imap_name_from_utf7(sv_cstr(rows[i]), &b));
		assert_string_equal(buf_cstr(&b), "kept");
	}
	assert_false(imap_name_from_utf8(SV("a\xff"), &b));
	assert_false(imap_name_from_utf8(SV("\xed\xa0\x80"), &b));
	assert_false(imap_name_from_utf8(SV("a\0b"), &b));
	assert_int_equal(b.len, 4);
	buf_deinit(&b);
}

static void
rfc3501_5_1_inbox_is_inbox_in_any_case(void **state)
{
	static const struct {
		const char *wire, *name;
	} rows[] = {
	    {"inbox", "INBOX"},
	    {"InBoX/sub", "INBOX/sub"},
	    {"inboxes", "inboxes"},
	    {"a/inbox", "a/inbox"},
	};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&b);
		assert_true(imap_name_from_utf7(sv_cstr(rows[i].wire), &b));
		assert_string_equal(buf_cstr(&b), rows[i].name);
		buf_clear(&b);
		assert_true(imap_name_from_utf8(sv_cstr(rows[i].wire), &b));
		assert_string_equal(buf_cstr(&b), rows[i].name);
	}
	buf_deinit(&b);
}

static void
names_are_written_as_astrings(void **state)
{
	static const struct {
		const char *utf8;
		bool enabled;
		const char *want;
	} rows[] = {
	    {"INBOX", false, "INBOX"},
	    {"a b", false, "\"a b\""},
	    {"a&b", false, "a&-b"},
	    {"a&b", true, "a&b"},
	    {"\xc3\xbc", false, "&APw-"},
	    {"\xc3\xbc", true, "{2}\r\n\xc3\xbc"},
	    {"a*b", false, "\"a*b\""},
	    {"nil", false, "\"nil\""},
	    {"\"", false, "\"\\\"\""},
	};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&b);
		imap_put_name(&b, sv_cstr(rows[i].utf8), rows[i].enabled);
		assert_string_equal(buf_cstr(&b), rows[i].want);
	}
	buf_deinit(&b);
}

/* ---- patterns ---- */

static void
rfc3501_6_3_8_patterns(void **state)
{
	static const struct {
		const char *reference, *pattern, *name;
		bool want;
	} rows[] = {
	    {"", "*", "", true},
	    {"", "*", "a/b", true},
	    {"", "%", "", true},
	    {"", "%", "ab", true},
	    {"", "%", "a/b", false},
	    {"", "", "", true},
	    {"", "", "a", false},
	    {"", "a", "a", true},
	    {"", "a", "A", false},
	    {"", "a", "ab", false},
	    {"a/", "%", "a/b", true},
	    {"a/", "%", "a/b/c", false},
	    {"a/", "*", "a/b/c", true},
	    {"", "%/%", "a/b", true},
	    {"", "%/%", "a/b/c", false},
	    {"", "%/%/%", "a/b/c", true},
	    {"", "a*c", "ac", true},
	    {"", "a*c", "a/b/c", true},
	    {"", "a*c", "a/b/cd", false},
	    {"", "a%c", "abbbc", true},
	    {"", "a%c", "ab/bc", false},
	    {"", "%b%", "abc", true},
	    {"", "%a%/b", "xaya/b", true},
	    {"", "*%b", "x/y/b", true},
	    {"", "*a%", "x/a/b", false},
	    {"", "*a%", "x/a/ab", true},
	    {"", "%*%*%", "a/b/c", true},
	    {"", "inbox", "INBOX", true},
	    {"", "iN%", "INBOX", true},
	    {"", "inbox/%", "INBOX/a", true},
	    {"", "inbox/A", "INBOX/a", false},
	    {"", "inboxes", "INBOXES", false},
	    {"", "*", "\xff", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena arena = {0};
		struct imap_match *m = imap_match_new(&arena,
		    sv_cstr(rows[i].reference), sv_cstr(rows[i].pattern), '/');

		assert_int_equal(
		    imap_match(m, sv_cstr(rows[i].name)), rows[i].want);
		arena_deinit(&arena);
	}
}

/* The definition, in exponential time. */
static bool
matches_slowly(struct sv p, struct sv s)
{
	if (p.len == 0) {
		return s.len == 0;
	}
	if (p.p[0] == '*' || p.p[0] == '%') {
		if (matches_slowly(sv_from(p, 1), s)) {
			return true;
		}
		return s.len != 0 && (p.p[0] == '*' || s.p[0] != '/')
		       && matches_slowly(p, sv_from(s, 1));
	}
	return s.len != 0 && p.p[0] == s.p[0]
	       && matches_slowly(sv_from(p, 1), sv_from(s, 1));
}

static void
patterns_agree_with_their_definition(void **state)
{
	static const char in_pattern[] = "ab/*%", in_name[] = "ab/";
	uint32_t seed = 1;

	(void)state;
	for (size_t round = 0; round < 20000; round++) {
		char pattern[8], name[8];
		struct sv p, s;
		struct arena arena = {0};
		struct imap_match *m;

		for (size_t i = 0; i < sizeof(pattern); i++) {
			seed = seed * 1664525 + 1013904223;
			pattern[i] = in_pattern[(seed >> 16) % 5];
			name[i] = in_name[(seed >> 24) % 3];
		}
		p = sv_make(pattern, round % sizeof(pattern));
		s = sv_make(name, round / 8 % sizeof(name));
		m = imap_match_new(&arena, SV_EMPTY, p, '/');
		assert_int_equal(imap_match(m, s), matches_slowly(p, s));
		arena_deinit(&arena);
	}
}

static void
patterns_of_many_wildcards_take_linear_time(void **state)
{
	struct arena arena = {0};
	char pattern[IMAP_PATTERN_MAX], name[2000];
	struct imap_match *m;

	(void)state;
	for (size_t i = 0; i < sizeof(pattern); i++) {
		pattern[i] = "%a*a"[i % 4];
	}
	memset(name, 'a', sizeof(name));
	m = imap_match_new(
	    &arena, SV_EMPTY, (struct sv){pattern, sizeof(pattern)}, '/');
	for (int i = 0; i < 1000; i++) {
		assert_true(imap_match(m, (struct sv){name, sizeof(name)}));
	}
	assert_null(imap_match_new(
	    &arena, SV("a"), (struct sv){pattern, sizeof(pattern)}, '/'));
	assert_false(imap_match(NULL, SV("a")));
	arena_deinit(&arena);
}

/* ---- dates ---- */

static void
rfc3501_9_date_times_go_both_ways(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
		int zone;
	} rows[] = {
	    {"\" 1-Jan-1970 00:00:00 +0000\"", 0, 0},
	    {"\"29-Feb-2000 23:59:59 +0000\"", 951868799000, 0},
	    {"\" 7-Feb-1994 21:52:25 -0800\"", 760686745000, -480},
	    {"\"17-Jul-1996 02:44:25 +0130\"", 837566065000, 90},
	    {"\"31-Dec-1969 23:59:59 +0000\"", -1000, 0},
	    {"\"31-Dec-9999 23:59:59 +0000\"", 253402300799000, 0},
	};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct imap_lex lex = {.text = sv_cstr(rows[i].text)};
		int64_t ms;
		int16_t zone;

		assert_int_equal(imap_lex_date_time(&lex, &ms, &zone), 0);
		assert_true(imap_lex_at_end(&lex));
		assert_int_equal(ms, rows[i].ms);
		assert_int_equal(zone, rows[i].zone);
		buf_clear(&b);
		imap_put_date_time(&b, ms, zone);
		assert_string_equal(buf_cstr(&b), rows[i].text);
	}
	buf_clear(&b);
	imap_put_date_time(&b, INT64_MAX, 0);
	assert_int_equal(b.len, 28);
	buf_deinit(&b);
}

/* ---- frames ---- */

static const struct imap_frame_limits limits = {
    .command = 100, .literal = 20, .message = 1000, .skip = 500};

static void
a_command_of_lines_and_literals_is_gathered(void **state)
{
	struct imap_frame fr;

	(void)state;
	imap_frame_init(&fr, &limits);
	assert_int_equal(imap_frame_line(&fr, SV("a LOGIN {3}")), IMAP_LITERAL);
	assert_true(fr.literal.sync);
	assert_int_equal(fr.literal.size, 3);
	imap_frame_add(&fr, SV("joe"));
	assert_int_equal(imap_frame_line(&fr, SV(" {2+}")), IMAP_LITERAL);
	assert_false(fr.literal.sync);
	imap_frame_add(&fr, SV("pw"));
	assert_int_equal(imap_frame_line(&fr, SV("")), IMAP_DONE);
	assert_int_equal(fr.error.kind, IMAP_ERR_NONE);
	assert_true(
	    sv_eq(buf_sv(&fr.text), SV("a LOGIN {3}\r\njoe {2+}\r\npw")));
	assert_true(sv_eq(imap_frame_tag(&fr), SV("a")));
	imap_frame_deinit(&fr);
}

static void
rfc3501_6_3_11_a_message_goes_past_the_text(void **state)
{
	struct imap_frame fr;

	(void)state;
	imap_frame_init(&fr, &limits);
	assert_int_equal(
	    imap_frame_line(&fr, SV("a append {1}")), IMAP_LITERAL);
	imap_frame_add(&fr, SV("x"));
	assert_int_equal(imap_frame_line(&fr, SV(" () {900}")), IMAP_MESSAGE);
	assert_int_equal(fr.literal.size, 900);
	assert_int_equal(imap_frame_line(&fr, SV("")), IMAP_DONE);
	assert_true(
	    sv_eq(buf_sv(&fr.text), SV("a append {1}\r\nx () {900}\r\n")));
	imap_frame_deinit(&fr);
}

static void
rfc7888_4_literals_over_a_limit(void **state)
{
	static const struct {
		const char *line;
		enum imap_need need;
		enum imap_errkind kind;
	} rows[] = {
	    {"a NOOP", IMAP_DONE, IMAP_ERR_NONE},
	    {"a x {20}", IMAP_LITERAL, IMAP_ERR_NONE},
	    {"a x {21}", IMAP_DONE, IMAP_ERR_TOOBIG},
	    {"a x {21+}", IMAP_SKIP, IMAP_ERR_TOOBIG},
	    {"a x {501+}", IMAP_FATAL, IMAP_ERR_TOOBIG},
	    {"a x {18446744073709551615}", IMAP_DONE, IMAP_ERR_TOOBIG},
	    {"a x {18446744073709551616}", IMAP_DONE, IMAP_ERR_TOOBIG},
	    {"a x {18446744073709551616+}", IMAP_FATAL, IMAP_ERR_TOOBIG},
	    {"a append x {1000}", IMAP_MESSAGE, IMAP_ERR_NONE},
	    {"a append x ~{1000}", IMAP_MESSAGE, IMAP_ERR_NONE},
	    {"a append x {1001}", IMAP_DONE, IMAP_ERR_TOOBIG},
	    {"a append x {1001+}", IMAP_FATAL, IMAP_ERR_TOOBIG},
	    {"a append {21}", IMAP_DONE, IMAP_ERR_TOOBIG},
	    {"a x {}", IMAP_DONE, IMAP_ERR_NONE},
	    {"a x {+}", IMAP_DONE, IMAP_ERR_NONE},
	    {"a x {1-}", IMAP_DONE, IMAP_ERR_NONE},
	    {"a x 1}", IMAP_DONE, IMAP_ERR_NONE},
	    {"{1}", IMAP_LITERAL, IMAP_ERR_NONE},
	    {"", IMAP_DONE, IMAP_ERR_NONE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct imap_frame fr;

		imap_frame_init(&fr, &limits);
		assert_int_equal(
		    imap_frame_line(&fr, sv_cstr(rows[i].line)), rows[i].need);
		assert_int_equal(fr.error.kind, rows[i].kind);
		imap_frame_deinit(&fr);
	}
}

static void
what_follows_a_refused_literal_is_read_over(void **state)
{
	struct imap_frame fr;

	(void)state;
	imap_frame_init(&fr, &limits);
	assert_int_equal(imap_frame_line(&fr, SV("a x {30+}")), IMAP_SKIP);
	assert_int_equal(fr.literal.size, 30);
	assert_int_equal(imap_frame_line(&fr, SV(" {2+}")), IMAP_SKIP);
	assert_int_equal(imap_frame_line(&fr, SV(" {2}")), IMAP_DONE);
	assert_int_equal(fr.error.kind, IMAP_ERR_TOOBIG);
	assert_true(sv_eq(imap_frame_tag(&fr), SV("a")));
	imap_frame_deinit(&fr);
}

static void
long_commands_and_nuls_are_refused(void **state)
{
	struct imap_frame fr;
	char line[200];

	(void)state;
	memset(line, 'x', sizeof(line));
	imap_frame_init(&fr, &limits);
	assert_int_equal(
	    imap_frame_line(&fr, (struct sv){line, 100}), IMAP_DONE);
	assert_int_equal(fr.error.kind, IMAP_ERR_NONE);
	imap_frame_deinit(&fr);
	imap_frame_init(&fr, &limits);
	assert_int_equal(
	    imap_frame_line(&fr, (struct sv){line, 101}), IMAP_DONE);
	assert_int_equal(fr.error.kind, IMAP_ERR_LIMIT);
	imap_frame_deinit(&fr);
	imap_frame_init(&fr, &limits);
	assert_int_equal(imap_frame_line(&fr, SV("a NO\0OP")), IMAP_DONE);
	assert_int_equal(fr.error.kind, IMAP_ERR_SYNTAX);
	imap_frame_deinit(&fr);
	/* Literals count too. */
	imap_frame_init(&fr, &limits);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
		    imap_frame_line(&fr, SV("{20}")), IMAP_LITERAL);
		imap_frame_add(&fr, (struct sv){line, 20});
	}
	assert_int_equal(imap_frame_line(&fr, SV("{20}")), IMAP_DONE);
	assert_int_equal(fr.error.kind, IMAP_ERR_TOOBIG);
	imap_frame_deinit(&fr);
}

/* ---- writing ---- */

static void
rfc3501_4_3_strings_are_quoted_or_literal(void **state)
{
	static const struct {
		struct sv s;
		const char *string, *astring;
	} rows[] = {
	    {{"", 0}, "\"\"", "\"\""},
	    {{"abc", 3}, "\"abc\"", "abc"},
	    {{"a b", 3}, "\"a b\"", "\"a b\""},
	    {{"a\"\\", 3}, "\"a\\\"\\\\\"", "\"a\\\"\\\\\""},
	    {{"a\r\nb", 4}, "{4}\r\na\r\nb", "{4}\r\na\r\nb"},
	    {{"a\0b", 3}, "{3}\r\na?b", "{3}\r\na?b"},
	    {{"\xff", 1}, "{1}\r\n\xff", "{1}\r\n\xff"},
	    {{"NIL", 3}, "\"NIL\"", "\"NIL\""},
	    {{"a]", 2}, "\"a]\"", "\"a]\""},
	    {{"3}", 2}, "\"3}\"", "\"3}\""},
	    {{"a[", 2}, "\"a[\"", "\"a[\""},
	};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&b);
		imap_put_string(&b, rows[i].s);
		assert_string_equal(buf_cstr(&b), rows[i].string);
		buf_clear(&b);
		imap_put_astring(&b, rows[i].s);
		assert_string_equal(buf_cstr(&b), rows[i].astring);
	}
	buf_clear(&b);
	imap_put_system_flags(&b, IMAP_SEEN | IMAP_RECENT | IMAP_ANSWERED);
	assert_string_equal(buf_cstr(&b), "\\Answered \\Seen \\Recent");
	buf_deinit(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rfc3501_9_sets_resolve_to_ascending_ranges),
	    cmocka_unit_test(sets_tell_their_highest_number),
	    cmocka_unit_test(rfc3501_5_1_3_names_have_one_form_on_the_wire),
	    cmocka_unit_test(rfc3501_5_1_3_other_forms_are_refused),
	    cmocka_unit_test(rfc3501_5_1_inbox_is_inbox_in_any_case),
	    cmocka_unit_test(names_are_written_as_astrings),
	    cmocka_unit_test(rfc3501_6_3_8_patterns),
	    cmocka_unit_test(patterns_agree_with_their_definition),
	    cmocka_unit_test(patterns_of_many_wildcards_take_linear_time),
	    cmocka_unit_test(rfc3501_9_date_times_go_both_ways),
	    cmocka_unit_test(a_command_of_lines_and_literals_is_gathered),
	    cmocka_unit_test(rfc3501_6_3_11_a_message_goes_past_the_text),
	    cmocka_unit_test(rfc7888_4_literals_over_a_limit),
	    cmocka_unit_test(what_follows_a_refused_literal_is_read_over),
	    cmocka_unit_test(long_commands_and_nuls_are_refused),
	    cmocka_unit_test(rfc3501_4_3_strings_are_quoted_or_literal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
