#include "directory/directory.h"

#include <stdlib.h>
#include <string.h>

#include "base/block.h"
#include "base/mem.h"
#include "base/random.h"
#include "directory/directory_priv.h"
#include "settings/settings.h"

enum {
	CACHE_MAX = 16384, /* entries */
	BUSY_MS = 10000,
	RCPTS_MAX = 1000,
	BUSY_MS_MAX = 600 * 1000,
};

struct directory {
	const struct directory_ops *ops;
	void *backend;
	char *separators;
	struct mailaddr postmaster; /* text "" = none */
	uint8_t secret[DIRECTORY_SECRET_LEN];
	unsigned rcpts_max;
	struct cache cache;
};

/* ---- open and close ---- */

static int
open_backend(
    struct directory *d, const struct directory_conf *conf, struct fail *f)
{
	struct directory_conf c = *conf;

	c.separators = d->separators;
	c.rcpts_max = d->rcpts_max;
	if (c.busy_ms == 0) {
		c.busy_ms = BUSY_MS;
	}
	if (c.busy_ms > BUSY_MS_MAX) {
		c.busy_ms = BUSY_MS_MAX;
	}
	if (d->ops->open(&c, &d->backend, f) != 0) {
		return -1;
	}
	return d->ops->secret(d->backend, d->secret, f);
}

int
directory_open(
    const struct directory_conf *conf, struct directory **out, struct fail *f)
{
	struct directory *d = xmalloc(sizeof(*d));
	const char *postmaster = conf->postmaster;
	int rc;

	d->ops = &directory_embedded_ops;
	d->separators =
	    xstrdup(conf->separators != NULL ? conf->separators : "+");
	d->rcpts_max =
	    conf->rcpts_max != 0 ? (unsigned)conf->rcpts_max : RCPTS_MAX;
	cache_init(&d->cache,
	    conf->cache_max != 0 ? (size_t)conf->cache_max : CACHE_MAX);
	if (postmaster != NULL && postmaster[0] != '\0'
	    && mailaddr_parse(sv_cstr(postmaster), &d->postmaster, f) != 0) {
		fail_wrap(f, "postmaster %s", postmaster);
		directory_close(&d);
		return -1;
	}
	block_begin();
	rc = open_backend(d, conf, f);
	block_end();
	if (rc != 0) {
		directory_close(&d);
		return -1;
	}
	*out = d;
	return 0;
}

int
directory_open_settings(const struct settings *set, bool create,
    struct directory **out, struct fail *f)
{
	const struct directory_conf conf = {
	    .path = set->directory_path,
	    .create = create,
	    .separators = set->directory_separators,
	    .postmaster = set->directory_postmaster,
	    .cache_max = set->directory_cache,
	    .busy_ms = set->directory_busy,
	    .rcpts_max = set->directory_recipients,
	};

	return directory_open(&conf, out, f);
}

void
directory_close(struct directory **dir)
{
	struct directory *d = *dir;

	*dir = NULL;
	if (d == NULL) {
		return;
	}
	cache_deinit(&d->cache);
	if (d->backend != NULL) {
		d->ops->close(d->backend);
	}
	free(d->separators);
	mem_wipe(d->secret, sizeof(d->secret));
	free(d);
}

void
directory_secret(const struct directory *d, uint8_t out[DIRECTORY_SECRET_LEN])
{
	memcpy(out, d->secret, DIRECTORY_SECRET_LEN);
}

int
directory_backup(struct directory *d, const char *path, struct fail *f)
{
	int rc;

	block_begin();
	rc = d->ops->backup(d->backend, path, f);
	block_end();
	return rc;
}

const char *
directory_separators(const struct directory *d)
{
	return d->separators;
}

unsigned
directory_rcpts_max(const struct directory *d)
{
	return d->rcpts_max;
}

const struct mailaddr *
directory_postmaster(const struct directory *d)
{
	return d->postmaster.local_len != 0 ? &d->postmaster : NULL;
}

/* ---- look-ups ---- */

int
directory_look_up(struct directory *d, enum entry_key by, struct sv key,
    struct entry **out, struct fail *f)
{
	uint64_t version;
	int rc;

	if (d->ops->version(d->backend, &version, f) == 0) {
		*out = cache_get(&d->cache, by, key, version);
		if (*out != NULL) {
			return 0;
		}
	}
	fail_clear(f);
	block_begin();
	rc = d->ops->look_up(d->backend, by, key, out, &version, f);
	block_end();
	if (rc == 0) {
		cache_put(&d->cache, by, key, *out, version);
	}
	return rc;
}

/* Takes `e`; the account's reference goes to the caller. */
static int
account_of(struct entry *e, struct directory_account **out, struct fail *f)
{
	int rc = -1;

	*out = NULL;
	if (e->kind == ENTRY_ACCOUNT) {
		*out = directory_account_ref(e->account);
		rc = 0;
	} else {
		fail_set(f, FAIL_ABSENT, "no such account");
	}
	entry_unref(&e);
	return rc;
}

int
directory_account_by_id(struct directory *d, struct sv id,
    struct directory_account **out, struct fail *f)
{
	struct entry *e;

	*out = NULL;
	if (id.len != DIRECTORY_ID_LEN) {
		return fail_set(f, FAIL_SYNTAX, "not an account id");
	}
	if (directory_look_up(d, KEY_ID, id, &e, f) != 0) {
		return -1;
	}
	return account_of(e, out, f);
}

int
directory_account_by_address(struct directory *d,
    const struct mailaddr *address, struct directory_account **out,
    struct fail *f)
{
	struct entry *e;

	*out = NULL;
	if (directory_look_up(d, KEY_ADDRESS, mailaddr_sv(address), &e, f)
	    != 0) {
		return -1;
	}
	return account_of(e, out, f);
}

int
directory_account_by_login(struct directory *d, const struct mailaddr *address,
    struct directory_account **out, struct fail *f)
{
	struct entry *e, *behind;
	int rc;

	*out = NULL;
	if (directory_look_up(d, KEY_ADDRESS, mailaddr_sv(address), &e, f)
	    != 0) {
		return -1;
	}
	/* The catch-all's own name is not a person's. */
	if (e->kind != ENTRY_ALIAS || e->n_targets != 1
	    || sv_eq(mailaddr_local(address), SV("*"))) {
		return account_of(e, out, f);
	}
	rc = directory_look_up(
	    d, KEY_ADDRESS, mailaddr_sv(&e->targets[0]), &behind, f);
	entry_unref(&e);
	return rc != 0 ? -1 : account_of(behind, out, f);
}

int
directory_first_domain(
    struct directory *d, char out[MAILADDR_DOMAIN_MAX + 1], struct fail *f)
{
	struct directory_account *a;
	struct entry *e;
	struct sv domain;

	out[0] = '\0';
	if (directory_look_up(d, KEY_OLDEST, SV_EMPTY, &e, f) != 0
	    || account_of(e, &a, f) != 0) {
		return -1;
	}
	domain = mailaddr_domain(&a->address);
	memcpy(out, domain.p, domain.len);
	out[domain.len] = '\0';
	directory_account_unref(&a);
	return 0;
}

/* ---- accounts ---- */

static bool
has_control(struct sv s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f) {
			return true;
		}
	}
	return false;
}

static int
check_text(struct sv s, size_t max, const char *what, struct fail *f)
{
	if (s.len > max) {
		return fail_set(f, FAIL_LIMIT, "%s over %zu octets", what, max);
	}
	if (has_control(s)) {
		return fail_set(f, FAIL_SYNTAX, "control octet in %s", what);
	}
	return 0;
}

/* `*@domain` is the catch-all, which is an alias. */
static int
check_account_address(const struct mailaddr *a, struct fail *f)
{
	if (sv_eq(mailaddr_local(a), SV("*"))) {
		return fail_set(f, FAIL_SYNTAX,
		    "%s is the catch-all: make it an alias", a->text);
	}
	return 0;
}

void
directory_id_make(char out[DIRECTORY_ID_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t raw[DIRECTORY_ID_LEN / 2];

	random_bytes(raw, sizeof(raw));
	for (size_t i = 0; i < sizeof(raw); i++) {
		out[2 * i] = digits[raw[i] >> 4];
		out[2 * i + 1] = digits[raw[i] & 15];
	}
	out[DIRECTORY_ID_LEN] = '\0';
}

int
directory_account_add(struct directory *d,
    const struct directory_account_spec *spec,
    char id_out[DIRECTORY_ID_LEN + 1], bool *domain_made_out, struct fail *f)
{
	bool made = false;
	int rc;

	if (check_account_address(spec->address, f) != 0
	    || check_text(spec->name, DIRECTORY_NAME_MAX, "name", f) != 0
	    || check_text(spec->auth, DIRECTORY_AUTH_MAX, "keys", f) != 0) {
		return -1;
	}
	if (spec->id != NULL) {
		ASSERT(strlen(spec->id) == DIRECTORY_ID_LEN);
		memcpy(id_out, spec->id, DIRECTORY_ID_LEN + 1);
	} else {
		directory_id_make(id_out);
	}
	block_begin();
	rc = d->ops->account_add(d->backend, spec, id_out, &made, f);
	block_end();
	if (domain_made_out != NULL) {
		*domain_made_out = made && rc == 0;
	}
	return rc;
}

int
directory_account_rename(struct directory *d, struct sv id,
    const struct mailaddr *to, bool keep_old, struct fail *f)
{
	int rc;

	if (check_account_address(to, f) != 0) {
		return -1;
	}
	block_begin();
	rc = d->ops->account_rename(d->backend, id, to, keep_old, f);
	block_end();
	return rc;
}

int
directory_account_remove(struct directory *d, struct sv id, struct fail *f)
{
	int rc;

	block_begin();
	rc = d->ops->account_remove(d->backend, id, f);
	block_end();
	return rc;
}

int
directory_account_enable(
    struct directory *d, struct sv id, bool enabled, struct fail *f)
{
	int rc;

	block_begin();
	rc = d->ops->account_enable(d->backend, id, enabled, f);
	block_end();
	return rc;
}

int
directory_account_set_quota(struct directory *d, struct sv id, uint64_t octets,
    uint64_t messages, struct fail *f)
{
	int rc;

	block_begin();
	rc = d->ops->account_set_quota(d->backend, id, octets, messages, f);
	block_end();
	return rc;
}

int
directory_account_set_name(
    struct directory *d, struct sv id, struct sv name, struct fail *f)
{
	int rc;

	if (check_text(name, DIRECTORY_NAME_MAX, "name", f) != 0) {
		return -1;
	}
	block_begin();
	rc = d->ops->account_set_name(d->backend, id, name, f);
	block_end();
	return rc;
}

int
directory_account_set_auth(struct directory *d, struct sv id, struct sv auth,
    const struct sv *only_if, struct fail *f)
{
	int rc;

	if (check_text(auth, DIRECTORY_AUTH_MAX, "keys", f) != 0) {
		return -1;
	}
	block_begin();
	rc = d->ops->account_set_auth(d->backend, id, auth, only_if, f);
	block_end();
	return rc;
}

/* A domain to list, "" for all. */
static int
list_domain(
    const char *domain, char out[MAILADDR_DOMAIN_MAX + 1], struct fail *f)
{
	out[0] = '\0';
	return domain != NULL ? mailaddr_domain_parse(sv_cstr(domain), out, f)
			      : 0;
}

int
directory_account_list(struct directory *d, const char *domain,
    const struct mailaddr *after, size_t max, struct arena *arena,
    struct directory_account ***out, size_t *n_out, struct fail *f)
{
	char name[MAILADDR_DOMAIN_MAX + 1];
	int rc;

	*out = NULL;
	*n_out = 0;
	if (list_domain(domain, name, f) != 0) {
		return -1;
	}
	block_begin();
	rc = d->ops->account_list(
	    d->backend, name, after, max, arena, out, n_out, f);
	block_end();
	return rc;
}

/* ---- domains ---- */

int
directory_domain_add(struct directory *d, struct sv name, struct fail *f)
{
	char domain[MAILADDR_DOMAIN_MAX + 1];
	int rc;

	if (mailaddr_domain_parse(name, domain, f) != 0) {
		return -1;
	}
	block_begin();
	rc = d->ops->domain_add(d->backend, domain, f);
	block_end();
	return rc;
}

int
directory_domain_remove(struct directory *d, struct sv name, struct fail *f)
{
	char domain[MAILADDR_DOMAIN_MAX + 1];
	int rc;

	if (mailaddr_domain_parse(name, domain, f) != 0) {
		return -1;
	}
	block_begin();
	rc = d->ops->domain_remove(d->backend, domain, f);
	block_end();
	return rc;
}

int
directory_domain_list(struct directory *d, struct arena *arena,
    struct directory_domain **out, size_t *n_out, struct fail *f)
{
	int rc;

	*out = NULL;
	*n_out = 0;
	block_begin();
	rc = d->ops->domain_list(d->backend, arena, out, n_out, f);
	block_end();
	return rc;
}

/* ---- aliases ---- */

int
directory_alias_add(struct directory *d, const struct mailaddr *address,
    const struct mailaddr *target, struct fail *f)
{
	int rc;

	block_begin();
	rc = d->ops->alias_add(d->backend, address, target, f);
	block_end();
	return rc;
}

int
directory_alias_remove(struct directory *d, const struct mailaddr *address,
    const struct mailaddr *target, struct fail *f)
{
	int rc;

	block_begin();
	rc = d->ops->alias_remove(d->backend, address, target, f);
	block_end();
	return rc;
}

int
directory_alias_list(struct directory *d, const char *domain,
    struct arena *arena, struct directory_alias **out, size_t *n_out,
    struct fail *f)
{
	char name[MAILADDR_DOMAIN_MAX + 1];
	int rc;

	*out = NULL;
	*n_out = 0;
	if (list_domain(domain, name, f) != 0) {
		return -1;
	}
	block_begin();
	rc = d->ops->alias_list(d->backend, name, arena, out, n_out, f);
	block_end();
	return rc;
}
