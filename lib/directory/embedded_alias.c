/*
 * embedded_alias.c: changes of aliases, and of where they lead.
 */
#include <stdio.h>

#include "directory/embedded_write_priv.h"

/* ---- targets ---- */

static int
run_on_target(struct sqlconn *c, enum stmt which, struct sv from, struct sv to,
    struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (sqlconn_stmt(c, which, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, from);
	if (to.p != NULL) {
		bind_sv(st, 2, to);
	}
	return sqlconn_row(c, st, f);
}

/* Let what led to `from` lead to `to`, or with NULL nowhere. */
static int
retarget_one(struct sqlconn *c, struct sv from, const struct mailaddr *to,
    struct fail *f)
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
list_details(struct sqlconn *c, const struct mailaddr *from, char sep,
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
	if (sqlconn_stmt(c, ST_TARGETS_FROM, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, sv_cstr(low));
	bind_sv(st, 2, sv_cstr(high));
	while ((rc = sqlconn_row(c, st, f)) > 0) {
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
retarget_detail(struct sqlconn *c, const struct mailaddr *from,
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

int
embedded_retarget(struct embedded *e, struct sqlconn *c,
    const struct mailaddr *from, const struct mailaddr *to, struct fail *f)
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

int
embedded_add_target(struct sqlconn *c, int64_t alias,
    const struct mailaddr *target, struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (sqlconn_stmt(c, ST_ADD_TARGET, &st, f) != 0) {
		return -1;
	}
	(void)sqlite3_bind_int64(st, 1, alias);
	bind_sv(st, 2, mailaddr_sv(target));
	if (sqlconn_row(c, st, f) != 0) {
		return -1;
	}
	if (sqlite3_changes(c->db) == 0) {
		return fail_set(f, FAIL_EXISTS, "the alias leads to %s already",
		    target->text);
	}
	return 0;
}

/* ---- aliases ---- */

/* FAIL_DENIED when mail to `target` would come to `address` again. */
static int
must_not_loop(struct sqlconn *c, const struct mailaddr *address,
    const struct mailaddr *target, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc;

	if (sqlconn_stmt(c, ST_LEADS_TO, &st, f) != 0) {
		return -1;
	}
	bind_sv(st, 1, mailaddr_sv(target));
	bind_sv(st, 2, mailaddr_sv(address));
	rc = sqlconn_row(c, st, f);
	(void)sqlite3_reset(st);
	if (rc == 1) {
		return fail_set(f, FAIL_DENIED, "%s leads back to %s",
		    target->text, address->text);
	}
	return rc;
}

static int
must_have_room(
    const struct embedded *e, struct sqlconn *c, int64_t alias, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int64_t n;
	int rc;

	if (sqlconn_stmt(c, ST_COUNT_TARGETS, &st, f) != 0) {
		return -1;
	}
	(void)sqlite3_bind_int64(st, 1, alias);
	rc = sqlconn_row(c, st, f);
	if (rc < 0) {
		return -1;
	}
	n = sqlite3_column_int64(st, 0);
	(void)sqlite3_reset(st);
	if (n >= e->targets_max) {
		return fail_set(f, FAIL_LIMIT,
		    "an alias has at most %u targets", e->targets_max);
	}
	return 0;
}

/* The row of the alias, made when there is none. */
static int
alias_row_for(struct sqlconn *c, const struct mailaddr *address, int64_t *out,
    struct fail *f)
{
	struct embedded_row row = {.id = 0};
	int rc = embedded_find_row(c, address, &row, f);

	if (rc < 0) {
		return -1;
	}
	if (rc == 0) {
		if (embedded_add_address(c, address, SV_EMPTY, f) != 0) {
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
	struct sqlconn *c;
	int64_t alias = 0;
	int rc = -1;

	if (embedded_begin(e, &c, f) != 0) {
		return -1;
	}
	if (embedded_must_be_ours(c, address, f) == 0
	    && must_not_loop(c, address, target, f) == 0
	    && alias_row_for(c, address, &alias, f) == 0
	    && must_have_room(e, c, alias, f) == 0) {
		rc = embedded_add_target(c, alias, target, f);
	}
	return embedded_end(e, &c, rc, f);
}

/* All targets with NULL; the alias goes when none is left. */
static int
del_targets(struct sqlconn *c, int64_t alias, const struct mailaddr *target,
    struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (target == NULL) {
		if (sqlconn_stmt(c, ST_DEL_ADDRESS, &st, f) != 0) {
			return -1;
		}
		(void)sqlite3_bind_int64(st, 1, alias);
		return sqlconn_row(c, st, f);
	}
	if (sqlconn_stmt(c, ST_DEL_TARGET, &st, f) != 0) {
		return -1;
	}
	(void)sqlite3_bind_int64(st, 1, alias);
	bind_sv(st, 2, mailaddr_sv(target));
	if (embedded_change_one(c, st, "target of that alias", f) != 0) {
		return fail_wrap(f, "%s", target->text);
	}
	return sqlconn_run(c, ST_DROP_EMPTY, f);
}

int
embedded_alias_remove(void *b, const struct mailaddr *address,
    const struct mailaddr *target, struct fail *f)
{
	struct embedded *e = b;
	struct embedded_row row = {.id = 0};
	struct sqlconn *c;
	int rc;

	if (embedded_begin(e, &c, f) != 0) {
		return -1;
	}
	rc = embedded_find_row(c, address, &row, f);
	if (rc == 0 || (rc == 1 && !row.alias)) {
		rc = fail_set(
		    f, FAIL_ABSENT, "no such alias: %s", address->text);
	} else if (rc == 1) {
		rc = del_targets(c, row.id, target, f);
	}
	return embedded_end(e, &c, rc, f);
}
