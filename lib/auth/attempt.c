#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "auth/auth_priv.h"
#include "base/log.h"
#include "base/mem.h"

void
attempt_init(struct attempt *at, struct auth *a, const struct auth_peer *peer)
{
	memset(at, 0, sizeof(*at));
	at->auth = a;
	at->has_ip = peer->has_ip;
	at->loopback = peer->loopback;
	memcpy(at->ip, peer->ip, sizeof(at->ip));
}

void
attempt_deinit(struct attempt *at)
{
	directory_account_unref(&at->account);
}

/* ---- whose ---- */

/* `user` as an address; a name without a domain gets the default one. */
static int
address_of(struct auth *a, struct sv user, struct mailaddr *out, struct fail *f)
{
	char domain[MAILADDR_DOMAIN_MAX + 1];

	if (user.len > AUTH_USER_MAX) {
		return fail_set(
		    f, FAIL_SYNTAX, "user name over %d octets", AUTH_USER_MAX);
	}
	if (sv_chr(user, '@') >= 0) {
		return mailaddr_parse(user, out, f);
	}
	if (a->conf.domain[0] != '\0') {
		return mailaddr_make(user, sv_cstr(a->conf.domain), out, f);
	}
	if (directory_first_domain(a->directory, domain, f) != 0) {
		return -1;
	}
	return mailaddr_make(user, sv_cstr(domain), out, f);
}

/* No address, no such account: nobody is meant, which is no failure. */
static int
nobody_unless_away(struct fail *f)
{
	if (f->kind == FAIL_TEMP) {
		return -1;
	}
	fail_clear(f);
	return 0;
}

/*
 * Who is meant: *out is a reference, or NULL for nobody who could sign in.
 * `name_out` gets the name in the form by which failures are counted.
 * FAIL_TEMP when the directory is away.
 */
static int
attempt_find(struct auth *a, struct sv user, struct directory_account **out,
    struct mailaddr *name_out, struct fail *f)
{
	*out = NULL;
	memset(name_out, 0, sizeof(*name_out));
	if (address_of(a, user, name_out, f) != 0) {
		memset(name_out, 0, sizeof(*name_out));
		return nobody_unless_away(f);
	}
	if (directory_account_by_login(a->directory, name_out, out, f) != 0) {
		return nobody_unless_away(f);
	}
	if (!(*out)->enabled) {
		directory_account_unref(out);
	}
	return 0;
}

/* Failures are counted by the name in its one form, or as it was given. */
static struct throttle_who
who_of(const struct attempt *at, struct sv user, const struct mailaddr *name)
{
	return throttle_who_make(at->auth->throttle_key,
	    at->has_ip ? at->ip : NULL, at->loopback,
	    name->local_len != 0 ? mailaddr_sv(name) : user);
}

/* ---- keys of nobody ---- */

/* Octets that depend on the directory's secret, a word and the name. */
static void
derive(const struct auth *a, const char *word, struct sv name,
    uint8_t out[VERIFIER_KEY_MAX])
{
	uint8_t text[16 + AUTH_USER_MAX + MAILADDR_TEXT_SIZE];
	size_t n = strlen(word) + 1;
	unsigned len = 0;

	memcpy(text, word, n);
	name = sv_sub(name, 0, sizeof(text) - n);
	if (name.len != 0) {
		memcpy(text + n, name.p, name.len);
	}
	ASSERT(HMAC(EVP_sha256(), a->secret, sizeof(a->secret), text,
		   n + name.len, out, &len)
	       != NULL);
}

static void
nobody_keys(const struct auth *a, enum scram_hash hash, struct sv name,
    struct scram_keys *keys)
{
	uint8_t salt[VERIFIER_KEY_MAX];

	memset(keys, 0, sizeof(*keys));
	derive(a, hash == SCRAM_SHA256 ? "salt-256" : "salt-1", name, salt);
	memcpy(keys->salt, salt, AUTH_SALT_LEN);
	keys->salt_len = AUTH_SALT_LEN;
	keys->iterations = (uint32_t)a->conf.iterations;
	derive(a, "stored", name, keys->stored_key);
	derive(a, "server", name, keys->server_key);
	keys->present = true;
}

int
attempt_scram_keys(struct auth *a, enum scram_hash hash, struct sv user,
    struct scram_keys *keys, struct directory_account **account_out,
    struct mailaddr *name_out, struct fail *f)
{
	struct verifier v;

	if (attempt_find(a, user, account_out, name_out, f) != 0) {
		return -1;
	}
	memset(&v, 0, sizeof(v));
	if (*account_out != NULL
	    && verifier_parse((*account_out)->auth, &v, f) != 0) {
		LOG(LOG_ERROR, "auth.keys",
		    kv_str("account", (*account_out)->id), kv_fail(f));
	}
	if (v.scram[hash].present) {
		*keys = v.scram[hash];
	} else {
		directory_account_unref(account_out);
		nobody_keys(a, hash,
		    name_out->local_len != 0 ? mailaddr_sv(name_out) : user,
		    keys);
	}
	verifier_wipe(&v);
	return 0;
}

/* ---- passwords ---- */

/* As much work as a check, for nobody. */
static int
check_nobody(
    const struct auth *a, struct sv user, struct sv password, struct fail *f)
{
	struct scram_keys keys;
	int rc;

	nobody_keys(a, SCRAM_SHA256, user, &keys);
	rc = scram_keys_derive(SCRAM_SHA256, password, &keys, f);
	mem_wipe(&keys, sizeof(keys));
	return rc != 0 ? -1
		       : fail_set(f, FAIL_DENIED,
			   "no such account, or it may "
			   "not sign in");
}

/* The password is right: keep SCRAM keys of it in place of a crypt(3) hash. */
static void
upgrade(
    struct auth *a, const struct directory_account *account, struct sv password)
{
	struct verifier v;
	struct buf text = {.data = NULL};
	struct fail f;

	if (verifier_make(password, (uint32_t)a->conf.iterations, &v, &f)
	    == 0) {
		verifier_format(&v, &text);
		if (directory_account_set_auth(a->directory,
			sv_cstr(account->id), buf_sv(&text), &account->auth, &f)
		    == 0) {
			LOG(LOG_INFO, "auth.upgrade",
			    kv_str("account", account->id));
		} else if (f.kind != FAIL_EXISTS) {
			LOG(LOG_WARN, "auth.upgrade",
			    kv_str("account", account->id), kv_fail(&f));
		}
	}
	verifier_wipe(&v);
	buf_wipe(&text);
}

static int
check_stored(struct auth *a, const struct directory_account *account,
    struct sv password, struct fail *f)
{
	struct verifier v;
	int rc;

	if (verifier_parse(account->auth, &v, f) != 0) {
		return fail_wrap(f, "account %s", account->id);
	}
	rc = verifier_check(&v, password, f);
	if (rc == 0 && a->conf.upgrade && !v.scram[SCRAM_SHA256].present) {
		upgrade(a, account, password);
	}
	verifier_wipe(&v);
	return rc;
}

static int
check_account(struct auth *a, const struct directory_account *account,
    struct sv password, struct fail *f)
{
	struct pwcache_key key = pwcache_key_make(
	    a->cache, sv_cstr(account->id), account->auth, password);
	int rc = 0;

	if (!pwcache_has(a->cache, &key, auth_now(a))) {
		rc = check_stored(a, account, password, f);
		if (rc == 0) {
			pwcache_add(a->cache, &key, auth_now(a));
		}
	}
	mem_wipe(&key, sizeof(key));
	return rc;
}

static bool
can_sign_in(const struct directory_account *account, struct sv password)
{
	return account != NULL && account->auth.len != 0 && password.len != 0;
}

int
attempt_password(
    struct attempt *at, struct sv user, struct sv password, struct fail *f)
{
	struct auth *a = at->auth;
	struct directory_account *account;
	struct throttle_who who;
	struct mailaddr name;
	int rc;

	if (attempt_find(a, user, &account, &name, f) != 0) {
		return -1;
	}
	who = who_of(at, user, &name);
	if (!throttle_admit(a->throttle, &who, auth_now(a), &at->delay_ms)) {
		directory_account_unref(&account);
		return fail_set(f, FAIL_DENIED, "too many failed attempts");
	}
	rc = can_sign_in(account, password)
		 ? check_account(a, account, password, f)
		 : check_nobody(a, user, password, f);
	if (rc == 0) {
		throttle_good(a->throttle, &who, auth_now(a));
		at->delay_ms = 0;
		at->account = account;
		return 0;
	}
	at->delay_ms = throttle_failed(a->throttle, &who, auth_now(a));
	directory_account_unref(&account);
	return -1;
}

int
attempt_authorize(struct attempt *at, struct sv authzid, struct fail *f)
{
	struct directory_account *other;
	struct mailaddr name;
	bool same;

	if (authzid.len == 0) {
		return 0;
	}
	if (attempt_find(at->auth, authzid, &other, &name, f) != 0) {
		return -1;
	}
	same = other != NULL && strcmp(other->id, at->account->id) == 0;
	directory_account_unref(&other);
	if (!same) {
		return fail_set(f, FAIL_DENIED, "%s may not act for another",
		    at->account->address.text);
	}
	return 0;
}
