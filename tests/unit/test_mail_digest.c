#include <stdio.h>

#include "base/mem.h"
#include "mail/digest.h"
#include "mail/imap_text.h"
#include "mail_check.h"
#include "unit.h"

static const char sample[] =
    "Received: by x\r\n"
    "From: Ann Example <ann@example.org>\r\n"
    "to: bob@example.net\r\n"
    "Subject: A \"digest\"\r\n folded\r\n"
    "X-Odd: here\r\n"
    "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n"
    "TO: carl@example.net\r\n"
    "Message-ID: <1@example.org>\r\n"
    "Content-Type: multipart/mixed; boundary=\"=_boundary_of_it\"\r\n"
    "\r\n"
    "--=_boundary_of_it\r\n\r\ntext\r\n"
    "--=_boundary_of_it\r\n"
    "Content-Type: application/pdf; name=a.pdf\r\n"
    "Content-Transfer-Encoding: base64\r\n"
    "Content-Disposition: attachment; filename=a.pdf\r\n\r\n"
    "eA==\r\n"
    "--=_boundary_of_it--\r\n";

static void
open_digest(struct sv message, struct buf *octets, struct digest *d)
{
	struct fail f;

	buf_clear(octets);
	(void)digest_build(message, octets);
	assert_true(octets->len <= DIGEST_MAX);
	assert_int_equal(digest_open(buf_sv(octets), d, &f), 0);
}

static void
a_digest_gives_what_the_message_does(void **state)
{
	struct buf octets = {.len = 0}, text = {.len = 0};
	struct digest d;

	(void)state;
	assert_null(check_message(sv_cstr(sample)));
	open_digest(sv_cstr(sample), &octets, &d);
	assert_int_equal(d.flags, DIGEST_WHOLE | DIGEST_SENT | DIGEST_ATTACHMENT
				      | DIGEST_CRLF | DIGEST_ASCII);
	assert_int_equal(d.size, sizeof(sample) - 1);
	assert_int_equal(d.n_parts, 3);
	assert_true(d.sent.unix_s == 880127706 && d.sent.zone == -360);
	assert_true(digest_body(&d, &text));
	assert_string_equal(buf_cstr(&text),
	    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" "
	    "4 "
	    "0)(\"application\" \"pdf\" (\"name\" \"a.pdf\") NIL NIL "
	    "\"base64\" 4) \"mixed\")");
	buf_deinit(&octets);
	buf_deinit(&text);
}

/* [RFC 1939 11] asks for the size on the wire. */
static void
lines_that_pop3_must_mend_are_known(void **state)
{
	static const struct {
		const char *text;
		bool want;
	} rows[] = {
	    {"", true},
	    {"A: b\r\n\r\nc\r\n", true},
	    {"A: b\r\n\r\nc\rd\r\n", true},
	    {"A: b\r\n\r\nc", false},
	    {"A: b\r\n\r\nc\r", false},
	    {"A: b\r\n\r\nc\n", false},
	    {"A: b\n\r\nc\r\n", false},
	    {"\nA: b\r\n", false},
	};
	struct buf octets = {.len = 0};
	struct digest d;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		open_digest(sv_cstr(rows[i].text), &octets, &d);
		assert_int_equal((d.flags & DIGEST_CRLF) != 0, rows[i].want);
	}
	buf_deinit(&octets);
}

/* [RFC 3501 6.4.5 HEADER.FIELDS] */
static void
listed_fields_come_octet_for_octet(void **state)
{
	static const struct {
		struct sv names[3];
		const char *want; /* NULL: the message must be read */
	} rows[] = {
	    {{{"TO", 2}, {"subject", 7}, {"Cc", 2}},
		"to: bob@example.net\r\n"
		"Subject: A \"digest\"\r\n folded\r\n"
		"TO: carl@example.net\r\n\r\n"},
	    {{{"Cc", 2}, {"Bcc", 3}, {"References", 10}}, "\r\n"},
	    {{{"X-None", 6}, {"X-Nor-This", 10}, {"Cc", 2}}, "\r\n"},
	    {{{"X-Odd", 5}, {"Cc", 2}, {"To", 2}}, NULL},
	    {{{"received", 8}, {"Cc", 2}, {"To", 2}}, NULL},
	};
	struct buf octets = {.len = 0}, text = {.len = 0};
	struct digest d;

	(void)state;
	open_digest(sv_cstr(sample), &octets, &d);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool held = digest_header_fields(&d, rows[i].names, 3, &text);

		assert_int_equal(held, rows[i].want != NULL);
		assert_string_equal(buf_cstr(&text), held ? rows[i].want : "");
		buf_clear(&text);
	}
	buf_deinit(&octets);
	buf_deinit(&text);
}

static void
single_fields_are_held_absent_or_unknown(void **state)
{
	struct buf octets = {.len = 0};
	struct sv body = SV_EMPTY;
	struct digest d;
	size_t at = 0;

	(void)state;
	open_digest(sv_cstr(sample), &octets, &d);
	assert_int_equal(digest_field(&d, SV("to"), &body), DIGEST_HELD);
	assert_true(sv_eq(body, SV(" bob@example.net")));
	assert_int_equal(digest_field(&d, SV("cc"), &body), DIGEST_ABSENT);
	assert_int_equal(digest_field(&d, SV("x-odd"), &body), DIGEST_UNKNOWN);
	assert_true(digest_field_next(&d, SV("To"), &at, &body));
	assert_true(digest_field_next(&d, SV("To"), &at, &body));
	assert_true(sv_eq(body, SV(" carl@example.net")));
	assert_false(digest_field_next(&d, SV("To"), &at, &body));
	buf_deinit(&octets);
}

/* The empty line is given back as it stands: CRLF, LF or none. */
static void
the_empty_line_is_remembered(void **state)
{
	static const char *const rows[][2] = {{"To: a\r\n\r\n", "\r\n"},
	    {"To: a\n\n", "\n"}, {"To: a\r\n", ""}, {"", ""}};
	struct sv name = SV("Cc");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf octets = {.len = 0}, text = {.len = 0};
		struct digest d;

		open_digest(sv_cstr(rows[i][0]), &octets, &d);
		assert_true(digest_header_fields(&d, &name, 1, &text));
		assert_string_equal(buf_cstr(&text), rows[i][1]);
		buf_deinit(&octets);
		buf_deinit(&text);
	}
}

/* `n` lines of `format` after `head`. */
static void
make_large(struct buf *to, const char *head, const char *line, int n)
{
	buf_clear(to);
	buf_add_str(to, head);
	for (int i = 0; i < n; i++) {
		buf_add_str(to, line);
		buf_add_u64(to, (uint64_t)i * 7919);
		buf_add_str(to, "\r\n");
	}
	buf_add_str(to, "\r\nbody\r\n");
}

/* What does not fit is left out, and said to be. */
static void
large_messages_keep_what_fits(void **state)
{
	static const struct {
		const char *head, *line;
		int n;
		unsigned kept, left_out;
	} rows[] = {
	    {"From: a@b\r\n", "X-Other: ", 10000, DIGEST_WHOLE, 0},
	    {"From: a@b\r\n", "Subject: ", 1000,
		DIGEST_PARTS | DIGEST_ENVELOPE | DIGEST_STRUCTURE,
		DIGEST_FIELDS},
	    {"From: a@b\r\nTo: x@y,\r\n", " a@b.c, z", 1000,
		DIGEST_PARTS | DIGEST_STRUCTURE,
		DIGEST_FIELDS | DIGEST_ENVELOPE},
	    {"From: a@b\r\nTo: x@y\r\n", " , Ann Example <ann@example.org> ",
		150, DIGEST_PARTS | DIGEST_STRUCTURE, DIGEST_FIELDS},
	    {"From: a@b\r\nReferences: x\r\n", " <some-id@example.org> ", 120,
		DIGEST_PARTS | DIGEST_ENVELOPE | DIGEST_STRUCTURE,
		DIGEST_FIELDS},
	    {"From: a@b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n",
		"--b\r\nContent-ID: <", 300, DIGEST_ENVELOPE,
		DIGEST_STRUCTURE | DIGEST_PARTS},
	};
	struct buf message = {.len = 0}, octets = {.len = 0};
	struct sv body = SV_EMPTY;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct digest d;

		make_large(&message, rows[i].head, rows[i].line, rows[i].n);
		assert_null(check_message(buf_sv(&message)));
		open_digest(buf_sv(&message), &octets, &d);
		assert_int_equal(d.flags & rows[i].kept, rows[i].kept);
		assert_int_equal(d.flags & rows[i].left_out, 0);
		assert_int_equal(
		    digest_field(&d, SV("From"), &body), DIGEST_HELD);
	}
	buf_deinit(&message);
	buf_deinit(&octets);
}

/* Any octets are a sound digest or are refused: each cut of one,
 * and one with any bit of it changed. */
static void
damaged_digests_are_refused_or_sound(void **state)
{
	struct buf octets = {.len = 0};
	struct digest d;
	struct fail f;
	size_t refused = 0;

	(void)state;
	(void)digest_build(sv_cstr(sample), &octets);
	for (size_t cut = 0; cut < octets.len; cut++) {
		char *exact = xmemdup(octets.data, cut + (cut == 0));

		assert_int_equal(digest_open(sv_make(exact, cut), &d, &f), -1);
		assert_int_equal(f.kind, FAIL_CORRUPT);
		free(exact);
	}
	for (size_t i = 0; i < octets.len * 8; i++) {
		struct arena arena = {.head = NULL};
		struct section_spans spans;
		struct buf text = {.len = 0};
		unsigned got = 0;

		octets.data[i / 8] ^= (char)(1 << i % 8);
		if (digest_open(buf_sv(&octets), &d, &f) != 0) {
			refused++;
		} else {
			got += digest_envelope(&d, &text);
			got += digest_body(&d, &text);
			got += digest_spans(&d, &arena, &spans);
		}
		octets.data[i / 8] ^= (char)(1 << i % 8);
		assert_in_range(got, 0, 3);
		buf_deinit(&text);
		arena_deinit(&arena);
	}
	assert_true(refused > 0);
	buf_deinit(&octets);
}

static void
another_version_is_not_read(void **state)
{
	struct buf octets = {.len = 0};
	struct digest d;
	struct fail f;

	(void)state;
	(void)digest_build(sv_cstr(sample), &octets);
	octets.data[0]++;
	assert_int_equal(digest_open(buf_sv(&octets), &d, &f), -1);
	assert_int_equal(f.kind, FAIL_CORRUPT);
	buf_deinit(&octets);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_digest_gives_what_the_message_does),
	    cmocka_unit_test(lines_that_pop3_must_mend_are_known),
	    cmocka_unit_test(listed_fields_come_octet_for_octet),
	    cmocka_unit_test(single_fields_are_held_absent_or_unknown),
	    cmocka_unit_test(the_empty_line_is_remembered),
	    cmocka_unit_test(large_messages_keep_what_fits),
	    cmocka_unit_test(damaged_digests_are_refused_or_sound),
	    cmocka_unit_test(another_version_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
