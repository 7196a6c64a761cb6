#include "mail/downgrade.h"
#include "unit.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "mail/encoded.h"
#include "mail/header.h"

static const struct row {
	const char *in;
	const char *want;
} rows[] = {
    /* Nothing to do. */
    {"Subject: x\r\nTo:\ta@b ,c@d\r\n\r\n",
	"Subject: x\r\nTo:\ta@b ,c@d\r\n\r\n"},
    {"", ""},
    {"\r\n", "\r\n"},
    /* Text. */
    {"Subject: gr\xc3\xbcn\r\n\r\n", "Subject: =?UTF-8?B?Z3LDvG4=?=\r\n\r\n"},
    {"subject:gr\xc3\xbcn\nX: y\n\n",
	"subject: =?UTF-8?B?Z3LDvG4=?=\r\nX: y\n\n"},
    {"X-Any: =?utf-8?Q?=C3=A4?= \xc3\xbc\r\n\r\n",
	"X-Any: =?UTF-8?B?w6Qgw7w=?=\r\n\r\n"},
    /* Addresses. */
    {"From: J\xc3\xb6rg <j@b.test>\r\n\r\n",
	"From: =?UTF-8?B?SsO2cmc=?= <j@b.test>\r\n\r\n"},
    {"To: \"A, B\" <a@b.test>, \xc3\xbc <c@d.test>,\r\n e@f.test\r\n\r\n",
	"To: \"A, B\" <a@b.test>,\r\n =?UTF-8?B?w7w=?= <c@d.test>,\r\n "
	"<e@f.test>\r\n\r\n"},
    {"Cc: J <j@b\xc3\xbc.test>, \xc3\xbc@b.test\r\n\r\n",
	"Cc: J <invalid@internationalized-address.invalid>,\r\n "
	"=?UTF-8?B?w7xAYi50ZXN0?= "
	"<invalid@internationalized-address.invalid>\r\n\r\n"},
    {"Reply-To: gr\xc3\xbcne: a@b.test, c@d.test;\r\n\r\n",
	"Reply-To: =?UTF-8?B?Z3LDvG5l?=:\r\n <a@b.test>,\r\n "
	"<c@d.test>;\r\n\r\n"},
    {"To: =?utf-8?Q?=C3=A4?= B. <a@b.test>, \xc3\xbc <c@d.test>\r\n\r\n",
	"To: =?UTF-8?B?w6QgQi4=?= <a@b.test>,\r\n =?UTF-8?B?w7w=?= "
	"<c@d.test>\r\n\r\n"},
    /* Parameters. */
    {"Content-Type: text/plain; charset=utf-8; name=\"gr\xc3\xbcn "
     "x.txt\"\r\n\r\n",
	"Content-Type: text/plain;\r\n charset=\"utf-8\";\r\n "
	"name*=utf-8''gr%C3%BCn%20x.txt\r\n\r\n"},
    {"Content-Disposition: attachment;\r\n filename=\xc3\xbc.pdf\r\n\r\n",
	"Content-Disposition: attachment;\r\n filename*=utf-8''%C3%BC.pdf"
	"\r\n\r\n"},
    /* What may hold no encoded word. */
    {"Message-ID: <\xc3\xbc@b.test>\r\nReceived: by \xe2\x82\xac\r\n x\r\n\r\n",
	"Message-ID: <?@b.test>\r\nReceived: by ?\r\n x\r\n\r\n"},
    {"no field \xc3\xbc\r\n\r\n", "no field ?\r\n\r\n"},
    /* Not UTF-8: nobody knows what it is. */
    {"Subject: gr\xfcn\r\n\r\n", "Subject: gr\xfcn\r\n\r\n"},
};

static void
rfc6856_2_1_fields_become_ascii(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf got = {.data = NULL};

		downgrade_header(sv_cstr(rows[i].in), &got);
		assert_string_equal(buf_cstr(&got), rows[i].want);
		buf_deinit(&got);
	}
}

/* Whatever a field of UTF-8 holds, what is made of it is ASCII, and is one
 * field and no more. */
static void
a_field_stays_one_field(void **state)
{
	static const char *const names[] = {"Subject", "From", "To",
	    "Content-Type", "Content-Disposition", "References", "X"};
	static const char *const parts[] = {"\xc3\xbc", "\"", "\\", "<", ">",
	    ",", ";", ":", "=", "(", ")", "@", "*", "a", " ", "\r\n ", "'",
	    "=?", "?="};
	uint64_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		struct buf in = {.data = NULL}, got = {.data = NULL};
		struct header_field field;
		struct header_iter it;

		seed = seed * UINT64_C(6364136223846793005) + 1;
		buf_addf(&in, "%s: \xc3\xbc", names[round % COUNT_OF(names)]);
		for (unsigned i = 0; i < 12; i++) {
			buf_add_str(
			    &in, parts[(seed >> (5 * i)) % COUNT_OF(parts)]);
		}
		buf_add_str(&in, "x\r\n\r\n");
		downgrade_header(buf_sv(&in), &got);
		assert_true(utf8_is_ascii(buf_sv(&got)));
		header_iter_init(&it, buf_sv(&got));
		assert_true(header_next(&it, &field));
		assert_true(
		    sv_eq(field.name, sv_cstr(names[round % COUNT_OF(names)])));
		assert_false(header_next(&it, &field));
		assert_int_equal(it.blank, 2);
		assert_int_equal(it.at + it.blank, got.len);
		buf_deinit(&in);
		buf_deinit(&got);
	}
}

/* It reads as before. */
static void
a_subject_reads_as_before(void **state)
{
	struct buf text = {.data = NULL}, in = {.data = NULL};
	struct buf got = {.data = NULL}, read = {.data = NULL};
	struct header_field field;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		buf_add_str(&text, i % 3 == 0 ? " \xe2\x82\xac" : "\xc3\xbcx");
	}
	buf_add_str(&in, "Subject:");
	buf_add_sv(&in, buf_sv(&text));
	buf_add_str(&in, "\r\n\r\n");
	downgrade_header(buf_sv(&in), &got);
	assert_true(header_find(buf_sv(&got), SV("Subject"), &field));
	encoded_decode(field.body, &read);
	assert_string_equal(buf_cstr(&read), buf_cstr(&text) + 1);
	buf_deinit(&text);
	buf_deinit(&in);
	buf_deinit(&got);
	buf_deinit(&read);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rfc6856_2_1_fields_become_ascii),
	    cmocka_unit_test(a_field_stays_one_field),
	    cmocka_unit_test(a_subject_reads_as_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
