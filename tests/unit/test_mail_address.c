#include "base/buf.h"
#include "base/mem.h"
#include "mail/address.h"
#include "unit.h"

static void
add_part(struct buf *to, struct sv s)
{
	if (s.p == NULL) {
		buf_add_char(to, '-');
	} else {
		buf_add_sv(to, s);
	}
	buf_add_char(to, '/');
}

/* name/route/local/domain/ of each, "-" for what is absent; "name{" and "}"
 * for groups. */
static void
describe(const struct address_list *l, struct buf *to)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct address *a = &l->at[i];

		switch (a->kind) {
		case ADDRESS_GROUP:
			buf_add_sv(to, a->name);
			buf_add_char(to, '{');
			break;
		case ADDRESS_GROUP_END:
			buf_add_char(to, '}');
			break;
		case ADDRESS_MAILBOX:
			add_part(to, a->name);
			add_part(to, a->route);
			add_part(to, a->local);
			add_part(to, a->domain);
			buf_add_char(to, ' ');
			break;
		}
	}
}

static void
address_lists_of_every_form_are_read(void **state)
{
	static const struct {
		const char *body;
		const char *want;
	} rows[] = {
	    {"", ""},
	    {" , ,, ", ""},
	    {"ann@example.org", "-/-/ann/example.org/ "},
	    {"Ann <ann@example.org>, bob@x", "Ann/-/ann/example.org/ "
					     "-/-/bob/x/ "},
	    /* [RFC 5322 A.1.2] */
	    {"\"Joe Q. Public\" <john.q.public@example.com>",
		"Joe Q. Public/-/john.q.public/example.com/ "},
	    {"Who? <one@y.test>", "Who?/-/one/y.test/ "},
	    {"\"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
		"Giant; \"Big\" Box/-/sysservices/example.net/ "},
	    /* [RFC 5322 A.1.3] */
	    {"A Group:Ed Jones <joe@where.test>,John <jdoe@one.test>;",
		"A Group{Ed Jones/-/joe/where.test/ John/-/jdoe/one.test/ }"},
	    {"Undisclosed recipients:;", "Undisclosed recipients{}"},
	    {"a@b, G:c@d;, e@f", "-/-/a/b/ G{-/-/c/d/ }-/-/e/f/ "},
	    {"G:c@d", "G{-/-/c/d/ }"},
	    /* [RFC 5322 A.5] */
	    {"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
		"Pete/-/pete/silly.test/ "},
	    {"A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)"
	     "public.example>,\r\n joe@example.org,\r\n John <jdoe@one.test> "
	     "(my dear friend); (the end of the group)",
		"A Group{Chris Jones/-/c/public.example/ "
		"-/-/joe/example.org/ John/-/jdoe/one.test/ }"},
	    {"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
		"Hidden recipients{}"},
	    /* [RFC 5322 A.6.1] */
	    {"Joe Q. Public <john.q.public@example.com>",
		"Joe Q. Public/-/john.q.public/example.com/ "},
	    {"Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
		"Mary Smith/@node.test/mary/example.net/ "
		"-/-/jdoe/test.example/ "},
	    {"<@a,@b:c@d>", "-/@a,@b/c/d/ "},
	    /* [RFC 5322 A.6.3] */
	    {"John Doe <jdoe@machine(comment).  example>",
		"John Doe/-/jdoe/machine.example/ "},
	    {"a . b @ c . d", "-/-/a.b/c.d/ "},
	    /* a comment where the name should be */
	    {"ann@example.org (Ann Example)",
		"Ann Example/-/ann/example.org/ "},
	    {"\"a b\"@x, <\"a\\\"b\"@x>", "-/-/a b/x/ -/-/a\"b/x/ "},
	    {"a@[192.0.2.1]", "-/-/a/[192.0.2.1]/ "},
	    {"Ann  \t Example <a@b>", "Ann Example/-/a/b/ "},
	    {"\"Ann\" Example <a@b>", "Ann Example/-/a/b/ "},
	    {"=?utf-8?Q?a,_<b>?= <a@b>", "=?utf-8?Q?a,_<b>?=/-/a/b/ "},
	    {"\"\" <a@b>", "/-/a/b/ "},
	    /* [RFC 6532] */
	    {"J\xc3\xb6rg <j\xc3\xb6rg@\xc3\xa9.example>",
		"J\xc3\xb6rg/-/j\xc3\xb6rg/\xc3\xa9.example/ "},
	    {"J\xf6rg <a@b>", "J\xf6rg/-/a/b/ "},
	    /* wrong in ways that are met */
	    {"John Smith", "-/-/John Smith/-/ "},
	    {"John john@x", "John/-/john/x/ "},
	    {"Foo <a@b, Bar <c@d>", "Foo/-/a/b/ Bar/-/c/d/ "},
	    {"Foo <a@b", "Foo/-/a/b/ "},
	    {"<<a@b>>", "-/-/a/b/ "},
	    {"Ann <work> <a@b>", "Ann <work>/-/a/b/ "},
	    {"<>", "-/-//-/ "},
	    {"@x", "-/-//x/ "},
	    {"a@", "-/-/a// "},
	    {"a@b@c", "-/-/a@b/c/ "},
	    {"a@b; c@d", "-/-/a/b/ -/-/c/d/ "},
	    {"\"open <a@b>, c@d", "\"open/-/a/b/ -/-/c/d/ "},
	    {"(open <a@b>, c@d", "(open/-/a/b/ -/-/c/d/ "},
	    {"[open@b, c@d", "-/-/[open/b/ -/-/c/d/ "},
	    {"a@b c d, e@f", "-/-/a/b/ -/-/e/f/ "},
	    {"<@a.b>", "-/-//a.b/ "},
	    {"a:b:c@d;e", "a{-/-/b:c/d/ }-/-/e/-/ "},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena arena = {.head = NULL};
		struct address_list list;
		struct buf got = {.len = 0};

		address_list_parse(
		    sv_cstr(rows[i].body), ADDRESS_LIST_MAX, &arena, &list);
		describe(&list, &got);
		assert_string_equal(buf_cstr(&got), rows[i].want);
		assert_false(list.cut);
		buf_deinit(&got);
		arena_deinit(&arena);
	}
}

static void
address_lists_keep_their_limit_and_close_groups(void **state)
{
	struct arena arena = {.head = NULL};
	struct address_list list;

	(void)state;
	address_list_parse(SV("G:a@b,c@d,e@f;"), 3, &arena, &list);
	assert_int_equal(list.n, 3);
	assert_true(list.cut);
	assert_int_equal(list.at[2].kind, ADDRESS_GROUP_END);
	address_list_parse(SV("a@b,c@d,e@f,"), 3, &arena, &list);
	assert_int_equal(list.n, 3);
	assert_false(list.cut);
	arena_deinit(&arena);
}

/* Each of these made some parser quadratic.  Memory is what can be counted:
 * it must not be more than a small multiple of the text. */
static void
address_lists_of_a_million_octets_are_linear(void **state)
{
	static const char *const pieces[] = {"(", "((a)", "\"", "\"a\\", "[",
	    "=?a?q?", "<@", "a@", "a.", ". ", ",", "a:", ":;", "<", "a b ",
	    "(c)", "\r\n "};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(pieces); i++) {
		struct arena arena = {.head = NULL};
		struct address_list list;
		struct buf text = {.len = 0};

		while (text.len < 1000000) {
			buf_add_str(&text, pieces[i]);
		}
		address_list_parse(
		    buf_sv(&text), ADDRESS_LIST_MAX, &arena, &list);
		assert_true(arena.used < text.len * 4 + 4000000);
		buf_deinit(&text);
		arena_deinit(&arena);
	}
}

/* [RFC 5321 4.1.2] */
static void
local_parts_are_quoted_where_they_must_be(void **state)
{
	static const struct {
		const char *local, *want;
	} rows[] = {
	    {"ann", "ann"},
	    {"a.b", "a.b"},
	    {"a+b=c", "a+b=c"},
	    {"a_b", "a_b"},
	    {"\xc3\xa9.x", "\xc3\xa9.x"},
	    {"", "\"\""},
	    {"a..b", "\"a..b\""},
	    {".a", "\".a\""},
	    {"a.", "\"a.\""},
	    {"a b", "\"a b\""},
	    {"a\"b", "\"a\\\"b\""},
	    {"a\\b", "\"a\\\\b\""},
	    {"a@b", "\"a@b\""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char got[32];
		size_t n = address_local_write(sv_cstr(rows[i].local), got);

		assert_true(sv_eq(sv_make(got, n), sv_cstr(rows[i].want)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(address_lists_of_every_form_are_read),
	    cmocka_unit_test(address_lists_keep_their_limit_and_close_groups),
	    cmocka_unit_test(address_lists_of_a_million_octets_are_linear),
	    cmocka_unit_test(local_parts_are_quoted_where_they_must_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
