/*
 * embedded_write.c: what all changes are made of, and changes of domains.
 */
#include "directory/embedded_write_priv.h"

#include "base/clock.h"

/* ---- transactions ---- */

int
embedded_begin(struct embedded *e, struct sqlconn **out, struct fail *f)
{
	if (embedded_take(e, out, f) != 0) {
		return -1;
	}
	if (sqlconn_run(*out, ST_BEGIN_WRITE, f) != 0) {
		embedded_give(e, out);
		return -1;
	}
	return 0;
}

int
embedded_end(struct embedded *e, struct sqlconn **c, int rc, struct fail *f)
{
	if (rc == 0) {
		rc = sqlconn_run(*c, ST_COMMIT, f);
	}
	embedded_give(e, c);
	return rc;
}

int
embedded_change_one(
    struct sqlconn *c, sqlite3_stmt *st, const char *what, struct fail *f)
{
	if (sqlconn_row(c, st, f) != 0) {
		return -1;
	}
	if (sqlite3_changes(c->db) == 0) {
		return fail_set(f, FAIL_ABSENT, "no such %s", what);
	}
	return 0;
}

/* ---- addresses ---- */

int
embedded_find_row(struct sqlconn *c, const struct mailaddr *address,
    struct embedded_row *out, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc =
	    sqlconn_look_up(c, ST_FIND_ADDRESS, mailaddr_sv(address), &st, f);
	if (rc == 1) {
		out->id = sqlite3_column_int64(st, 0);
		out->alias = sqlite3_column_int(st, 1) != 0;
		(void)sqlite3_reset(st);
	}
	return rc;
}

int
embedded_must_be_free(
    struct sqlconn *c, const struct mailaddr *address, struct fail *f)
{
	struct embedded_row row = {.id = 0};
	int rc = embedded_find_row(c, address, &row, f);

	if (rc == 1) {
		return fail_set(f, FAIL_EXISTS, "%s is taken by an %s",
		    address->text, row.alias ? "alias" : "account");
	}
	return rc;
}

int
embedded_must_be_ours(
    struct sqlconn *c, const struct mailaddr *address, struct fail *f)
{
	struct sv domain = mailaddr_domain(address);
	sqlite3_stmt *st = NULL;
	int rc = sqlconn_look_up(c, ST_DOMAIN, domain, &st, f);
	(void)sqlite3_reset(st);
	if (rc == 0) {
		return fail_set(
		    f, FAIL_ABSENT, "no such domain: %.*s", SV_ARG(domain));
	}
	return rc < 0 ? -1 : 0;
}

int
embedded_add_address(struct sqlconn *c, const struct mailaddr *address,
    struct sv account, struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (sqlconn_stmt(c, ST_ADD_ADDRESS, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, mailaddr_sv(address));
	bind_sv(st, 2, mailaddr_domain(address));
	if (account.len != 0) {
		bind_sv(st, 3, account);
	}
	return sqlconn_row(c, st, f);
}

int
embedded_add_domain(
    struct sqlconn *c, struct sv name, bool *made_out, struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (sqlconn_stmt(c, ST_ADD_DOMAIN, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, name);
	(void)sqlite3_bind_int64(st, 2, clock_wall_ms());
	if (sqlconn_row(c, st, f) != 0) {
		return -1;
	}
	*made_out = sqlite3_changes(c->db) != 0;
	return 0;
}

/* ---- domains ---- */

int
embedded_domain_add(void *b, const char *name, struct fail *f)
{
	struct embedded *e = b;
	struct sqlconn *c;
	bool made = false;
	int rc;

	if (embedded_begin(e, &c, f) != 0) {
		return -1;
	}
	rc = embedded_add_domain(c, sv_cstr(name), &made, f);
	if (rc == 0 && !made) {
		rc = fail_set(
		    f, FAIL_EXISTS, "there is a domain %s already", name);
	}
	return embedded_end(e, &c, rc, f);
}

static int
must_be_empty(struct sqlconn *c, const char *name, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlconn_look_up(c, ST_DOMAIN_USED, sv_cstr(name), &st, f);
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
	struct sqlconn *c;
	int rc = -1;

	if (embedded_begin(e, &c, f) != 0) {
		return -1;
	}
	if (must_be_empty(c, name, f) == 0
	    && sqlconn_stmt(c, ST_DEL_DOMAIN, &st, f) == 0) {
		bind_sv(st, 1, sv_cstr(name));
		rc = embedded_change_one(c, st, "domain", f);
	}
	return embedded_end(e, &c, rc, f);
}
