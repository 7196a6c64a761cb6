#include <stdio.h>

#include "base/mem.h"
#include "mail/header.h"
#include "mail/received.h"
#include "mail/subject.h"
#include "unit.h"

static void
fields_of_any_section_leave_no_gap(void **state)
{
	static const struct {
		const char *text;
		const char *fields; /* name=body| */
		size_t at, blank;
	} rows[] = {
	    {"A: b\r\nC: d\r\n\r\nbody", "A= b|C= d|", 12, 2},
	    {"A: b\nC: d\n\nbody", "A= b|C= d|", 10, 1},
	    {"A: b\r\n c\r\n\td\r\nE:\r\n", "A= b\r\n c\r\n\td|E=|", 18, 0},
	    {"A: b", "A= b|", 4, 0},
	    {"", "", 0, 0},
	    {"\r\nbody", "", 0, 2},
	    {"\n", "", 0, 1},
	    /* [RFC 5322 4.5.8] blanks before the colon */
	    {"To \t: x\n", "To= x|", 8, 0},
	    /* what is no field */
	    {"From ann Fri Nov 21 09:55:06 1997\nA: b\n",
		"=From ann Fri Nov 21 09:55:06 1997|A= b|", 39, 0},
	    {"no colon\n: no name\nA: b\n\n", "=no colon|=: no name|A= b|", 24,
		1},
	    {" begins with a blank\nA: b\n", "= begins with a blank|A= b|", 26,
		0},
	    {"A\x01: b\n", "=A\x01: b|", 6, 0},
	    /* a CR alone ends no line */
	    {"A: b\rc\n\rD: e\n\r\n", "A= b\rc|=\rD: e|", 13, 2},
	    /* a blank line of blanks continues [RFC 5322 4.2 obs-FWS] */
	    {"A: b\n \n c\n\n", "A= b\n \n c|", 10, 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct sv text = sv_cstr(rows[i].text);
		struct buf got = {.len = 0};
		struct header_field field;
		struct header_iter it;

		header_iter_init(&it, text);
		while (header_next(&it, &field)) {
			buf_add_sv(&got, field.name);
			buf_add_char(&got, '=');
			buf_add_sv(&got, field.body);
			buf_add_char(&got, '|');
		}
		assert_string_equal(buf_cstr(&got), rows[i].fields);
		assert_int_equal(it.at, rows[i].at);
		assert_int_equal(it.blank, rows[i].blank);
		assert_int_equal(header_size(text), it.at + it.blank);
		assert_false(header_next(&it, &field));
		buf_deinit(&got);
	}
}

static void
nul_is_an_octet_of_the_body(void **state)
{
	struct header_field field;
	struct buf line = {.len = 0};

	(void)state;
	assert_true(header_find(SV("A: x\0y\r\n z\r\n\r\n"), SV("a"), &field));
	assert_int_equal(field.body.len, 8);
	header_unfold(field.body, &line);
	assert_string_equal(buf_cstr(&line), "xy z");
	buf_deinit(&line);
}

/* [RFC 3501 6.4.5] */
static void
header_fields_come_as_they_stand_with_the_blank_line(void **state)
{
	static const char text[] = "B: 1\r\na: 2\r\n 3\r\nB : 4\r\n\r\nbody";
	static const struct {
		struct sv names[2];
		bool invert;
		const char *want;
	} rows[] = {
	    {{{"A", 1}, {"x", 1}}, false, "a: 2\r\n 3\r\n\r\n"},
	    {{{"b", 1}, {"x", 1}}, false, "B: 1\r\nB : 4\r\n\r\n"},
	    {{{"b", 1}, {"x", 1}}, true, "a: 2\r\n 3\r\n\r\n"},
	    {{{"x", 1}, {"y", 1}}, false, "\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf got = {.len = 0};

		header_filter(
		    sv_cstr(text), rows[i].names, 2, rows[i].invert, &got);
		assert_string_equal(buf_cstr(&got), rows[i].want);
		buf_deinit(&got);
	}
}

static void
many_names_are_found_as_few_are(void **state)
{
	static const char *const text = "N7: a\nM: b\nn99: c\n\n";
	static char names_text[100][8];
	struct sv names[100];
	struct buf got = {.len = 0};

	(void)state;
	for (int i = 0; i < 100; i++) {
		(void)snprintf(names_text[i], sizeof(names_text[i]), "n%d", i);
		names[i] = sv_cstr(names_text[i]);
	}
	header_filter(sv_cstr(text), names, 100, false, &got);
	assert_string_equal(buf_cstr(&got), "N7: a\nn99: c\n\n");
	buf_deinit(&got);
}

/* [RFC 5256 2.1] */
static void
base_subject_loses_the_marks_of_replies(void **state)
{
	static const struct {
		const char *body;
		const char *base;
		bool reply;
	} rows[] = {
	    {"Hello", "Hello", false},
	    {" Re: Hello ", "Hello", true},
	    {"RE: re:Fwd: FW: Hello (fwd) (fwd)", "Hello", true},
	    {"Re[2]: Hello", "Hello", true},
	    {"[list] Re: [list] Hello", "Hello", true},
	    {"[list] [x]  Hello", "Hello", false},
	    {"[list]", "[list]", false},
	    {"[a][b]", "[b]", false},
	    {"[fwd: Re: Hello]", "Hello", true},
	    {"[Fwd: [fwd: Hello]]", "Hello", true},
	    {"Hello\r\n\tworld   again", "Hello world again", false},
	    {"=?utf-8?q?Re=3A_caf=C3=A9?=", "caf\xc3\xa9", true},
	    {"Rebate", "Rebate", false},
	    {"re :x", "x", true},
	    {"(fwd)", "", true},
	    {"", "", false},
	    {"Re:", "", true},
	    {"[un[closed] x", "[un[closed] x", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf got = {.len = 0};
		bool reply;

		subject_base(sv_cstr(rows[i].body), &reply, &got);
		assert_string_equal(buf_cstr(&got), rows[i].base);
		assert_int_equal(reply, rows[i].reply);
		buf_deinit(&got);
	}
}

/* [RFC 5321 4.4] */
static void
received_is_written_folded_and_harmless(void **state)
{
	struct received r = {.helo = SV("evil)\r\nX: y\xff"),
	    .name = SV("host.example"),
	    .address = SV("2001:db8::1"),
	    .by = SV("mx.example.org"),
	    .with = SV("ESMTPS"),
	    .tls = SV("TLSv1.3 TLS_AES_256_GCM_SHA384"),
	    .id = SV("abc123"),
	    .rcpt = SV("ann@example.org"),
	    .date = {880127706, -360}};
	struct buf got = {.len = 0};

	(void)state;
	received_format(&r, &got);
	assert_string_equal(buf_cstr(&got),
	    "Received: from evil???X:?y? (host.example [IPv6:2001:db8::1])\r\n"
	    "\tby mx.example.org with ESMTPS "
	    "(TLSv1.3 TLS_AES_256_GCM_SHA384) id abc123\r\n"
	    "\tfor <ann@example.org>; Fri, 21 Nov 1997 09:55:06 -0600\r\n");
	buf_clear(&got);
	received_return_path(SV(""), &got);
	assert_string_equal(buf_cstr(&got), "Return-Path: <>\r\n");
	buf_deinit(&got);
}

/* [RFC 5321 6.3] */
static void
loops_are_seen_in_the_trace(void **state)
{
	struct sv header = SV("Received: a\nreceived: b\nX-Received: c\n"
			      "\nReceived: d\n");

	(void)state;
	assert_int_equal(received_count(header, 100), 2);
	assert_int_equal(received_count(header, 1), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_of_any_section_leave_no_gap),
	    cmocka_unit_test(nul_is_an_octet_of_the_body),
	    cmocka_unit_test(
		header_fields_come_as_they_stand_with_the_blank_line),
	    cmocka_unit_test(many_names_are_found_as_few_are),
	    cmocka_unit_test(base_subject_loses_the_marks_of_replies),
	    cmocka_unit_test(received_is_written_folded_and_harmless),
	    cmocka_unit_test(loops_are_seen_in_the_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
