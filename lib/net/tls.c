#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/lock.h"
#include "base/mem.h"
#include "net/conn_priv.h"
#include "net/tls_priv.h"

enum { SELF_SIGNED_DAYS = 3650, SERIAL_OCTETS = 16 };

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

struct tls_context {
	atomic_uint refs;
	SSL_CTX *ssl;
};

static struct lock current_lock = {PTHREAD_MUTEX_INITIALIZER, LOCK_LEAF};
static struct tls_context *current; /* GUARDED_BY(current_lock) */

/* The reason that OpenSSL gives, and its queue emptied. */
static int
fail_ssl(
    struct fail *f, enum fail_kind kind, const char *what, const char *path)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e != 0 ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	return fail_set(f, kind, "%s %s: %s", what, path,
	    reason != NULL ? reason : "failed");
}

/* The name that IANA lists for a protocol, NULL if none. */
static const char *
alpn_name(const struct conn *c)
{
	static const char *const names[] = {"imap", "pop3"};

	for (size_t i = 0; c->s != NULL && i < COUNT_OF(names); i++) {
		if (strcmp(names[i], c->s->proto->name) == 0) {
			return names[i];
		}
	}
	return NULL;
}

/* A client that asks for other protocols than ours was led here by somebody
 * in between.  [RFC 9325 3.8, RFC 7301 3.2] */
static int
choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	const char *ours = alpn_name(SSL_get_app_data(ssl));
	struct sv list = sv_make(in, in_len);

	(void)arg;
	if (ours == NULL) {
		return SSL_TLSEXT_ERR_NOACK;
	}
	while (list.len != 0) {
		size_t len = (unsigned char)list.p[0];
		struct sv theirs = sv_sub(list, 1, len);

		if (sv_eq(theirs, sv_cstr(ours))) {
			*out = (const unsigned char *)theirs.p;
			*out_len = (unsigned char)theirs.len;
			return SSL_TLSEXT_ERR_OK;
		}
		list = sv_from(list, 1 + len);
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int
configure(SSL_CTX *ssl)
{
	/* No tickets: their key would have to change by and by, and a whole
	 * handshake costs less than a millisecond.  [RFC 9325 3.4] */
	(void)SSL_CTX_set_num_tickets(ssl, 0);
	SSL_CTX_set_alpn_select_cb(ssl, choose_alpn, NULL);
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

/* OpenSSL says the same of a file that is not there and one that is no PEM:
 * what the protocol must decide on is found out first. */
static int
check_readable(const char *path, struct fail *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		return fail_sys(f, "open %s", path);
	}
	(void)close(fd);
	return 0;
}

static int
load_files(SSL_CTX *ssl, const struct tls_conf *conf, struct fail *f)
{
	if (check_readable(conf->cert, f) != 0
	    || check_readable(conf->key, f) != 0) {
		return -1;
	}
	if (SSL_CTX_use_certificate_chain_file(ssl, conf->cert) != 1) {
		return fail_ssl(f, FAIL_SYNTAX, "certificate", conf->cert);
	}
	if (SSL_CTX_use_PrivateKey_file(ssl, conf->key, SSL_FILETYPE_PEM) != 1
	    || SSL_CTX_check_private_key(ssl) != 1) {
		return fail_ssl(f, FAIL_SYNTAX, "private key", conf->key);
	}
	return 0;
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

int
tls_load(const struct tls_conf *conf, struct fail *f)
{
	struct tls_context *t;
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());

	if (ssl == NULL || configure(ssl) != 0) {
		(void)fail_ssl(f, FAIL_TEMP, "TLS", "set-up");
		SSL_CTX_free(ssl);
		return -1;
	}
	if (load_files(ssl, conf, f) != 0) {
		SSL_CTX_free(ssl);
		return -1;
	}
	t = xmalloc(sizeof(*t));
	atomic_init(&t->refs, 1);
	t->ssl = ssl;
	swap_current(t);
	return 0;
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
		SSL_CTX_free(t->ssl);
		free(t);
	}
}

SSL_CTX *
tls_context_ssl(const struct tls_context *t)
{
	return t->ssl;
}

/* ---- a certificate of our own ---- */

static int
set_serial(X509 *x)
{
	unsigned char octets[SERIAL_OCTETS];
	BIGNUM *bn;
	int ok;

	if (RAND_bytes(octets, sizeof(octets)) != 1) {
		return 0;
	}
	octets[0] &= 0x7f; /* positive [RFC 5280 4.1.2.2] */
	bn = BN_bin2bn(octets, sizeof(octets), NULL);
	ok = bn != NULL
	     && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) != NULL;
	BN_free(bn);
	return ok;
}

static int
add_extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;
	int ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = e != NULL && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok;
}

static X509 *
make_certificate(EVP_PKEY *key, const char *hostname)
{
	X509 *x = X509_new();
	X509_NAME *name;
	char *alt =
	    xasprintf("DNS:%s,DNS:localhost,IP:127.0.0.1,IP:::1", hostname);
	const unsigned char *cn = (const unsigned char *)hostname;
	int ok;

	name = X509_get_subject_name(x);
	ok = X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x)
	     && X509_gmtime_adj(X509_getm_notBefore(x), -3600) != NULL
	     && X509_time_adj_ex(
		    X509_getm_notAfter(x), SELF_SIGNED_DAYS, 0, NULL)
		    != NULL
	     && X509_NAME_add_entry_by_txt(
		    name, "CN", MBSTRING_UTF8, cn, -1, -1, 0)
		    == 1
	     && X509_set_issuer_name(x, name) == 1
	     && X509_set_pubkey(x, key) == 1
	     && add_extension(x, NID_basic_constraints, "critical,CA:FALSE")
	     && add_extension(x, NID_key_usage, "critical,digitalSignature")
	     && add_extension(x, NID_ext_key_usage, "serverAuth")
	     && add_extension(x, NID_subject_alt_name, alt)
	     && X509_sign(x, key, EVP_sha256()) != 0;
	free(alt);
	if (!ok) {
		X509_free(x);
		return NULL;
	}
	return x;
}

/* One of `key` and `x` into a new file; there or not, never half. */
static int
write_pem(
    const char *path, unsigned mode, EVP_PKEY *key, X509 *x, struct fail *f)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	FILE *to = fd >= 0 ? fdopen(fd, "w") : NULL;
	int ok;

	if (to == NULL) {
		(void)fail_sys(f, "make %s", path);
		if (fd >= 0) {
			(void)close(fd);
		}
		return -1;
	}
	ok = key != NULL
		 ? PEM_write_PKCS8PrivateKey(to, key, NULL, NULL, 0, NULL, NULL)
		 : PEM_write_X509(to, x);
	if (ok != 1 || fflush(to) != 0 || fsync(fd) != 0) {
		(void)fail_sys(f, "write %s", path);
		(void)unlink(path);
		ok = 0;
	}
	(void)fclose(to);
	return ok == 1 ? 0 : -1;
}

int
tls_self_signed(const char *cert, const char *key_path, const char *hostname,
    struct fail *f)
{
	EVP_PKEY *key;
	X509 *x;
	int rc = -1;

	if (access(cert, F_OK) == 0 || access(key_path, F_OK) == 0) {
		return fail_set(
		    f, FAIL_EXISTS, "%s or %s exists", cert, key_path);
	}
	key = EVP_EC_gen("P-256");
	x = key != NULL ? make_certificate(key, hostname) : NULL;
	if (x == NULL) {
		(void)fail_ssl(
		    f, FAIL_TEMP, "self-signed certificate for", hostname);
	} else if (write_pem(key_path, 0600, key, NULL, f) == 0) {
		rc = write_pem(cert, 0644, NULL, x, f);
		if (rc != 0) {
			(void)unlink(key_path);
		}
	}
	X509_free(x);
	EVP_PKEY_free(key);
	return rc;
}
