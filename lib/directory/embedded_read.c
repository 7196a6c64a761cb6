#include <string.h>

#include "base/mem.h"
#include "directory/embedded_priv.h"

/* Order of COLUMNS in embedded.c. */
enum {
	COL_ID,
	COL_CREATED,
	COL_ENABLED,
	COL_QUOTA_OCTETS,
	COL_QUOTA_MESSAGES,
	COL_NAME,
	COL_AUTH,
	COL_ADDRESS,
	COL_ADDRESS_ID,
};

/* NULL when the row is no account that this program could have written. */
static struct directory_account *
row_account(sqlite3_stmt *st)
{
	struct sv id = column_sv(st, COL_ID);
	struct directory_account *a;

	if (id.len != DIRECTORY_ID_LEN) {
		return NULL;
	}
	a = account_new(column_sv(st, COL_NAME), column_sv(st, COL_AUTH));
	memcpy(a->id, id.p, DIRECTORY_ID_LEN);
	a->created = sqlite3_column_int64(st, COL_CREATED);
	a->enabled = sqlite3_column_int(st, COL_ENABLED) != 0;
	a->quota_octets = (uint64_t)sqlite3_column_int64(st, COL_QUOTA_OCTETS);
	a->quota_messages =
	    (uint64_t)sqlite3_column_int64(st, COL_QUOTA_MESSAGES);
	if (!column_mailaddr(st, COL_ADDRESS, &a->address)) {
		directory_account_unref(&a);
	}
	return a;
}

static int
bad_row(struct fail *f)
{
	return fail_set(f, FAIL_TEMP, "directory: a row is damaged");
}

static int
account_entry(sqlite3_stmt *st, struct entry **out, struct fail *f)
{
	struct directory_account *a = row_account(st);

	if (a == NULL) {
		return bad_row(f);
	}
	*out = entry_new(ENTRY_ACCOUNT);
	(*out)->account = a;
	return 0;
}

static int
alias_entry(
    struct sqlconn *c, int64_t address, struct entry **out, struct fail *f)
{
	struct entry *e = entry_new(ENTRY_ALIAS);
	sqlite3_stmt *st = NULL;
	size_t cap = 0;
	int rc;

	if (sqlconn_stmt(c, ST_TARGETS, &st, f) != 0) {
		goto failed;
	}
	(void)sqlite3_bind_int64(st, 1, address);
	while ((rc = sqlconn_row(c, st, f)) > 0) {
		e->targets =
		    xgrow(e->targets, e->n_targets, &cap, sizeof(*e->targets));
		if (!column_mailaddr(st, 0, &e->targets[e->n_targets])) {
			rc = bad_row(f);
			break;
		}
		e->n_targets++;
	}
	if (rc < 0) {
		goto failed;
	}
	*out = e;
	return 0;
failed:
	entry_unref(&e);
	return -1;
}

/* Is `name` one of our domains: 1, 0, or -1. */
static int
domain_exists(struct sqlconn *c, struct sv name, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlconn_look_up(c, ST_DOMAIN, name, &st, f);
	(void)sqlite3_reset(st);
	return rc;
}

static int
find_domain(
    struct sqlconn *c, struct sv name, struct entry **out, struct fail *f)
{
	int rc = domain_exists(c, name, f);

	if (rc < 0) {
		return -1;
	}
	*out = entry_new(rc == 1 ? ENTRY_NONE : ENTRY_FOREIGN);
	return 0;
}

/* The local part may be quoted and hold an @: the domain is behind the last
 * one. */
static struct sv
domain_of(struct sv address)
{
	return sv_from(address, (size_t)(sv_rchr(address, '@') + 1));
}

static int
find_address(
    struct sqlconn *c, struct sv address, struct entry **out, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlconn_look_up(c, ST_ADDRESS, address, &st, f);
	if (rc < 0) {
		return -1;
	}
	if (rc == 0) {
		return find_domain(c, domain_of(address), out, f);
	}
	if (sqlite3_column_type(st, COL_ID) == SQLITE_NULL) {
		return alias_entry(
		    c, sqlite3_column_int64(st, COL_ADDRESS_ID), out, f);
	}
	return account_entry(st, out, f);
}

/* By id, or the oldest of a domain. */
static int
find_account(struct sqlconn *c, enum stmt which, struct sv key,
    struct entry **out, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlconn_look_up(c, which, key, &st, f);
	if (rc < 0) {
		return -1;
	}
	if (rc == 0) {
		*out = entry_new(ENTRY_NONE);
		return 0;
	}
	return account_entry(st, out, f);
}

static int
find(struct sqlconn *c, enum entry_key by, struct sv key, struct entry **out,
    struct fail *f)
{
	switch (by) {
	case KEY_ADDRESS:
		return find_address(c, key, out, f);
	case KEY_ID:
		return find_account(c, ST_BY_ID, key, out, f);
	case KEY_DOMAIN:
		return find_domain(c, key, out, f);
	case KEY_OLDEST:
		return find_account(c, ST_OLDEST, key, out, f);
	}
	ASSERT(false);
	return -1;
}

/* Leave no statement open: it would hold the transaction's snapshot. */
static void
reset_all(struct sqlconn *c)
{
	for (size_t i = 0; i < STMTS; i++) {
		if (c->stmts[i] != NULL) {
			(void)sqlite3_reset(c->stmts[i]);
		}
	}
}

int
embedded_look_up(void *b, enum entry_key by, struct sv key, struct entry **out,
    uint64_t *version_out, struct fail *f)
{
	struct embedded *e = b;
	struct sqlconn *c;
	int rc = -1;

	*out = NULL;
	if (embedded_take(e, &c, f) != 0) {
		return -1;
	}
	if (sqlconn_run(c, ST_BEGIN, f) != 0 || find(c, by, key, out, f) != 0) {
		goto out;
	}
	/* After the first read, which takes the lock. */
	if (sqlconn_version(c, version_out, f) != 0) {
		*version_out = 0; /* older than all: not to be kept */
		fail_clear(f);
	}
	reset_all(c);
	rc = sqlconn_run(c, ST_COMMIT, f);
out:
	if (rc != 0) {
		reset_all(c);
		entry_unref(out);
	}
	embedded_give(e, &c);
	return rc;
}

/* ---- lists ---- */

int
embedded_account_list(void *b, const char *domain, const struct mailaddr *after,
    size_t max, struct arena *arena, struct directory_account ***out,
    size_t *n_out, struct fail *f)
{
	struct embedded *e = b;
	struct directory_account **list = NULL;
	sqlite3_stmt *st = NULL;
	struct sqlconn *c;
	size_t n = 0, cap = 0;
	int rc = -1;

	if (embedded_take(e, &c, f) != 0) {
		return -1;
	}
	if (sqlconn_stmt(c, ST_ACCOUNTS, &st, f) != 0) {
		goto out;
	}
	bind_sv(st, 1, after != NULL ? mailaddr_sv(after) : SV_EMPTY);
	bind_sv(st, 2, sv_cstr(domain));
	bind_u64(st, 3, max);
	while ((rc = sqlconn_row(c, st, f)) > 0) {
		list = arena_grow(arena, list, n, &cap, sizeof(*list));
		list[n] = row_account(st);
		if (list[n] == NULL) {
			rc = bad_row(f);
			break;
		}
		n++;
	}
	(void)sqlite3_reset(st);
out:
	embedded_give(e, &c);
	while (rc < 0 && n > 0) {
		directory_account_unref(&list[--n]);
	}
	*out = list;
	*n_out = n;
	return rc;
}

int
embedded_domain_list(void *b, struct arena *arena,
    struct directory_domain **out, size_t *n_out, struct fail *f)
{
	struct embedded *e = b;
	struct directory_domain *list = NULL;
	sqlite3_stmt *st = NULL;
	struct sqlconn *c;
	size_t n = 0, cap = 0;
	int rc = -1;

	if (embedded_take(e, &c, f) != 0) {
		return -1;
	}
	if (sqlconn_stmt(c, ST_DOMAINS, &st, f) != 0) {
		goto out;
	}
	while ((rc = sqlconn_row(c, st, f)) > 0) {
		struct sv name = column_sv(st, 0);

		list = arena_grow(arena, list, n, &cap, sizeof(*list));
		memset(&list[n], 0, sizeof(list[n]));
		name = sv_sub(name, 0, MAILADDR_DOMAIN_MAX);
		memcpy(list[n].name, name.p, name.len);
		list[n].created = sqlite3_column_int64(st, 1);
		list[n].accounts = (uint64_t)sqlite3_column_int64(st, 2);
		list[n].aliases = (uint64_t)sqlite3_column_int64(st, 3);
		n++;
	}
out:
	embedded_give(e, &c);
	*out = list;
	*n_out = n;
	return rc;
}

/* Rows come alias by alias: `targets` is where those of the last one grow. */
struct alias_rows {
	struct arena *arena;
	struct directory_alias *list;
	size_t n, cap;
	struct mailaddr *targets;
	size_t targets_cap;
};

static int
alias_row(struct alias_rows *r, sqlite3_stmt *st, struct fail *f)
{
	struct directory_alias *last = r->n != 0 ? &r->list[r->n - 1] : NULL;
	struct sv text = column_sv(st, 0);

	if (last == NULL || !sv_eq(mailaddr_sv(&last->address), text)) {
		r->list = arena_grow(
		    r->arena, r->list, r->n, &r->cap, sizeof(*r->list));
		last = &r->list[r->n++];
		memset(last, 0, sizeof(*last));
		r->targets = NULL;
		r->targets_cap = 0;
		if (!column_mailaddr(st, 0, &last->address)) {
			return bad_row(f);
		}
	}
	r->targets = arena_grow(r->arena, r->targets, last->n_targets,
	    &r->targets_cap, sizeof(*r->targets));
	if (!column_mailaddr(st, 1, &r->targets[last->n_targets])) {
		return bad_row(f);
	}
	last->n_targets++;
	last->targets = r->targets;
	return 0;
}

int
embedded_alias_list(void *b, const char *domain, struct arena *arena,
    struct directory_alias **out, size_t *n_out, struct fail *f)
{
	struct embedded *e = b;
	struct alias_rows rows = {.arena = arena};
	sqlite3_stmt *st = NULL;
	struct sqlconn *c;
	int rc = -1;

	if (embedded_take(e, &c, f) != 0) {
		return -1;
	}
	if (sqlconn_stmt(c, ST_ALIASES, &st, f) != 0) {
		goto out;
	}
	bind_sv(st, 1, sv_cstr(domain));
	while ((rc = sqlconn_row(c, st, f)) > 0) {
		if (alias_row(&rows, st, f) != 0) {
			rc = -1;
			break;
		}
	}
	(void)sqlite3_reset(st);
out:
	embedded_give(e, &c);
	*out = rows.list;
	*n_out = rows.n;
	return rc;
}
