/*
 * The tree of parts, sections, and the texts of IMAP made from them.
 */
#include "base/mem.h"
#include "mail/header.h"
#include "mail/imap_text.h"
#include "mail/section.h"
#include "mail_check.h"
#include "unit.h"

#define MIXED(b) "Content-Type: multipart/mixed; boundary=" b "\n\n"

/* text/plain'body', multipart/mixed(...), with "!" for what is opaque. */
static void
describe(const struct mime *m, struct buf *to)
{
	uint32_t i = 0;

	for (;;) {
		const struct mime_part *p = &m->parts[i];

		buf_add_sv(to, p->type);
		buf_add_char(to, '/');
		buf_add_sv(to, p->subtype);
		buf_add_str(to, p->opaque ? "!" : "");
		if (p->span.first != MIME_NONE) {
			buf_add_char(to, '(');
			i = p->span.first;
			continue;
		}
		buf_add_char(to, '\'');
		buf_add_sv(to, mime_body(m, p));
		buf_add_char(to, '\'');
		while (i != 0 && m->parts[i].span.next == MIME_NONE) {
			buf_add_char(to, ')');
			i = m->parts[i].span.parent;
		}
		if (i == 0) {
			return;
		}
		buf_add_char(to, ' ');
		i = m->parts[i].span.next;
	}
}

static void
assert_tree(
    const char *text, const struct mime_limits *limits, const char *want)
{
	struct arena arena = {.head = NULL};
	struct buf got = {.len = 0};
	struct mime m;

	mime_parse(sv_cstr(text), limits, &arena, &m);
	assert_null(check_tree(&m));
	describe(&m, &got);
	assert_string_equal(buf_cstr(&got), want);
	buf_deinit(&got);
	arena_deinit(&arena);
}

/* [RFC 2046 5.1.1] and all the ways to get it wrong. */
static void
multiparts_are_taken_apart_at_their_boundaries(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
	    {"", "text/plain''"},
	    {"a: b\n\nbody\n", "text/plain'body\n'"},
	    {MIXED("b") "pre\n--b\n\none\n--b\n\ntwo\n\n--b--\nepilogue\n--b\n",
		"multipart/mixed(text/plain'one' text/plain'two\n')"},
	    {"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none"
	     "\r\n--b--",
		"multipart/mixed(text/plain'one')"},
	    /* padding behind a boundary, and what is no padding */
	    {MIXED("b") "--b \t\n\none\n--bb\n\ntwo\n--b-- x\n",
		"multipart/mixed(text/plain'one' text/plain'two')"},
	    /* not at the start of a line */
	    {MIXED("b") "--b\n\n --b\nx--b\n--b--\n",
		"multipart/mixed(text/plain' --b\nx--b')"},
	    /* quoted, with blanks at its end */
	    {"Content-Type: multipart/mixed; boundary=\"b c  \"\n\n--b c\n\nx\n"
	     "--b c--\n",
		"multipart/mixed(text/plain'x')"},
	    /* no end */
	    {MIXED("b") "--b\n\none\n--b\n\ntwo\n",
		"multipart/mixed(text/plain'one' text/plain'two\n')"},
	    {MIXED("b") "--b\n\none\n--b", "multipart/mixed(text/plain'one' "
					   "text/plain'')"},
	    /* no beginning */
	    {MIXED("b") "text\n", "multipart/mixed(text/plain'text\n')"},
	    {MIXED("b") "text\n--b--\n", "multipart/mixed(text/plain'text\n--b"
					 "--\n')"},
	    /* no boundary at all is malformed [RFC 2045 5.2] */
	    {"Content-Type: multipart/mixed\n\n--b\n", "text/plain'--b\n'"},
	    {"Content-Type: multipart/mixed; boundary=\"\"\n\n--\n",
		"text/plain'--\n'"},
	    /* parts without a header, without a body, without either */
	    {MIXED("b") "--b\nContent-Type: a/b\n--b\n\n--b\n--b--\n",
		"multipart/mixed(a/b'' text/plain'' text/plain'')"},
	    /* an inner one that is not ended ends with the outer */
	    {MIXED("o") "--o\n" MIXED("i") "--i\n\none\n--o\n\ntwo\n--o--\n",
		"multipart/mixed(multipart/mixed(text/plain'one') "
		"text/plain'two')"},
	    {MIXED("o") "--o\n" MIXED("i") "--o--\n",
		"multipart/mixed(multipart/mixed(text/plain''))"},
	    /* one boundary is the beginning of another */
	    {MIXED("b") "--b\n" MIXED("bi") "--bi\n\none\n--bi--\n--b\n\ntwo\n"
					    "--b--\n",
		"multipart/mixed(multipart/mixed(text/plain'one') "
		"text/plain'two')"},
	    {MIXED("bo") "--bo\n" MIXED("b") "--b\n\none\n--b--\n--bo\n\ntwo\n"
					     "--bo--\n",
		"multipart/mixed(multipart/mixed(text/plain'one') "
		"text/plain'two')"},
	    {MIXED("b") "--b\n" MIXED("b--") "--b--\n\none\n--b----\n--b\n\n"
					     "two\n--b--\n",
		"multipart/mixed(multipart/mixed(text/plain'one') "
		"text/plain'two')"},
	    /* the same boundary within */
	    {MIXED("b") "--b\n" MIXED("b") "--b\n\none\n--b--\n--b\n\ntwo\n"
					   "--b--\n",
		"multipart/mixed(multipart/mixed(text/plain'one') "
		"text/plain'two')"},
	    /* a multipart is never encoded [RFC 2045 6.4] */
	    {"Content-Transfer-Encoding: base64\n" MIXED("b") "--b\n\nx\n--b--",
		"multipart/mixed(text/plain'x')"},
	    /* a continued parameter [RFC 2231 3] */
	    {"Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\n\n"
	     "--ab\n\nx\n--ab--",
		"multipart/mixed(text/plain'x')"},
	    /* the first of two fields counts */
	    {"Content-Type: a/b\nContent-Type: c/d\n\nx", "a/b'x'"},
	    {"Content-Type: text\n\nx", "text/plain'x'"},
	    {"Content-Type: a/\n\nx", "text/plain'x'"},
	    {"Content-Type: a/b/c\n\nx", "text/plain'x'"},
	    {"Content-Type:\n text/\n\thtml\n\nx", "text/html'x'"},
	    /* a boundary in a header ends the part */
	    {MIXED("b") "--b\nContent-Type: text/html\nX: y\n--b--\n",
		"multipart/mixed(text/html'')"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_tree(rows[i].text, NULL, rows[i].want);
	}
}

/* [RFC 2046 5.1.5, 5.2.1, RFC 6532 3.7] */
static void
messages_within_messages_are_opened(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
	    {"Content-Type: message/rfc822\n\nSubject: x\n\nbody",
		"message/rfc822(text/plain'body')"},
	    {"Content-Type: Message/Global\n\nSubject: x\n\nbody",
		"Message/Global(text/plain'body')"},
	    {"Content-Type: message/rfc822\n\n",
		"message/rfc822(text/plain'')"},
	    {"Content-Type: message/rfc822\n\nno header ends",
		"message/rfc822(text/plain'')"},
	    {"Content-Type: message/rfc822\n\n"
	     "Content-Type: message/rfc822\n\n\nx",
		"message/rfc822(message/rfc822(text/plain'x'))"},
	    {"Content-Type: message/rfc822\n"
	     "Content-Transfer-Encoding: base64\n\neA==",
		"message/rfc822!'eA=='"},
	    {"Content-Type: message/delivery-status\n\na: b\n",
		"message/delivery-status'a: b\n'"},
	    {"Content-Type: multipart/digest; boundary=b\n\n--b\n\n\nx\n--b\n"
	     "Content-Type: text/plain\n\ny\n--b\nContent-Type: junk\n\nz\n"
	     "--b--\n",
		"multipart/digest(message/rfc822(text/plain'x') text/plain'y' "
		"text/plain'z')"},
	    {MIXED("b") "--b\nContent-Type: message/rfc822\n\n" MIXED(
		 "i") "--"
		      "i\n\none\n--b\n\ntwo\n--b--\n",
		"multipart/mixed(message/rfc822(multipart/mixed("
		"text/plain'one')) text/plain'two')"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_tree(rows[i].text, NULL, rows[i].want);
	}
}

static void
limits_make_opaque_leaves(void **state)
{
	static const char nest[] =
	    MIXED("a") "--a\n" MIXED("b") "--b\n\nx\n"
					  "--b--\n--a--\n";
	static const struct {
		const char *text;
		struct mime_limits limits;
		const char *want;
	} rows[] = {
	    {nest, {10, 1, 10, 1000},
		"multipart/mixed(multipart/mixed!'--b\n\nx\n--b--')"},
	    {nest, {10, 0, 10, 1000},
		"multipart/mixed!'--a\n" MIXED(
		    "b") "--b\n\nx\n--b--\n--a--\n'"},
	    {nest, {2, 9, 10, 1000},
		"multipart/mixed(multipart/mixed!'--b\n\nx\n--b--')"},
	    {MIXED("a") "--a\n\n1\n--a\n\n2\n--a\n\n3\n--a--\n",
		{3, 9, 10, 1000},
		"multipart/mixed(text/plain'1' text/plain!'2\n--a\n\n3')"},
	    {"Content-Type: text/html; a=1; b=2; charset=utf-8\n\nx",
		{9, 9, 1, 1000}, "text/html'x'"},
	    {"X: 456789\nContent-Type: text/html\n\nx", {9, 9, 9, 10},
		"text/plain'x'"},
	    {"Content-Type: message/rfc822\n\n\nx", {9, 0, 9, 1000},
		"message/rfc822!'\nx'"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_tree(rows[i].text, &rows[i].limits, rows[i].want);
	}
}

/* "%" stands for the number. */
static void
add_piece(struct buf *to, const char *piece, size_t n)
{
	struct sv s = sv_cstr(piece);

	while (s.len > 0) {
		bool number = sv_chr(s, '%') >= 0;

		buf_add_sv(to, sv_cut(&s, '%'));
		if (number) {
			buf_add_u64(to, n);
		}
	}
}

/* Work is counted in octets looked at: it must not be more than a few times
 * the octets that there are. */
static void
assert_linear(const char *head, const char *piece, size_t n)
{
	struct arena arena = {.head = NULL};
	struct buf text = {.len = 0};
	struct mime m;

	buf_add_str(&text, head);
	for (size_t i = 0; i < n; i++) {
		add_piece(&text, piece, i);
	}
	mime_parse(buf_sv(&text), NULL, &arena, &m);
	assert_true(m.n_parts <= mime_limits_default.parts);
	assert_true(m.work <= 4 * text.len + 4096);
	arena_deinit(&arena);
	buf_deinit(&text);
}

static void
a_million_of_anything_takes_linear_work(void **state)
{
	static const struct {
		const char *head, *piece;
	} rows[] = {
	    {MIXED("b"), "--b\n\nx\n"},
	    {MIXED("b"), "--b\n"},
	    {MIXED("b"), "--c\n"},
	    {MIXED("b"), "--b--\n"},
	    {MIXED("b"), "--\n"},
	    {MIXED("b") "--b\n", "Content-Type: text/plain\n"},
	    {MIXED("b") "--b\n", "X\n"},
	    {"", "Content-Type: multipart/mixed; boundary=b%\n\n--b%\n"},
	    {"", "Content-Type: message/rfc822\n\n"},
	    {"Content-Type: multipart/mixed; boundary=b", "; p%=x"},
	    {"Content-Type: multipart/digest; boundary=b\n\n", "--b\n\n"},
	    {"", "X: y\n"},
	    {"", "\n"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_linear(rows[i].head, rows[i].piece, 1000000);
	}
}

/* Every level's boundary begins as every other, and the lines too. */
static void
deep_nests_of_like_boundaries_are_bounded_by_depth(void **state)
{
	struct arena arena = {.head = NULL};
	struct buf text = {.len = 0};
	char like[61];
	struct mime m;

	(void)state;
	memset(like, 'b', sizeof(like) - 1);
	like[sizeof(like) - 1] = '\0';
	for (int i = 0; i < 100; i++) {
		buf_addf(&text,
		    "Content-Type: multipart/mixed; boundary=%s%03dx\n\n"
		    "--%s%03dx\n",
		    like, i, like, i);
	}
	for (int i = 0; i < 100000; i++) {
		buf_addf(&text, "--%s999x\n", like);
	}
	mime_parse(buf_sv(&text), NULL, &arena, &m);
	assert_null(check_tree(&m));
	assert_true(m.work < text.len * mime_limits_default.depth * 2);
	arena_deinit(&arena);
	buf_deinit(&text);
}

static const char sample[] =
    "From: a@b\r\n"
    "Content-Type: multipart/mixed; boundary=o\r\n\r\n"
    "preamble\r\n--o\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n\r\n"
    "caf\xc3\xa9\r\n--o\r\n"
    "Content-Type: message/rfc822\r\n\r\n"
    "Subject: within\r\n"
    "Content-Type: multipart/alternative; boundary=i\r\n\r\n"
    "--i\r\n\r\none\r\n--i\r\n\r\ntwo\r\n--i--\r\n"
    "--o\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: plain\r\n\r\nalone\r\n--o--\r\n";

/* No place where a message can be cut makes the tree unsound. */
static void
messages_cut_at_every_octet_are_sound(void **state)
{
	static const char nest[] = MIXED("b") "--b\n" MIXED(
	    "b") "--b\nContent-Type: "
		 "message/rfc822\n\n" MIXED("bb") "--bb\n--bb--"
						  "\n--b--\n--b"
						  "--\n";
	const char *const texts[] = {sample, nest};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct sv s = sv_cstr(texts[i]);

		for (size_t cut = 0; cut <= s.len; cut++) {
			const char *wrong = check_message(sv_sub(s, 0, cut));

			if (wrong != NULL) {
				fail_msg("cut at %zu: %s", cut, wrong);
			}
			wrong = check_message(sv_from(s, cut));
			if (wrong != NULL) {
				fail_msg("cut before %zu: %s", cut, wrong);
			}
		}
	}
}

/* [RFC 3501 6.4.5] */
static void
sections_are_found_by_number(void **state)
{
	static const struct {
		uint32_t path[4];
		size_t depth;
		enum section_what what;
		const char *want; /* NULL: there is none */
	} rows[] = {
	    {{0}, 0, SECTION_ALL, sample},
	    {{0}, 0, SECTION_HEADER,
		"From: a@b\r\nContent-Type: multipart/mixed; boundary=o\r\n"
		"\r\n"},
	    {{1}, 1, SECTION_ALL, "caf\xc3\xa9"},
	    {{1}, 1, SECTION_MIME,
		"Content-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: 8bit\r\n\r\n"},
	    {{1}, 1, SECTION_HEADER, NULL},
	    {{1}, 1, SECTION_TEXT, NULL},
	    {{1, 1}, 2, SECTION_ALL, NULL},
	    {{2}, 1, SECTION_HEADER,
		"Subject: within\r\n"
		"Content-Type: multipart/alternative; boundary=i\r\n\r\n"},
	    {{2}, 1, SECTION_TEXT, "--i\r\n\r\none\r\n--i\r\n\r\ntwo\r\n--i--"},
	    {{2}, 1, SECTION_MIME, "Content-Type: message/rfc822\r\n\r\n"},
	    {{2, 1}, 2, SECTION_ALL, "one"},
	    {{2, 2}, 2, SECTION_ALL, "two"},
	    {{2, 2}, 2, SECTION_MIME, "\r\n"},
	    {{2, 3}, 2, SECTION_ALL, NULL},
	    {{3}, 1, SECTION_ALL, "Subject: plain\r\n\r\nalone"},
	    {{3, 1}, 2, SECTION_ALL, "alone"},
	    {{3, 1}, 2, SECTION_MIME, "Subject: plain\r\n\r\n"},
	    {{3, 2}, 2, SECTION_ALL, NULL},
	    {{3, 1, 1}, 3, SECTION_ALL, NULL},
	    {{4}, 1, SECTION_ALL, NULL},
	    {{0}, 1, SECTION_ALL, NULL},
	    {{0}, 0, SECTION_MIME, NULL},
	};
	struct arena arena = {.head = NULL};
	struct mime m;

	(void)state;
	mime_parse(sv_cstr(sample), NULL, &arena, &m);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct section s = {.what = rows[i].what,
		    .path = rows[i].path,
		    .depth = rows[i].depth};
		struct section_range r;
		bool found = section_find(section_spans_of(&m), &s, &r);

		assert_int_equal(found, rows[i].want != NULL);
		assert_true(!found
			    || sv_eq(sv_sub(m.message, r.at, r.len),
				sv_cstr(rows[i].want)));
	}
	arena_deinit(&arena);
}

/* A message that is no multipart has its body as part 1. */
static void
part_one_of_a_plain_message_is_its_body(void **state)
{
	static const uint32_t path[] = {1, 1};
	struct section s = {.what = SECTION_ALL, .path = path, .depth = 1};
	struct arena arena = {.head = NULL};
	struct section_range r;
	struct mime m;

	(void)state;
	mime_parse(SV("a: b\n\nbody"), NULL, &arena, &m);
	assert_true(section_find(section_spans_of(&m), &s, &r));
	assert_true(r.at == 6 && r.len == 4);
	s.what = SECTION_MIME;
	assert_true(section_find(section_spans_of(&m), &s, &r));
	assert_true(r.at == 0 && r.len == 6);
	s.depth = 2;
	assert_false(section_find(section_spans_of(&m), &s, &r));
	arena_deinit(&arena);
}

static void
assert_envelope(const char *header, const char *want)
{
	struct buf got = {.len = 0};

	imap_text_envelope(sv_cstr(header), &got);
	assert_string_equal(buf_cstr(&got), want);
	buf_deinit(&got);
}

/* [RFC 3501 7.4.2 ENVELOPE] */
static void
envelopes_are_written_by_the_grammar(void **state)
{
	(void)state;
	assert_envelope("", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
	/* the example of 8.: Sender and Reply-To default to From */
	assert_envelope(
	    "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
	    "From: Terry Gray <gray@cac.washington.edu>\r\n"
	    "Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
	    "To: imap@cac.washington.edu\r\n"
	    "Cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
	    "Message-Id: <B27397-0100000@cac.washington.edu>\r\n\r\n",
	    "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" "
	    "\"IMAP4rev1 WG mtg summary and minutes\" "
	    "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
	    "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
	    "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
	    "((NIL NIL \"imap\" \"cac.washington.edu\")) "
	    "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")"
	    "(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
	    "\"<B27397-0100000@cac.washington.edu>\")");
	/* present but empty is "" */
	assert_envelope("Subject:\r\nIn-Reply-To: \r\nTo:\r\n\r\n",
	    "(NIL \"\" NIL NIL NIL NIL NIL NIL \"\" NIL)");
	/* groups, and what is no mailbox */
	assert_envelope("To: G: a@b;, undisclosed:;\n"
			"Cc: <@r:\"c d\"@e>, nobody\nSender: s@t\n\n",
	    "(NIL NIL NIL ((NIL NIL \"s\" \"t\")) NIL "
	    "((NIL NIL \"G\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)"
	    "(NIL NIL \"undisclosed\" NIL)(NIL NIL NIL NIL)) "
	    "((NIL \"@r\" \"c d\" \"e\")"
	    "(NIL NIL \"nobody\" \"MISSING_DOMAIN\")) NIL NIL NIL)");
	/* quoting, literals, unfolding; the second Subject does not count */
	assert_envelope(
	    "Subject: a \"b\" \\c\r\n\td\r\nSubject: no\r\n"
	    "From: \"J\xc3\xb6rg\" <j@x>\r\nMessage-ID: a\rb\r\n\r\n",
	    "(NIL \"a \\\"b\\\" \\\\c\td\" (({5}\r\nJ\xc3\xb6rg NIL \"j\" "
	    "\"x\")) (({5}\r\nJ\xc3\xb6rg NIL \"j\" \"x\")) "
	    "(({5}\r\nJ\xc3\xb6rg NIL \"j\" \"x\")) NIL NIL NIL NIL "
	    "{3}\r\na\rb)");
}

static void
assert_structure(const char *message, bool extended, const char *want)
{
	struct arena arena = {.head = NULL};
	struct buf got = {.len = 0};
	struct mime m;

	mime_parse(sv_cstr(message), NULL, &arena, &m);
	imap_text_body(&m, 0, extended, &got);
	assert_string_equal(buf_cstr(&got), want);
	assert_null(check_texts(&m));
	buf_deinit(&got);
	arena_deinit(&arena);
}

/* [RFC 3501 7.4.2 BODYSTRUCTURE] */
static void
body_structures_are_written_by_the_grammar(void **state)
{
	(void)state;
	assert_structure("\r\na\r\nb\r\n", true,
	    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 6 "
	    "2 NIL NIL NIL NIL)");
	assert_structure("Content-Type: text/html\nContent-ID: <x>\n"
			 "Content-Description: d\n"
			 "Content-Transfer-Encoding: QUOTED-PRINTABLE\n"
			 "Content-MD5: abc\nContent-Language: en, de\n"
			 "Content-Location: http://x/\n"
			 "Content-Disposition: inline\n\nx",
	    true,
	    "(\"text\" \"html\" NIL \"<x>\" \"d\" \"quoted-printable\" 1 0 "
	    "\"abc\" (\"inline\" NIL) (\"en\" \"de\") \"http://x/\")");
	assert_structure("Content-Type: Image/PNG; name=a.png\n"
			 "Content-Transfer-Encoding: x-odd\n"
			 "Content-Disposition: attachment; filename*0=a;\n"
			 " filename*1*=%20b\n\nx",
	    true,
	    "(\"Image\" \"PNG\" (\"name\" \"a.png\") NIL NIL \"x-odd\" 1 NIL "
	    "(\"attachment\" (\"filename*\" \"''a%20b\")) NIL NIL)");
	assert_structure(sample, false,
	    "((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"8bit\" 5 0)"
	    "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 97 "
	    "(NIL \"within\" NIL NIL NIL NIL NIL NIL NIL NIL) "
	    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" "
	    "3 0)(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
	    "\"7bit\" 3 0) \"alternative\") 9)"
	    "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 23 "
	    "(NIL \"plain\" NIL NIL NIL NIL NIL NIL NIL NIL) "
	    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 "
	    "0) 2) \"mixed\")");
	/* what must have parts and has none is not called by its type */
	assert_structure("Content-Type: message/rfc822\n"
			 "Content-Transfer-Encoding: base64\n\neA==\n",
	    false,
	    "(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 5)");
}

static void
body_is_not_made_from_anything_else(void **state)
{
	static const char *const rows[] = {"", "(", "()", "NIL", "(\"a\")",
	    "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 1 NIL",
	    "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 1) ",
	    "((\"a\" \"b\" NIL NIL NIL \"7bit\" 1)",
	    "(\"a\" \"b\" NIL NIL NIL {5}\r\n7bit 1)",
	    "(\"a\" \"b\" NIL NIL NIL {99999999999999999999}\r\nx 1)"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf got = {.len = 0};

		assert_false(
		    imap_text_body_from_structure(sv_cstr(rows[i]), &got));
		assert_int_equal(got.len, 0);
		buf_deinit(&got);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(multiparts_are_taken_apart_at_their_boundaries),
	    cmocka_unit_test(messages_within_messages_are_opened),
	    cmocka_unit_test(limits_make_opaque_leaves),
	    cmocka_unit_test(a_million_of_anything_takes_linear_work),
	    cmocka_unit_test(
		deep_nests_of_like_boundaries_are_bounded_by_depth),
	    cmocka_unit_test(messages_cut_at_every_octet_are_sound),
	    cmocka_unit_test(sections_are_found_by_number),
	    cmocka_unit_test(part_one_of_a_plain_message_is_its_body),
	    cmocka_unit_test(envelopes_are_written_by_the_grammar),
	    cmocka_unit_test(body_structures_are_written_by_the_grammar),
	    cmocka_unit_test(body_is_not_made_from_anything_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
