#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "directory/embedded_priv.h"

/* ---- transactions ---- */

/* BEGIN IMMEDIATE: the one writer; raises the version. */
static int
write_begin(struct embedded *e, struct conn **out, struct fail *f)
{
	if (embedded_take(e, out, f) != 0) {
		return -1;
	}
	if (conn_run(*out, ST_BEGIN_WRITE, f) != 0
	    || conn_run(*out, ST_CHANGE, f) != 0) {
		embedded_give(e, out);
		return -1;
	}
	return 0;
}

/* Commit when `rc` is 0, else undo: embedded_give() rolls back. */
static int
write_end(struct embedded *e, struct conn **c, int rc, struct fail *f)
{
	if (rc == 0) {
		rc = conn_run(*c, ST_COMMIT, f);
	}
	embedded_give(e, c);
	return rc;
}

/* Run a change; FAIL_ABSENT with `what` when it met no row. */
static int
change_one(struct conn *c, sqlite3_stmt *st, const char *what, struct fail *f)
{
	if (conn_row(c, st, f) != 0) {
		return -1;
	}
	if (sqlite3_changes(c->db) == 0) {
		return fail_set(f, FAIL_ABSENT, "no such %s", what);
	}
	return 0;
}

/* ---- addresses ---- */

struct address_row {
	int64_t id;
	bool alias;
};

/* 1 found, 0 not, -1 failed. */
static int
find_row(struct conn *c, const struct mailaddr *address,
    struct address_row *out, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc;

	if (conn_stmt(c, ST_FIND_ADDRESS, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, mailaddr_sv(address));
	rc = conn_row(c, st, f);
	if (rc == 1) {
		out->id = sqlite3_column_int64(st, 0);
		out->alias = sqlite3_column_int(st, 1) != 0;
		(void)sqlite3_reset(st);
	}
	return rc;
}

static int
must_be_free(struct conn *c, const struct mailaddr *address, struct fail *f)
{
	struct address_row row = {.id = 0};
	int rc = find_row(c, address, &row, f);

	if (rc == 1) {
		return fail_set(f, FAIL_EXISTS, "%s is taken by an %s",
		    address->text, row.alias ? "alias" : "account");
	}
	return rc;
}

/* FAIL_ABSENT when the domain is not ours. */
static int
must_be_ours(struct conn *c, const struct mailaddr *address, struct fail *f)
{
	struct sv domain = mailaddr_domain(address);
	sqlite3_stmt *st = NULL;
	int rc;

	if (conn_stmt(c, ST_DOMAIN, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, domain);
	rc = conn_row(c, st, f);
	(void)sqlite3_reset(st);
	if (rc == 0) {
		return fail_set(
		    f, FAIL_ABSENT, "no such domain: %.*s", SV_ARG(domain));
	}
	return rc < 0 ? -1 : 0;
}

/* With `account` empty: an alias, whose row id is last_insert_rowid. */
static int
add_address(struct conn *c, const struct mailaddr *address, struct sv account,
    struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (conn_stmt(c, ST_ADD_ADDRESS, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, mailaddr_sv(address));
	bind_sv(st, 2, mailaddr_domain(address));
	if (account.len != 0) {
		bind_sv(st, 3, account);
	}
	return conn_row(c, st, f);
}

/* The address of an account, FAIL_ABSENT when there is none such. */
static int
address_of(struct conn *c, struct sv account, int64_t *row_out,
    struct mailaddr *out, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc;

	memset(out, 0, sizeof(*out));
	if (conn_stmt(c, ST_ADDRESS_OF, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, account);
	rc = conn_row(c, st, f);
	if (rc == 0) {
		return fail_set(f, FAIL_ABSENT, "no such account");
	}
	if (rc < 0) {
		return -1;
	}
	*row_out = sqlite3_column_int64(st, 0);
	rc = column_mailaddr(st, 1, out)
		 ? 0
		 : fail_set(f, FAIL_TEMP, "directory: a row is damaged");
	(void)sqlite3_reset(st);
	return rc;
}

static int
add_domain(struct conn *c, struct sv name, bool *made_out, struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (conn_stmt(c, ST_ADD_DOMAIN, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, name);
	(void)sqlite3_bind_int64(st, 2, clock_wall_ms());
	if (conn_row(c, st, f) != 0) {
		return -1;
	}
	*made_out = sqlite3_changes(c->db) != 0;
	return 0;
}

/* ---- targets ---- */

static int
run_on_target(struct conn *c, enum stmt which, struct sv from, struct sv to,
    struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (conn_stmt(c, which, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, from);
	if (to.p != NULL) {
		bind_sv(st, 2, to);
	}
	return conn_row(c, st, f);
}

/* Let what led to `from` lead to `to`, or with NULL nowhere. */
static int
retarget_one(
    struct conn *c, struct sv from, const struct mailaddr *to, struct fail *f)
{
	if (to != NULL
	    && run_on_target(c, ST_MOVE_TARGET, from, mailaddr_sv(to), f)
		   != 0) {
		return -1;
	}
	/* What is left led to both. */
	return run_on_target(c, ST_DROP_TARGET, from, SV_EMPTY, f);
}

/* The targets that are `from` with a detail behind separator `sep`. */
static int
list_details(struct conn *c, const struct mailaddr *from, char sep,
    struct arena *arena, struct mailaddr **out, size_t *n_out, struct fail *f)
{
	struct sv local = mailaddr_local(from);
	char low[MAILADDR_TEXT_SIZE], high[MAILADDR_TEXT_SIZE];
	struct mailaddr *list = NULL;
	size_t n = 0, cap = 0;
	sqlite3_stmt *st = NULL;
	int rc;

	(void)snprintf(low, sizeof(low), "%.*s%c", SV_ARG(local), sep);
	(void)snprintf(
	    high, sizeof(high), "%.*s%c", SV_ARG(local), (char)(sep + 1));
	if (conn_stmt(c, ST_TARGETS_FROM, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, sv_cstr(low));
	bind_sv(st, 2, sv_cstr(high));
	while ((rc = conn_row(c, st, f)) > 0) {
		list = arena_grow(arena, list, n, &cap, sizeof(*list));
		if (column_mailaddr(st, 0, &list[n])
		    && sv_eq(
			mailaddr_domain(&list[n]), mailaddr_domain(from))) {
			n++;
		}
	}
	*out = list;
	*n_out = n;
	return rc;
}

/* "ann+lists@a" becomes "bob+lists@b" when ann@a becomes bob@b. */
static int
retarget_detail(struct conn *c, const struct mailaddr *from,
    const struct mailaddr *old, const struct mailaddr *to, struct fail *f)
{
	struct sv detail =
	    sv_from(mailaddr_local(from), (size_t)old->local_len);
	struct mailaddr moved;
	char local[2 * MAILADDR_TEXT_SIZE];

	if (to == NULL) {
		return retarget_one(c, mailaddr_sv(from), NULL, f);
	}
	(void)snprintf(local, sizeof(local), "%.*s%.*s",
	    SV_ARG(mailaddr_local(to)), SV_ARG(detail));
	/* Too long now, or quoted: without its detail. */
	if (mailaddr_make(sv_cstr(local), mailaddr_domain(to), &moved, f)
	    != 0) {
		moved = *to;
	}
	return retarget_one(c, mailaddr_sv(from), &moved, f);
}

static int
retarget(struct embedded *e, struct conn *c, const struct mailaddr *from,
    const struct mailaddr *to, struct fail *f)
{
	struct arena arena = {.head = NULL};
	int rc = retarget_one(c, mailaddr_sv(from), to, f);

	for (const char *sep = e->separators; rc == 0 && *sep != '\0'; sep++) {
		struct mailaddr *list;
		size_t n;

		rc = list_details(c, from, *sep, &arena, &list, &n, f);
		for (size_t i = 0; rc == 0 && i < n; i++) {
			rc = retarget_detail(c, &list[i], from, to, f);
		}
	}
	arena_deinit(&arena);
	return rc;
}

static int
add_target(struct conn *c, int64_t alias, const struct mailaddr *target,
    struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (conn_stmt(c, ST_ADD_TARGET, &st, f) != 0) {
		return -1;
	}
	(void)sqlite3_bind_int64(st, 1, alias);
	bind_sv(st, 2, mailaddr_sv(target));
	if (conn_row(c, st, f) != 0) {
		return -1;
	}
	if (sqlite3_changes(c->db) == 0) {
		return fail_set(f, FAIL_EXISTS, "the alias leads to %s already",
		    target->text);
	}
	return 0;
}

/* ---- accounts ---- */

static int
insert_account(struct conn *c, const struct directory_account_spec *spec,
    const char *id, struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (conn_stmt(c, ST_ADD_ACCOUNT, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, sv_cstr(id));
	(void)sqlite3_bind_int64(st, 2, clock_wall_ms());
	bind_u64(st, 3, spec->quota_octets);
	bind_u64(st, 4, spec->quota_messages);
	bind_sv(st, 5, spec->name);
	bind_sv(st, 6, spec->auth);
	return conn_row(c, st, f);
}

int
embedded_account_add(void *b, const struct directory_account_spec *spec,
    const char *id, bool *domain_made_out, struct fail *f)
{
	struct embedded *e = b;
	struct conn *c;
	int rc = 0;

	*domain_made_out = false;
	if (write_begin(e, &c, f) != 0) {
		return -1;
	}
	if (spec->make_domain) {
		rc = add_domain(
		    c, mailaddr_domain(spec->address), domain_made_out, f);
	}
	if (rc != 0 || must_be_ours(c, spec->address, f) != 0
	    || must_be_free(c, spec->address, f) != 0
	    || insert_account(c, spec, id, f) != 0
	    || add_address(c, spec->address, sv_cstr(id), f) != 0) {
		rc = -1;
	}
	return write_end(e, &c, rc, f);
}

static int
move_address(
    struct conn *c, int64_t row, const struct mailaddr *to, struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (conn_stmt(c, ST_MOVE_ADDRESS, &st, f) != 0) {
		return -1;
	}
	(void)sqlite3_bind_int64(st, 1, row);
	bind_sv(st, 2, mailaddr_sv(to));
	bind_sv(st, 3, mailaddr_domain(to));
	return conn_row(c, st, f);
}

static int
keep_as_alias(struct conn *c, const struct mailaddr *old,
    const struct mailaddr *to, struct fail *f)
{
	if (add_address(c, old, SV_EMPTY, f) != 0) {
		return -1;
	}
	return add_target(c, sqlite3_last_insert_rowid(c->db), to, f);
}

/* The new address may be an alias that leads to the account alone, as
 * keep_old leaves one: it is taken over. */
static int
take_over(struct conn *c, const struct mailaddr *to, const struct mailaddr *old,
    struct fail *f)
{
	struct address_row row = {.id = 0};
	sqlite3_stmt *st = NULL;
	int rc = find_row(c, to, &row, f);

	if (rc != 1 || !row.alias) {
		return rc < 0 ? -1 : must_be_free(c, to, f);
	}
	if (conn_stmt(c, ST_TARGETS, &st, f) != 0) {
		return -1;
	}
	(void)sqlite3_bind_int64(st, 1, row.id);
	while ((rc = conn_row(c, st, f)) > 0) {
		if (!sv_eq(column_sv(st, 0), mailaddr_sv(old))) {
			(void)sqlite3_reset(st);
			return must_be_free(c, to, f);
		}
	}
	if (rc < 0 || conn_stmt(c, ST_DEL_ADDRESS, &st, f) != 0) {
		return -1;
	}
	(void)sqlite3_bind_int64(st, 1, row.id);
	return conn_row(c, st, f);
}

int
embedded_account_rename(void *b, struct sv id, const struct mailaddr *to,
    bool keep_old, struct fail *f)
{
	struct embedded *e = b;
	struct mailaddr old;
	struct conn *c;
	int64_t row = 0;
	int rc = -1;

	if (write_begin(e, &c, f) != 0) {
		return -1;
	}
	if (address_of(c, id, &row, &old, f) != 0 || must_be_ours(c, to, f) != 0
	    || take_over(c, to, &old, f) != 0
	    || move_address(c, row, to, f) != 0
	    || retarget(e, c, &old, to, f) != 0) {
		goto out;
	}
	rc = keep_old ? keep_as_alias(c, &old, to, f) : 0;
out:
	return write_end(e, &c, rc, f);
}

int
embedded_account_remove(void *b, struct sv id, struct fail *f)
{
	struct embedded *e = b;
	struct mailaddr address;
	sqlite3_stmt *st = NULL;
	struct conn *c;
	int64_t row = 0;
	int rc = -1;

	if (write_begin(e, &c, f) != 0) {
		return -1;
	}
	if (address_of(c, id, &row, &address, f) != 0
	    || conn_stmt(c, ST_DEL_ACCOUNT, &st, f) != 0) {
		goto out;
	}
	bind_sv(st, 1, id);
	/* Its address goes with it: ON DELETE CASCADE. */
	if (change_one(c, st, "account", f) != 0
	    || retarget(e, c, &address, NULL, f) != 0) {
		goto out;
	}
	rc = conn_run(c, ST_DROP_EMPTY, f);
out:
	return write_end(e, &c, rc, f);
}

int
embedded_account_enable(void *b, struct sv id, bool enabled, struct fail *f)
{
	struct embedded *e = b;
	sqlite3_stmt *st = NULL;
	struct conn *c;
	int rc;

	if (write_begin(e, &c, f) != 0) {
		return -1;
	}
	rc = conn_stmt(c, ST_ENABLE, &st, f);
	if (rc == 0) {
		bind_sv(st, 1, id);
		bind_u64(st, 2, enabled ? 1 : 0);
		rc = change_one(c, st, "account", f);
	}
	return write_end(e, &c, rc, f);
}

int
embedded_account_set_quota(
    void *b, struct sv id, uint64_t octets, uint64_t messages, struct fail *f)
{
	struct embedded *e = b;
	sqlite3_stmt *st = NULL;
	struct conn *c;
	int rc;

	if (write_begin(e, &c, f) != 0) {
		return -1;
	}
	rc = conn_stmt(c, ST_SET_QUOTA, &st, f);
	if (rc == 0) {
		bind_sv(st, 1, id);
		bind_u64(st, 2, octets);
		bind_u64(st, 3, messages);
		rc = change_one(c, st, "account", f);
	}
	return write_end(e, &c, rc, f);
}

/* One text column of an account. */
static int
set_text(struct conn *c, enum stmt which, struct sv id, struct sv value,
    struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (conn_stmt(c, which, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, id);
	bind_sv(st, 2, value);
	return change_one(c, st, "account", f);
}

int
embedded_account_set_name(void *b, struct sv id, struct sv name, struct fail *f)
{
	struct embedded *e = b;
	struct conn *c;

	if (write_begin(e, &c, f) != 0) {
		return -1;
	}
	return write_end(e, &c, set_text(c, ST_SET_NAME, id, name, f), f);
}

static int
auth_must_be(struct conn *c, struct sv id, struct sv expected, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc;

	if (conn_stmt(c, ST_GET_AUTH, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, id);
	rc = conn_row(c, st, f);
	if (rc == 0) {
		return fail_set(f, FAIL_ABSENT, "no such account");
	}
	if (rc > 0) {
		rc = sv_eq(column_sv(st, 0), expected)
			 ? 0
			 : fail_set(f, FAIL_EXISTS, "the keys were changed");
		(void)sqlite3_reset(st);
	}
	return rc;
}

int
embedded_account_set_auth(void *b, struct sv id, struct sv auth,
    const struct sv *only_if, struct fail *f)
{
	struct embedded *e = b;
	struct conn *c;
	int rc = 0;

	if (write_begin(e, &c, f) != 0) {
		return -1;
	}
	if (only_if != NULL) {
		rc = auth_must_be(c, id, *only_if, f);
	}
	if (rc == 0) {
		rc = set_text(c, ST_SET_AUTH, id, auth, f);
	}
	return write_end(e, &c, rc, f);
}

/* ---- domains ---- */

int
embedded_domain_add(void *b, const char *name, struct fail *f)
{
	struct embedded *e = b;
	struct conn *c;
	bool made = false;
	int rc;

	if (write_begin(e, &c, f) != 0) {
		return -1;
	}
	rc = add_domain(c, sv_cstr(name), &made, f);
	if (rc == 0 && !made) {
		rc = fail_set(
		    f, FAIL_EXISTS, "there is a domain %s already", name);
	}
	return write_end(e, &c, rc, f);
}

static int
must_be_empty(struct conn *c, const char *name, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc;

	if (conn_stmt(c, ST_DOMAIN_USED, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, sv_cstr(name));
	rc = conn_row(c, st, f);
	(void)sqlite3_reset(st);
	if (rc == 1) {
		return fail_set(
		    f, FAIL_DENIED, "%s still has accounts or aliases", name);
	}
	return rc;
}

int
embedded_domain_remove(void *b, const char *name, struct fail *f)
{
	struct embedded *e = b;
	sqlite3_stmt *st = NULL;
	struct conn *c;
	int rc = -1;

	if (write_begin(e, &c, f) != 0) {
		return -1;
	}
	if (must_be_empty(c, name, f) == 0
	    && conn_stmt(c, ST_DEL_DOMAIN, &st, f) == 0) {
		bind_sv(st, 1, sv_cstr(name));
		rc = change_one(c, st, "domain", f);
	}
	return write_end(e, &c, rc, f);
}

/* ---- aliases ---- */

/* FAIL_DENIED when mail to `target` would come to `address` again. */
static int
must_not_loop(struct conn *c, const struct mailaddr *address,
    const struct mailaddr *target, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc;

	if (conn_stmt(c, ST_LEADS_TO, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, mailaddr_sv(target));
	bind_sv(st, 2, mailaddr_sv(address));
	rc = conn_row(c, st, f);
	(void)sqlite3_reset(st);
	if (rc == 1) {
		return fail_set(f, FAIL_DENIED, "%s leads back to %s",
		    target->text, address->text);
	}
	return rc;
}

static int
must_have_room(struct conn *c, int64_t alias, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int64_t n;
	int rc;

	if (conn_stmt(c, ST_COUNT_TARGETS, &st, f) != 0) {
		return -1;
	}
	(void)sqlite3_bind_int64(st, 1, alias);
	rc = conn_row(c, st, f);
	if (rc < 0) {
		return -1;
	}
	n = sqlite3_column_int64(st, 0);
	(void)sqlite3_reset(st);
	if (n >= DIRECTORY_TARGETS_MAX) {
		return fail_set(f, FAIL_LIMIT,
		    "an alias has at most %d targets", DIRECTORY_TARGETS_MAX);
	}
	return 0;
}

/* The row of the alias, made when there is none. */
static int
alias_row_for(struct conn *c, const struct mailaddr *address, int64_t *out,
    struct fail *f)
{
	struct address_row row = {.id = 0};
	int rc = find_row(c, address, &row, f);

	if (rc < 0) {
		return -1;
	}
	if (rc == 0) {
		if (add_address(c, address, SV_EMPTY, f) != 0) {
			return -1;
		}
		*out = sqlite3_last_insert_rowid(c->db);
		return 0;
	}
	if (!row.alias) {
		return fail_set(
		    f, FAIL_EXISTS, "%s is an account", address->text);
	}
	*out = row.id;
	return 0;
}

int
embedded_alias_add(void *b, const struct mailaddr *address,
    const struct mailaddr *target, struct fail *f)
{
	struct embedded *e = b;
	struct conn *c;
	int64_t alias = 0;
	int rc = -1;

	if (write_begin(e, &c, f) != 0) {
		return -1;
	}
	if (must_be_ours(c, address, f) == 0
	    && must_not_loop(c, address, target, f) == 0
	    && alias_row_for(c, address, &alias, f) == 0
	    && must_have_room(c, alias, f) == 0) {
		rc = add_target(c, alias, target, f);
	}
	return write_end(e, &c, rc, f);
}

/* All targets with NULL; the alias goes when none is left. */
static int
del_targets(struct conn *c, int64_t alias, const struct mailaddr *target,
    struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (target == NULL) {
		if (conn_stmt(c, ST_DEL_ADDRESS, &st, f) != 0) {
			return -1;
		}
		(void)sqlite3_bind_int64(st, 1, alias);
		return conn_row(c, st, f);
	}
	if (conn_stmt(c, ST_DEL_TARGET, &st, f) != 0) {
		return -1;
	}
	(void)sqlite3_bind_int64(st, 1, alias);
	bind_sv(st, 2, mailaddr_sv(target));
	if (change_one(c, st, "target of that alias", f) != 0) {
		return -1;
	}
	return conn_run(c, ST_DROP_EMPTY, f);
}

int
embedded_alias_remove(void *b, const struct mailaddr *address,
    const struct mailaddr *target, struct fail *f)
{
	struct embedded *e = b;
	struct address_row row = {.id = 0};
	struct conn *c;
	int rc;

	if (write_begin(e, &c, f) != 0) {
		return -1;
	}
	rc = find_row(c, address, &row, f);
	if (rc == 0 || (rc == 1 && !row.alias)) {
		rc = fail_set(
		    f, FAIL_ABSENT, "no such alias: %s", address->text);
	} else if (rc == 1) {
		rc = del_targets(c, row.id, target, f);
	}
	return write_end(e, &c, rc, f);
}
