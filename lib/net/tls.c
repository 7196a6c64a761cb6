#include "net/tls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/keeper.h"
#include "net/tls_priv.h"

/* AEAD with forward secrecy alone.  [RFC 9325 4.2] */
static const char ciphers_12[] = "ECDHE-ECDSA-AES128-GCM-SHA256:"
				 "ECDHE-RSA-AES128-GCM-SHA256:"
				 "ECDHE-ECDSA-AES256-GCM-SHA384:"
				 "ECDHE-RSA-AES256-GCM-SHA384:"
				 "ECDHE-ECDSA-CHACHA20-POLY1305:"
				 "ECDHE-RSA-CHACHA20-POLY1305";
static const char ciphers_13[] = "TLS_AES_128_GCM_SHA256:"
				 "TLS_AES_256_GCM_SHA384:"
				 "TLS_CHACHA20_POLY1305_SHA256";
/* Not const because OpenSSL's macro casts it. */
static char groups[] = "X25519:P-256:P-384";

enum { TLS_PAIRS_MAX = 10000 };

struct tls_context {
	atomic_uint refs;
	struct tls_pair *pairs; /* owned; the first is for all other names */
	size_t n, cap;
};

static struct lock current_lock = {PTHREAD_MUTEX_INITIALIZER, LOCK_LEAF};
static struct tls_context *current; /* GUARDED_BY(current_lock) */

static int
configure(SSL_CTX *ssl)
{
	/* No tickets: their key would have to change by and by, and a whole
	 * handshake costs less than a millisecond.  [RFC 9325 3.4] */
	(void)SSL_CTX_set_num_tickets(ssl, 0);
	SSL_CTX_set_alpn_select_cb(ssl, tls_choose_alpn, NULL);
	(void)SSL_CTX_set_tlsext_servername_callback(ssl, tls_choose_name);
	(void)SSL_CTX_set_options(
	    ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION
		     | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE
		     | SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
	(void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS
					| SSL_MODE_ENABLE_PARTIAL_WRITE
					| SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	(void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(ssl, 1);
	return SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1
		       && SSL_CTX_set_cipher_list(ssl, ciphers_12) == 1
		       && SSL_CTX_set_ciphersuites(ssl, ciphers_13) == 1
		       && SSL_CTX_set1_groups_list(ssl, groups) == 1
		   ? 0
		   : -1;
}

static void
swap_current(struct tls_context *t)
{
	struct tls_context *old;

	lock_acquire(&current_lock);
	old = current;
	current = t;
	lock_release(&current_lock);
	tls_context_unref(&old);
}

SSL_CTX *
tls_context_new(void)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());

	if (ssl != NULL && configure(ssl) != 0) {
		SSL_CTX_free(ssl);
		ssl = NULL;
	}
	return ssl;
}

/* ---- the context ---- */

static void
add_pair(struct tls_context *t, const struct tls_pair *pair)
{
	t->pairs = xgrow(t->pairs, t->n, &t->cap, sizeof(*t->pairs));
	t->pairs[t->n++] = *pair;
}

/* The pair of a file that can be read no more, or the one that is in use. */
static int
load_or_keep(struct tls_context *t, const char *cert, const char *key,
    const struct tls_context *old, struct fail *f)
{
	struct tls_pair pair;
	int rc = tls_pair_load(cert, key, &pair, f);

	for (size_t i = 0; rc != 0 && old != NULL && i < old->n; i++) {
		if (strcmp(old->pairs[i].cert, cert) == 0) {
			tls_pair_copy(&pair, &old->pairs[i]);
			add_pair(t, &pair);
			return -1;
		}
	}
	if (rc == 0) {
		add_pair(t, &pair);
	}
	return rc;
}

/* What cannot be told because of rights is. */
static bool
is_there(const char *path)
{
	int fd = keeper_open(path, 0);
	bool there = fd >= 0 || errno != ENOENT;

	if (fd >= 0) {
		(void)close(fd);
	}
	return there;
}

/* One folder of `names`, by either of the names that its files may have. */
static void
load_folder(
    struct tls_context *t, const char *folder, const struct tls_context *old)
{
	static const char *const files[][2] = {
	    {"fullchain.pem", "privkey.pem"}, {"cert.pem", "key.pem"}};
	struct fail f;

	for (size_t i = 0; i < COUNT_OF(files); i++) {
		char *cert = xasprintf("%s/%s", folder, files[i][0]);
		char *key = xasprintf("%s/%s", folder, files[i][1]);
		bool there = is_there(cert) || is_there(key);

		if (there && load_or_keep(t, cert, key, old, &f) != 0) {
			LOG(LOG_ERROR, "tls.refused", kv_str("path", cert),
			    kv_fail(&f));
		}
		free(cert);
		free(key);
		if (there) {
			return;
		}
	}
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What is in a folder that perhaps only the keeper can open: sorted, owned,
 * as are the names; NULL and errno. */
static char **
list_folder(const char *path, size_t *n_out)
{
	int fd = keeper_open(path, O_DIRECTORY);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	char **list = xmalloc(sizeof(*list));
	size_t n = 0, cap = 1;
	const struct dirent *d;

	*n_out = 0;
	if (dir == NULL) {
		free(list);
		return NULL;
	}
	/* This DIR is ours alone. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] != '.') {
			list = xgrow(list, n, &cap, sizeof(*list));
			list[n++] = xstrdup(d->d_name);
		}
	}
	(void)closedir(dir);
	qsort(list, n, sizeof(*list), compare_names);
	*n_out = n;
	return list;
}

static void
log_unread(const char *names, int error)
{
	struct fail f;

	if (error != ENOENT) {
		(void)fail_err(&f, error, "read %s", names);
		LOG(LOG_ERROR, "tls.refused", kv_str("path", names),
		    kv_fail(&f));
	}
}

static void
load_names(
    struct tls_context *t, const char *names, const struct tls_context *old)
{
	size_t n;
	char **list = list_folder(names, &n);

	if (list == NULL) {
		log_unread(names, errno);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		char *folder = xasprintf("%s/%s", names, list[i]);

		if (t->n < TLS_PAIRS_MAX) {
			load_folder(t, folder, old);
		}
		free(folder);
		free(list[i]);
	}
	free(list);
}

int
tls_load(const struct tls_conf *conf, struct fail *f)
{
	struct tls_context *old = tls_current();
	struct tls_context *t = xcalloc(1, sizeof(*t));
	int rc;

	atomic_init(&t->refs, 1);
	rc = load_or_keep(t, conf->cert, conf->key, old, f);
	if (t->n == 0 && old != NULL) {
		/* Another file than before: what is in use stays so. */
		struct tls_pair pair;

		tls_pair_copy(&pair, &old->pairs[0]);
		add_pair(t, &pair);
	}
	if (t->n == 0) {
		tls_context_unref(&t);
		return -1;
	}
	if (conf->names != NULL) {
		load_names(t, conf->names, old);
	}
	tls_join_kinds(t->pairs, t->n);
	tls_context_unref(&old);
	swap_current(t);
	return rc;
}

void
tls_unload(void)
{
	swap_current(NULL);
}

bool
tls_available(void)
{
	bool there;

	lock_acquire(&current_lock);
	there = current != NULL;
	lock_release(&current_lock);
	return there;
}

struct tls_context *
tls_current(void)
{
	struct tls_context *t;

	lock_acquire(&current_lock);
	t = current;
	if (t != NULL) {
		(void)atomic_fetch_add_explicit(
		    &t->refs, 1, memory_order_relaxed);
	}
	lock_release(&current_lock);
	return t;
}

void
tls_context_unref(struct tls_context **tp)
{
	struct tls_context *t = *tp;

	*tp = NULL;
	/* The last one out must see what all others did with it. */
	if (t != NULL
	    && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel)
		   == 1) {
		for (size_t i = 0; i < t->n; i++) {
			tls_pair_deinit(&t->pairs[i]);
		}
		free(t->pairs);
		free(t);
	}
}

static SSL_CTX *
shown(const struct tls_pair *p)
{
	return p->both != NULL ? p->both : p->ssl;
}

SSL_CTX *
tls_context_ssl(const struct tls_context *t)
{
	return shown(&t->pairs[0]);
}

SSL_CTX *
tls_context_named(const struct tls_context *t, const char *name)
{
	/* One of this very name before one with a wildcard. */
	for (int wild = 0; wild <= 1; wild++) {
		for (size_t i = 0; i < t->n; i++) {
			if (tls_pair_is_for(&t->pairs[i], name, wild != 0)) {
				return shown(&t->pairs[i]);
			}
		}
	}
	return NULL;
}
