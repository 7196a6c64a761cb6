/*
 * directory_fixture: a directory of each test's own, with example.org, Ann and
 * Bob.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "directory/directory.h"
#include "scratch.h"
#include "unit.h"

struct fixture {
	char path[SCRATCH_SIZE];
	struct directory *d;
	struct arena arena;
	struct fail f;
	char ann[DIRECTORY_ID_LEN + 1];
	char bob[DIRECTORY_ID_LEN + 1];
};

static inline struct mailaddr
addr(const char *text)
{
	struct mailaddr a;
	struct fail f;

	assert_int_equal(mailaddr_parse(sv_cstr(text), &a, &f), 0);
	return a;
}

static inline int
add(struct fixture *x, const char *address, char *id_out)
{
	struct mailaddr a = addr(address);
	struct directory_account_spec spec = {.address = &a, .auth = SV("k")};
	char id[DIRECTORY_ID_LEN + 1];

	return directory_account_add(
	    x->d, &spec, id_out != NULL ? id_out : id, NULL, &x->f);
}

static inline int
alias(struct fixture *x, const char *from, const char *to)
{
	struct mailaddr a = addr(from), t = addr(to);

	return directory_alias_add(x->d, &a, &t, &x->f);
}

static inline void
open_with(struct fixture *x, const char *separators, const char *postmaster)
{
	struct directory_conf conf = {.path = x->path,
	    .create = true,
	    .separators = separators,
	    .postmaster = postmaster};

	assert_int_equal(directory_open(&conf, &x->d, &x->f), 0);
}

static inline int
setup(void **state)
{
	struct fixture *x = xmalloc(sizeof(*x));

	scratch_make(x->path);
	open_with(x, NULL, NULL);
	assert_int_equal(
	    directory_domain_add(x->d, SV("Example.ORG"), &x->f), 0);
	assert_int_equal(add(x, "ann@example.org", x->ann), 0);
	assert_int_equal(add(x, "bob@example.org", x->bob), 0);
	*state = x;
	return 0;
}

static inline int
teardown(void **state)
{
	struct fixture *x = *state;

	directory_close(&x->d);
	arena_deinit(&x->arena);
	scratch_remove(x->path);
	free(x);
	return 0;
}

/* Where `text` leads, as "address+detail ..." in the order given. */
static inline enum directory_route
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
