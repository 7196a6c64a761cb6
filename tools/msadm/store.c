#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mail/charset.h"
#include "msadm/msadm.h"
#include "msadm/print.h"

/* The tree of the account that argument `arg` names, and its newest view. */
static int
open_tree(struct msadm *m, const char *arg, struct account **tree_out,
    struct view **view_out, struct fail *f)
{
	struct directory_account *a;
	int rc;

	*tree_out = NULL;
	*view_out = NULL;
	if (msadm_account(m, arg, &a, f) != 0) {
		return -1;
	}
	rc = msadm_store(m, f);
	if (rc == 0) {
		rc = account_open(m->store, a->id, tree_out, f);
	}
	directory_account_unref(&a);
	if (rc == 0) {
		rc = account_refresh(*tree_out, view_out, f);
	}
	return rc == 0 ? 0 : fail_wrap(f, "%s", arg);
}

/* ---- mailboxes ---- */

static json_t *
uses_json(unsigned uses)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
	    {USE_ALL, "\\All"},
	    {USE_ARCHIVE, "\\Archive"},
	    {USE_DRAFTS, "\\Drafts"},
	    {USE_FLAGGED, "\\Flagged"},
	    {USE_JUNK, "\\Junk"},
	    {USE_SENT, "\\Sent"},
	    {USE_TRASH, "\\Trash"},
	    {USE_IMPORTANT, "\\Important"},
	};
	json_t *list = json_array();

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if ((uses & names[i].bit) != 0) {
			(void)json_array_append_new(
			    list, json_string(names[i].name));
		}
	}
	return list;
}

static json_t *
name_json(struct sv name)
{
	json_t *v = json_stringn(name.p, name.len);

	return v != NULL ? v : json_string("(not UTF-8)");
}

static json_t *
mbox_json(const struct view *view, const struct mbox *b)
{
	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:b, s:b}",
	    "name", name_json(b->name), "id", (json_int_t)b->id, "messages",
	    (json_int_t)b->exists, "unseen", (json_int_t)b->unseen, "octets",
	    (json_int_t)b->octets, "uidvalidity", (json_int_t)b->uidvalidity,
	    "uidnext", (json_int_t)b->uidnext, "special_use",
	    uses_json(b->special_use), "subscribed",
	    (int)view_subscribed(view, b->name), "selectable",
	    (int)!b->noselect);
}

int
mailbox_list(struct msadm *m, struct fail *f)
{
	static const struct column columns[] = {
	    {"name", "MAILBOX", COLUMN_TEXT},
	    {"messages", "MESSAGES", COLUMN_NUMBER},
	    {"unseen", "UNSEEN", COLUMN_NUMBER},
	    {"octets", "OCTETS", COLUMN_SIZE},
	    {"uidvalidity", "UIDVALIDITY", COLUMN_NUMBER},
	    {"uidnext", "UIDNEXT", COLUMN_NUMBER},
	    {"subscribed", "SUBSCRIBED", COLUMN_BOOL},
	    {"special_use", "USE", COLUMN_LIST},
	};
	struct account *tree;
	struct view *view;
	int rc = open_tree(m, m->args[0], &tree, &view, f);

	if (rc == 0) {
		json_t *rows = json_array();

		for (size_t i = 0; i < view_mboxes(view); i++) {
			(void)json_array_append_new(
			    rows, mbox_json(view, view_mbox_at(view, i)));
		}
		print_rows(rows, columns, COUNT_OF(columns),
		    (m->given & OPT_JSON) != 0);
	}
	view_unref(&view);
	account_close(&tree);
	return rc;
}

/* ---- undelete ---- */

static int
undelete_mbox(struct msadm *m, struct account *tree, const struct mbox *b,
    json_t *rows, struct fail *f)
{
	uint64_t n = 0;

	if (account_undelete(tree, b->name, m->since_ms, &n, f) != 0) {
		return -1;
	}
	if (n != 0) {
		(void)json_array_append_new(
		    rows, json_pack("{s:o, s:I}", "mailbox", name_json(b->name),
			      "messages", (json_int_t)n));
	}
	return 0;
}

/* Names are in normalisation form C, however the administrator types. */
static const struct mbox *
find_mbox(const struct view *view, struct sv name)
{
	const struct mbox *b = NULL;
	struct buf composed = {0};

	if (charset_compose(name, &composed)) {
		b = view_mbox(view, buf_sv(&composed));
	}
	buf_deinit(&composed);
	return b;
}

static int
undelete_in(struct msadm *m, struct account *tree, const struct view *view,
    json_t *rows, struct fail *f)
{
	const struct mbox *b;

	if (m->mailbox != NULL) {
		b = find_mbox(view, sv_cstr(m->mailbox));
		if (b == NULL) {
			return fail_set(
			    f, FAIL_ABSENT, "no mailbox %s", m->mailbox);
		}
		return undelete_mbox(m, tree, b, rows, f);
	}
	for (size_t i = 0; i < view_mboxes(view); i++) {
		b = view_mbox_at(view, i);
		if (!b->noselect && undelete_mbox(m, tree, b, rows, f) != 0) {
			return -1;
		}
	}
	return 0;
}

int
undelete(struct msadm *m, struct fail *f)
{
	static const struct column columns[] = {
	    {"mailbox", "MAILBOX", COLUMN_TEXT},
	    {"messages", "MESSAGES BACK", COLUMN_NUMBER},
	};
	bool json = (m->given & OPT_JSON) != 0;
	json_t *rows = json_array();
	struct account *tree;
	struct view *view;
	int rc = open_tree(m, m->args[0], &tree, &view, f);

	if (rc == 0) {
		rc = undelete_in(m, tree, view, rows, f);
	}
	if (rc == 0) {
		if (json_array_size(rows) == 0) {
			print_note(json, "nothing to bring back");
		}
		print_rows(rows, columns, COUNT_OF(columns), json);
	} else {
		json_decref(rows);
	}
	view_unref(&view);
	account_close(&tree);
	return rc;
}

/* ---- the volume ---- */

/* Trees with the address that each is of; one that is nobody's has none. */
struct listing {
	struct msadm *m;
	json_t *rows;
	struct fail fail; /* kind NONE: went well */
};

static bool
list_one(void *arg, const char *id)
{
	struct listing *l = arg;
	struct directory_account *a = NULL;
	json_t *row;

	if (directory_account_by_id(l->m->directory, sv_cstr(id), &a, &l->fail)
		!= 0
	    && l->fail.kind != FAIL_ABSENT) {
		return false;
	}
	fail_clear(&l->fail);
	row = json_pack("{s:s, s:b}", "id", id, "owned", (int)(a != NULL));
	if (a != NULL) {
		(void)json_object_set_new(
		    row, "address", json_string(a->address.text));
	}
	(void)json_array_append_new(l->rows, row);
	directory_account_unref(&a);
	return true;
}

/* By address, those without one last. */
static int
compare_rows(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	const char *xa = json_string_value(json_object_get(x, "address"));
	const char *ya = json_string_value(json_object_get(y, "address"));

	if (xa != NULL && ya != NULL) {
		return strcmp(xa, ya);
	}
	return (xa == NULL) - (ya == NULL);
}

static json_t *
sorted(json_t *rows)
{
	size_t n = json_array_size(rows);
	json_t **list = xcalloc(n + 1, sizeof(json_t *));
	json_t *out = json_array();

	for (size_t i = 0; i < n; i++) {
		list[i] = json_array_get(rows, i);
	}
	qsort(list, n, sizeof(json_t *), compare_rows);
	for (size_t i = 0; i < n; i++) {
		(void)json_array_append(out, list[i]);
	}
	free(list);
	json_decref(rows);
	return out;
}

int
store_accounts(struct msadm *m, struct fail *f)
{
	static const struct column columns[] = {
	    {"id", "ID", COLUMN_TEXT},
	    {"address", "ADDRESS", COLUMN_TEXT},
	};
	struct listing l = {.m = m};

	if (msadm_directory(m, false, f) != 0 || msadm_store(m, f) != 0) {
		return -1;
	}
	l.rows = json_array();
	if (store_list(m->store, list_one, &l, f) != 0
	    || l.fail.kind != FAIL_NONE) {
		if (l.fail.kind != FAIL_NONE) {
			*f = l.fail;
		}
		json_decref(l.rows);
		return -1;
	}
	print_rows(sorted(l.rows), columns, COUNT_OF(columns),
	    (m->given & OPT_JSON) != 0);
	return 0;
}

/* Remove a tree that is of no account, with all mail in it. */
int
store_purge(struct msadm *m, struct fail *f)
{
	const char *id = m->args[0];
	struct directory_account *a;

	if (msadm_directory(m, false, f) != 0 || msadm_store(m, f) != 0) {
		return -1;
	}
	if (directory_account_by_id(m->directory, sv_cstr(id), &a, f) == 0) {
		(void)fail_set(f, FAIL_DENIED,
		    "%s is of account %s: remove that first", id,
		    a->address.text);
		directory_account_unref(&a);
		return -1;
	}
	return f->kind == FAIL_ABSENT ? account_purge(m->store, id, f) : -1;
}

/* The disk is mended: let the servers acknowledge again. */
int
store_resume(struct msadm *m, struct fail *f)
{
	if (msadm_store(m, f) != 0) {
		return -1;
	}
	return store_raise_generation(m->store, f);
}
