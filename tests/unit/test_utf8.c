#include "base/mem.h"
#include "base/utf8.h"
#include "unit.h"

static const struct {
	const char *text;
	size_t length; /* of its first character; 0: none */
	uint32_t c;
} firsts[] = {
    {"a", 1, 'a'},
    {"\x7f!", 1, 0x7f},
    {"\xc3\xa9x", 2, 0xe9},
    {"\xe2\x82\xac", 3, 0x20ac},
    {"\xed\x9f\xbf", 3, 0xd7ff},
    {"\xf0\x9f\x98\x80", 4, 0x1f600},
    {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
    {"\x80", 0, 0},		/* a tail alone */
    {"\xc1\xbf", 0, 0},		/* overlong */
    {"\xe0\x80\x80", 0, 0},	/* overlong */
    {"\xed\xa0\x80", 0, 0},	/* a surrogate */
    {"\xf0\x8f\xbf\xbf", 0, 0}, /* overlong */
    {"\xf4\x90\x80\x80", 0, 0}, /* above U+10FFFF */
    {"\xe2\x82", 0, 0},		/* cut */
    {"\xff", 0, 0},
};

static void
rfc3629_4_characters_are_well_formed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(firsts); i++) {
		struct sv s = sv_cstr(firsts[i].text);
		size_t all = s.len;
		uint32_t c = 0;

		assert_int_equal(utf8_length(s), firsts[i].length);
		assert_int_equal(
		    utf8_next(&s, &c), firsts[i].length != 0 ? 1 : -1);
		assert_int_equal(c, firsts[i].c);
		assert_int_equal(
		    all - s.len, firsts[i].length != 0 ? firsts[i].length : 1);
	}
	assert_int_equal(utf8_expected(SV("\xe2\x82")), 3);
}

static void
characters_are_encoded_as_they_were_decoded(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(firsts); i++) {
		struct buf b = {0};

		if (firsts[i].length == 0) {
			continue;
		}
		utf8_encode(firsts[i].c, &b);
		assert_true(sv_eq(buf_sv(&b),
		    sv_sub(sv_cstr(firsts[i].text), 0, firsts[i].length)));
		buf_deinit(&b);
	}
}

static void
texts_are_valid_or_not_as_a_whole(void **state)
{
	struct sv s = SV("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	struct sv none = SV_EMPTY;
	uint32_t c;

	(void)state;
	assert_true(utf8_valid(s));
	assert_true(utf8_valid(none));
	assert_false(utf8_valid(sv_sub(s, 0, 2)));
	assert_false(utf8_is_ascii(s));
	assert_true(utf8_is_ascii(SV("sixteen octets or")));
	assert_int_equal(utf8_ascii_run(SV("sixteen octets \xc3\xa9")), 15);
	assert_int_equal(utf8_next(&none, &c), 0);
}

static void
texts_are_cut_between_characters(void **state)
{
	struct sv s = SV("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	static const size_t want[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};

	(void)state;
	for (size_t max = 0; max < COUNT_OF(want); max++) {
		assert_int_equal(utf8_cut(s, max).len, want[max]);
	}
	assert_int_equal(utf8_cut(SV("\x80\x80\x80\x80\x80"), 4).len, 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rfc3629_4_characters_are_well_formed),
	    cmocka_unit_test(characters_are_encoded_as_they_were_decoded),
	    cmocka_unit_test(texts_are_valid_or_not_as_a_whole),
	    cmocka_unit_test(texts_are_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
