/*
 * mailbox: creating, deleting, renaming and subscribing, by name.
 *
 * Names are made regular here, by the writer; replay compares octets.
 */
#include "store/change_priv.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "store/head_priv.h"

/* A name as the store keeps it, borrowed from `space`. */
struct clean_name {
	char space[STORE_NAME_LEN];
	struct sv s;
};

static int
check_text(struct sv name, struct fail *f)
{
	uint32_t c = 0;
	int rc;

	while ((rc = utf8_next(&name, &c)) != 0) {
		if (rc < 0 || c < 0x20 || c == 0x7f) {
			return fail_set(f, FAIL_SYNTAX,
			    "a mailbox's name must be UTF-8 without controls");
		}
	}
	return 0;
}

/* "" between slashes, too deep, too long. */
static int
check_levels(struct sv name, struct fail *f)
{
	unsigned depth = 1;

	if (name.len == 0 || name.p[0] == '/' || name.p[name.len - 1] == '/') {
		return fail_set(f, FAIL_SYNTAX, "a level of the name is empty");
	}
	for (size_t i = 1; i < name.len; i++) {
		if (name.p[i] != '/') {
			continue;
		}
		if (name.p[i - 1] == '/') {
			return fail_set(
			    f, FAIL_SYNTAX, "a level of the name is empty");
		}
		depth++;
	}
	return depth <= STATE_DEPTH
		   ? 0
		   : fail_set(f, FAIL_LIMIT, "a name has at most %d levels",
		       STATE_DEPTH);
}

/* "inbox" in any case is INBOX, alone and as the first level. */
static int
clean(struct sv name, struct clean_name *out, struct fail *f)
{
	static const struct sv inbox = {"INBOX", 5};

	if (name.len > STORE_NAME_LEN) {
		return fail_set(f, FAIL_LIMIT, "a name has at most %d octets",
		    STORE_NAME_LEN);
	}
	if (check_text(name, f) != 0 || check_levels(name, f) != 0) {
		return -1;
	}
	memcpy(out->space, name.p, name.len);
	if (sv_starts_nocase(name, inbox)
	    && (name.len == inbox.len || name.p[inbox.len] == '/')) {
		memcpy(out->space, inbox.p, inbox.len);
	}
	out->s = sv_make(out->space, name.len);
	return 0;
}

/* Id of the mailbox called `name`. */
static int
find(struct account *a, struct sv name, uint64_t *id, struct fail *f)
{
	struct clean_name c;
	struct view *v;

	if (clean(name, &c, f) != 0) {
		return fail_set(f, FAIL_ABSENT, "no such mailbox");
	}
	if (change_view(a, &v, f) != 0) {
		return -1;
	}
	const struct mbox *m = view_mbox(v, c.s);

	*id = m != NULL ? m->id : 0;
	view_unref(&v);
	return m != NULL ? 0 : fail_set(f, FAIL_ABSENT, "no such mailbox");
}

/* Commit what c has as one record; then the head names mailboxes anew. */
static int
run(struct commit *c, enum record_type type, struct outcome *out,
    const char *what, struct fail *f)
{
	commit_add(c, type, out);
	int rc = change_run(c, out, what, f);

	if (rc == 0) {
		head_update(c->account);
	}
	commit_deinit(c);
	outcome_deinit(out);
	return rc;
}

static int
check_count(struct account *a, struct fail *f)
{
	struct view *v;

	if (change_view(a, &v, f) != 0) {
		return -1;
	}
	bool full = view_mboxes(v) >= a->store->conf.mailboxes_max;

	view_unref(&v);
	return full ? fail_set(f, FAIL_LIMIT,
		   "an account has at most %u mailboxes",
		   a->store->conf.mailboxes_max)
		    : 0;
}

int
account_mbox_create(struct account *account, struct sv name,
    const struct mbox_attrs *attrs, uint64_t *id_out, struct fail *f)
{
	struct outcome out = {0};
	struct clean_name cn;
	struct commit c;

	*id_out = 0;
	if (clean(name, &cn, f) != 0 || check_count(account, f) != 0) {
		return -1;
	}
	struct rec_create rec = {
	    .name = cn.s,
	    .special_use = attrs->special_use,
	    .uidvalidity = attrs->uidvalidity,
	};

	commit_init(&c, account);
	rec_create_write(&c.body, &rec);
	commit_add(&c, RECORD_CREATE, &out);
	int rc = change_run(&c, &out, "CREATE", f);

	if (rc == 0) {
		*id_out = out.mbox;
		head_update(account);
	}
	commit_deinit(&c);
	outcome_deinit(&out);
	return rc;
}

int
account_mbox_delete(struct account *account, struct sv name, struct fail *f)
{
	struct outcome out = {0};
	struct commit c;
	uint64_t id;

	if (find(account, name, &id, f) != 0) {
		return -1;
	}
	commit_init(&c, account);
	rec_delete_write(&c.body, id);
	return run(&c, RECORD_DELETE, &out, "DELETE", f);
}

int
account_mbox_rename(
    struct account *account, struct sv from, struct sv to, struct fail *f)
{
	struct outcome out = {0};
	struct rec_rename rec;
	struct clean_name cn;
	struct commit c;

	if (clean(to, &cn, f) != 0 || find(account, from, &rec.mbox, f) != 0) {
		return -1;
	}
	rec.name = cn.s;
	commit_init(&c, account);
	rec_rename_write(&c.body, &rec);
	return run(&c, RECORD_RENAME, &out, "RENAME", f);
}

int
account_mbox_use(struct account *account, struct sv name, unsigned special_use,
    struct fail *f)
{
	struct rec_use rec = {.special_use = special_use};
	struct outcome out = {0};
	struct commit c;

	if (find(account, name, &rec.mbox, f) != 0) {
		return -1;
	}
	commit_init(&c, account);
	rec_use_write(&c.body, &rec);
	return run(&c, RECORD_USE, &out, "special use", f);
}

int
account_subscribe(
    struct account *account, struct sv name, bool on, struct fail *f)
{
	struct rec_subscribe rec = {.on = on};
	struct outcome out = {0};
	struct clean_name cn;
	struct commit c;

	if (clean(name, &cn, f) != 0) {
		return -1;
	}
	rec.name = cn.s;
	commit_init(&c, account);
	rec_subscribe_write(&c.body, &rec);
	commit_add(&c, RECORD_SUBSCRIBE, &out);
	int rc = change_run(&c, &out, "SUBSCRIBE", f);

	commit_deinit(&c);
	outcome_deinit(&out);
	return rc;
}
