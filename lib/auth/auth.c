#include "auth/auth.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth_priv.h"
#include "base/clock.h"
#include "base/mem.h"
#include "settings/settings.h"

struct auth_conf
auth_conf_default(void)
{
	return (struct auth_conf){
	    .domain = "",
	    .iterations = 10000,
	    .cache_max = 16384,
	    .cache_ms = 3600 * 1000,
	    .delay_ms = 1000,
	    .delay_max_ms = 16 * 1000,
	    .backlog_ms = 30 * 1000,
	    .forget_ms = 10 * 60 * 1000,
	    .peers_max = 16384,
	    .binding = "imap",
	    .cleartext = false,
	    .upgrade = true,
	};
}

static void
fill_defaults(struct auth_conf *c)
{
	if (c->domain == NULL) {
		c->domain = "";
	}
	if (c->binding == NULL) {
		c->binding = auth_conf_default().binding;
	}
	if (c->iterations < VERIFIER_ITERATIONS_MIN) {
		c->iterations = auth_conf_default().iterations;
	}
	if (c->peers_max == 0) {
		c->peers_max = auth_conf_default().peers_max;
	}
	if (c->forget_ms == 0) {
		c->forget_ms = auth_conf_default().forget_ms;
	}
	if (c->now_ms == NULL) {
		c->now_ms = clock_mono_ms;
	}
}

static void
make_throttle_key(struct auth *a)
{
	static const unsigned char what[] = "throttle";
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	ASSERT(HMAC(EVP_sha256(), a->secret, sizeof(a->secret), what,
		   sizeof(what), digest, &len)
		   != NULL
	       && len >= sizeof(a->throttle_key));
	memcpy(a->throttle_key, digest, sizeof(a->throttle_key));
	mem_wipe(digest, sizeof(digest));
}

int
auth_open(const struct auth_conf *conf, struct directory *directory,
    struct auth **out, struct fail *f)
{
	struct auth *a = xmalloc(sizeof(*a));
	struct throttle_conf throttle;

	a->conf = *conf;
	fill_defaults(&a->conf);
	a->directory = directory;
	directory_secret(directory, a->secret);
	throttle = (struct throttle_conf){
	    .delay_ms = a->conf.delay_ms,
	    .delay_max_ms = a->conf.delay_max_ms,
	    .backlog_ms = a->conf.backlog_ms,
	    .forget_ms = a->conf.forget_ms,
	    .max = (size_t)a->conf.peers_max,
	    .path = a->conf.throttle,
	};
	make_throttle_key(a);
	a->throttle = throttle_new(&throttle);
	a->cache = pwcache_new((size_t)a->conf.cache_max, a->conf.cache_ms);
	if (gsasl_init(&a->gsasl) != GSASL_OK) {
		auth_close(&a);
		return fail_set(f, FAIL_PERM, "GNU SASL does not start");
	}
	gsasl_callback_set(a->gsasl, auth_gsasl_callback);
	*out = a;
	return 0;
}

/* The next word of a list separated by blanks and commas, or an empty one. */
static struct sv
next_word(struct sv *list)
{
	size_t n = 0;
	struct sv word;

	while (list->len != 0 && (list->p[0] == ' ' || list->p[0] == ',')) {
		*list = sv_from(*list, 1);
	}
	while (n < list->len && list->p[n] != ' ' && list->p[n] != ',') {
		n++;
	}
	word = sv_sub(*list, 0, n);
	*list = sv_from(*list, n);
	return word;
}

bool
auth_binds(const struct auth *a, struct sv service)
{
	struct sv list = sv_cstr(a->conf.binding), word;

	while ((word = next_word(&list)).len != 0) {
		if (sv_eq(word, service)) {
			return true;
		}
	}
	return false;
}

static int
check_services(const char *text, struct fail *f)
{
	struct sv list = sv_cstr(text), word;

	while ((word = next_word(&list)).len != 0) {
		if (!sv_eq(word, SV("imap")) && !sv_eq(word, SV("pop3"))
		    && !sv_eq(word, SV("smtp"))) {
			return fail_set(f, FAIL_SYNTAX,
			    "auth.channel_binding: %.*s is not one of imap,"
			    " pop3, smtp",
			    SV_ARG(word));
		}
	}
	return 0;
}

int
auth_open_settings(const struct settings *set, struct directory *directory,
    struct auth **out, struct fail *f)
{
	struct auth_conf c = auth_conf_default();
	char *path;
	int rc;

	if (check_services(set->auth_channel_binding, f) != 0) {
		return -1;
	}
	path = xasprintf("%s/throttle", set->tables);
	c.throttle = path;
	c.domain = set->auth_domain;
	c.iterations = set->auth_iterations;
	c.cache_max = set->auth_cache;
	c.cache_ms = set->auth_cache_time;
	c.delay_ms = set->auth_delay;
	c.delay_max_ms = set->auth_delay_max;
	c.backlog_ms = set->auth_backlog;
	c.forget_ms = set->auth_forget;
	c.peers_max = set->auth_peers;
	c.binding = set->auth_channel_binding;
	c.cleartext = set->auth_cleartext;
	c.upgrade = set->auth_upgrade;
	rc = auth_open(&c, directory, out, f);
	free(path);
	return rc;
}

void
auth_close(struct auth **auth)
{
	struct auth *a = *auth;

	*auth = NULL;
	if (a == NULL) {
		return;
	}
	if (a->gsasl != NULL) {
		gsasl_done(a->gsasl);
	}
	throttle_free(&a->throttle);
	pwcache_free(&a->cache);
	mem_wipe(a, sizeof(*a));
	free(a);
}

int64_t
auth_now(const struct auth *a)
{
	return a->conf.now_ms();
}

bool
auth_cleartext_ok(const struct auth *a, const struct auth_peer *peer)
{
	return peer->tls || peer->loopback || a->conf.cleartext;
}

int
auth_login(struct auth *a, const struct auth_peer *peer, struct sv user,
    struct sv password, struct directory_account **out, uint64_t *delay_out,
    struct fail *f)
{
	struct buf prepared = {.data = NULL};
	struct sv checked = SV_EMPTY;
	struct attempt at;
	int rc;

	*out = NULL;
	*delay_out = 0;
	if (!auth_cleartext_ok(a, peer)) {
		return fail_set(f, FAIL_DENIED, "password without TLS");
	}
	attempt_init(&at, a, peer);
	if (verifier_prepare(password, &prepared, f) == 0) {
		checked = buf_sv(&prepared);
	}
	fail_clear(f);
	rc = attempt_password(&at, user, checked, f);
	*delay_out = at.delay_ms;
	if (rc == 0) {
		*out = directory_account_ref(at.account);
	}
	attempt_deinit(&at);
	buf_wipe(&prepared);
	return rc;
}
