/*
 * check: what is wrong with accounts in the store, and mending it.
 *
 * A finding is one row; with any the exit status is 1, mended or not.  The
 * last line says what was looked at.
 */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "msadm/msadm.h"
#include "msadm/print.h"

enum { PROGRESS_MS = 200 }; /* between two lines of it */

struct check {
	struct msadm *m;
	json_t *findings;
	const char *id; /* of the account that is being looked at */
	const char *address;
	struct fail fail; /* kind NONE: went well */
	struct checked sum;
	uint64_t accounts;
	bool show; /* how far it is: on a terminal */
	int64_t shown_ms;
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

/* A line that the next one replaces. */
static void
progress(void *arg, const struct checked *sum)
{
	struct check *c = arg;
	int64_t now = clock_mono_ms();

	if (now - c->shown_ms < PROGRESS_MS) {
		return;
	}
	c->shown_ms = now;
	(void)fprintf(stderr,
	    "\r\033[K%" PRIu64 " accounts, %" PRIu64 " messages, %" PRIu64
	    " MiB read; at %s",
	    c->accounts, sum->messages, sum->read >> 20,
	    c->address != NULL ? c->address : c->id);
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
	    .progress = c->show ? progress : NULL,
	    .arg = c,
	};
	struct account *tree = NULL;
	struct fail f;
	int rc = account_open(c->m->store, c->id, &tree, &f);

	c->accounts++;
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

static void
begin_check(struct check *c)
{
	c->findings = json_array();
	c->show = isatty(STDERR_FILENO) == 1;
}

static json_t *
looked_at(const struct check *c)
{
	const struct checked *s = &c->sum;

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "accounts",
	    (json_int_t)c->accounts, "mailboxes", (json_int_t)s->mailboxes,
	    "messages", (json_int_t)s->messages, "octets",
	    (json_int_t)s->octets, "octets_read", (json_int_t)s->read,
	    "segments", (json_int_t)s->segments, "snapshots",
	    (json_int_t)s->snapshots);
}

static void
print_sum(const struct check *c, size_t findings)
{
	const struct checked *s = &c->sum;

	(void)printf("looked at %" PRIu64 " accounts, %" PRIu64
		     " mailboxes, %" PRIu64 " messages of %" PRIu64
		     " octets (%s), %" PRIu64 " segments, %" PRIu64
		     " snapshots: ",
	    c->accounts, s->mailboxes, s->messages, s->octets,
	    (c->m->given & OPT_OCTETS) != 0 ? "read" : "by size", s->segments,
	    s->snapshots);
	if (findings == 0) {
		(void)puts("nothing is wrong");
	} else {
		(void)printf("%zu findings\n", findings);
	}
}

/* Print what was found, and what was looked at; takes the findings. */
static int
end_check(struct check *c, int rc)
{
	static const struct column columns[] = {
	    {"address", "ADDRESS", COLUMN_TEXT},
	    {"id", "ID", COLUMN_TEXT},
	    {"finding", "FINDING", COLUMN_TEXT},
	};
	size_t n = json_array_size(c->findings);

	if (c->show) {
		(void)fputs("\r\033[K", stderr);
	}
	if ((c->m->given & OPT_JSON) != 0) {
		print_row(json_pack("{s:o, s:o}", "findings", c->findings,
			      "checked", looked_at(c)),
		    NULL, 0, true);
	} else {
		print_rows(c->findings, columns, COUNT_OF(columns), false);
		print_sum(c, n);
	}
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

	if ((m->given & OPT_ALL) != 0) {
		return store_check(m, f);
	}
	if (msadm_account(m, m->args[0], &a, f) != 0) {
		return -1;
	}
	begin_check(&c);
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
	begin_check(&c);
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
