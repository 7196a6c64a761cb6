#include <string.h>

#include "base/mem.h"
#include "proto/handover.h"
#include "unit.h"

/* Parse what was written, without its CRLF. */
static const struct smtp_reply *
parse(const struct buf *line, struct arena *a, struct handover_cmd *out)
{
	struct sv text = buf_sv(line);

	assert_true(sv_ends_nocase(text, SV("\r\n")));
	return handover_parse(sv_sub(text, 0, text.len - 2), a, out);
}

static void
commands_are_read_as_written(void **state)
{
	const struct handover_session session = {
	    .submission = true,
	    .tls = true,
	    .peer = SV("2001:db8::1"),
	    .exporter = SV("\x00\xff\x7f"),
	    .id = SV("a b+c"),
	};
	const struct handover_auth auth = {
	    .mech = SV("SCRAM-SHA-256-PLUS"),
	    .has_initial = true,
	    .initial = SV("="),
	};
	struct arena a = {0};
	struct buf b = {0};
	struct handover_cmd cmd;

	(void)state;
	handover_session_write(&session, &b);
	assert_null(parse(&b, &a, &cmd));
	assert_int_equal(cmd.verb, HANDOVER_SESSION);
	assert_true(cmd.session.submission && cmd.session.tls);
	assert_false(cmd.session.loopback);
	assert_true(sv_eq(cmd.session.peer, session.peer));
	assert_int_equal(cmd.session.unique.len, 0);
	assert_true(sv_eq(cmd.session.exporter, session.exporter));
	assert_true(sv_eq(cmd.session.id, session.id));
	buf_clear(&b);
	handover_auth_write(&auth, &b);
	assert_null(parse(&b, &a, &cmd));
	assert_int_equal(cmd.verb, HANDOVER_AUTH);
	assert_true(sv_eq(cmd.auth.mech, auth.mech));
	assert_true(cmd.auth.has_initial);
	assert_true(sv_eq(cmd.auth.initial, auth.initial));
	buf_clear(&b);
	handover_hand_write(1000, 12, SV("9a.1"), &b);
	assert_null(parse(&b, &a, &cmd));
	assert_int_equal(cmd.verb, HANDOVER_HAND);
	assert_int_equal(cmd.hand.size, 1000);
	assert_int_equal(cmd.hand.prefix, 12);
	assert_true(sv_eq(cmd.hand.id, SV("9a.1")));
	buf_clear(&b);
	handover_done_write(true, &b);
	assert_null(parse(&b, &a, &cmd));
	assert_int_equal(cmd.verb, HANDOVER_DONE);
	assert_true(cmd.kept);
	arena_deinit(&a);
	buf_deinit(&b);
}

static void
envelopes_pass_unchanged(void **state)
{
	static const char *const lines[] = {"MAIL FROM:<>",
	    ("MAIL FROM:<\"a b\"@c> SIZE=7 BODY=8BITMIME RET=HDRS AUTH=<> "
	     "ENVID=x+2By"),
	    "MAIL FROM:<\xc3\xbc@c> BODY=BINARYMIME SMTPUTF8",
	    "RCPT TO:<a@[192.0.2.1]> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a@b",
	    "RCPT TO:<Postmaster> NOTIFY=NEVER"};
	struct arena a = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct handover_cmd cmd;
		struct buf b = {0};

		assert_null(handover_parse(sv_cstr(lines[i]), &a, &cmd));
		assert_int_equal(cmd.verb, HANDOVER_SMTP);
		if (cmd.smtp.verb == SMTP_MAIL) {
			handover_mail_write(&cmd.smtp.mail, &b);
		} else {
			handover_rcpt_write(&cmd.smtp.rcpt, &b);
		}
		assert_true(
		    sv_eq(sv_sub(buf_sv(&b), 0, b.len - 2), sv_cstr(lines[i])));
		buf_deinit(&b);
	}
	arena_deinit(&a);
}

static void
malformed_commands_are_refused(void **state)
{
	static const char *const lines[] = {"XSESSION", "XSESSION kind=mx",
	    "XSESSION kind=x peer=a tls=0 loopback=0 unique= exporter= id=1",
	    "XSESSION kind=mx peer=a tls=2 loopback=0 unique= exporter= id=1",
	    "XSESSION kind=mx peer=a tls=0 loopback=0 unique=0 exporter= id=1",
	    "XSESSION kind=mx peer=a tls=0 loopback=0 unique=0g exporter= id=1",
	    "XSESSION kind=mx peer=+0Z tls=0 loopback=0 unique= exporter= id=",
	    "XSESSION kind=mx peer=a tls=0 loopback=0 unique= exporter= id=1 x",
	    "XAUTH", "XAUTH PLAIN x", "XAUTH PLAIN initial=+0", "XHAND",
	    "XHAND 1", "XHAND 1 2", "XHAND x 0", "XDONE", "XDONE maybe",
	    "EHLO x", "DATAX", ""};
	struct arena a = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		for (size_t n = 0; n <= strlen(lines[i]); n++) {
			char *cut = xmemdup(lines[i], n > 0 ? n : 1);
			struct handover_cmd cmd;

			bool bad =
			    handover_parse(sv_make(cut, n), &a, &cmd) != NULL;

			assert_true(bad || n < strlen(lines[i]));
			free(cut);
		}
	}
	arena_deinit(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(commands_are_read_as_written),
	    cmocka_unit_test(envelopes_pass_unchanged),
	    cmocka_unit_test(malformed_commands_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
