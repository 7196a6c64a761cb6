/*
 * Text: transfer encodings, charsets, encoded words, parameters, search keys.
 */
#include "base/mem.h"
#include "mail/charset.h"
#include "mail/encoded.h"
#include "mail/header.h"
#include "mail/param.h"
#include "mail/search.h"
#include "mail/transfer.h"
#include "unit.h"

#define REPLACED "\xef\xbf\xbd" /* U+FFFD */

/* Decode cut into pieces of every size up to its own: always the same. */
static void
assert_decodes(enum transfer_encoding e, const char *in, const char *want)
{
	struct sv s = sv_cstr(in);

	for (size_t piece = 1; piece <= s.len + 1; piece++) {
		struct buf got = {.len = 0};
		struct transfer t;

		transfer_init(&t, e);
		for (size_t i = 0; i < s.len; i += piece) {
			transfer_decode(&t, sv_sub(s, i, piece), &got);
		}
		transfer_finish(&t, &got);
		assert_string_equal(buf_cstr(&got), want);
		buf_deinit(&got);
	}
}

/* [RFC 2045 6.8] */
static void
base64_is_decoded_whatever_stands_in_it(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
	    {"", ""},
	    {"SGVsbG8=", "Hello"},
	    {"SGVs\r\nbG8=\r\n", "Hello"},
	    {" S G V s b G 8 ", "Hello"},
	    {"SGVsbG8", "Hello"},
	    {"SGVsbG8=SGVsbG8h", "HelloHello!"},
	    {"SGVs!bG8=", "Hello"},
	    {"S", ""},
	    {"====", ""},
	    {"SA==SQ==", "HI"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_decodes(TRANSFER_BASE64, rows[i].in, rows[i].want);
	}
}

/* [RFC 2045 6.7] */
static void
quoted_printable_is_decoded_whatever_stands_in_it(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
	    {"caf=C3=A9", "caf\xc3\xa9"},
	    {"caf=c3=a9", "caf\xc3\xa9"},
	    {"soft=\r\nbreak", "softbreak"},
	    {"soft=\nbreak", "softbreak"},
	    {"soft= \t\r\nbreak", "softbreak"},
	    {"padded  \t\r\nline  ", "padded\r\nline"},
	    {"kept =20\r\n", "kept  \r\n"},
	    {"not hex =4G =x =\xff=", "not hex =4G =x =\xff"},
	    {"a=3D=3d=b", "a===b"},
	    {"end=", "end"},
	    {"end=4", "end=4"},
	    {"= x", "= x"},
	    {"=\rx", "x"},
	    {"a \rb", "a\rb"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_decodes(
		    TRANSFER_QUOTED_PRINTABLE, rows[i].in, rows[i].want);
	}
}

static void
uuencode_is_decoded_between_begin_and_end(void **state)
{
	(void)state;
	assert_decodes(TRANSFER_UUENCODE,
	    "preamble\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\nrest\r\n",
	    "Cat");
	assert_decodes(TRANSFER_UUENCODE, "begin 644 x\n#0V%T", "Cat");
	assert_decodes(TRANSFER_UUENCODE, "no begin\n#0V%T\n", "");
	assert_decodes(TRANSFER_UUENCODE, "begin 644 x\nM0V%T\nend\n", "Cat");
}

static void
encodings_are_known_by_name(void **state)
{
	static const struct {
		const char *name;
		enum transfer_encoding e;
	} rows[] = {
	    {"", TRANSFER_7BIT},
	    {" 7BIT ", TRANSFER_7BIT},
	    {"8bit (x)", TRANSFER_8BIT},
	    {"Quoted-Printable;", TRANSFER_QUOTED_PRINTABLE},
	    {"\"base64\"", TRANSFER_BASE64},
	    {"x-uue", TRANSFER_UUENCODE},
	    {"base65", TRANSFER_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(
		    transfer_by_name(sv_cstr(rows[i].name)), rows[i].e);
	}
	assert_true(sv_eq(transfer_name(TRANSFER_UUENCODE), SV("x-uuencode")));
}

/* [RFC 4648 10, 3.3, 3.5] */
static void
strict_base64_takes_one_form_only(void **state)
{
	static const struct {
		const char *plain, *coded;
	} rows[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
	    {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
	    {"foobar", "Zm9vYmFy"}};
	static const char *const bad[] = {"Zg",
	    "Zg=", "Zg===", "Zh==", "Zm9=", "Zm 8=", "Zm8=\n",
	    "====", "Z===", "Zg==Zg==", "Zm9v="};
	struct buf got = {.len = 0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&got);
		transfer_base64(sv_cstr(rows[i].plain), &got);
		assert_string_equal(buf_cstr(&got), rows[i].coded);
		buf_clear(&got);
		assert_true(
		    transfer_base64_decode(sv_cstr(rows[i].coded), &got));
		assert_string_equal(buf_cstr(&got), rows[i].plain);
	}
	buf_clear(&got);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(transfer_base64_decode(sv_cstr(bad[i]), &got));
		assert_int_equal(got.len, 0);
	}
	buf_deinit(&got);
}

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

/* [RFC 2045 6.8] */
static void
base64_lines_are_of_76_octets(void **state)
{
	struct buf text = {.len = 0}, coded = {.len = 0}, back = {.len = 0};
	struct transfer t;

	(void)state;
	for (int i = 0; i < 100; i++) {
		buf_add_char(&text, (char)i);
	}
	transfer_base64_lines(buf_sv(&text), &coded);
	assert_int_equal(sv_find(buf_sv(&coded), SV("\r\n")), 76);
	assert_int_equal(coded.len, 76 + 2 + 60 + 2);
	transfer_init(&t, TRANSFER_BASE64);
	transfer_decode(&t, buf_sv(&coded), &back);
	transfer_finish(&t, &back);
	assert_false(t.damaged);
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

/* value{name=value|...} */
static void
describe(const struct param_list *l, struct buf *to)
{
	buf_add_sv(to, l->value);
	buf_add_char(to, '{');
	for (size_t i = 0; i < l->n; i++) {
		buf_add_sv(to, l->at[i].name);
		buf_add_char(to, '=');
		buf_add_sv(to, l->at[i].value);
		buf_add_char(to, '|');
	}
	buf_add_char(to, '}');
}

/* [RFC 2045 5.1, RFC 2231 3, 4, 4.1] */
static void
parameters_of_every_form_are_read(void **state)
{
	static const struct {
		const char *body, *want;
	} rows[] = {
	    {"", "{}"},
	    {"text/plain", "text/plain{}"},
	    {" text/plain ; charset=us-ascii (Plain text)",
		"text/plain{charset=us-ascii|}"},
	    {"text/plain; charset=\"us-ascii\"",
		"text/plain{charset=us-ascii|}"},
	    {"text / plain (c) ;a=b", "text/plain{a=b|}"},
	    {"text/plain; a=\"x\\\"y\\\\\"; b=", "text/plain{a=x\"y\\|b=|}"},
	    {"text/plain; A=1; a=2", "text/plain{A=1|}"},
	    {"text/plain;; ;a=1;", "text/plain{a=1|}"},
	    {"text/plain; word; a=1", "text/plain{a=1|}"},
	    {"text/plain; a=1 b=2", "text/plain{a=1|b=2|}"},
	    {"text/plain; a=\"1\" b=2", "text/plain{a=1|b=2|}"},
	    {"text/plain charset=utf-8", "text/plain{charset=utf-8|}"},
	    {"attachment; filename=two words.txt; x=y",
		"attachment{filename=two words.txt|x=y|}"},
	    {"attachment; filename=\"open.txt; x=y",
		"attachment{filename=open.txt; x=y|}"},
	    {"attachment; filename=\"a\r\n b\"", "attachment{filename=a b|}"},
	    {"multipart/mixed; boundary=----=_Part_1.2",
		"multipart/mixed{boundary=----=_Part_1.2|}"},
	    {"x; =1; a", "x{}"},
	    {"x; a=(open; b=1", "x{a=(open|b=1|}"},
	    /* [RFC 2231 3] */
	    {"message/external-body; access-type=URL; URL*0=\"ftp://\";\r\n"
	     " URL*1=\"cs.utk.edu/pub\"",
		"message/external-body{access-type=URL|URL=ftp://cs.utk.edu/"
		"pub|}"},
	    {"x; a*1=b; a*0=a; c=d; a*2=c", "x{a=abc|c=d|}"},
	    {"x; a*1=lost; b*0=kept; b*2=lost", "x{b=kept|}"},
	    /* [RFC 2231 4, 4.1] */
	    {"x; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
		"x{title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A|}"},
	    {"x; title*0*=us-ascii'en'This%20is%20even%20more%20;\r\n"
	     " title*1*=%2A%2A%2Afun%2A%2A%2A%20;\r\n title*2=\"isn't it!\"",
		"x{title*=us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun"
		"%2A%2A%2A%20isn%27t%20it!|}"},
	    {"x; a*0=x; a*1*=%41", "x{a*=''x%41|}"},
	    {"x; a*=''1; a=2", "x{a*=''1|a=2|}"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena arena = {.head = NULL};
		struct param_list list;
		struct buf got = {.len = 0};

		param_parse(sv_cstr(rows[i].body), PARAM_MAX, &arena, &list);
		describe(&list, &got);
		assert_string_equal(buf_cstr(&got), rows[i].want);
		buf_deinit(&got);
		arena_deinit(&arena);
	}
}

static void
parameters_are_decoded_for_people(void **state)
{
	static const struct {
		const char *body, *want;
	} rows[] = {
	    {"x; filename=a.txt", "a.txt"},
	    {"x; filename*=UTF-8''caf%C3%A9.txt; filename=cafe.txt",
		"caf\xc3\xa9.txt"},
	    {"x; filename*0*=iso-8859-1'fr'caf%E9; filename*1=\" x\"",
		"caf\xc3\xa9 x"},
	    {"x; filename=\"=?utf-8?B?w6k=?=\"", "\xc3\xa9"},
	    {"x; filename=\"caf\xe9\"", "caf\xc3\xa9"},
	    {"x; filename*=no%20quotes%zz", "no quotes%zz"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena arena = {.head = NULL};
		struct param_list list;
		struct buf got = {.len = 0};

		param_parse(sv_cstr(rows[i].body), PARAM_MAX, &arena, &list);
		assert_true(param_text(&list, SV("filename"), &got));
		assert_false(param_text(&list, SV("name"), &got));
		assert_string_equal(buf_cstr(&got), rows[i].want);
		buf_deinit(&got);
		arena_deinit(&arena);
	}
}

static void
a_million_parameters_are_cut_at_the_limit(void **state)
{
	static const char *const pieces[] = {"; a=b", "; a*0=b", "; a*1*=%41",
	    "; \"", "; (", "; (x)", ";", "; a", "=", "a b c ", "a/ "};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(pieces); i++) {
		struct arena arena = {.head = NULL};
		struct param_list list;
		struct buf text = {.len = 0};

		for (int k = 0; k < 1000000; k++) {
			buf_add_str(&text, pieces[i]);
		}
		param_parse(buf_sv(&text), PARAM_MAX, &arena, &list);
		assert_true(list.n <= PARAM_MAX);
		assert_true(arena.used <= 3 * text.len + 65536);
		buf_deinit(&text);
		arena_deinit(&arena);
	}
}

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
	    cmocka_unit_test(base64_is_decoded_whatever_stands_in_it),
	    cmocka_unit_test(quoted_printable_is_decoded_whatever_stands_in_it),
	    cmocka_unit_test(uuencode_is_decoded_between_begin_and_end),
	    cmocka_unit_test(encodings_are_known_by_name),
	    cmocka_unit_test(strict_base64_takes_one_form_only),
	    cmocka_unit_test(charsets_become_utf8),
	    cmocka_unit_test(charsets_are_known_or_not),
	    cmocka_unit_test(names_are_composed),
	    cmocka_unit_test(casemap_gives_titlecase_decomposed),
	    cmocka_unit_test(encoded_words_are_decoded),
	    cmocka_unit_test(text_is_encoded_in_words_of_75_octets),
	    cmocka_unit_test(base64_lines_are_of_76_octets),
	    cmocka_unit_test(fields_without_end_are_read_to_a_limit),
	    cmocka_unit_test(parameters_of_every_form_are_read),
	    cmocka_unit_test(parameters_are_decoded_for_people),
	    cmocka_unit_test(a_million_parameters_are_cut_at_the_limit),
	    cmocka_unit_test(keys_match_under_casemap),
	    cmocka_unit_test(fields_are_searched_decoded),
	    cmocka_unit_test(addresses_are_searched_as_they_mean),
	    cmocka_unit_test(messages_are_searched_by_part),
	    cmocka_unit_test(long_texts_are_searched_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
