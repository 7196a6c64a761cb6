/*
 * check: what is wrong with accounts in the store, and mending it.
 *
 * A finding is one row; with any the exit status is 1, mended or not.
 */
#include <jansson.h>
#include <string.h>

#include "msadm/msadm.h"
#include "msadm/print.h"

struct check {
	struct msadm *m;
	json_t *findings;
	const char *id; /* of the account that is being looked at */
	const char *address;
	struct fail fail; /* kind NONE: went well */
	struct checked sum;
};

static bool
repairing(const struct msadm *m)
{
	return (m->given & OPT_REPAIR) != 0;
}

static void
found(void *arg, const char *text)
{
	struct check *c = arg;
	json_t *row = json_pack("{s:s, s:s}", "id", c->id, "finding", text);

	if (row == NULL) {
		row = json_pack(
		    "{s:s, s:s}", "id", c->id, "finding", "(not UTF-8)");
	}
	if (c->address != NULL) {
		(void)json_object_set_new(
		    row, "address", json_string(c->address));
	}
	(void)json_array_append_new(c->findings, row);
}

/* The tree of c->id; an account without one gets an empty one if asked.  One
 * that cannot be looked at is a finding too: the others still are. */
static void
check_tree(struct check *c)
{
	const struct check_conf conf = {
	    .repair = repairing(c->m),
	    .octets = (c->m->given & OPT_OCTETS) != 0,
	    .report = found,
	    .arg = c,
	};
	struct account *tree = NULL;
	struct fail f;
	int rc = account_open(c->m->store, c->id, &tree, &f);

	if (rc == 0) {
		rc = account_check(tree, &conf, &c->sum, &f);
	} else if (f.kind == FAIL_ABSENT) {
		found(c, "the account has no tree in the store");
		rc = repairing(c->m) ? account_create(c->m->store, c->id, &f)
				     : 0;
	}
	account_close(&tree);
	/* That of a removed account is closed. */
	if (rc != 0 && (f.kind != FAIL_PERM || c->address != NULL)) {
		found(c, f.text);
	}
}

/* Print what was found; takes the findings. */
static int
end_check(struct check *c, int rc)
{
	static const struct column columns[] = {
	    {"address", "ADDRESS", COLUMN_TEXT},
	    {"id", "ID", COLUMN_TEXT},
	    {"finding", "FINDING", COLUMN_TEXT},
	};
	size_t n = json_array_size(c->findings);

	print_rows(c->findings, columns, COUNT_OF(columns),
	    (c->m->given & OPT_JSON) != 0);
	if (rc != 0) {
		return -1;
	}
	return n != 0 ? 1 : 0;
}

int
account_check_one(struct msadm *m, struct fail *f)
{
	struct check c = {.m = m};
	struct directory_account *a;
	int rc;

	if (msadm_account(m, m->args[0], &a, f) != 0) {
		return -1;
	}
	c.findings = json_array();
	c.id = a->id;
	c.address = a->address.text;
	rc = msadm_store(m, f);
	if (rc == 0) {
		check_tree(&c);
	}
	rc = end_check(&c, rc);
	directory_account_unref(&a);
	return rc;
}

/* ---- all of the volume ---- */

static bool
check_listed(void *arg, const char *id)
{
	struct check *c = arg;
	struct directory_account *a = NULL;

	if (directory_account_by_id(c->m->directory, sv_cstr(id), &a, &c->fail)
		!= 0
	    && c->fail.kind != FAIL_ABSENT) {
		return false;
	}
	fail_clear(&c->fail);
	c->id = id;
	c->address = a != NULL ? a->address.text : NULL;
	check_tree(c);
	directory_account_unref(&a);
	return true;
}

/* Accounts without a tree are in no listing of trees. */
static int
check_account(void *arg, const struct directory_account *a, struct fail *f)
{
	struct check *c = arg;
	struct account *tree = NULL;

	if (account_open(c->m->store, a->id, &tree, f) != 0
	    && f->kind == FAIL_ABSENT) {
		c->id = a->id;
		c->address = a->address.text;
		check_tree(c);
	}
	account_close(&tree);
	return 0;
}

int
store_check(struct msadm *m, struct fail *f)
{
	struct check c = {.m = m};
	int rc;

	if (msadm_directory(m, false, f) != 0 || msadm_store(m, f) != 0) {
		return -1;
	}
	c.findings = json_array();
	rc = store_list(m->store, check_listed, &c, f);
	if (rc == 0 && c.fail.kind != FAIL_NONE) {
		*f = c.fail;
		rc = -1;
	}
	if (rc == 0) {
		rc = msadm_each_account(m, NULL, check_account, &c, f);
	}
	return end_check(&c, rc);
}
