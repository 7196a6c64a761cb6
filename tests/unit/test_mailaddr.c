#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "directory/mailaddr.h"
#include "unit.h"

static void
addresses_have_one_form(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
	    {"ann@example.org", "ann@example.org"},
	    {"Ann@EXAMPLE.Org", "ann@example.org"},
	    {"\"ann\"@example.org", "ann@example.org"},
	    {"\"a\\nn\"@example.org", "ann@example.org"},
	    {"\"Ann Lee\"@example.org", "\"ann lee\"@example.org"},
	    {"\"a\\\"b\\\\c\"@x.org", "\"a\\\"b\\\\c\"@x.org"},
	    {"\"a@b\"@example.org", "\"a@b\"@example.org"},
	    {"a..b@example.org", "\"a..b\"@example.org"},
	    {"\"a.b\"@example.org", "a.b@example.org"},
	    {"\"\"@example.org", "\"\"@example.org"},
	    {"o'neil+x=y@example.org", "o'neil+x=y@example.org"},
	    {"ann@[192.0.2.1]", "ann@[192.0.2.1]"},
	    {"ann@[IPv6:2001:DB8::1]", "ann@[ipv6:2001:db8::1]"},
	    {"ann@_dmarc.example.org", "ann@_dmarc.example.org"},
	    {"ann@B\xc3\xbc"
	     "cher.example",
		"ann@xn--bcher-kva.example"},
	    {"ann@xn--bcher-kva.EXAMPLE", "ann@xn--bcher-kva.example"},
	    /* u + combining diaeresis is one letter [RFC 6532 3.1] */
	    {"mu\xcc\x88ller@example.org", "m\xc3\xbcller@example.org"},
	    /* the Kelvin sign is the letter K */
	    {"\xe2\x84\xaa@example.org", "k@example.org"},
	    /* the Greek question mark is a semicolon, which needs quotes */
	    {"a\xcd\xbe@example.org", "\"a;\"@example.org"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct mailaddr a, again;
		struct fail f = {.kind = FAIL_NONE};

		assert_int_equal(
		    mailaddr_parse(sv_cstr(rows[i].in), &a, &f), 0);
		assert_string_equal(a.text, rows[i].out);
		assert_int_equal(mailaddr_sv(&a).len, strlen(rows[i].out));
		assert_int_equal(
		    mailaddr_parse(mailaddr_sv(&a), &again, &f), 0);
		assert_string_equal(again.text, a.text);
	}
}

static void
what_is_no_address_is_refused(void **state)
{
	static const char *const rows[] = {"", "@", "ann", "ann@",
	    "@example.org", "ann@.example.org", "ann@example.org.",
	    "ann@example..org", "ann lee@example.org", "ann@exa mple.org",
	    "ann@-x.org", "ann@x-.org", "\"ann@example.org",
	    "\"ann\"x@example.org", "\"an\"n\"@example.org",
	    "\"ann\\\"@example.org", "an\"n@example.org", "ann@bob@example.org",
	    "<ann@example.org>", "ann\r@example.org", "\"ann\n\"@example.org",
	    "ann@[192.0.2.1", "ann@[]", "ann@[a]b]", "\xff@example.org",
	    "ann@\xff.org", "\"\\\x01\"@example.org", "ann@\xc2\xad",
	    "ann@\xc2\xad.org"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct mailaddr a;
		struct fail f = {.kind = FAIL_NONE};

		assert_int_equal(mailaddr_parse(sv_cstr(rows[i]), &a, &f), -1);
		assert_int_equal(f.kind, FAIL_SYNTAX);
	}
}

static void
rfc5321_4_5_3_1_lengths_are_limits(void **state)
{
	static const struct {
		int local, label, labels;
		enum fail_kind kind;
	} rows[] = {
	    {64, 63, 1, FAIL_NONE},
	    {65, 1, 1, FAIL_LIMIT},
	    {1, 64, 1, FAIL_LIMIT},
	    {1, 63, 4, FAIL_NONE}, /* 255 octets */
	    {1, 63, 5, FAIL_LIMIT},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[1024];
		size_t n = 0;
		struct mailaddr a;
		struct fail f = {.kind = FAIL_NONE};

		memset(text, 'a', sizeof(text));
		n += (size_t)rows[i].local;
		text[n++] = '@';
		for (int l = 0; l < rows[i].labels; l++) {
			n += (size_t)rows[i].label;
			text[n++] = '.';
		}
		int rc = mailaddr_parse(sv_make(text, n - 1), &a, &f);

		assert_int_equal(rc, rows[i].kind == FAIL_NONE ? 0 : -1);
		assert_int_equal(f.kind, rows[i].kind);
	}
}

static void
a_local_part_full_of_quotes_fits(void **state)
{
	char text[2 * MAILADDR_LOCAL_MAX + 32];
	size_t n = 0;
	struct mailaddr a;
	struct fail f;

	(void)state;
	text[n++] = '"';
	for (int i = 0; i < MAILADDR_LOCAL_MAX; i++) {
		text[n++] = '\\';
		text[n++] = '"';
	}
	memcpy(text + n, "\"@x.org", 8);
	assert_int_equal(mailaddr_parse(sv_cstr(text), &a, &f), 0);
	assert_string_equal(a.text, text);
}

static void
a_nul_is_no_end(void **state)
{
	struct mailaddr a;
	struct fail f;

	(void)state;
	assert_int_equal(mailaddr_parse(SV("an\0n@example.org"), &a, &f), -1);
	assert_int_equal(mailaddr_parse(SV("ann@exa\0mple.org"), &a, &f), -1);
	assert_int_equal(
	    mailaddr_parse(SV("ann@b\xc3\xbc\0c.org"), &a, &f), -1);
}

static void
subaddresses_are_cut_at_the_first_separator(void **state)
{
	static const struct {
		const char *address, *separators, *base, *detail;
	} rows[] = {
	    {"ann+lists@x.org", "+", "ann@x.org", "lists"},
	    {"ann+a+b@x.org", "+", "ann@x.org", "a+b"},
	    {"ann-a+b@x.org", "+-", "ann@x.org", "a+b"},
	    {"ann+@x.org", "+", "ann@x.org", ""},
	    {"+ann@x.org", "+", NULL, NULL},
	    {"ann@x.org", "+", NULL, NULL},
	    {"ann+lists@x.org", "", NULL, NULL},
	    {"\"ann+my lists\"@x.org", "+", NULL, NULL},
	    {"a.+b@x.org", "+", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct mailaddr a, base;
		struct sv detail;
		struct fail f;

		assert_int_equal(
		    mailaddr_parse(sv_cstr(rows[i].address), &a, &f), 0);
		bool cut =
		    mailaddr_split(&a, rows[i].separators, &base, &detail);

		assert_int_equal(cut, rows[i].base != NULL);
		if (cut) {
			assert_string_equal(base.text, rows[i].base);
			assert_true(sv_eq(detail, sv_cstr(rows[i].detail)));
			assert_true(sv_eq(mailaddr_domain(&base), SV("x.org")));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(addresses_have_one_form),
	    cmocka_unit_test(what_is_no_address_is_refused),
	    cmocka_unit_test(rfc5321_4_5_3_1_lengths_are_limits),
	    cmocka_unit_test(a_local_part_full_of_quotes_fits),
	    cmocka_unit_test(a_nul_is_no_end),
	    cmocka_unit_test(subaddresses_are_cut_at_the_first_separator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
