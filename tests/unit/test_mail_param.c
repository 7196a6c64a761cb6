#include "base/mem.h"
#include "mail/param.h"
#include "unit.h"

/* value{name=value|...} */
static void
describe(const struct param_list *l, struct buf *to)
{
	buf_add_sv(to, l->value);
	buf_add_char(to, '{');
	for (size_t i = 0; i < l->n; i++) {
		buf_add_sv(to, l->at[i].name);
		buf_add_char(to, '=');
		buf_add_sv(to, l->at[i].value);
		buf_add_char(to, '|');
	}
	buf_add_char(to, '}');
}

/* [RFC 2045 5.1, RFC 2231 3, 4, 4.1] */
static void
parameters_of_every_form_are_read(void **state)
{
	static const struct {
		const char *body, *want;
	} rows[] = {
	    {"", "{}"},
	    {"text/plain", "text/plain{}"},
	    {" text/plain ; charset=us-ascii (Plain text)",
		"text/plain{charset=us-ascii|}"},
	    {"text/plain; charset=\"us-ascii\"",
		"text/plain{charset=us-ascii|}"},
	    {"text / plain (c) ;a=b", "text/plain{a=b|}"},
	    {"text/plain; a=\"x\\\"y\\\\\"; b=", "text/plain{a=x\"y\\|b=|}"},
	    {"text/plain; A=1; a=2", "text/plain{A=1|}"},
	    {"text/plain;; ;a=1;", "text/plain{a=1|}"},
	    {"text/plain; word; a=1", "text/plain{a=1|}"},
	    {"text/plain; a=1 b=2", "text/plain{a=1|b=2|}"},
	    {"text/plain; a=\"1\" b=2", "text/plain{a=1|b=2|}"},
	    {"text/plain charset=utf-8", "text/plain{charset=utf-8|}"},
	    {"attachment; filename=two words.txt; x=y",
		"attachment{filename=two words.txt|x=y|}"},
	    {"attachment; filename=\"open.txt; x=y",
		"attachment{filename=open.txt; x=y|}"},
	    {"attachment; filename=\"a\r\n b\"", "attachment{filename=a b|}"},
	    {"multipart/mixed; boundary=----=_Part_1.2",
		"multipart/mixed{boundary=----=_Part_1.2|}"},
	    {"x; =1; a", "x{}"},
	    {"x; a=(open; b=1", "x{a=(open|b=1|}"},
	    /* [RFC 2231 3] */
	    {"message/external-body; access-type=URL; URL*0=\"ftp://\";\r\n"
	     " URL*1=\"cs.utk.edu/pub\"",
		"message/external-body{access-type=URL|URL=ftp://cs.utk.edu/"
		"pub|}"},
	    {"x; a*1=b; a*0=a; c=d; a*2=c", "x{a=abc|c=d|}"},
	    {"x; a*1=lost; b*0=kept; b*2=lost", "x{b=kept|}"},
	    /* [RFC 2231 4, 4.1] */
	    {"x; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
		"x{title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A|}"},
	    {"x; title*0*=us-ascii'en'This%20is%20even%20more%20;\r\n"
	     " title*1*=%2A%2A%2Afun%2A%2A%2A%20;\r\n title*2=\"isn't it!\"",
		"x{title*=us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun"
		"%2A%2A%2A%20isn%27t%20it!|}"},
	    {"x; a*0=x; a*1*=%41", "x{a*=''x%41|}"},
	    {"x; a*=''1; a=2", "x{a*=''1|a=2|}"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena arena = {.head = NULL};
		struct param_list list;
		struct buf got = {.len = 0};

		param_parse(sv_cstr(rows[i].body), PARAM_MAX, &arena, &list);
		describe(&list, &got);
		assert_string_equal(buf_cstr(&got), rows[i].want);
		buf_deinit(&got);
		arena_deinit(&arena);
	}
}

static void
parameters_are_decoded_for_people(void **state)
{
	static const struct {
		const char *body, *want;
	} rows[] = {
	    {"x; filename=a.txt", "a.txt"},
	    {"x; filename*=UTF-8''caf%C3%A9.txt; filename=cafe.txt",
		"caf\xc3\xa9.txt"},
	    {"x; filename*0*=iso-8859-1'fr'caf%E9; filename*1=\" x\"",
		"caf\xc3\xa9 x"},
	    {"x; filename=\"=?utf-8?B?w6k=?=\"", "\xc3\xa9"},
	    {"x; filename=\"caf\xe9\"", "caf\xc3\xa9"},
	    {"x; filename*=no%20quotes%zz", "no quotes%zz"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena arena = {.head = NULL};
		struct param_list list;
		struct buf got = {.len = 0};

		param_parse(sv_cstr(rows[i].body), PARAM_MAX, &arena, &list);
		assert_true(param_text(&list, SV("filename"), &got));
		assert_false(param_text(&list, SV("name"), &got));
		assert_string_equal(buf_cstr(&got), rows[i].want);
		buf_deinit(&got);
		arena_deinit(&arena);
	}
}

static void
a_million_parameters_are_cut_at_the_limit(void **state)
{
	static const char *const pieces[] = {"; a=b", "; a*0=b", "; a*1*=%41",
	    "; \"", "; (", "; (x)", ";", "; a", "=", "a b c ", "a/ "};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(pieces); i++) {
		struct arena arena = {.head = NULL};
		struct param_list list;
		struct buf text = {.len = 0};

		for (int k = 0; k < 1000000; k++) {
			buf_add_str(&text, pieces[i]);
		}
		param_parse(buf_sv(&text), PARAM_MAX, &arena, &list);
		assert_true(list.n <= PARAM_MAX);
		assert_true(arena.used <= 3 * text.len + 65536);
		buf_deinit(&text);
		arena_deinit(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(parameters_of_every_form_are_read),
	    cmocka_unit_test(parameters_are_decoded_for_people),
	    cmocka_unit_test(a_million_parameters_are_cut_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
