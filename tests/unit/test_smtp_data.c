/*
 * The decoder is compared, over every text of a few octets and cut at every
 * place, with the rule as RFC 5321 words it, written without any state.
 */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "proto/smtp_data.h"
#include "unit.h"

/* Lines are what CRLF ends; the first that is "." ends the message. */
static struct sv
reference(struct sv in, struct buf *content, unsigned *seen)
{
	*seen = 0;
	while (in.len > 0) {
		ptrdiff_t n = sv_find(in, SV("\r\n"));

		if (n < 0) {
			break;
		}
		struct sv line = sv_sub(in, 0, (size_t)n);

		in = sv_from(in, (size_t)n + 2);
		if (sv_eq(line, SV("."))) {
			return in;
		}
		if (line.len > 0 && line.p[0] == '.') {
			line = sv_from(line, 1);
		}
		if (sv_chr(line, '\r') >= 0) {
			*seen |= SMTP_SEEN_BARE_CR;
		}
		if (sv_chr(line, '\n') >= 0) {
			*seen |= SMTP_SEEN_BARE_LF;
		}
		buf_add_sv(content, line);
		buf_add_str(content, "\r\n");
	}
	return SV_EMPTY;
}

static bool
feed(struct smtp_data *d, struct sv *in, struct buf *content)
{
	/* A heap copy of the exact size shows reads beyond it. */
	char *copy = xmemdup(in->p, in->len > 0 ? in->len : 1);
	struct sv rest = sv_make(copy, in->len), run;

	while (smtp_data_next(d, &rest, &run)) {
		buf_add_sv(content, run);
	}
	*in = sv_from(*in, in->len - rest.len);
	free(copy);
	return d->state == SMTP_DATA_END;
}

static void
compare(struct sv text)
{
	struct buf want = {0};
	unsigned seen;
	struct sv after = reference(text, &want, &seen);

	for (size_t cut = 0; cut <= text.len; cut++) {
		struct smtp_data d = {0};
		struct buf got = {0};
		struct sv rest = sv_sub(text, 0, cut);

		if (feed(&d, &rest, &got)) {
			rest = sv_make(rest.p, rest.len + text.len - cut);
		} else {
			assert_int_equal(rest.len, 0);
			rest = sv_from(text, cut);
			assert_true(feed(&d, &rest, &got));
		}
		assert_true(sv_eq(buf_sv(&got), buf_sv(&want)));
		assert_true(sv_eq(rest, after));
		assert_int_equal(d.seen, seen);
		buf_deinit(&got);
	}
	buf_deinit(&want);
}

static void
rfc5321_4_5_2_every_short_text_cut_everywhere(void **state)
{
	static const char alphabet[] = "a.\r\n";
	char text[16];

	(void)state;
	for (unsigned len = 0; len <= 6; len++) {
		for (unsigned n = 0; n < 1u << (2 * len); n++) {
			for (unsigned i = 0; i < len; i++) {
				text[i] = alphabet[n >> (2 * i) & 3];
			}
			memcpy(text + len, "\r\n.\r\nX", 6);
			compare(sv_make(text, len + 6));
		}
	}
}

static void
rfc5321_4_1_1_4_nothing_but_crlf_dot_crlf_ends(void **state)
{
	static const char *const rows[] = {"\n.\n", "\n.\r\n", "\r\n.\n",
	    "\r.\r", "\r\n.\r", "\r.\r\n", "\n\r.\r\n", "\r\n.\n\r\n",
	    "\r\n.\r\r\n", "\r\r\n.\r\r\n", "\n.\n\r\n"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct smtp_data d = {0};
		struct buf got = {0};
		struct sv in = SV("a");

		assert_false(feed(&d, &in, &got));
		in = sv_cstr(rows[i]);
		assert_false(feed(&d, &in, &got));
		in = SV("MAIL FROM:<b@c>\r\n");
		assert_false(feed(&d, &in, &got));
		assert_int_not_equal(
		    d.seen & (SMTP_SEEN_BARE_CR | SMTP_SEEN_BARE_LF), 0);
		buf_deinit(&got);
	}
}

static void
what_is_seen_is_noted(void **state)
{
	struct smtp_data d = {0};
	struct buf got = {0};
	struct sv in = SV("plain\r\n");

	(void)state;
	assert_false(feed(&d, &in, &got));
	assert_int_equal(d.seen, 0);
	in = SV("a\0b\r\n");
	assert_false(feed(&d, &in, &got));
	assert_int_equal(d.seen, SMTP_SEEN_NUL);
	in = SV("0123456789abcde\xff\r\n");
	assert_false(feed(&d, &in, &got));
	assert_int_equal(d.seen, SMTP_SEEN_NUL | SMTP_SEEN_8BIT);
	assert_int_equal(d.longest, 18);
	buf_deinit(&got);
}

static void
rfc3030_2_chunks_are_looked_at(void **state)
{
	struct smtp_data d = {0};

	(void)state;
	smtp_chunk_scan(&d, SV("one\r"));
	smtp_chunk_scan(&d, SV("\n.\r\ntwo\r\n"));
	assert_int_equal(d.seen, 0);
	smtp_chunk_scan(&d, SV("x\r"));
	smtp_chunk_end(&d);
	assert_int_equal(d.seen, SMTP_SEEN_BARE_CR);
	d = (struct smtp_data){0};
	smtp_chunk_scan(&d, SV("x\n"));
	assert_int_equal(d.seen, SMTP_SEEN_BARE_LF);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rfc5321_4_5_2_every_short_text_cut_everywhere),
	    cmocka_unit_test(rfc5321_4_1_1_4_nothing_but_crlf_dot_crlf_ends),
	    cmocka_unit_test(what_is_seen_is_noted),
	    cmocka_unit_test(rfc3030_2_chunks_are_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
