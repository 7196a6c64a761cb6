#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "proto/pop3_cmd.h"
#include "proto/pop3_dots.h"
#include "proto/pop3_reply.h"
#include "unit.h"

static void
rfc1939_commands_by_state(void **state)
{
	static const struct {
		const char *line;
		enum pop3_state state;
		bool good;
		enum pop3_verb verb;
	} rows[] = {
	    {"USER ann@example.org", POP3_AUTHORIZATION, true, POP3_USER},
	    {"user ann", POP3_AUTHORIZATION, true, POP3_USER},
	    {"USER", POP3_AUTHORIZATION, false, POP3_USER},
	    {"PASS a b ", POP3_AUTHORIZATION, true, POP3_PASS},
	    {"PASS", POP3_AUTHORIZATION, false, POP3_PASS},
	    {"APOP ann c4c9334bac560ecc979e58001b3e22fb", POP3_AUTHORIZATION,
		true, POP3_APOP},
	    {"AUTH", POP3_AUTHORIZATION, true, POP3_AUTH},
	    {"AUTH PLAIN =", POP3_AUTHORIZATION, true, POP3_AUTH},
	    {"AUTH PL.IN", POP3_AUTHORIZATION, false, POP3_AUTH},
	    {"AUTH PLAIN a b", POP3_AUTHORIZATION, false, POP3_AUTH},
	    {"STLS", POP3_AUTHORIZATION, true, POP3_STLS},
	    {"STLS now", POP3_AUTHORIZATION, false, POP3_STLS},
	    {"STLS", POP3_TRANSACTION, false, POP3_STLS},
	    {"CAPA", POP3_AUTHORIZATION, true, POP3_CAPA},
	    {"CAPA", POP3_TRANSACTION, true, POP3_CAPA},
	    {"UTF8", POP3_AUTHORIZATION, true, POP3_UTF8},
	    {"UTF8", POP3_TRANSACTION, false, POP3_UTF8},
	    {"LANG", POP3_TRANSACTION, true, POP3_LANG},
	    {"LANG en", POP3_AUTHORIZATION, true, POP3_LANG},
	    {"STAT", POP3_AUTHORIZATION, false, POP3_STAT},
	    {"STAT", POP3_TRANSACTION, true, POP3_STAT},
	    {"STAT  ", POP3_TRANSACTION, true, POP3_STAT},
	    {"LIST", POP3_TRANSACTION, true, POP3_LIST},
	    {"LIST 1", POP3_TRANSACTION, true, POP3_LIST},
	    {"LIST x", POP3_TRANSACTION, false, POP3_LIST},
	    {"LIST -1", POP3_TRANSACTION, false, POP3_LIST},
	    {"LIST 1 2", POP3_TRANSACTION, false, POP3_LIST},
	    {"UIDL 3", POP3_TRANSACTION, true, POP3_UIDL},
	    {"RETR", POP3_TRANSACTION, false, POP3_RETR},
	    {"RETR 1", POP3_TRANSACTION, true, POP3_RETR},
	    {"TOP 1", POP3_TRANSACTION, false, POP3_TOP},
	    {"TOP 1 0", POP3_TRANSACTION, true, POP3_TOP},
	    {"TOP 1 99999999999999999999", POP3_TRANSACTION, true, POP3_TOP},
	    {"DELE 1", POP3_TRANSACTION, true, POP3_DELE},
	    {"QUIT", POP3_AUTHORIZATION, true, POP3_QUIT},
	    {"QUIT", POP3_TRANSACTION, true, POP3_QUIT},
	    {"XTND", POP3_TRANSACTION, false, POP3_VERBS},
	    {"", POP3_TRANSACTION, false, POP3_VERBS},
	    {"NOOP\x01", POP3_TRANSACTION, false, POP3_VERBS},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct pop3_cmd cmd;
		const char *bad =
		    pop3_parse(sv_cstr(rows[i].line), rows[i].state, &cmd);

		if ((bad == NULL) != rows[i].good || cmd.verb != rows[i].verb) {
			fail_msg("%s: %s", rows[i].line, bad ? bad : "good");
		}
	}
}

static void
arguments_are_kept(void **state)
{
	struct pop3_cmd cmd;

	(void)state;
	assert_null(pop3_parse(SV("PASS a b "), POP3_AUTHORIZATION, &cmd));
	assert_true(sv_eq(cmd.arg, SV("a b ")));
	assert_null(pop3_parse(SV("TOP 7 12"), POP3_TRANSACTION, &cmd));
	assert_int_equal(cmd.number, 7);
	assert_int_equal(cmd.lines, 12);
	assert_null(pop3_parse(SV("RETR 99999999999"), POP3_TRANSACTION, &cmd));
	assert_int_equal(cmd.number, UINT32_MAX);
	assert_null(pop3_parse(SV("LIST"), POP3_TRANSACTION, &cmd));
	assert_false(cmd.has_number);
	assert_null(
	    pop3_parse(SV("auth SCRAM-SHA-1 ="), POP3_AUTHORIZATION, &cmd));
	assert_true(cmd.has_initial);
	assert_true(sv_eq(cmd.initial, SV("=")));
}

static void
rfc2449_4_line_length(void **state)
{
	char line[600];
	struct pop3_cmd cmd;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "USER ", 5);
	assert_null(pop3_parse(
	    sv_make(line, POP3_LINE_MAX - 2), POP3_AUTHORIZATION, &cmd));
	assert_non_null(pop3_parse(
	    sv_make(line, POP3_LINE_MAX - 1), POP3_AUTHORIZATION, &cmd));
	/* Clients send longer initial responses. */
	memcpy(line, "AUTH X ", 7);
	assert_null(
	    pop3_parse(sv_make(line, sizeof(line)), POP3_AUTHORIZATION, &cmd));
}

static void
status_lines_are_safe(void **state)
{
	struct buf b = {0};
	char text[1000];

	(void)state;
	pop3_ok(&b, SV_EMPTY);
	pop3_err(&b, SV("a\r\nb\xff"));
	assert_true(sv_eq(buf_sv(&b), SV("+OK\r\n-ERR a??b?\r\n")));
	buf_clear(&b);
	memset(text, 'x', sizeof(text));
	pop3_err(&b, sv_make(text, sizeof(text)));
	assert_int_equal(b.len, POP3_REPLY_LINE_MAX);
	buf_deinit(&b);
}

/* What RETR (lines < 0) or TOP sends of `text` given in pieces cut at `cut`,
 * and what it would be counted as. */
static uint64_t
send(struct sv text, size_t cut, int lines, struct buf *to)
{
	struct sv pieces[2] = {sv_sub(text, 0, cut), sv_from(text, cut)};
	struct pop3_dots d;
	struct pop3_count count = {0};

	pop3_dots_init(&d, lines >= 0, lines >= 0 ? (uint32_t)lines : 0);
	for (size_t i = 0; i < 2; i++) {
		size_t n = pieces[i].len;
		char *copy = xmemdup(pieces[i].p, n > 0 ? n : 1);
		struct sv in = sv_make(copy, n), run;

		pop3_count_add(&count, in);
		while (pop3_dots_next(&d, &in, &run)) {
			buf_add_sv(to, run);
		}
		free(copy);
	}
	buf_add_sv(to, pop3_dots_end(&d));
	return pop3_wire_size(&count, text.len);
}

/* By the rule, a line at a time: LF ends lines, CR before it belongs to it. */
static uint64_t
reference(struct sv text, int lines, struct buf *to)
{
	bool body = false;
	uint64_t size = 0;

	while (text.len > 0 && !(body && lines == 0)) {
		struct sv line = sv_cut(&text, '\n');

		if (line.len > 0 && line.p[line.len - 1] == '\r'
		    && line.p + line.len != text.p + text.len) {
			line.len--;
		}
		if (line.len > 0 && line.p[0] == '.') {
			buf_add_char(to, '.');
		}
		buf_add_sv(to, line);
		buf_add_str(to, "\r\n");
		size += line.len + 2;
		lines -= body ? 1 : 0;
		body = body || line.len == 0;
	}
	buf_add_str(to, ".\r\n");
	return size;
}

static void
rfc1939_3_every_short_message_cut_everywhere(void **state)
{
	static const char alphabet[] = "a.\r\n";
	char text[8];

	(void)state;
	for (unsigned len = 0; len <= 7; len++) {
		for (unsigned n = 0; n < 1u << (2 * len); n++) {
			for (unsigned i = 0; i < len; i++) {
				text[i] = alphabet[n >> (2 * i) & 3];
			}
			/* A CR at the very end is an octet, not a line end:
			 * the reference above cannot tell. */
			if (len > 0 && text[len - 1] == '\r') {
				continue;
			}
			for (int lines = -1; lines < 2; lines++) {
				struct buf want = {0}, got = {0};
				uint64_t size =
				    reference(sv_make(text, len), lines, &want);
				size_t cut = n % (len + 1);
				uint64_t told =
				    send(sv_make(text, len), cut, lines, &got);

				assert_true(sv_eq(buf_sv(&got), buf_sv(&want)));
				assert_true(lines >= 0 || told == size);
				buf_deinit(&want);
				buf_deinit(&got);
			}
		}
	}
}

static void
long_messages_go_in_few_runs(void **state)
{
	struct buf text = {0};
	struct pop3_dots d;
	struct sv in, run;
	unsigned runs = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		buf_add_str(&text, i % 100 == 50 ? ".dotted\r\n" : "line\r\n");
	}
	pop3_dots_init(&d, false, 0);
	in = buf_sv(&text);
	while (pop3_dots_next(&d, &in, &run)) {
		runs++;
	}
	assert_int_equal(runs, 21);
	buf_deinit(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rfc1939_commands_by_state),
	    cmocka_unit_test(arguments_are_kept),
	    cmocka_unit_test(rfc2449_4_line_length),
	    cmocka_unit_test(status_lines_are_safe),
	    cmocka_unit_test(rfc1939_3_every_short_message_cut_everywhere),
	    cmocka_unit_test(long_messages_go_in_few_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
