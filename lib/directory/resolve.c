/*
 * resolve: follow an address to the accounts behind it, breadth first.
 *
 * `todo` holds each address to look at once; `seen` makes an alias that leads
 * back to itself harmless.  Both are bounded by `rcpts_max`.
 */
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "directory/directory_priv.h"

struct step {
	struct mailaddr address;
	struct sv detail; /* handed on from the address that led here */
	unsigned depth;
};

struct resolution {
	struct directory *d;
	struct arena *arena;
	struct step *todo;
	size_t n_todo, todo_cap;
	struct directory_rcpt *rcpts;
	size_t n_rcpts, rcpts_cap;
	struct map seen; /* addresses in todo, ids and addresses in rcpts */
	bool foreign;	 /* the first address is of no domain of ours */
	bool elsewhere;	 /* some place is */
};

static const struct sv postmaster = {"postmaster", 10};

static int
too_many(const struct resolution *r, struct fail *f)
{
	return fail_set(f, FAIL_LIMIT, "address leads to over %u others",
	    directory_rcpts_max(r->d));
}

/* False when it was there already. */
static bool
mark_seen(struct resolution *r, struct sv key)
{
	return map_put(&r->seen, key, r) == NULL;
}

static int
push_step(struct resolution *r, const struct mailaddr *address,
    struct sv detail, unsigned depth, struct fail *f)
{
	struct step *s;

	if (!mark_seen(r, mailaddr_sv(address))) {
		return 0;
	}
	if (r->n_todo >= directory_rcpts_max(r->d)) {
		return too_many(r, f);
	}
	if (depth > DIRECTORY_DEPTH_MAX) {
		return fail_set(f, FAIL_LIMIT, "aliases over %d deep at %s",
		    DIRECTORY_DEPTH_MAX, address->text);
	}
	r->todo = arena_grow(
	    r->arena, r->todo, r->n_todo, &r->todo_cap, sizeof(*r->todo));
	s = &r->todo[r->n_todo++];
	s->address = *address;
	s->detail = detail;
	s->depth = depth;
	return 0;
}

static struct directory_rcpt *
push_rcpt(struct resolution *r)
{
	struct directory_rcpt *rcpt;

	r->rcpts = arena_grow(
	    r->arena, r->rcpts, r->n_rcpts, &r->rcpts_cap, sizeof(*r->rcpts));
	rcpt = &r->rcpts[r->n_rcpts++];
	memset(rcpt, 0, sizeof(*rcpt));
	return rcpt;
}

static void
add_account(struct resolution *r, struct directory_account *a, struct sv detail)
{
	struct directory_rcpt *rcpt;

	if (!mark_seen(r, sv_cstr(a->id))) {
		return;
	}
	rcpt = push_rcpt(r);
	rcpt->account = directory_account_ref(a);
	rcpt->address = a->address;
	rcpt->detail = detail;
}

static int
add_targets(struct resolution *r, const struct entry *e, struct sv detail,
    unsigned depth, struct fail *f)
{
	for (size_t i = 0; i < e->n_targets; i++) {
		if (push_step(r, &e->targets[i], detail, depth + 1, f) != 0) {
			return -1;
		}
	}
	return 0;
}

/* ---- whose is an address? ---- */

static int
look_up_address(struct resolution *r, const struct mailaddr *a,
    struct entry **e, struct fail *f)
{
	return directory_look_up(r->d, KEY_ADDRESS, mailaddr_sv(a), e, f);
}

/* Replaces *e by what `a` is when *e is nobody's. */
static int
or_else(struct resolution *r, const struct mailaddr *a, struct entry **e,
    struct fail *f)
{
	if ((*e)->kind != ENTRY_NONE) {
		return 0;
	}
	entry_unref(e);
	return look_up_address(r, a, e, f);
}

static int
oldest_account(
    struct resolution *r, struct sv domain, struct entry **e, struct fail *f)
{
	entry_unref(e);
	if (directory_look_up(r->d, KEY_OLDEST, domain, e, f) != 0) {
		return -1;
	}
	if ((*e)->kind != ENTRY_NONE || domain.len == 0) {
		return 0;
	}
	entry_unref(e);
	return directory_look_up(r->d, KEY_OLDEST, SV_EMPTY, e, f);
}

/* Mail to a postmaster whom nobody made [RFC 5321 4.5.1]. */
static int
find_postmaster(
    struct resolution *r, struct sv domain, struct entry **e, struct fail *f)
{
	const struct mailaddr *set = directory_postmaster(r->d);

	if (set == NULL) {
		return oldest_account(r, domain, e, f);
	}
	entry_unref(e);
	*e = entry_new(ENTRY_ALIAS);
	(*e)->targets = xmemdup(set, sizeof(*set));
	(*e)->n_targets = 1;
	return 0;
}

static int
find_catch_all(
    struct resolution *r, struct sv domain, struct entry **e, struct fail *f)
{
	struct mailaddr all;

	if ((*e)->kind != ENTRY_NONE) {
		return 0;
	}
	if (mailaddr_make(SV("*"), domain, &all, f) != 0) {
		return -1;
	}
	return or_else(r, &all, e, f);
}

/* What the address of `s` is, by the order that directory.h gives; a detail
 * that is cut off replaces that of `s`. */
static int
find_owner(
    struct resolution *r, struct step *s, struct entry **e, struct fail *f)
{
	struct mailaddr base;
	const struct mailaddr *name = &s->address;
	struct sv detail;

	*e = NULL;
	if (look_up_address(r, &s->address, e, f) != 0) {
		return -1;
	}
	if ((*e)->kind == ENTRY_NONE
	    && mailaddr_split(
		&s->address, directory_separators(r->d), &base, &detail)) {
		name = &base;
		if (or_else(r, &base, e, f) != 0) {
			return -1;
		}
		if ((*e)->kind != ENTRY_NONE) {
			s->detail = arena_sv(r->arena, detail);
		}
	}
	if ((*e)->kind == ENTRY_NONE
	    && sv_eq(mailaddr_local(name), postmaster)) {
		return find_postmaster(r, mailaddr_domain(name), e, f);
	}
	return find_catch_all(r, mailaddr_domain(&s->address), e, f);
}

/* ---- the walk ---- */

static int
take_step(struct resolution *r, size_t at, struct fail *f)
{
	struct step s = r->todo[at];
	struct entry *e = NULL;
	int rc = find_owner(r, &s, &e, f);

	if (rc != 0) {
		goto out;
	}
	switch (e->kind) {
	case ENTRY_FOREIGN:
		if (s.depth == 0) {
			r->foreign = true;
			break;
		}
		push_rcpt(r)->address = s.address;
		r->elsewhere = true;
		break;
	case ENTRY_NONE:
		break;
	case ENTRY_ACCOUNT:
		add_account(r, e->account, s.detail);
		break;
	case ENTRY_ALIAS:
		rc = add_targets(r, e, s.detail, s.depth, f);
		break;
	}
out:
	entry_unref(&e);
	return rc;
}

static enum directory_route
route_of(const struct resolution *r)
{
	if (r->foreign) {
		return ROUTE_REMOTE;
	}
	if (r->n_rcpts == 0) {
		return ROUTE_UNKNOWN;
	}
	return r->elsewhere ? ROUTE_MIXED : ROUTE_LOCAL;
}

/* The walk from what is in `todo` on, and the results of all. */
static int
walk(struct resolution *r, enum directory_route *route_out,
    struct directory_rcpt **out, size_t *n_out, struct fail *f)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->n_todo; i++) {
		rc = take_step(r, i, f);
	}
	map_deinit(&r->seen);
	if (rc != 0) {
		directory_rcpts_unref(r->rcpts, r->n_rcpts);
		return -1;
	}
	*route_out = route_of(r);
	*out = r->rcpts;
	*n_out = r->n_rcpts;
	return 0;
}

int
directory_resolve(struct directory *d, const struct mailaddr *address,
    struct arena *arena, enum directory_route *route_out,
    struct directory_rcpt **out, size_t *n_out, struct fail *f)
{
	struct resolution r = {.d = d, .arena = arena};

	*out = NULL;
	*n_out = 0;
	if (push_step(&r, address, SV_EMPTY, 0, f) != 0) {
		map_deinit(&r.seen);
		return -1;
	}
	return walk(&r, route_out, out, n_out, f);
}

int
directory_resolve_postmaster(struct directory *d, struct arena *arena,
    enum directory_route *route_out, struct directory_rcpt **out, size_t *n_out,
    struct fail *f)
{
	struct resolution r = {.d = d, .arena = arena};
	struct entry *e = NULL;
	int rc;

	*out = NULL;
	*n_out = 0;
	rc = find_postmaster(&r, SV_EMPTY, &e, f);
	if (rc == 0 && e->kind == ENTRY_ACCOUNT) {
		add_account(&r, e->account, SV_EMPTY);
	} else if (rc == 0 && e->kind == ENTRY_ALIAS) {
		rc = add_targets(&r, e, SV_EMPTY, 0, f);
	}
	entry_unref(&e);
	if (rc != 0) {
		map_deinit(&r.seen);
		return -1;
	}
	return walk(&r, route_out, out, n_out, f);
}

void
directory_rcpts_unref(struct directory_rcpt *rcpts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		directory_account_unref(&rcpts[i].account);
	}
}
