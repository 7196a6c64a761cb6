#include "base/mem.h"
#include "mail/encoded.h"
#include "mail/header.h"
#include "unit.h"

#define REPLACED "\xef\xbf\xbd" /* U+FFFD */

/* [RFC 2047 2, 5, 6, 8] */
static void
encoded_words_are_decoded(void **state)
{
	static const struct {
		const char *body, *want;
	} rows[] = {
	    {"plain", "plain"},
	    {"  trimmed \r\n", "trimmed"},
	    {"=?ISO-8859-1?Q?a?=", "a"},
	    {"=?ISO-8859-1?Q?a?= b", "a b"},
	    {"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
	    {"=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab"},
	    {"=?ISO-8859-1?Q?a_b?=", "a b"},
	    {"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"},
	    {"=?iso-8859-1?q?this=20is=20some=20text?=", "this is some text"},
	    {"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n "
	     "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
		"If you can read this you understand the example."},
	    /* [RFC 2231 5] */
	    {"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"},
	    /* a character in two words */
	    {"=?utf-8?B?w6k=?= =?utf-8?B?ww==?= =?utf-8?B?qQ==?=",
		"\xc3\xa9\xc3\xa9"},
	    {"=?utf-8?Q?=C3?= x", REPLACED " x"},
	    {"(=?utf-8?Q?a?=)", "(a)"},
	    {"x=?utf-8?Q?a?=y", "xay"},
	    {"=?utf-8?Q?a b?=", "a b"},
	    {"=?utf-8?Q?a?b?=", "a?b"},
	    {"=?nobody?Q?=E9?=", "\xc3\xa9"},
	    /* what is none */
	    {"=?", "=?"},
	    {"=?utf-8?x?a?=", "=?utf-8?x?a?="},
	    {"=?utf-8?Q?a", "=?utf-8?Q?a"},
	    {"=??Q?a?=", "=??Q?a?="},
	    {"=?utf-8?Q?=4?=", "=4"},
	    /* raw 8-bit */
	    {"caf\xe9", "caf\xc3\xa9"},
	    {"caf\xc3\xa9", "caf\xc3\xa9"},
	    /* controls */
	    {"a\x01\x7f"
	     "b\tc",
		"ab\tc"},
	    {"=?utf-8?Q?a=0D=0AX:_b=00?=", "aX: b"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf got = {.len = 0};

		encoded_decode(sv_cstr(rows[i].body), &got);
		assert_string_equal(buf_cstr(&got), rows[i].want);
		buf_deinit(&got);
	}
}

static void
text_is_encoded_in_words_of_75_octets(void **state)
{
	struct buf text = {.len = 0}, coded = {.len = 0}, back = {.len = 0};
	struct sv rest;

	(void)state;
	encoded_encode(SV("plain text"), &coded);
	assert_string_equal(buf_cstr(&coded), "plain text");
	buf_clear(&coded);
	for (int i = 0; i < 100; i++) {
		buf_add_str(&text, "\xe2\x82\xac x");
	}
	encoded_encode(buf_sv(&text), &coded);
	rest = buf_sv(&coded);
	while (rest.len > 0) {
		assert_true(sv_cut(&rest, '\n').len <= 75 + 2);
	}
	encoded_decode(buf_sv(&coded), &back);
	assert_true(sv_eq(buf_sv(&text), buf_sv(&back)));
	buf_deinit(&text);
	buf_deinit(&coded);
	buf_deinit(&back);
}

/* A field of a hundred megabytes costs no more than one of HEADER_FIELD_MAX. */
static void
fields_without_end_are_read_to_a_limit(void **state)
{
	struct buf body = {.len = 0}, got = {.len = 0};

	(void)state;
	while (body.len < 8 * HEADER_FIELD_MAX) {
		buf_add_str(&body, "=?utf-8?q?a?= ");
	}
	encoded_decode(buf_sv(&body), &got);
	assert_true(got.len > 0 && got.len <= HEADER_FIELD_MAX);
	buf_deinit(&body);
	buf_deinit(&got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(encoded_words_are_decoded),
	    cmocka_unit_test(text_is_encoded_in_words_of_75_octets),
	    cmocka_unit_test(fields_without_end_are_read_to_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
