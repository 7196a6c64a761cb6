/*
 * The directory: accounts, domains, aliases, and where mail goes.
 */
#include "directory_fixture.h"

/* ---- accounts ---- */

static void
an_account_is_found_by_address_and_by_id(void **state)
{
	struct fixture *x = *state;
	struct mailaddr a = addr("ANN@example.org");
	struct directory_account *by_address, *by_id;

	assert_int_equal(
	    directory_account_by_address(x->d, &a, &by_address, &x->f), 0);
	assert_int_equal(
	    directory_account_by_id(x->d, sv_cstr(x->ann), &by_id, &x->f), 0);
	assert_string_equal(by_address->id, x->ann);
	assert_string_equal(by_id->address.text, "ann@example.org");
	assert_int_equal(strspn(x->ann, "0123456789abcdef"), DIRECTORY_ID_LEN);
	assert_true(by_id->enabled);
	assert_true(sv_eq(by_id->auth, SV("k")));
	directory_account_unref(&by_address);
	directory_account_unref(&by_id);
}

static void
what_does_not_exist_is_absent(void **state)
{
	struct fixture *x = *state;
	struct mailaddr a = addr("eve@example.org");
	struct mailaddr elsewhere = addr("eve@example.net");
	struct sv nobody = SV("00000000000000000000000000000000");
	struct directory_account *got;

	for (int i = 0; i < 2; i++) { /* the second time from the cache */
		assert_int_equal(
		    directory_account_by_address(x->d, &a, &got, &x->f), -1);
		assert_int_equal(x->f.kind, FAIL_ABSENT);
		assert_int_equal(
		    directory_account_by_address(x->d, &elsewhere, &got, &x->f),
		    -1);
		assert_int_equal(x->f.kind, FAIL_ABSENT);
		assert_int_equal(
		    directory_account_by_id(x->d, nobody, &got, &x->f), -1);
		assert_int_equal(x->f.kind, FAIL_ABSENT);
	}
	assert_int_equal(
	    directory_account_enable(x->d, nobody, false, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_ABSENT);
	assert_int_equal(directory_account_remove(x->d, nobody, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_ABSENT);
	assert_int_equal(
	    directory_account_rename(x->d, nobody, &a, false, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_ABSENT);
	assert_int_equal(
	    directory_account_by_id(x->d, SV("short"), &got, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_SYNTAX);
}

static void
an_address_is_given_once(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(add(x, "Ann@Example.Org", NULL), -1);
	assert_int_equal(x->f.kind, FAIL_EXISTS);
	assert_int_equal(alias(x, "info@example.org", "ann@example.org"), 0);
	assert_int_equal(add(x, "info@example.org", NULL), -1);
	assert_int_equal(x->f.kind, FAIL_EXISTS);
	assert_int_equal(alias(x, "ann@example.org", "bob@example.org"), -1);
	assert_int_equal(x->f.kind, FAIL_EXISTS);
}

static void
a_new_domain_is_made_only_when_asked(void **state)
{
	struct fixture *x = *state;
	struct mailaddr a = addr("eve@example.net");
	struct mailaddr catch_all = addr("*@example.com");
	struct directory_account_spec spec = {.address = &a};
	char id[DIRECTORY_ID_LEN + 1];
	bool made = false;
	char to[1024];

	assert_int_equal(add(x, "eve@example.net", NULL), -1);
	assert_int_equal(x->f.kind, FAIL_ABSENT);
	spec.make_domain = true;
	assert_int_equal(
	    directory_account_add(x->d, &spec, id, &made, &x->f), 0);
	assert_true(made);
	a = addr("eva@example.net");
	assert_int_equal(
	    directory_account_add(x->d, &spec, id, &made, &x->f), 0);
	assert_false(made);
	/* A failure makes none. */
	spec.address = &catch_all;
	assert_int_equal(
	    directory_account_add(x->d, &spec, id, &made, &x->f), -1);
	assert_false(made);
	assert_int_equal(resolve(x, "ann@example.com", to), ROUTE_REMOTE);
}

static void
attributes_change_and_the_id_does_not(void **state)
{
	struct fixture *x = *state;
	struct sv id = sv_cstr(x->ann);
	struct directory_account *before, *after;
	struct mailaddr to = addr("anna@example.org");

	assert_int_equal(directory_account_by_id(x->d, id, &before, &x->f), 0);
	assert_int_equal(directory_account_enable(x->d, id, false, &x->f), 0);
	assert_int_equal(
	    directory_account_set_quota(x->d, id, 1000, 20, &x->f), 0);
	assert_int_equal(
	    directory_account_set_name(x->d, id, SV("Ann Lee"), &x->f), 0);
	assert_int_equal(
	    directory_account_set_auth(x->d, id, SV("keys"), NULL, &x->f), 0);
	assert_int_equal(
	    directory_account_rename(x->d, id, &to, false, &x->f), 0);
	assert_int_equal(directory_account_by_id(x->d, id, &after, &x->f), 0);
	assert_string_equal(after->id, before->id);
	assert_false(after->enabled);
	assert_int_equal(after->quota_octets, 1000);
	assert_int_equal(after->quota_messages, 20);
	assert_true(sv_eq(after->name, SV("Ann Lee")));
	assert_true(sv_eq(after->auth, SV("keys")));
	assert_string_equal(after->address.text, "anna@example.org");
	/* What was held stays what it was. */
	assert_true(before->enabled);
	assert_string_equal(before->address.text, "ann@example.org");
	directory_account_unref(&before);
	directory_account_unref(&after);
}

static void
keys_are_replaced_only_if_they_are_the_ones_known(void **state)
{
	struct fixture *x = *state;
	struct sv id = sv_cstr(x->ann);
	struct sv known = SV("k"), other = SV("other");

	assert_int_equal(
	    directory_account_set_auth(x->d, id, SV("new"), &other, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_EXISTS);
	assert_int_equal(
	    directory_account_set_auth(x->d, id, SV("new"), &known, &x->f), 0);
}

static void
texts_are_checked(void **state)
{
	struct fixture *x = *state;
	struct sv id = sv_cstr(x->ann);
	char big[DIRECTORY_AUTH_MAX + 1];

	memset(big, 'k', sizeof(big));
	assert_int_equal(directory_account_set_auth(
			     x->d, id, sv_make(big, sizeof(big)), NULL, &x->f),
	    -1);
	assert_int_equal(x->f.kind, FAIL_LIMIT);
	assert_int_equal(
	    directory_account_set_name(x->d, id, SV("a\nb"), &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_SYNTAX);
}

static void
accounts_are_listed_by_address_in_pages(void **state)
{
	struct fixture *x = *state;
	struct directory_account **list;
	struct mailaddr last;
	size_t n;

	assert_int_equal(
	    directory_domain_add(x->d, SV("example.net"), &x->f), 0);
	assert_int_equal(add(x, "eve@example.net", NULL), 0);
	assert_int_equal(alias(x, "aaa@example.org", "ann@example.org"), 0);
	assert_int_equal(directory_account_list(
			     x->d, NULL, NULL, 2, &x->arena, &list, &n, &x->f),
	    0);
	assert_int_equal(n, 2);
	assert_string_equal(list[0]->address.text, "ann@example.org");
	last = list[1]->address;
	directory_account_unref(&list[0]);
	directory_account_unref(&list[1]);
	assert_int_equal(directory_account_list(
			     x->d, NULL, &last, 2, &x->arena, &list, &n, &x->f),
	    0);
	assert_int_equal(n, 1);
	assert_string_equal(list[0]->address.text, "eve@example.net");
	directory_account_unref(&list[0]);
	assert_int_equal(directory_account_list(x->d, "EXAMPLE.net", NULL, 9,
			     &x->arena, &list, &n, &x->f),
	    0);
	assert_int_equal(n, 1);
	directory_account_unref(&list[0]);
}

/* ---- domains ---- */

static void
domains_are_listed_with_what_is_in_them(void **state)
{
	struct fixture *x = *state;
	struct directory_domain *list;
	size_t n;

	assert_int_equal(alias(x, "info@example.org", "ann@example.org"), 0);
	assert_int_equal(
	    directory_domain_add(x->d, SV("b\xc3\xbc.example"), &x->f), 0);
	assert_int_equal(
	    directory_domain_add(x->d, SV("EXAMPLE.org"), &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_EXISTS);
	assert_int_equal(
	    directory_domain_list(x->d, &x->arena, &list, &n, &x->f), 0);
	assert_int_equal(n, 2);
	assert_string_equal(list[0].name, "example.org");
	assert_int_equal(list[0].accounts, 2);
	assert_int_equal(list[0].aliases, 1);
	assert_string_equal(list[1].name, "xn--b-eha.example");
	assert_int_equal(list[1].accounts, 0);
}

static void
only_an_empty_domain_is_removed(void **state)
{
	struct fixture *x = *state;
	char to[1024];

	assert_int_equal(
	    directory_domain_remove(x->d, SV("example.org"), &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_DENIED);
	assert_int_equal(
	    directory_account_remove(x->d, sv_cstr(x->ann), &x->f), 0);
	assert_int_equal(
	    directory_account_remove(x->d, sv_cstr(x->bob), &x->f), 0);
	assert_int_equal(resolve(x, "ann@example.org", to), ROUTE_UNKNOWN);
	assert_int_equal(
	    directory_domain_remove(x->d, SV("example.org"), &x->f), 0);
	assert_int_equal(resolve(x, "ann@example.org", to), ROUTE_REMOTE);
	assert_int_equal(
	    directory_domain_remove(x->d, SV("example.org"), &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_ABSENT);
}

/* ---- aliases and routes ---- */

static void
mail_finds_accounts_subaddresses_and_aliases(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(alias(x, "info@example.org", "ann@example.org"), 0);
	assert_int_equal(alias(x, "info@example.org", "bob@example.org"), 0);
	assert_int_equal(alias(x, "all@example.org", "info@example.org"), 0);
	assert_int_equal(alias(x, "all@example.org", "eve@example.net"), 0);
	assert_int_equal(alias(x, "tag@example.org", "ann+tag@example.org"), 0);
	assert_int_equal(add(x, "c+d@example.org", NULL), 0);

	ASSERT_LEADS(x, "ANN@example.org", ROUTE_LOCAL, "ann@example.org");
	ASSERT_LEADS(
	    x, "ann+Lists@example.org", ROUTE_LOCAL, "ann@example.org/lists");
	ASSERT_LEADS(x, "info@example.org", ROUTE_LOCAL,
	    "ann@example.org bob@example.org");
	ASSERT_LEADS(x, "info+x@example.org", ROUTE_LOCAL,
	    "ann@example.org/x bob@example.org/x");
	ASSERT_LEADS(x, "all@example.org", ROUTE_MIXED,
	    "eve@example.net ann@example.org bob@example.org");
	ASSERT_LEADS(
	    x, "tag+x@example.org", ROUTE_LOCAL, "ann@example.org/tag");
	ASSERT_LEADS(x, "c+d@example.org", ROUTE_LOCAL, "c+d@example.org");
	ASSERT_LEADS(x, "eve@example.org", ROUTE_UNKNOWN, "");
	ASSERT_LEADS(x, "eve@example.net", ROUTE_REMOTE, "");
	ASSERT_LEADS(x, "ann@[192.0.2.1]", ROUTE_REMOTE, "");
}

static void
an_account_gets_one_copy(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(alias(x, "a@example.org", "ann@example.org"), 0);
	assert_int_equal(alias(x, "a@example.org", "ann+x@example.org"), 0);
	assert_int_equal(alias(x, "a@example.org", "b@example.org"), 0);
	assert_int_equal(alias(x, "b@example.org", "ann@example.org"), 0);
	ASSERT_LEADS(x, "a@example.org", ROUTE_LOCAL, "ann@example.org/x");
}

static void
aliases_do_not_loop(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(alias(x, "a@example.org", "a@example.org"), -1);
	assert_int_equal(x->f.kind, FAIL_DENIED);
	assert_int_equal(alias(x, "a@example.org", "b@example.org"), 0);
	assert_int_equal(alias(x, "b@example.org", "c@example.org"), 0);
	assert_int_equal(alias(x, "c@example.org", "a@example.org"), -1);
	assert_int_equal(x->f.kind, FAIL_DENIED);
	/* A loop by way of a detail is cut when it is walked. */
	assert_int_equal(alias(x, "c@example.org", "a+x@example.org"), 0);
	assert_int_equal(alias(x, "c@example.org", "bob@example.org"), 0);
	ASSERT_LEADS(x, "a@example.org", ROUTE_LOCAL, "bob@example.org");
}

static void
targets_are_bounded(void **state)
{
	struct fixture *x = *state;
	struct directory_conf conf = {.path = x->path, .rcpts_max = 2};
	struct mailaddr a = addr("all@example.org");
	struct directory_rcpt *rcpts;
	enum directory_route route;
	size_t n;

	assert_int_equal(alias(x, "all@example.org", "ann@example.org"), 0);
	directory_close(&x->d);
	assert_int_equal(directory_open(&conf, &x->d, &x->f), 0);
	assert_int_equal(
	    directory_resolve(x->d, &a, &x->arena, &route, &rcpts, &n, &x->f),
	    0);
	directory_rcpts_unref(rcpts, n);
	assert_int_equal(alias(x, "all@example.org", "bob@example.org"), 0);
	assert_int_equal(alias(x, "all@example.org", "eve@example.com"), -1);
	assert_int_equal(x->f.kind, FAIL_LIMIT);
	/* The address itself counts among the places. */
	assert_int_equal(
	    directory_resolve(x->d, &a, &x->arena, &route, &rcpts, &n, &x->f),
	    -1);
	assert_int_equal(x->f.kind, FAIL_LIMIT);
}

static void
aliases_are_bounded(void **state)
{
	struct fixture *x = *state;
	struct mailaddr a = addr("a0@example.org");
	struct directory_rcpt *rcpts;
	enum directory_route route;
	size_t n;

	for (int i = 0; i <= DIRECTORY_DEPTH_MAX; i++) {
		char from[64], to[64];

		(void)snprintf(from, sizeof(from), "a%d@example.org", i);
		(void)snprintf(to, sizeof(to), "a%d@example.org", i + 1);
		assert_int_equal(alias(x, from, to), 0);
	}
	assert_int_equal(
	    directory_resolve(x->d, &a, &x->arena, &route, &rcpts, &n, &x->f),
	    -1);
	assert_int_equal(x->f.kind, FAIL_LIMIT);
	ASSERT_LEADS(x, "a1@example.org", ROUTE_UNKNOWN, "");
}

static void
an_alias_is_removed_with_its_last_target(void **state)
{
	struct fixture *x = *state;
	struct mailaddr a = addr("info@example.org");
	struct mailaddr ann = addr("ann@example.org");
	struct mailaddr bob = addr("bob@example.org");
	struct directory_alias *list;
	size_t n;

	assert_int_equal(alias(x, a.text, ann.text), 0);
	assert_int_equal(alias(x, a.text, ann.text), -1);
	assert_int_equal(x->f.kind, FAIL_EXISTS);
	assert_int_equal(alias(x, a.text, bob.text), 0);
	assert_int_equal(
	    directory_alias_list(x->d, NULL, &x->arena, &list, &n, &x->f), 0);
	assert_int_equal(n, 1);
	assert_int_equal(list[0].n_targets, 2);
	assert_string_equal(list[0].targets[1].text, bob.text);
	assert_int_equal(directory_alias_remove(x->d, &a, &ann, &x->f), 0);
	assert_int_equal(directory_alias_remove(x->d, &a, &ann, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_ABSENT);
	ASSERT_LEADS(x, a.text, ROUTE_LOCAL, bob.text);
	assert_int_equal(directory_alias_remove(x->d, &a, &bob, &x->f), 0);
	ASSERT_LEADS(x, a.text, ROUTE_UNKNOWN, "");
	assert_int_equal(directory_alias_remove(x->d, &a, NULL, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_ABSENT);
	assert_int_equal(directory_alias_remove(x->d, &ann, NULL, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_ABSENT);
}

static void
the_catch_all_takes_what_nobody_else_does(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(alias(x, "*@example.org", "bob@example.org"), 0);
	ASSERT_LEADS(x, "eve@example.org", ROUTE_LOCAL, "bob@example.org");
	ASSERT_LEADS(x, "eve+x@example.org", ROUTE_LOCAL, "bob@example.org");
	ASSERT_LEADS(x, "ann@example.org", ROUTE_LOCAL, "ann@example.org");
	ASSERT_LEADS(
	    x, "postmaster@example.org", ROUTE_LOCAL, "ann@example.org");
}

static void
rfc5321_4_5_1_postmaster_always_exists(void **state)
{
	struct fixture *x = *state;
	enum directory_route route;
	struct directory_rcpt *rcpts;
	size_t n;

	ASSERT_LEADS(
	    x, "PostMaster@example.org", ROUTE_LOCAL, "ann@example.org");
	assert_int_equal(
	    directory_domain_add(x->d, SV("example.net"), &x->f), 0);
	/* A domain without accounts: the directory's oldest. */
	ASSERT_LEADS(
	    x, "postmaster@example.net", ROUTE_LOCAL, "ann@example.org");
	assert_int_equal(directory_resolve_postmaster(
			     x->d, &x->arena, &route, &rcpts, &n, &x->f),
	    0);
	assert_int_equal(route, ROUTE_LOCAL);
	assert_int_equal(n, 1);
	assert_string_equal(rcpts[0].account->id, x->ann);
	directory_rcpts_unref(rcpts, n);
	assert_int_equal(
	    alias(x, "postmaster@example.org", "bob@example.org"), 0);
	ASSERT_LEADS(
	    x, "postmaster@example.org", ROUTE_LOCAL, "bob@example.org");
	ASSERT_LEADS(x, "postmaster@elsewhere.org", ROUTE_REMOTE, "");

	directory_close(&x->d);
	open_with(x, NULL, "bob+pm@example.org");
	ASSERT_LEADS(
	    x, "postmaster@example.net", ROUTE_LOCAL, "bob@example.org/pm");
}

static void
separators_are_configurable(void **state)
{
	struct fixture *x = *state;

	directory_close(&x->d);
	open_with(x, "-", NULL);
	ASSERT_LEADS(x, "ann-x@example.org", ROUTE_LOCAL, "ann@example.org/x");
	ASSERT_LEADS(x, "ann+x@example.org", ROUTE_UNKNOWN, "");
}

static void
a_rename_takes_the_aliases_along(void **state)
{
	struct fixture *x = *state;
	struct mailaddr to = addr("anna@example.org");
	struct mailaddr back = addr("ann@example.org");

	assert_int_equal(alias(x, "info@example.org", "ann@example.org"), 0);
	assert_int_equal(alias(x, "info@example.org", "bob@example.org"), 0);
	assert_int_equal(alias(x, "l@example.org", "ann+l@example.org"), 0);
	assert_int_equal(
	    directory_account_rename(x->d, sv_cstr(x->ann), &to, true, &x->f),
	    0);
	ASSERT_LEADS(x, "info@example.org", ROUTE_LOCAL,
	    "anna@example.org bob@example.org");
	ASSERT_LEADS(x, "ann@example.org", ROUTE_LOCAL, "anna@example.org");
	ASSERT_LEADS(x, "l@example.org", ROUTE_LOCAL, "anna@example.org/l");
	/* Back again: the alias that it left gives way. */
	assert_int_equal(directory_account_rename(
			     x->d, sv_cstr(x->ann), &back, false, &x->f),
	    0);
	ASSERT_LEADS(x, "anna@example.org", ROUTE_UNKNOWN, "");
	ASSERT_LEADS(x, "l@example.org", ROUTE_LOCAL, "ann@example.org/l");
	to = addr("bob@example.org");
	assert_int_equal(
	    directory_account_rename(x->d, sv_cstr(x->ann), &to, false, &x->f),
	    -1);
	assert_int_equal(x->f.kind, FAIL_EXISTS);
	to = addr("info@example.org");
	assert_int_equal(
	    directory_account_rename(x->d, sv_cstr(x->ann), &to, false, &x->f),
	    -1);
	assert_int_equal(x->f.kind, FAIL_EXISTS);
}

static void
a_removed_account_leaves_the_aliases(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(alias(x, "info@example.org", "ann@example.org"), 0);
	assert_int_equal(alias(x, "info@example.org", "bob@example.org"), 0);
	assert_int_equal(alias(x, "a@example.org", "ann+a@example.org"), 0);
	assert_int_equal(
	    directory_account_remove(x->d, sv_cstr(x->ann), &x->f), 0);
	ASSERT_LEADS(x, "info@example.org", ROUTE_LOCAL, "bob@example.org");
	ASSERT_LEADS(x, "a@example.org", ROUTE_UNKNOWN, "");
	assert_int_equal(add(x, "a@example.org", NULL), 0);
	/* Another account of that name is another account. */
	char id[DIRECTORY_ID_LEN + 1];

	assert_int_equal(add(x, "ann@example.org", id), 0);
	assert_string_not_equal(id, x->ann);
}

static void
people_sign_in_by_address_or_by_their_alias(void **state)
{
	struct fixture *x = *state;
	static const struct {
		const char *login;
		bool ok;
	} rows[] = {
	    {"ann@example.org", true},
	    {"only@example.org", true},
	    {"both@example.org", false},
	    {"*@example.org", false},
	    {"eve@example.org", false},
	    {"ann+x@example.org", false},
	};

	assert_int_equal(alias(x, "only@example.org", "ann@example.org"), 0);
	assert_int_equal(alias(x, "both@example.org", "ann@example.org"), 0);
	assert_int_equal(alias(x, "both@example.org", "bob@example.org"), 0);
	assert_int_equal(alias(x, "*@example.org", "ann@example.org"), 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct mailaddr a = addr(rows[i].login);
		struct directory_account *got;
		int rc = directory_account_by_login(x->d, &a, &got, &x->f);

		assert_int_equal(rc, rows[i].ok ? 0 : -1);
		if (rc == 0) {
			assert_string_equal(got->id, x->ann);
			directory_account_unref(&got);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_account_is_found_by_address_and_by_id),
	    TEST(what_does_not_exist_is_absent),
	    TEST(an_address_is_given_once),
	    TEST(a_new_domain_is_made_only_when_asked),
	    TEST(attributes_change_and_the_id_does_not),
	    TEST(keys_are_replaced_only_if_they_are_the_ones_known),
	    TEST(texts_are_checked),
	    TEST(accounts_are_listed_by_address_in_pages),
	    TEST(domains_are_listed_with_what_is_in_them),
	    TEST(only_an_empty_domain_is_removed),
	    TEST(mail_finds_accounts_subaddresses_and_aliases),
	    TEST(an_account_gets_one_copy),
	    TEST(aliases_do_not_loop),
	    TEST(targets_are_bounded),
	    TEST(aliases_are_bounded),
	    TEST(an_alias_is_removed_with_its_last_target),
	    TEST(the_catch_all_takes_what_nobody_else_does),
	    TEST(rfc5321_4_5_1_postmaster_always_exists),
	    TEST(separators_are_configurable),
	    TEST(a_rename_takes_the_aliases_along),
	    TEST(a_removed_account_leaves_the_aliases),
	    TEST(people_sign_in_by_address_or_by_their_alias),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
