#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "directory/directory.h"
#include "unit.h"

/* Every test has a directory of its own, with example.org, Ann and Bob. */
struct fixture {
	char path[64];
	struct directory *d;
	struct arena arena;
	struct fail f;
	char ann[DIRECTORY_ID_LEN + 1];
	char bob[DIRECTORY_ID_LEN + 1];
};

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static struct mailaddr
addr(const char *text)
{
	struct mailaddr a;
	struct fail f;

	assert_int_equal(mailaddr_parse(sv_cstr(text), &a, &f), 0);
	return a;
}

static int
add(struct fixture *x, const char *address, char *id_out)
{
	struct mailaddr a = addr(address);
	struct directory_account_spec spec = {.address = &a, .auth = SV("k")};
	char id[DIRECTORY_ID_LEN + 1];

	return directory_account_add(
	    x->d, &spec, id_out != NULL ? id_out : id, NULL, &x->f);
}

static int
alias(struct fixture *x, const char *from, const char *to)
{
	struct mailaddr a = addr(from), t = addr(to);

	return directory_alias_add(x->d, &a, &t, &x->f);
}

static void
open_with(struct fixture *x, const char *separators, const char *postmaster)
{
	struct directory_config config = {.path = x->path,
	    .create = true,
	    .separators = separators,
	    .postmaster = postmaster};

	assert_int_equal(directory_open(&config, &x->d, &x->f), 0);
}

static int
setup(void **state)
{
	struct fixture *x = xmalloc(sizeof(*x));

	(void)snprintf(x->path, sizeof(x->path), "/tmp/directory-XXXXXX");
	assert_non_null(mkdtemp(x->path));
	open_with(x, NULL, NULL);
	assert_int_equal(
	    directory_domain_add(x->d, SV("Example.ORG"), &x->f), 0);
	assert_int_equal(add(x, "ann@example.org", x->ann), 0);
	assert_int_equal(add(x, "bob@example.org", x->bob), 0);
	*state = x;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	directory_close(&x->d);
	arena_deinit(&x->arena);
	(void)nftw(x->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(x);
	return 0;
}

/* Where `text` leads, as "address+detail ..." in the order given. */
static enum directory_route
resolve(struct fixture *x, const char *text, char out[1024])
{
	struct mailaddr a = addr(text);
	enum directory_route route = ROUTE_UNKNOWN;
	struct directory_rcpt *rcpts;
	size_t n, at = 0;

	out[0] = '\0';
	assert_int_equal(
	    directory_resolve(x->d, &a, &x->arena, &route, &rcpts, &n, &x->f),
	    0);
	for (size_t i = 0; i < n; i++) {
		at += (size_t)snprintf(out + at, 1024 - at, "%s%s%s%.*s",
		    i > 0 ? " " : "", rcpts[i].address.text,
		    rcpts[i].detail.len != 0 ? "/" : "",
		    SV_ARG(rcpts[i].detail));
	}
	directory_rcpts_unref(rcpts, n);
	return route;
}

#define ASSERT_LEADS(x, text, want_route, want)                                \
	do {                                                                   \
		char got_[1024];                                               \
		assert_int_equal(resolve((x), (text), got_), (want_route));    \
		assert_string_equal(got_, (want));                             \
	} while (0)

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

/* ---- several processes ---- */

static void
a_change_by_another_is_seen_at_once(void **state)
{
	struct fixture *x = *state;
	struct fixture other = *x;
	struct sv id = sv_cstr(x->ann);

	open_with(&other, NULL, NULL);
	for (int i = 1; i <= 50; i++) {
		struct directory_account *got;

		assert_int_equal(directory_account_set_quota(
				     other.d, id, (uint64_t)i, 0, &x->f),
		    0);
		assert_int_equal(
		    directory_account_by_id(x->d, id, &got, &x->f), 0);
		assert_int_equal(got->quota_octets, i);
		directory_account_unref(&got);
	}
	directory_close(&other.d);
}

enum { WRITERS = 4, EACH = 25 };

static void
write_some(const char *path, int who)
{
	struct directory_config config = {.path = path};
	struct directory *d;
	struct fail f;

	if (directory_open(&config, &d, &f) != 0) {
		_exit(2);
	}
	for (int i = 0; i < EACH; i++) {
		char text[64], id[DIRECTORY_ID_LEN + 1];
		struct mailaddr a;
		struct directory_account_spec spec = {.address = &a};

		(void)snprintf(
		    text, sizeof(text), "u%d.%d@example.org", who, i);
		if (mailaddr_parse(sv_cstr(text), &a, &f) != 0
		    || directory_account_add(d, &spec, id, NULL, &f) != 0) {
			_exit(3);
		}
	}
	directory_close(&d);
	_exit(0);
}

static void
processes_write_at_once(void **state)
{
	struct fixture *x = *state;
	struct directory_domain *list;
	pid_t pids[WRITERS];
	size_t n;

	for (int i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			write_some(x->path, i);
		}
	}
	for (int i = 0; i < WRITERS; i++) {
		int status = -1;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(
	    directory_domain_list(x->d, &x->arena, &list, &n, &x->f), 0);
	assert_int_equal(list[0].accounts, WRITERS * EACH + 2);
}

/* Adds accounts and writes the number of the last that stands. */
static void
write_until_killed(const char *path, int to)
{
	struct directory_config config = {.path = path};
	struct directory *d;
	struct fail f;

	if (directory_open(&config, &d, &f) != 0) {
		_exit(2);
	}
	for (int i = 0;; i++) {
		char text[64], id[DIRECTORY_ID_LEN + 1];
		struct mailaddr a;
		struct directory_account_spec spec = {.address = &a};

		(void)snprintf(
		    text, sizeof(text), "k%d.%d@example.org", (int)getpid(), i);
		if (mailaddr_parse(sv_cstr(text), &a, &f) != 0
		    || directory_account_add(d, &spec, id, NULL, &f) != 0
		    || write(to, &i, sizeof(i)) != sizeof(i)) {
			_exit(3);
		}
	}
}

static void
what_was_reported_done_survives_kill_9(void **state)
{
	struct fixture *x = *state;

	for (int round = 0; round < 10; round++) {
		const struct timespec pause = {
		    .tv_nsec = (20 + 5 * round) * 1000 * 1000};
		int ends[2], status, i, last = -1;
		pid_t pid;

		assert_int_equal(pipe(ends), 0);
		pid = fork();
		if (pid == 0) {
			write_until_killed(x->path, ends[1]);
		}
		assert_true(pid > 0);
		(void)close(ends[1]);
		(void)nanosleep(&pause, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		while (read(ends[0], &i, sizeof(i)) == sizeof(i)) {
			last = i;
		}
		(void)close(ends[0]);
		for (i = 0; i <= last; i++) {
			char text[64];
			struct mailaddr a;
			struct directory_account *got;

			(void)snprintf(text, sizeof(text), "k%d.%d@example.org",
			    (int)pid, i);
			a = addr(text);
			assert_int_equal(
			    directory_account_by_address(x->d, &a, &got, &x->f),
			    0);
			directory_account_unref(&got);
		}
	}
	assert_int_equal(add(x, "after@example.org", NULL), 0);
}

/* ---- threads ---- */

struct reader {
	pthread_t thread;
	struct fixture *x;
	_Atomic bool *stop;
	uint64_t seen;
};

static void *
read_on(void *arg)
{
	struct reader *r = arg;
	struct fail f;

	while (!atomic_load(r->stop)) {
		struct directory_account *a;

		if (directory_account_by_id(r->x->d, sv_cstr(r->x->ann), &a, &f)
		    != 0) {
			return r;
		}
		/* What is read never goes back. */
		if (a->quota_octets < r->seen) {
			return r;
		}
		r->seen = a->quota_octets;
		directory_account_unref(&a);
	}
	return NULL;
}

static void
threads_never_see_an_older_state(void **state)
{
	struct fixture *x = *state;
	struct reader readers[4];
	_Atomic bool stop = false;

	for (size_t i = 0; i < COUNT_OF(readers); i++) {
		readers[i] = (struct reader){.x = x, .stop = &stop};
		assert_int_equal(pthread_create(&readers[i].thread, NULL,
				     read_on, &readers[i]),
		    0);
	}
	for (uint64_t i = 1; i <= 100; i++) {
		assert_int_equal(directory_account_set_quota(
				     x->d, sv_cstr(x->ann), i, 0, &x->f),
		    0);
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < COUNT_OF(readers); i++) {
		void *bad = NULL;

		assert_int_equal(pthread_join(readers[i].thread, &bad), 0);
		assert_null(bad);
	}
}

/* ---- the file ---- */

static void
the_file_is_private(void **state)
{
	struct fixture *x = *state;
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/directory.db", x->path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void
the_secret_stays(void **state)
{
	struct fixture *x = *state;
	uint8_t a[DIRECTORY_SECRET_LEN], b[DIRECTORY_SECRET_LEN];

	directory_secret(x->d, a);
	directory_close(&x->d);
	open_with(x, NULL, NULL);
	directory_secret(x->d, b);
	assert_memory_equal(a, b, sizeof(a));
}

static void
an_absent_directory_is_said_to_be(void **state)
{
	struct fixture *x = *state;
	struct directory_config config = {.path = "/tmp/directory-none"};
	struct directory *d = NULL;

	assert_int_equal(directory_open(&config, &d, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_ABSENT);
	assert_null(d);
}

static void
a_directory_that_was_taken_away_is_not_made_anew(void **state)
{
	struct fixture *x = *state;
	struct directory_config config = {.path = x->path, .create = true};
	char from[128], to[128];

	directory_close(&x->d);
	(void)snprintf(from, sizeof(from), "%s/directory.db", x->path);
	(void)snprintf(to, sizeof(to), "%s/directory.db.old", x->path);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(directory_open(&config, &x->d, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_ABSENT);
	assert_int_equal(rename(to, from), 0);
	assert_int_equal(directory_open(&config, &x->d, &x->f), 0);
}

static void
a_backup_is_a_directory(void **state)
{
	struct fixture *x = *state;
	struct directory_config config;
	struct directory_account *a;
	struct directory *copy;
	struct stat st;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/copy.db", x->path);
	assert_int_equal(directory_backup(x->d, path, &x->f), 0);
	assert_int_equal(directory_backup(x->d, path, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_EXISTS);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(
	    directory_account_remove(x->d, sv_cstr(x->ann), &x->f), 0);
	config = (struct directory_config){.path = path};
	assert_int_equal(directory_open(&config, &copy, &x->f), 0);
	assert_int_equal(
	    directory_account_by_id(copy, sv_cstr(x->ann), &a, &x->f), 0);
	directory_account_unref(&a);
	directory_close(&copy);
	assert_int_equal(
	    directory_backup(x->d, "/nonexistent/copy.db", &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_ABSENT);
}

static void
run_sql(const char *path, const char *sql)
{
	char command[512];

	(void)snprintf(command, sizeof(command),
	    "/usr/bin/python3 -c \"import sqlite3; c = "
	    "sqlite3.connect('%s/directory.db'); c.execute('%s')\"",
	    path, sql);
	assert_int_equal(system(command), 0);
}

static void
a_newer_or_foreign_file_is_left_alone(void **state)
{
	struct fixture *x = *state;
	struct directory_config config = {.path = x->path, .create = true};
	struct directory *d = NULL;

	directory_close(&x->d);
	run_sql(x->path, "PRAGMA user_version = 99");
	assert_int_equal(directory_open(&config, &d, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_PERM);
	run_sql(x->path, "PRAGMA application_id = 1");
	assert_int_equal(directory_open(&config, &d, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_PERM);
}

/* The file is looked for once a second. */
static int
wait_for_kind(struct fixture *x, enum fail_kind kind)
{
	int64_t until = clock_mono_ms() + 5000;
	const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};

	while (clock_mono_ms() < until) {
		struct directory_account *a = NULL;

		x->f.kind = FAIL_NONE;
		(void)!directory_account_by_id(
		    x->d, sv_cstr(x->ann), &a, &x->f);
		directory_account_unref(&a);
		if (x->f.kind == kind) {
			return 0;
		}
		(void)nanosleep(&pause, NULL);
	}
	return -1;
}

static void
a_directory_that_is_away_defers_and_comes_back(void **state)
{
	struct fixture *x = *state;
	char away[128];

	(void)snprintf(away, sizeof(away), "%s.away", x->path);
	assert_int_equal(rename(x->path, away), 0);
	assert_int_equal(wait_for_kind(x, FAIL_TEMP), 0);
	assert_int_equal(rename(away, x->path), 0);
	assert_int_equal(wait_for_kind(x, FAIL_NONE), 0);
}

static void
a_restored_file_is_taken_up(void **state)
{
	struct fixture *x = *state;
	struct fixture old = {.d = NULL};
	char away[128];

	/* Another directory, without Ann, takes its place. */
	(void)snprintf(old.path, sizeof(old.path), "%s", x->path);
	(void)snprintf(away, sizeof(away), "%s.away", x->path);
	assert_int_equal(rename(x->path, away), 0);
	open_with(&old, NULL, NULL);
	assert_int_equal(wait_for_kind(x, FAIL_ABSENT), 0);
	assert_int_equal(
	    directory_domain_add(old.d, SV("example.org"), &x->f), 0);
	assert_int_equal(add(x, "new@example.org", x->ann), 0);
	assert_int_equal(wait_for_kind(x, FAIL_NONE), 0);
	directory_close(&old.d);
	arena_deinit(&old.arena);
	assert_int_equal(nftw(away, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void
the_cache_is_bounded(void **state)
{
	struct fixture *x = *state;
	struct directory_config config = {.path = x->path, .cache_max = 4};

	directory_close(&x->d);
	assert_int_equal(directory_open(&config, &x->d, &x->f), 0);
	for (int i = 0; i < 100; i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "n%d@example.org", i % 9);
		ASSERT_LEADS(x, text, ROUTE_UNKNOWN, "");
		ASSERT_LEADS(
		    x, "ann@example.org", ROUTE_LOCAL, "ann@example.org");
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
	    TEST(aliases_are_bounded),
	    TEST(an_alias_is_removed_with_its_last_target),
	    TEST(the_catch_all_takes_what_nobody_else_does),
	    TEST(rfc5321_4_5_1_postmaster_always_exists),
	    TEST(separators_are_configurable),
	    TEST(a_rename_takes_the_aliases_along),
	    TEST(a_removed_account_leaves_the_aliases),
	    TEST(people_sign_in_by_address_or_by_their_alias),
	    TEST(a_change_by_another_is_seen_at_once),
	    TEST(processes_write_at_once),
	    TEST(what_was_reported_done_survives_kill_9),
	    TEST(threads_never_see_an_older_state),
	    TEST(the_file_is_private),
	    TEST(the_secret_stays),
	    TEST(an_absent_directory_is_said_to_be),
	    TEST(a_directory_that_was_taken_away_is_not_made_anew),
	    TEST(a_backup_is_a_directory),
	    TEST(a_newer_or_foreign_file_is_left_alone),
	    TEST(a_directory_that_is_away_defers_and_comes_back),
	    TEST(a_restored_file_is_taken_up),
	    TEST(the_cache_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
