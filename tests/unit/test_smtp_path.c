#include <string.h>

#include "base/mem.h"
#include "proto/smtp_path.h"
#include "unit.h"

static enum smtp_path_result
parse(const char *text, struct arena *a, struct smtp_path *out, struct sv *rest)
{
	*rest = sv_cstr(text);
	return smtp_path_parse(rest, a, out);
}

static void
rfc5321_4_1_2_paths(void **state)
{
	static const struct {
		const char *text;
		const char *local;
		const char *domain;
		const char *rest;
	} rows[] = {
	    {"<a@b.c>", "a", "b.c", ""},
	    {"<a@b.c> SIZE=1", "a", "b.c", " SIZE=1"},
	    {"<a.b+c@example.org>", "a.b+c", "example.org", ""},
	    {"<!#$%&'*/=?^_`{|}~-@x>", "!#$%&'*/=?^_`{|}~-", "x", ""},
	    {"<\"a b\"@x>", "a b", "x", ""},
	    {"<\"Joe\\,Smith\"@x>", "Joe,Smith", "x", ""},
	    {"<\"a\\\"b\\\\\"@x>", "a\"b\\", "x", ""},
	    {"<\">@y\"@x>", ">@y", "x", ""},
	    {"<\"\"@x>", "", "x", ""},
	    {"<@one,@two:a@b>", "a", "b", ""},
	    {"<@[192.0.2.1]:a@b>", "a", "b", ""},
	    {"<a@[192.0.2.1]>", "a", "[192.0.2.1]", ""},
	    {"<a@[IPv6:2001:db8::1]>", "a", "[IPv6:2001:db8::1]", ""},
	    {"<a@[ipv6:::ffff:192.0.2.1]>", "a", "[ipv6:::ffff:192.0.2.1]", ""},
	    {"<a@[x-new:any(thing)]>", "a", "[x-new:any(thing)]", ""},
	    {"<a@1-2.3>", "a", "1-2.3", ""},
	};
	struct arena a = {0};
	struct smtp_path path;
	struct sv rest;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(
		    parse(rows[i].text, &a, &path, &rest), SMTP_PATH_OK);
		assert_int_equal(path.kind, SMTP_PATH_MAILBOX);
		assert_true(sv_eq(path.local, sv_cstr(rows[i].local)));
		assert_true(sv_eq(path.domain, sv_cstr(rows[i].domain)));
		assert_true(sv_eq(rest, sv_cstr(rows[i].rest)));
		assert_int_equal(path.literal, rows[i].domain[0] == '[');
	}
	arena_deinit(&a);
}

static void
rfc5321_4_1_2_what_is_no_path(void **state)
{
	static const char *const rows[] = {"", "a@b", "<", "<a", "<a@", "<a@b",
	    "<a>", "<@>", "<a@>", "<@b>", "<a b@c>", "<a@b c>", "<a@b..c>",
	    "<a@.b>", "<a@b.>", "<a@-b>", "<a@b->", "<a@b_c>", "<.a@b>",
	    "<a.@b>", "<a..b@c>", "<\"a@b>", "<\"a\"b@c>", "<\"a\\\x01\"@b>",
	    "<\"a\x01\"@b>", "<\"a\\", "<\"a\x7f\"@b>", "<a@[1.2.3]>",
	    "<a@[1.2.3.256]>", "<a@[1.2.3.4>", "<a@[]>", "<a@[IPv6:1.2.3.4]>",
	    "<a@[IPv6:1::2::3]>", "<a@[x:]>", "<a@[x:a\\b]>", "<a@[-:a]>",
	    "<@one:>", "<@one a@b>", "<@one,:a@b>", "<@one,two:a@b>",
	    "<@one,@two>"};
	struct arena a = {0};
	struct smtp_path path;
	struct sv rest;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(
		    parse(rows[i], &a, &path, &rest), SMTP_PATH_SYNTAX);
	}
	arena_deinit(&a);
}

static void
rfc5321_4_5_null_path_and_postmaster(void **state)
{
	struct arena a = {0};
	struct smtp_path path;
	struct sv rest;

	(void)state;
	assert_int_equal(parse("<> X", &a, &path, &rest), SMTP_PATH_OK);
	assert_int_equal(path.kind, SMTP_PATH_NULL);
	assert_true(sv_eq(rest, SV(" X")));
	assert_int_equal(parse("<PostMaster>", &a, &path, &rest), SMTP_PATH_OK);
	assert_int_equal(path.kind, SMTP_PATH_POSTMASTER);
	assert_int_equal(
	    parse("<postmaster@x>", &a, &path, &rest), SMTP_PATH_OK);
	assert_int_equal(path.kind, SMTP_PATH_MAILBOX);
	arena_deinit(&a);
}

static void
rfc5321_4_5_3_1_limits(void **state)
{
	struct arena a = {0};
	struct smtp_path path;
	char text[4096];
	struct sv rest;

	(void)state;
	(void)snprintf(text, sizeof(text), "<%0*d@b>", SMTP_LOCAL_MAX, 1);
	assert_int_equal(parse(text, &a, &path, &rest), SMTP_PATH_OK);
	(void)snprintf(text, sizeof(text), "<%0*d@b>", SMTP_LOCAL_MAX + 1, 1);
	assert_int_equal(parse(text, &a, &path, &rest), SMTP_PATH_TOO_LONG);
	(void)snprintf(text, sizeof(text), "<a@%0*d>", 300, 1);
	assert_int_equal(parse(text, &a, &path, &rest), SMTP_PATH_TOO_LONG);
	(void)snprintf(
	    text, sizeof(text), "<a@%063d.%063d.%063d.%063d>", 1, 1, 1, 1);
	assert_int_equal(parse(text, &a, &path, &rest), SMTP_PATH_OK);
	(void)snprintf(text, sizeof(text), "<a@%064d>", 1);
	assert_int_equal(parse(text, &a, &path, &rest), SMTP_PATH_SYNTAX);
	(void)snprintf(text, sizeof(text), "<@%02000d:a@b>", 1);
	assert_int_equal(parse(text, &a, &path, &rest), SMTP_PATH_TOO_LONG);
	arena_deinit(&a);
}

static void
rfc6531_3_3_utf8_mailboxes(void **state)
{
	static const struct {
		const char *text;
		enum smtp_path_result want;
	} rows[] = {
	    {"<\xc3\xbc@\xc3\xbc.example>", SMTP_PATH_OK},
	    {"<\"\xe4\xb8\xad \xe6\x96\x87\"@x>", SMTP_PATH_OK},
	    {"<\xf0\x9f\x98\x80@x>", SMTP_PATH_OK},
	    {"<\xfc@x>", SMTP_PATH_NOT_UTF8},
	    {"<a@\xc3>", SMTP_PATH_NOT_UTF8},
	    {"<\xc0\xaf@x>", SMTP_PATH_NOT_UTF8},
	    {"<\xed\xa0\x80@x>", SMTP_PATH_NOT_UTF8},
	    {"<\xe0\x80\x80@x>", SMTP_PATH_NOT_UTF8},
	    {"<\xf4\x90\x80\x80@x>", SMTP_PATH_NOT_UTF8},
	    {"<\xf5\x80\x80\x80@x>", SMTP_PATH_NOT_UTF8},
	};
	struct arena a = {0};
	struct smtp_path path;
	struct sv rest;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(
		    parse(rows[i].text, &a, &path, &rest), rows[i].want);
		if (rows[i].want == SMTP_PATH_OK) {
			assert_true(path.utf8);
		}
	}
	arena_deinit(&a);
}

static void
paths_are_written_with_as_few_quotes_as_needed(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} rows[] = {
	    {"<>", ""},
	    {"<postMASTER>", "postMASTER"},
	    {"<\"ann\"@x>", "ann@x"},
	    {"<@a,@b:ann@x>", "ann@x"},
	    {"<\"\"@x>", "\"\"@x"},
	    {"<\"a b\"@x>", "\"a b\"@x"},
	    {"<\"a..b\"@x>", "\"a..b\"@x"},
	    {"<\"\\a\\\"\\\\\"@x>", "\"a\\\"\\\\\"@x"},
	    {"<\xc3\xbc@x>", "\xc3\xbc@x"},
	};
	struct arena a = {0};
	struct smtp_path path;
	struct sv rest;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf b = {0};

		assert_int_equal(
		    parse(rows[i].text, &a, &path, &rest), SMTP_PATH_OK);
		smtp_path_write(&path, &b);
		assert_true(sv_eq(buf_sv(&b), sv_cstr(rows[i].want)));
		buf_deinit(&b);
	}
	arena_deinit(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rfc5321_4_1_2_paths),
	    cmocka_unit_test(rfc5321_4_1_2_what_is_no_path),
	    cmocka_unit_test(rfc5321_4_5_null_path_and_postmaster),
	    cmocka_unit_test(rfc5321_4_5_3_1_limits),
	    cmocka_unit_test(rfc6531_3_3_utf8_mailboxes),
	    cmocka_unit_test(paths_are_written_with_as_few_quotes_as_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
