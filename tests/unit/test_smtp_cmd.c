#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "proto/smtp_cmd.h"
#include "proto/smtp_ehlo.h"
#include "unit.h"

#define ALL                                                                    \
	(SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_CHUNKING                 \
	    | SMTP_EXT_BINARYMIME | SMTP_EXT_SMTPUTF8 | SMTP_EXT_AUTH          \
	    | SMTP_EXT_DSN)

static const struct smtp_grammar all = {.ext = ALL};
static const struct smtp_grammar bare = {.ext = 0};
static const struct smtp_grammar lmtp = {.lmtp = true, .ext = ALL};

/* "" if the line is good, else "code status". */
static const char *
judge(const struct smtp_grammar *g, struct sv line, struct smtp_cmd *cmd)
{
	static char text[32];
	struct arena a = {0};
	const struct smtp_reply *bad = smtp_parse(line, g, &a, cmd);

	arena_deinit(&a);
	if (bad == NULL) {
		return "";
	}
	(void)snprintf(text, sizeof(text), "%u %s", bad->code, bad->status);
	return text;
}

struct row {
	const char *line;
	const char *want;
	enum smtp_verb verb;
};

static void
check_rows(const struct smtp_grammar *g, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct smtp_cmd cmd;
		const char *got = judge(g, sv_cstr(rows[i].line), &cmd);

		if (strcmp(got, rows[i].want) != 0) {
			fail_msg("%s: %s", rows[i].line, got);
		}
		assert_int_equal(cmd.verb, rows[i].verb);
	}
}

static void
rfc5321_4_1_1_commands_and_their_errors(void **state)
{
	static const struct row rows[] = {
	    {"EHLO client.test", "", SMTP_EHLO},
	    {"ehlo [192.0.2.1]", "", SMTP_EHLO},
	    {"HELO x", "", SMTP_HELO},
	    {"EHLO", "501 ", SMTP_EHLO},
	    {"EHLO a b", "501 ", SMTP_EHLO},
	    {"LHLO x", "500 5.5.1", SMTP_VERBS},
	    {"MAIL FROM:<>", "", SMTP_MAIL},
	    {"mail from:<a@b>", "", SMTP_MAIL},
	    {"MAIL FROM: <a@b>", "", SMTP_MAIL},
	    {"MAIL FROM:<a@b> \t ", "", SMTP_MAIL},
	    {"MAIL", "501 5.5.4", SMTP_MAIL},
	    {"MAIL TO:<a@b>", "501 5.5.4", SMTP_MAIL},
	    {"MAIL FROM:a@b", "501 5.1.7", SMTP_MAIL},
	    {"MAIL FROM:<a@b>x", "501 5.1.7", SMTP_MAIL},
	    {"MAIL FROM:<postmaster>", "501 5.1.7", SMTP_MAIL},
	    {"RCPT TO:<a@b>", "", SMTP_RCPT},
	    {"RCPT TO:<Postmaster>", "", SMTP_RCPT},
	    {"RCPT TO:<>", "501 5.1.3", SMTP_RCPT},
	    {"RCPT TO:<a b@c>", "501 5.1.3", SMTP_RCPT},
	    {"RCPT FROM:<a@b>", "501 5.5.4", SMTP_RCPT},
	    {"DATA", "", SMTP_DATA},
	    {"DATA ", "", SMTP_DATA},
	    {"DATA now", "501 5.5.4", SMTP_DATA},
	    {"RSET", "", SMTP_RSET},
	    {"RSET x", "501 5.5.4", SMTP_RSET},
	    {"NOOP", "", SMTP_NOOP},
	    {"NOOP anything at all", "", SMTP_NOOP},
	    {"QUIT", "", SMTP_QUIT},
	    {"QUIT now", "501 5.5.4", SMTP_QUIT},
	    {"VRFY ann", "", SMTP_VRFY},
	    {"VRFY", "501 5.5.4", SMTP_VRFY},
	    {"EXPN list", "", SMTP_EXPN},
	    {"HELP", "", SMTP_HELP},
	    {"HELP MAIL", "", SMTP_HELP},
	    {"TURN", "502 5.5.1", SMTP_VERBS},
	    {"SAML FROM:<a@b>", "502 5.5.1", SMTP_VERBS},
	    {"", "500 5.5.1", SMTP_VERBS},
	    {" NOOP", "500 5.5.1", SMTP_VERBS},
	    {"FROB", "500 5.5.1", SMTP_VERBS},
	    {"NOOPX", "500 5.5.1", SMTP_VERBS},
	    {"NOOP a\x01", "500 5.5.2", SMTP_VERBS},
	    {"NOOP a\rb", "500 5.5.2", SMTP_VERBS},
	    {"STARTTLS", "", SMTP_STARTTLS},
	    {"STARTTLS x", "501 5.5.4", SMTP_STARTTLS},
	};

	(void)state;
	check_rows(&all, rows, COUNT_OF(rows));
}

static void
rfc2033_4_1_lmtp_has_lhlo_alone(void **state)
{
	static const struct row rows[] = {
	    {"LHLO x", "", SMTP_LHLO},
	    {"HELO x", "500 5.5.1", SMTP_VERBS},
	    {"EHLO x", "500 5.5.1", SMTP_VERBS},
	    {"STARTTLS", "500 5.5.1", SMTP_VERBS},
	    {"AUTH PLAIN", "500 5.5.1", SMTP_VERBS},
	    {"MAIL FROM:<a@b>", "", SMTP_MAIL},
	};

	(void)state;
	check_rows(&lmtp, rows, COUNT_OF(rows));
}

static void
parameters_and_their_errors(void **state)
{
	static const struct row rows[] = {
	    {"MAIL FROM:<a@b> SIZE=1", "", SMTP_MAIL},
	    {"MAIL FROM:<a@b> SIZE=99999999999999999999", "", SMTP_MAIL},
	    {"MAIL FROM:<a@b> SIZE=", "501 5.5.4", SMTP_MAIL},
	    {"MAIL FROM:<a@b> SIZE", "501 5.5.4", SMTP_MAIL},
	    {"MAIL FROM:<a@b> SIZE=-1", "501 5.5.4", SMTP_MAIL},
	    {"MAIL FROM:<a@b> SIZE=1 SIZE=1", "501 5.5.4", SMTP_MAIL},
	    {"MAIL FROM:<a@b> BODY=8BITMIME", "", SMTP_MAIL},
	    {"MAIL FROM:<a@b> body=binarymime", "", SMTP_MAIL},
	    {"MAIL FROM:<a@b> BODY=9BIT", "501 5.5.4", SMTP_MAIL},
	    {"MAIL FROM:<a@b> SMTPUTF8", "", SMTP_MAIL},
	    {"MAIL FROM:<a@b> SMTPUTF8=yes", "501 5.5.4", SMTP_MAIL},
	    {"MAIL FROM:<a@b> AUTH=<>", "", SMTP_MAIL},
	    {"MAIL FROM:<a@b> AUTH=e+3Dmc2@example.com", "", SMTP_MAIL},
	    {"MAIL FROM:<a@b> AUTH=e+3dmc2@example.com", "501 5.5.4",
		SMTP_MAIL},
	    {"MAIL FROM:<a@b> RET=HDRS ENVID=QQ314159", "", SMTP_MAIL},
	    {"MAIL FROM:<a@b> RET=ALL", "501 5.5.4", SMTP_MAIL},
	    {"MAIL FROM:<a@b> ENVID=+ZZ", "501 5.5.4", SMTP_MAIL},
	    {"MAIL FROM:<a@b> FROB=1", "555 5.5.4", SMTP_MAIL},
	    {"MAIL FROM:<a@b> =1", "501 5.5.4", SMTP_MAIL},
	    {"MAIL FROM:<a@b> SIZE=1=2", "501 5.5.4", SMTP_MAIL},
	    {"RCPT TO:<a@b> NOTIFY=SUCCESS,FAILURE,DELAY", "", SMTP_RCPT},
	    {"RCPT TO:<a@b> NOTIFY=NEVER", "", SMTP_RCPT},
	    {"RCPT TO:<a@b> NOTIFY=NEVER,DELAY", "501 5.5.4", SMTP_RCPT},
	    {"RCPT TO:<a@b> NOTIFY=,", "501 5.5.4", SMTP_RCPT},
	    {"RCPT TO:<a@b> NOTIFY=DELAY NOTIFY=DELAY", "501 5.5.4", SMTP_RCPT},
	    {"RCPT TO:<a@b> ORCPT=rfc822;Bob@x", "", SMTP_RCPT},
	    {"RCPT TO:<a@b> ORCPT=utf-8;\xc3\xbc@x", "", SMTP_RCPT},
	    {"RCPT TO:<a@b> ORCPT=Bob@x", "501 5.5.4", SMTP_RCPT},
	    {"RCPT TO:<a@b> SIZE=1", "555 5.5.4", SMTP_RCPT},
	};
	static const struct row off[] = {
	    {"MAIL FROM:<a@b> SIZE=1", "555 5.5.4", SMTP_MAIL},
	    {"MAIL FROM:<a@b> BODY=7BIT", "555 5.5.4", SMTP_MAIL},
	    {"MAIL FROM:<a@b> AUTH=<>", "555 5.5.4", SMTP_MAIL},
	    {"RCPT TO:<a@b> NOTIFY=NEVER", "555 5.5.4", SMTP_RCPT},
	    {"BDAT 5", "502 5.5.1", SMTP_VERBS},
	};

	(void)state;
	check_rows(&all, rows, COUNT_OF(rows));
	check_rows(&bare, off, COUNT_OF(off));
}

static void
rfc6531_3_5_utf8_needs_its_parameter(void **state)
{
	static const struct row rows[] = {
	    {"MAIL FROM:<\xc3\xbc@b> SMTPUTF8", "", SMTP_MAIL},
	    {"MAIL FROM:<\xc3\xbc@b>", "550 5.6.7", SMTP_MAIL},
	    {"MAIL FROM:<\xfc@b> SMTPUTF8", "501 5.1.7", SMTP_MAIL},
	    {"RCPT TO:<\xc3\xbc@b>", "", SMTP_RCPT},
	    {"EHLO \xc3\xbc", "501 ", SMTP_EHLO},
	};
	static const struct row off[] = {
	    {"MAIL FROM:<\xc3\xbc@b>", "501 5.1.7", SMTP_MAIL},
	    {"RCPT TO:<\xc3\xbc@b>", "501 5.1.3", SMTP_RCPT},
	};

	(void)state;
	check_rows(&all, rows, COUNT_OF(rows));
	check_rows(&bare, off, COUNT_OF(off));
}

static void
rfc3030_2_bdat(void **state)
{
	static const struct row rows[] = {
	    {"BDAT 0", "", SMTP_BDAT},
	    {"BDAT 86 LAST", "", SMTP_BDAT},
	    {"bdat 18446744073709551615 last", "", SMTP_BDAT},
	    {"BDAT", "501 5.5.4", SMTP_BDAT},
	    {"BDAT x", "501 5.5.4", SMTP_BDAT},
	    {"BDAT 1 FIRST", "501 5.5.4", SMTP_BDAT},
	    {"BDAT 18446744073709551616", "501 5.5.4", SMTP_BDAT},
	};
	struct smtp_cmd cmd;

	(void)state;
	check_rows(&all, rows, COUNT_OF(rows));
	assert_string_equal(judge(&all, SV("BDAT 86 LAST"), &cmd), "");
	assert_int_equal(cmd.bdat.size, 86);
	assert_true(cmd.bdat.last);
	(void)judge(&all, SV("BDAT 12 FIRST"), &cmd);
	assert_int_equal(cmd.bdat.size, 12);
}

static void
rfc4954_4_auth(void **state)
{
	struct smtp_cmd cmd;

	(void)state;
	assert_string_equal(judge(&all, SV("AUTH PLAIN"), &cmd), "");
	assert_false(cmd.auth.has_initial);
	assert_string_equal(judge(&all, SV("AUTH PLAIN ="), &cmd), "");
	assert_true(cmd.auth.has_initial);
	assert_true(sv_eq(cmd.auth.initial, SV("=")));
	assert_string_equal(judge(&all, SV("AUTH"), &cmd), "501 5.5.4");
	assert_string_equal(judge(&all, SV("AUTH A B C"), &cmd), "501 5.5.4");
	assert_string_equal(judge(&all, SV("AUTH P.N x"), &cmd), "501 5.5.4");
}

static void
rfc5321_4_5_3_1_4_line_length(void **state)
{
	char line[SMTP_AUTH_LINE_MAX + 16];
	struct smtp_cmd cmd;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "NOOP ", 5);
	assert_string_equal(
	    judge(&all, sv_make(line, SMTP_LINE_MAX - 2), &cmd), "");
	assert_string_equal(
	    judge(&all, sv_make(line, SMTP_LINE_MAX - 1), &cmd), "500 5.5.2");
	memcpy(line, "RCPT TO:<a@", 11);
	assert_string_equal(
	    judge(&all, sv_make(line, SMTP_ENVELOPE_LINE_MAX - 2), &cmd),
	    "501 5.5.4");
	assert_string_equal(
	    judge(&all, sv_make(line, SMTP_ENVELOPE_LINE_MAX - 1), &cmd),
	    "500 5.5.2");
	memcpy(line, "AUTH PLAIN ", 11);
	assert_string_equal(
	    judge(&all, sv_make(line, SMTP_AUTH_LINE_MAX - 2), &cmd), "");
	assert_string_equal(
	    judge(&all, sv_make(line, SMTP_AUTH_LINE_MAX - 1), &cmd),
	    "500 5.5.2");
}

static void
what_a_line_says_is_kept(void **state)
{
	struct arena a = {0};
	struct smtp_cmd cmd;

	(void)state;
	assert_null(smtp_parse(SV("MAIL FROM:<@r:\"a\\b\"@c> SIZE=12 RET=full "
				  "ENVID=x+2By AUTH=<> BODY=8BITMIME"),
	    &all, &a, &cmd));
	assert_true(sv_eq(cmd.mail.path.local, SV("ab")));
	assert_int_equal(cmd.mail.params.size, 12);
	assert_int_equal(cmd.mail.params.ret, SMTP_RET_FULL);
	assert_int_equal(cmd.mail.params.body, SMTP_BODY_8BIT);
	assert_true(sv_eq(cmd.mail.params.envid, SV("x+2By")));
	assert_true(sv_eq(cmd.mail.params.auth, SV("<>")));
	assert_null(smtp_parse(SV("RCPT TO:<a@b> NOTIFY=success,DELAY "
				  "ORCPT=rfc822;a@b"),
	    &all, &a, &cmd));
	assert_int_equal(
	    cmd.rcpt.params.notify, SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY);
	assert_true(sv_eq(cmd.rcpt.params.orcpt, SV("rfc822;a@b")));
	assert_null(smtp_parse(SV("EHLO me.test"), &all, &a, &cmd));
	assert_true(sv_eq(cmd.arg, SV("me.test")));
	arena_deinit(&a);
}

static void
rfc3461_4_xtext(void **state)
{
	static const char raw[] = "a+b=c d~";
	struct buf coded = {0}, plain = {0};

	(void)state;
	smtp_xtext_encode(SV(raw), &coded);
	assert_true(sv_eq(buf_sv(&coded), SV("a+2Bb+3Dc+20d~")));
	assert_true(smtp_xtext_decode(buf_sv(&coded), &plain));
	assert_true(sv_eq(buf_sv(&plain), SV(raw)));
	assert_false(smtp_xtext_decode(SV("+2"), &plain));
	assert_false(smtp_xtext_decode(SV("+2b"), &plain));
	assert_false(smtp_xtext_decode(SV("+00"), &plain));
	assert_false(smtp_xtext_decode(SV("a=b"), &plain));
	assert_int_equal(plain.len, sizeof(raw) - 1);
	buf_deinit(&coded);
	buf_deinit(&plain);
}

static void
lines_cut_at_every_octet_get_an_answer(void **state)
{
	static const char *const lines[] = {
	    "MAIL FROM:<@r,@[192.0.2.1]:\"a\\ b\"@c.d> SIZE=12 BODY=8BITMIME",
	    "RCPT TO:<a@[IPv6:::1]> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb",
	    "BDAT 123 LAST", "AUTH SCRAM-SHA-256 biwsbj11c2Vy", "VRFY x"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		for (size_t n = 0; n <= strlen(lines[i]); n++) {
			char *cut = xmemdup(lines[i], n > 0 ? n : 1);
			struct smtp_cmd cmd;

			(void)judge(&all, sv_make(cut, n), &cmd);
			free(cut);
		}
	}
}

static void
replies_are_safe_lines(void **state)
{
	static const struct smtp_reply two = {250, "2.1.0", "one\ntwo"};
	static const struct smtp_reply none = {354, "", "go"};
	struct buf b = {0};
	char text[1000];

	(void)state;
	smtp_reply_write(&two, sv_cstr(two.text), &b);
	assert_true(
	    sv_eq(buf_sv(&b), SV("250-2.1.0 one\r\n250 2.1.0 two\r\n")));
	buf_clear(&b);
	smtp_reply_write(&none, sv_cstr(none.text), &b);
	assert_true(sv_eq(buf_sv(&b), SV("354 go\r\n")));
	buf_clear(&b);
	smtp_reply_write(&two, SV("a\rb\x80\0c"), &b);
	assert_true(sv_eq(buf_sv(&b), SV("250 2.1.0 a?b??c\r\n")));
	buf_clear(&b);
	memset(text, 'x', sizeof(text));
	smtp_reply_write(&two, sv_make(text, sizeof(text)), &b);
	assert_int_equal(b.len, SMTP_REPLY_LINE_MAX);
	buf_deinit(&b);
}

static void
replies_of_others_are_read(void **state)
{
	unsigned code;
	bool last;
	struct sv text, status;

	(void)state;
	assert_true(smtp_reply_parse(SV("250-2.1.5 ok"), &code, &last, &text));
	assert_int_equal(code, 250);
	assert_false(last);
	status = smtp_status_cut(&text);
	assert_true(sv_eq(status, SV("2.1.5")));
	assert_true(sv_eq(text, SV("ok")));
	assert_true(smtp_reply_parse(SV("354"), &code, &last, &text));
	assert_true(last);
	assert_int_equal(smtp_status_cut(&text).len, 0);
	text = SV("3.1.5 x");
	assert_int_equal(smtp_status_cut(&text).len, 0);
	text = SV("5.1. x");
	assert_int_equal(smtp_status_cut(&text).len, 0);
	text = SV("5.1.1234 x");
	assert_int_equal(smtp_status_cut(&text).len, 0);
	text = SV("5.1.10");
	assert_int_equal(smtp_status_cut(&text).len, 6);
	assert_false(smtp_reply_parse(SV("25"), &code, &last, &text));
	assert_false(smtp_reply_parse(SV("650 x"), &code, &last, &text));
	assert_false(smtp_reply_parse(SV("250x"), &code, &last, &text));
}

static void
rfc5321_4_1_1_1_ehlo_answer(void **state)
{
	static const char *const mechs[] = {"SCRAM-SHA-256", "PLAIN"};
	const struct smtp_ehlo ehlo = {
	    .host = SV("mx.example.org"),
	    .client = SV("c"),
	    .ext = SMTP_EXT_PIPELINING | SMTP_EXT_SIZE | SMTP_EXT_AUTH
		   | SMTP_EXT_DSN,
	    .size_max = 1000,
	    .mechs = mechs,
	    .n_mechs = 2,
	};
	struct buf b = {0};

	(void)state;
	smtp_ehlo_write(&ehlo, &b);
	assert_true(sv_eq(buf_sv(&b),
	    SV("250-mx.example.org greets c\r\n250-PIPELINING\r\n"
	       "250-SIZE 1000\r\n250 AUTH SCRAM-SHA-256 PLAIN\r\n")));
	buf_deinit(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rfc5321_4_1_1_commands_and_their_errors),
	    cmocka_unit_test(rfc2033_4_1_lmtp_has_lhlo_alone),
	    cmocka_unit_test(parameters_and_their_errors),
	    cmocka_unit_test(rfc6531_3_5_utf8_needs_its_parameter),
	    cmocka_unit_test(rfc3030_2_bdat),
	    cmocka_unit_test(rfc4954_4_auth),
	    cmocka_unit_test(rfc5321_4_5_3_1_4_line_length),
	    cmocka_unit_test(what_a_line_says_is_kept),
	    cmocka_unit_test(rfc3461_4_xtext),
	    cmocka_unit_test(lines_cut_at_every_octet_get_an_answer),
	    cmocka_unit_test(replies_are_safe_lines),
	    cmocka_unit_test(replies_of_others_are_read),
	    cmocka_unit_test(rfc5321_4_1_1_1_ehlo_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
