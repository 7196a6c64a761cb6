#include "base/mem.h"
#include "mail/search.h"
#include "unit.h"

/* [RFC 3501 6.4.4, RFC 5051] */
static void
keys_match_under_casemap(void **state)
{
	static const struct {
		const char *key, *text;
		bool found;
	} rows[] = {
	    {"", "", true},
	    {"", "x", true},
	    {"x", "", false},
	    {"ELLO", "Hello", true},
	    {"caf\xc3\x89", "un Cafe\xcc\x81", true},
	    {"aab", "aaaaaaab", true},
	    {"abcabd", "abcabcabd", true},
	    {"abcabd", "abcabcab", false},
	    {"stra\xc3\x9f",
		"STRA\xc3\x9f"
		"E",
		true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct search_key k;

		search_key_init(&k, sv_cstr(rows[i].key));
		assert_int_equal(
		    search_text(&k, sv_cstr(rows[i].text)), rows[i].found);
		search_key_deinit(&k);
	}
}

static void
fields_are_searched_decoded(void **state)
{
	struct sv header = SV("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
			      "X-Empty:\r\n"
			      "to: a\r\nTo: b\r\n\r\nSubject: other\r\n");
	struct search_key k;

	(void)state;
	search_key_init(&k, SV("gr\xc3\x9c"));
	assert_true(search_header(&k, header, SV("SUBJECT")));
	assert_false(search_header(&k, header, SV("To")));
	search_key_deinit(&k);
	search_key_init(&k, SV("b"));
	assert_true(search_header(&k, header, SV("To")));
	search_key_deinit(&k);
	search_key_init(&k, SV(""));
	assert_true(search_header(&k, header, SV("X-Empty")));
	assert_false(search_header(&k, header, SV("X-Absent")));
	search_key_deinit(&k);
	search_key_init(&k, SV("other"));
	assert_false(search_header(&k, header, SV("Subject")));
	search_key_deinit(&k);
}

/* [RFC 3501 6.4.4]: in the envelope structure's field. */
static void
addresses_are_searched_as_they_mean(void **state)
{
	static const struct {
		const char *key, *body;
		bool found;
	} rows[] = {
	    {"ann@example.org", "Ann <ann@example.org>", true},
	    {"ann@example.org", "<ann (x)@ (y) example.org>", true},
	    {"ann@example.org", "ann @ example . org", true},
	    {"ann@example.org", "\"ann\"@example.org", true},
	    {"ann@example.org", "ann@\r\n example.org", true},
	    {"(y)", "<ann (x)@ (y) example.org>", true},
	    {"O'Hara \"Bob\"", "\"O'Hara \\\"Bob\\\"\" <b@x.org>", true},
	    {"gr\xc3\x9c\xc3\x9f", "=?utf-8?q?Gr=C3=BC=C3=9F?= (c) <b@x.org>",
		true},
	    {"friends", "Friends (all): a@x.org, b@x.org;", true},
	    {"b@x.org", "Friends: a@x.org, b (me) @x.org;", true},
	    {"c@x.org", "Friends: a@x.org, b (me) @x.org;", false},
	    {"", "", true},
	    {"x", "", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct search_key k;

		search_key_init(&k, sv_cstr(rows[i].key));
		assert_int_equal(
		    search_addresses(&k, sv_cstr(rows[i].body)), rows[i].found);
		search_key_deinit(&k);
	}
}

static void
messages_are_searched_by_part(void **state)
{
	static const char text[] =
	    "Subject: outside\r\n"
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	    "preamble\r\n--b\r\n"
	    "Content-Type: text/plain; charset=iso-8859-1\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
	    "na=EFve so=\r\nftly\r\n--b\r\n"
	    "Content-Type: application/octet-stream\r\n"
	    "Content-Description: described\r\n\r\nbinary\r\n--b\r\n"
	    "Content-Type: message/rfc822\r\n\r\n"
	    "Subject: inside\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	    "aW5uZXI=\r\n--b--\r\n";
	static const struct {
		const char *key;
		bool body, whole;
	} rows[] = {
	    {"NA\xc3\x8fVE", true, true},
	    {"softly", true, true},
	    {"outside", false, true},
	    {"subject: outside", false, true},
	    {"inside", true, true},
	    {"inner", true, true},
	    {"described", true, true},
	    {"binary", false, false},
	    {"absent", false, false},
	    {"", true, true},
	};
	struct arena arena = {.head = NULL};
	struct mime m;

	(void)state;
	mime_parse(sv_cstr(text), NULL, &arena, &m);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct search_key k;

		search_key_init(&k, sv_cstr(rows[i].key));
		assert_int_equal(search_message(&k, &m, false), rows[i].body);
		assert_int_equal(search_message(&k, &m, true), rows[i].whole);
		search_key_deinit(&k);
	}
	arena_deinit(&arena);
}

/* What people see of HTML, and its source. */
static void
html_is_searched_as_it_is_seen(void **state)
{
	static const char head[] =
	    "Content-Type: text/html; charset=utf-8\r\n\r\n";
	static const struct {
		const char *html, *key;
		bool found;
	} rows[] = {
	    {"<p>two <b>wo</b>rds</p>", "two words", true},
	    {"<p>two <b>wo</b>rds</p>", "<b>wo</b>", true},
	    {"<p>two\r\n\twords", "two words", true},
	    {"one<br>two", "one two", true},
	    {"one<td>two", "onetwo", false},
	    {"gr&uuml;&szlig;e",
		"Gr\xc3\xbc\xc3\x9f"
		"e",
		true},
	    {"gr&#252;&#xDF;e",
		"gr\xc3\xbc\xc3\x9f"
		"e",
		true},
	    {"a&nbsp;b &#160; c", "a b c", true},
	    {"fish &amp; chips", "fish & chips", true},
	    /* The first of our names, the last, and some between. */
	    {"&AElig;&yuml;&Yuml;&aacute;&macr;&mdash;",
		"\xc3\x86\xc3\xbf\xc5\xb8\xc3\xa1\xc2\xaf\xe2\x80\x94", true},
	    {"&AEli; &yumm; &A;", "&aeli; &yumm; &a;", true},
	    {"fish &amp chips", "fish & chips", true},
	    {"R&D &unknown; &#0; &;", "r&d &unknown; &#0; &;", true},
	    {"a < b > c", "a < b > c", true},
	    {"x<a href=\"a>b\">y</a>z", "xyz", true},
	    {"x<!-- <p>secret</p> -- > -->y", "x y", true},
	    {"x<!DOCTYPE html>y", "x y", true},
	    {"x<style>p{a:b}</style>y", "x y", true},
	    {"x<SCRIPT a='b'>if (a<b) '</p>'</Script >y", "x y", true},
	    {"x<style>p", "xp", false},
	    {"x<verylongnameofanelement>y", "x y", true},
	    {"hy&shy;phen", "hyphen", true},
	    {"ends with &eacute", "with \xc3\xa9", true},
	    {"ends with <", "with <", true},
	    {"ends with </p", "with", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena arena = {.head = NULL};
		struct buf text = {.len = 0};
		struct search_key k;
		struct mime m;

		buf_add_str(&text, head);
		buf_add_str(&text, rows[i].html);
		mime_parse(buf_sv(&text), NULL, &arena, &m);
		search_key_init(&k, sv_cstr(rows[i].key));
		if (search_message(&k, &m, false) != rows[i].found) {
			fail_msg("%s in %s", rows[i].key, rows[i].html);
		}
		search_key_deinit(&k);
		arena_deinit(&arena);
		buf_deinit(&text);
	}
}

/* Over the border of two chunks, and cut in a character. */
static void
long_texts_are_searched_in_pieces(void **state)
{
	struct buf text = {.len = 0};
	struct search_key k;

	(void)state;
	search_key_init(&k, SV("n\xc3\xa9\xc3\xa9"
			       "dle"));
	for (size_t pad = 16384 - 12; pad < 16384 + 2; pad++) {
		struct arena arena = {.head = NULL};
		struct mime m;

		buf_clear(&text);
		buf_add_str(&text, "\r\n");
		while (text.len < pad) {
			buf_add_char(&text, 'n');
		}
		buf_add_str(&text, "N\xc3\x89\xc3\x89"
				   "DLE");
		mime_parse(buf_sv(&text), NULL, &arena, &m);
		assert_true(search_message(&k, &m, false));
		arena_deinit(&arena);
	}
	search_key_deinit(&k);
	buf_deinit(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_match_under_casemap),
	    cmocka_unit_test(fields_are_searched_decoded),
	    cmocka_unit_test(addresses_are_searched_as_they_mean),
	    cmocka_unit_test(messages_are_searched_by_part),
	    cmocka_unit_test(html_is_searched_as_it_is_seen),
	    cmocka_unit_test(long_texts_are_searched_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
