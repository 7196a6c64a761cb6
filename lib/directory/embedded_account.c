/*
 * embedded_account.c: changes of accounts.
 */
#include <string.h>

#include "base/clock.h"
#include "directory/embedded_write_priv.h"

/* The address of an account, FAIL_ABSENT when there is none such. */
static int
address_of(struct sqlconn *c, struct sv account, int64_t *row_out,
    struct mailaddr *out, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = sqlconn_look_up(c, ST_ADDRESS_OF, account, &st, f);
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
insert_account(struct sqlconn *c, const struct directory_account_spec *spec,
    const char *id, struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (sqlconn_stmt(c, ST_ADD_ACCOUNT, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, sv_cstr(id));
	(void)sqlite3_bind_int64(st, 2, clock_wall_ms());
	bind_u64(st, 3, spec->quota_octets);
	bind_u64(st, 4, spec->quota_messages);
	bind_sv(st, 5, spec->name);
	bind_sv(st, 6, spec->auth);
	return sqlconn_row(c, st, f);
}

int
embedded_account_add(void *b, const struct directory_account_spec *spec,
    const char *id, bool *domain_made_out, struct fail *f)
{
	struct embedded *e = b;
	struct sqlconn *c;
	int rc = 0;

	*domain_made_out = false;
	if (embedded_begin(e, &c, f) != 0) {
		return -1;
	}
	if (spec->make_domain) {
		rc = embedded_add_domain(
		    c, mailaddr_domain(spec->address), domain_made_out, f);
	}
	if (rc != 0 || embedded_must_be_ours(c, spec->address, f) != 0
	    || embedded_must_be_free(c, spec->address, f) != 0
	    || insert_account(c, spec, id, f) != 0
	    || embedded_add_address(c, spec->address, sv_cstr(id), f) != 0) {
		rc = -1;
	}
	return embedded_end(e, &c, rc, f);
}

static int
move_address(
    struct sqlconn *c, int64_t row, const struct mailaddr *to, struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (sqlconn_stmt(c, ST_MOVE_ADDRESS, &st, f) != 0) {
		return -1;
	}
	(void)sqlite3_bind_int64(st, 1, row);
	bind_sv(st, 2, mailaddr_sv(to));
	bind_sv(st, 3, mailaddr_domain(to));
	return sqlconn_row(c, st, f);
}

static int
keep_as_alias(struct sqlconn *c, const struct mailaddr *old,
    const struct mailaddr *to, struct fail *f)
{
	if (embedded_add_address(c, old, SV_EMPTY, f) != 0) {
		return -1;
	}
	return embedded_add_target(c, sqlite3_last_insert_rowid(c->db), to, f);
}

/* The new address may be an alias that leads to the account alone, as
 * keep_old leaves one: it is taken over. */
static int
take_over(struct sqlconn *c, const struct mailaddr *to,
    const struct mailaddr *old, struct fail *f)
{
	struct embedded_row row = {.id = 0};
	sqlite3_stmt *st = NULL;
	int rc = embedded_find_row(c, to, &row, f);

	if (rc != 1 || !row.alias) {
		return rc < 0 ? -1 : embedded_must_be_free(c, to, f);
	}
	if (sqlconn_stmt(c, ST_TARGETS, &st, f) != 0) {
		return -1;
	}
	(void)sqlite3_bind_int64(st, 1, row.id);
	while ((rc = sqlconn_row(c, st, f)) > 0) {
		if (!sv_eq(column_sv(st, 0), mailaddr_sv(old))) {
			(void)sqlite3_reset(st);
			return embedded_must_be_free(c, to, f);
		}
	}
	if (rc < 0 || sqlconn_stmt(c, ST_DEL_ADDRESS, &st, f) != 0) {
		return -1;
	}
	(void)sqlite3_bind_int64(st, 1, row.id);
	return sqlconn_row(c, st, f);
}

int
embedded_account_rename(void *b, struct sv id, const struct mailaddr *to,
    bool keep_old, struct fail *f)
{
	struct embedded *e = b;
	struct mailaddr old;
	struct sqlconn *c;
	int64_t row = 0;
	int rc = -1;

	if (embedded_begin(e, &c, f) != 0) {
		return -1;
	}
	if (address_of(c, id, &row, &old, f) != 0
	    || embedded_must_be_ours(c, to, f) != 0
	    || take_over(c, to, &old, f) != 0
	    || move_address(c, row, to, f) != 0
	    || embedded_retarget(e, c, &old, to, f) != 0) {
		goto out;
	}
	rc = keep_old ? keep_as_alias(c, &old, to, f) : 0;
out:
	return embedded_end(e, &c, rc, f);
}

int
embedded_account_remove(void *b, struct sv id, struct fail *f)
{
	struct embedded *e = b;
	struct mailaddr address;
	sqlite3_stmt *st = NULL;
	struct sqlconn *c;
	int64_t row = 0;
	int rc = -1;

	if (embedded_begin(e, &c, f) != 0) {
		return -1;
	}
	if (address_of(c, id, &row, &address, f) != 0
	    || sqlconn_stmt(c, ST_DEL_ACCOUNT, &st, f) != 0) {
		goto out;
	}
	bind_sv(st, 1, id);
	/* Its address goes with it: ON DELETE CASCADE. */
	if (embedded_change_one(c, st, "account", f) != 0
	    || embedded_retarget(e, c, &address, NULL, f) != 0) {
		goto out;
	}
	rc = sqlconn_run(c, ST_DROP_EMPTY, f);
out:
	return embedded_end(e, &c, rc, f);
}

/* Numbers of an account, as the statement has them behind the id. */
static int
set_numbers(struct embedded *e, enum stmt which, struct sv id,
    const uint64_t *values, int n, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	struct sqlconn *c;
	int rc;

	if (embedded_begin(e, &c, f) != 0) {
		return -1;
	}
	rc = sqlconn_stmt(c, which, &st, f);
	if (rc == 0) {
		bind_sv(st, 1, id);
		for (int i = 0; i < n; i++) {
			bind_u64(st, 2 + i, values[i]);
		}
		rc = embedded_change_one(c, st, "account", f);
	}
	return embedded_end(e, &c, rc, f);
}

int
embedded_account_enable(void *b, struct sv id, bool enabled, struct fail *f)
{
	const uint64_t value = enabled;

	return set_numbers(b, ST_ENABLE, id, &value, 1, f);
}

int
embedded_account_set_quota(
    void *b, struct sv id, uint64_t octets, uint64_t messages, struct fail *f)
{
	const uint64_t values[] = {octets, messages};

	return set_numbers(b, ST_SET_QUOTA, id, values, 2, f);
}

/* One text column of an account. */
static int
set_text(struct sqlconn *c, enum stmt which, struct sv id, struct sv value,
    struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (sqlconn_stmt(c, which, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, id);
	bind_sv(st, 2, value);
	return embedded_change_one(c, st, "account", f);
}

int
embedded_account_set_name(void *b, struct sv id, struct sv name, struct fail *f)
{
	struct embedded *e = b;
	struct sqlconn *c;

	if (embedded_begin(e, &c, f) != 0) {
		return -1;
	}
	return embedded_end(e, &c, set_text(c, ST_SET_NAME, id, name, f), f);
}

static int
auth_must_be(
    struct sqlconn *c, struct sv id, struct sv expected, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlconn_look_up(c, ST_GET_AUTH, id, &st, f);
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
	struct sqlconn *c;
	int rc = 0;

	if (embedded_begin(e, &c, f) != 0) {
		return -1;
	}
	if (only_if != NULL) {
		rc = auth_must_be(c, id, *only_if, f);
	}
	if (rc == 0) {
		rc = set_text(c, ST_SET_AUTH, id, auth, f);
	}
	return embedded_end(e, &c, rc, f);
}
