#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "auth/verifier.h"
#include "base/mem.h"
#include "msadm/msadm.h"
#include "msadm/password.h"
#include "msadm/print.h"

/* ---- secrets ---- */

/* A password, or with --crypt a hash, from standard input to stored keys. */
static int
read_keys(struct msadm *m, struct buf *text, struct fail *f)
{
	struct buf in = {.data = NULL};
	struct verifier v;
	bool crypt = (m->given & OPT_CRYPT) != 0;
	int rc = password_read(crypt ? "crypt(3) hash" : "password", &in, f);

	memset(&v, 0, sizeof(v));
	if (rc == 0 && crypt) {
		struct buf word = {.data = NULL};

		buf_add_str(&word, "{CRYPT}");
		buf_add_sv(&word, buf_sv(&in));
		rc = sv_chr(buf_sv(&in), ' ') < 0
			 ? verifier_parse(buf_sv(&word), &v, f)
			 : fail_set(f, FAIL_SYNTAX, "a hash has no blanks");
		buf_wipe(&word);
	} else if (rc == 0) {
		rc = verifier_make(
		    buf_sv(&in), (uint32_t)m->set.auth_iterations, &v, f);
	}
	if (rc == 0) {
		verifier_format(&v, text);
	}
	buf_wipe(&in);
	verifier_wipe(&v);
	return rc;
}

/* ---- rows ---- */

static json_t *
sv_json(struct sv s)
{
	json_t *v = json_stringn(s.p != NULL ? s.p : "", s.len);

	return v != NULL ? v : json_string("(not UTF-8)");
}

static json_t *
row_of(const struct directory_account *a)
{
	return json_pack("{s:s, s:s, s:o, s:b, s:I, s:I, s:I}", "address",
	    a->address.text, "id", a->id, "name", sv_json(a->name), "enabled",
	    (int)a->enabled, "quota", (json_int_t)a->quota_octets,
	    "quota_messages", (json_int_t)a->quota_messages, "created",
	    (json_int_t)a->created);
}

/* How this account can sign in. */
static json_t *
keys_json(const struct directory_account *a)
{
	json_t *list = json_array();
	struct verifier v;
	struct fail f;

	if (verifier_parse(a->auth, &v, &f) != 0) {
		(void)json_array_append_new(list, json_string("damaged"));
		return list;
	}
	if (v.scram[SCRAM_SHA256].present) {
		(void)json_array_append_new(list, json_string("SCRAM-SHA-256"));
	}
	if (v.scram[SCRAM_SHA1].present) {
		(void)json_array_append_new(list, json_string("SCRAM-SHA-1"));
	}
	if (v.crypt[0] != '\0') {
		(void)json_array_append_new(list, json_string("crypt"));
	}
	verifier_wipe(&v);
	return list;
}

/* The aliases with the account among their own targets. */
static int
aliases_json(struct msadm *m, const struct directory_account *a, json_t **out,
    struct fail *f)
{
	struct directory_alias *list;
	size_t n;

	*out = json_array();
	if (directory_alias_list(m->directory, NULL, &m->arena, &list, &n, f)
	    != 0) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		for (size_t t = 0; t < list[i].n_targets; t++) {
			if (strcmp(list[i].targets[t].text, a->address.text)
			    == 0) {
				(void)json_array_append_new(
				    *out, json_string(list[i].address.text));
			}
		}
	}
	return 0;
}

/* What the account holds; a tree that cannot be read is said, not fatal. */
static void
add_usage(struct msadm *m, const struct directory_account *a, json_t *row)
{
	struct account *tree = NULL;
	struct view *view = NULL;
	struct fail f;

	if (msadm_store(m, &f) != 0
	    || account_open(m->store, a->id, &tree, &f) != 0
	    || account_refresh(tree, &view, &f) != 0) {
		(void)json_object_set_new(row, "store", json_string(f.text));
	} else {
		struct usage u = view_usage(view);

		(void)json_object_set_new(row, "store", json_string("ok"));
		(void)json_object_set_new(
		    row, "octets", json_integer((json_int_t)u.octets));
		(void)json_object_set_new(
		    row, "messages", json_integer((json_int_t)u.messages));
	}
	view_unref(&view);
	account_close(&tree);
}

/* ---- commands ---- */

/*
 * The tree in the store first: an account in the directory always has one.
 * Killed in between this leaves a tree that nobody owns, which `store list`
 * shows.
 */
static int
make_both(struct msadm *m, const struct directory_account_spec *spec,
    bool *made_out, struct fail *f)
{
	char id[DIRECTORY_ID_LEN + 1];
	struct fail ignored;

	if (msadm_store(m, f) != 0
	    || account_create(m->store, spec->id, f) != 0) {
		return -1;
	}
	if (directory_account_add(m->directory, spec, id, made_out, f) != 0) {
		(void)!account_purge(m->store, spec->id, &ignored);
		return -1;
	}
	return 0;
}

static int
make_account(struct msadm *m, const struct mailaddr *address, struct sv keys,
    struct fail *f)
{
	char id[DIRECTORY_ID_LEN + 1];
	struct directory_account_spec spec = {
	    .address = address,
	    .id = id,
	    .name = sv_cstr(m->name),
	    .auth = keys,
	    .quota_octets = m->quota,
	    .quota_messages = m->quota_messages,
	    .make_domain = true,
	};
	bool json = (m->given & OPT_JSON) != 0;
	bool made;

	directory_id_make(id);
	if (make_both(m, &spec, &made, f) != 0) {
		return -1;
	}
	if (made) {
		print_note(
		    json, "domain %.*s made", SV_ARG(mailaddr_domain(address)));
	}
	print_note(json, "account %s made", address->text);
	if (json) {
		print_row(json_pack("{s:s, s:s, s:b}", "address", address->text,
			      "id", id, "domain_made", (int)made),
		    NULL, 0, true);
	}
	return 0;
}

/* An address that is taken is said before a password is asked for. */
static int
must_be_new(struct msadm *m, const struct mailaddr *address, struct fail *f)
{
	struct directory_account *a;

	if (directory_account_by_address(m->directory, address, &a, f) == 0) {
		directory_account_unref(&a);
		return fail_set(
		    f, FAIL_EXISTS, "%s is an account", address->text);
	}
	return f->kind == FAIL_ABSENT ? 0 : -1;
}

int
account_add(struct msadm *m, struct fail *f)
{
	struct buf keys = {.data = NULL};
	struct mailaddr address;
	int rc;

	if (msadm_address(m->args[0], &address, f) != 0
	    || msadm_directory(m, true, f) != 0
	    || must_be_new(m, &address, f) != 0) {
		return -1;
	}
	rc = read_keys(m, &keys, f);
	if (rc == 0) {
		rc = make_account(m, &address, buf_sv(&keys), f);
	}
	buf_wipe(&keys);
	return rc;
}

static int
list_one(void *arg, const struct directory_account *a, struct fail *f)
{
	(void)f;
	(void)json_array_append_new(arg, row_of(a));
	return 0;
}

int
account_list(struct msadm *m, struct fail *f)
{
	static const struct column columns[] = {
	    {"address", "ADDRESS", COLUMN_TEXT},
	    {"name", "NAME", COLUMN_TEXT},
	    {"enabled", "ENABLED", COLUMN_BOOL},
	    {"quota", "QUOTA", COLUMN_QUOTA},
	    {"id", "ID", COLUMN_TEXT},
	};
	json_t *rows = json_array();

	if (msadm_each_account(m, m->args[0], list_one, rows, f) != 0) {
		json_decref(rows);
		return -1;
	}
	print_rows(
	    rows, columns, COUNT_OF(columns), (m->given & OPT_JSON) != 0);
	return 0;
}

int
account_show(struct msadm *m, struct fail *f)
{
	static const struct column columns[] = {
	    {"address", "address", COLUMN_TEXT},
	    {"id", "id", COLUMN_TEXT},
	    {"name", "name", COLUMN_TEXT},
	    {"enabled", "enabled", COLUMN_BOOL},
	    {"created", "created", COLUMN_TIME},
	    {"quota", "quota", COLUMN_QUOTA},
	    {"quota_messages", "quota messages", COLUMN_LIMIT},
	    {"keys", "password", COLUMN_LIST},
	    {"aliases", "aliases", COLUMN_LIST},
	    {"store", "store", COLUMN_TEXT},
	    {"octets", "octets", COLUMN_SIZE},
	    {"messages", "messages", COLUMN_NUMBER},
	};
	struct directory_account *a;
	json_t *row, *aliases = NULL;
	int rc;

	if (msadm_account(m, m->args[0], &a, f) != 0) {
		return -1;
	}
	rc = aliases_json(m, a, &aliases, f);
	if (rc == 0) {
		row = row_of(a);
		(void)json_object_set_new(row, "keys", keys_json(a));
		(void)json_object_set(row, "aliases", aliases);
		add_usage(m, a, row);
		print_row(row, columns, COUNT_OF(columns),
		    (m->given & OPT_JSON) != 0);
	}
	json_decref(aliases);
	directory_account_unref(&a);
	return rc;
}

int
account_passwd(struct msadm *m, struct fail *f)
{
	struct buf keys = {.data = NULL};
	struct directory_account *a;
	int rc;

	if (msadm_account(m, m->args[0], &a, f) != 0) {
		return -1;
	}
	rc = read_keys(m, &keys, f);
	if (rc == 0) {
		rc = directory_account_set_auth(
		    m->directory, sv_cstr(a->id), buf_sv(&keys), NULL, f);
	}
	buf_wipe(&keys);
	directory_account_unref(&a);
	return rc;
}

int
account_rename(struct msadm *m, struct fail *f)
{
	struct directory_account *a;
	struct mailaddr to;
	int rc;

	if (msadm_address(m->args[1], &to, f) != 0
	    || msadm_account(m, m->args[0], &a, f) != 0) {
		return -1;
	}
	rc = directory_account_rename(m->directory, sv_cstr(a->id), &to,
	    (m->given & OPT_KEEP_OLD) != 0, f);
	directory_account_unref(&a);
	return rc;
}

static int
change(struct msadm *m, const struct directory_account *a, struct fail *f)
{
	struct sv id = sv_cstr(a->id);
	uint64_t octets =
	    (m->given & OPT_QUOTA) != 0 ? m->quota : a->quota_octets;
	uint64_t messages = (m->given & OPT_QUOTA_MESSAGES) != 0
				? m->quota_messages
				: a->quota_messages;

	if ((m->given & OPT_NAME) != 0
	    && directory_account_set_name(m->directory, id, sv_cstr(m->name), f)
		   != 0) {
		return -1;
	}
	if ((m->given & (OPT_QUOTA | OPT_QUOTA_MESSAGES)) == 0) {
		return 0;
	}
	return directory_account_set_quota(
	    m->directory, id, octets, messages, f);
}

int
account_set(struct msadm *m, struct fail *f)
{
	struct directory_account *a;
	int rc;

	if (msadm_account(m, m->args[0], &a, f) != 0) {
		return -1;
	}
	rc = change(m, a, f);
	directory_account_unref(&a);
	return rc;
}

static int
enable(struct msadm *m, bool on, struct fail *f)
{
	struct directory_account *a;
	int rc;

	if (msadm_account(m, m->args[0], &a, f) != 0) {
		return -1;
	}
	rc = directory_account_enable(m->directory, sv_cstr(a->id), on, f);
	directory_account_unref(&a);
	return rc;
}

int
account_enable(struct msadm *m, struct fail *f)
{
	return enable(m, true, f);
}

int
account_disable(struct msadm *m, struct fail *f)
{
	return enable(m, false, f);
}

/* Close the journal for ever: sessions end, deliveries are refused.  One that
 * is closed already is of a removal that was cut short. */
static int
shut(struct msadm *m, const char *id, struct fail *f)
{
	struct account *tree = NULL;
	int rc;

	if (msadm_store(m, f) != 0) {
		return -1;
	}
	rc = account_open(m->store, id, &tree, f);
	if (rc == 0) {
		rc = account_shut(tree, f);
	}
	account_close(&tree);
	return rc == 0 || f->kind == FAIL_PERM || f->kind == FAIL_ABSENT ? 0
									 : -1;
}

int
account_remove(struct msadm *m, struct fail *f)
{
	struct directory_account *a;
	int rc;

	if (msadm_account(m, m->args[0], &a, f) != 0) {
		return -1;
	}
	rc = shut(m, a->id, f);
	if (rc == 0) {
		rc = directory_account_remove(m->directory, sv_cstr(a->id), f);
	}
	if (rc == 0 && (m->given & OPT_PURGE) != 0
	    && account_purge(m->store, a->id, f) != 0
	    && f->kind != FAIL_ABSENT) {
		rc = -1;
	}
	directory_account_unref(&a);
	return rc;
}
