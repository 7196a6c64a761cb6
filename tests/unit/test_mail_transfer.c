#include "base/mem.h"
#include "mail/transfer.h"
#include "unit.h"

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

/* [RFC 4648 10] */
static void
base64_is_written_with_padding(void **state)
{
	static const struct {
		const char *plain, *coded;
	} rows[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
	    {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
	    {"foobar", "Zm9vYmFy"}};
	struct buf got = {.len = 0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&got);
		transfer_base64(sv_cstr(rows[i].plain), &got);
		assert_string_equal(buf_cstr(&got), rows[i].coded);
	}
	buf_deinit(&got);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(base64_is_decoded_whatever_stands_in_it),
	    cmocka_unit_test(quoted_printable_is_decoded_whatever_stands_in_it),
	    cmocka_unit_test(uuencode_is_decoded_between_begin_and_end),
	    cmocka_unit_test(encodings_are_known_by_name),
	    cmocka_unit_test(base64_is_written_with_padding),
	    cmocka_unit_test(base64_lines_are_of_76_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
