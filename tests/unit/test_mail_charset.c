#include "base/mem.h"
#include "mail/charset.h"
#include "unit.h"

#define REPLACED "\xef\xbf\xbd" /* U+FFFD */

static void
charsets_become_utf8(void **state)
{
	static const struct {
		const char *name, *in, *want;
	} rows[] = {
	    {"utf-8", "caf\xc3\xa9", "caf\xc3\xa9"},
	    {"UTF8", "a\xff\xc3(", "a" REPLACED REPLACED "("},
	    {"utf-8", "\xed\xa0\x80", REPLACED REPLACED REPLACED},
	    {"utf-8", "\xc0\x80\xf5", REPLACED REPLACED REPLACED},
	    {"utf-8", "\xf0\x9f\x98", REPLACED REPLACED REPLACED},
	    {"us-ascii", "plain", "plain"},
	    {"us-ascii", "\xe9 \xc3\xa9", "\xc3\xa9 \xc3\xa9"},
	    {"", "\x80", "\xe2\x82\xac"},
	    {"iso-8859-1", "\xe9\x80\x81", "\xc3\xa9\xe2\x82\xac" REPLACED},
	    {"iso-8859-15", "\xa4", "\xe2\x82\xac"},
	    {"koi8-r", "\xf0\xd2\xc9", "\xd0\x9f\xd1\x80\xd0\xb8"},
	    {"iso-2022-jp", "\x1b$B$3\x1b(B!", "\xe3\x81\x93!"},
	    {"Shift_JIS", "\x82\xb1", "\xe3\x81\x93"},
	    {"gb2312", "\xc4\xe3", "\xe4\xbd\xa0"},
	    {"ks_c_5601-1987", "\xb0\xa1", "\xea\xb0\x80"},
	    {"big5", "\xa4\xa4", "\xe4\xb8\xad"},
	    {"windows-1251", "\xcf", "\xd0\x9f"},
	    {"utf-7", "+AOk-", "\xc3\xa9"},
	    {"utf-16be", "\x01\x41", "\xc5\x81"},
	    {"nobody-knows", "\xc3\xa9\xe9", "\xc3\xa9\xc3\xa9"},
	    {"unknown-8bit", "\xe9", "\xc3\xa9"},
	    {"gb2312", "a\xc4", "a" REPLACED},
	    {"shift_jis", "\xfd!", REPLACED "!"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct sv in = sv_cstr(rows[i].in);

		for (size_t piece = 1; piece <= in.len; piece++) {
			struct buf got = {.len = 0};
			struct charset c;

			charset_init(&c, sv_cstr(rows[i].name));
			for (size_t k = 0; k < in.len; k += piece) {
				charset_convert(&c, sv_sub(in, k, piece), &got);
			}
			charset_finish(&c, &got);
			charset_deinit(&c);
			assert_string_equal(buf_cstr(&got), rows[i].want);
			buf_deinit(&got);
		}
	}
}

/* [RFC 3501 6.4.4] SEARCH answers BADCHARSET to those that are not. */
static void
charsets_are_known_or_not(void **state)
{
	static const struct {
		const char *name;
		bool known;
	} rows[] = {{"utf-8", true}, {"US-ASCII", true}, {"iso-8859-2", true},
	    {"gb2312", true}, {"iso-8859-1", true}, {"nobody-knows", false},
	    {"unknown-8bit", false}, {"utf-16//IGNORE", false}, {"a/b", false},
	    {"utf-8,latin1", false}, {"wchar_t", false}, {"char", false},
	    {"0123456789012345678901234567890123456789x", false}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(
		    charset_known(sv_cstr(rows[i].name)), rows[i].known);
	}
}

static void
names_are_composed(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: no UTF-8 */
	} rows[] = {
	    {"", ""},
	    {"plain", "plain"},
	    {"cafe\xcc\x81", "caf\xc3\xa9"},
	    {"caf\xc3\xa9", "caf\xc3\xa9"},
	    {"\xe2\x84\xab", "\xc3\x85"},     /* Angstrom sign */
	    {"\xef\xac\x81", "\xef\xac\x81"}, /* a ligature stays */
	    {"a\xcc\x81\xcc\xa3", "\xe1\xba\xa1\xcc\x81"},
	    {"\xed\xa0\x80", NULL},
	    {"a\xff", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf got = {.len = 0};

		assert_int_equal(charset_compose(sv_cstr(rows[i].in), &got),
		    rows[i].out != NULL);
		assert_true(sv_eq(buf_sv(&got),
		    sv_cstr(rows[i].out != NULL ? rows[i].out : "")));
		buf_deinit(&got);
	}
}

/* [RFC 5051 2] */
static void
casemap_gives_titlecase_decomposed(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
	    {"Hello", "HELLO"},
	    {"\xc3\xa9", "E\xcc\x81"},
	    {"e\xcc\x81", "E\xcc\x81"},
	    {"\xc3\x89", "E\xcc\x81"},
	    /* the example of the text: U+01C4 is D, z, caron */
	    {"\xc7\x84", "Dz\xcc\x8c"},
	    {"\xef\xbc\xa1", "A"}, /* full width */
	    {"\xd0\xbf", "\xd0\x9f"},
	    {"\xff", "\xff"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf got = {.len = 0};

		charset_casemap(sv_cstr(rows[i].in), &got);
		assert_string_equal(buf_cstr(&got), rows[i].want);
		buf_deinit(&got);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(charsets_become_utf8),
	    cmocka_unit_test(charsets_are_known_or_not),
	    cmocka_unit_test(names_are_composed),
	    cmocka_unit_test(casemap_gives_titlecase_decomposed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
