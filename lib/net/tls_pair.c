/*
 * tls_pair.c: a certificate with its chain and key, and the names it is for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/keeper.h"
#include "net/tls_priv.h"

enum {
	EXPIRES_SOON_S = 7 * 24 * 3600,
	NAMES_TEXT_MAX = 400, /* of names in the log */
};

int
tls_fail(
    struct fail *f, enum fail_kind kind, const char *what, const char *path)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e != 0 ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	return fail_set(f, kind, "%s %s: %s", what, path,
	    reason != NULL ? reason : "failed");
}

/* By a descriptor, as the file may be for others to open. */
static BIO *
open_pem(const char *path, struct fail *f)
{
	int fd = keeper_open(path, 0);
	BIO *bio;

	if (fd < 0) {
		(void)fail_sys(f, "open %s", path);
		return NULL;
	}
	bio = BIO_new_fd(fd, BIO_CLOSE);
	ASSERT(bio != NULL);
	return bio;
}

/* A key under a pass phrase is none: nobody is there to ask. */
static int
no_phrase(
    char *to UNUSED, int size UNUSED, int writing UNUSED, void *arg UNUSED)
{
	return 0;
}

/* The certificates that lead to an authority, in the order of the file. */
static int
load_chain(SSL_CTX *ssl, BIO *bio)
{
	X509 *x;

	while ((x = PEM_read_bio_X509(bio, NULL, no_phrase, NULL)) != NULL) {
		if (SSL_CTX_add0_chain_cert(ssl, x) != 1) {
			X509_free(x);
			return -1;
		}
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
		return -1;
	}
	ERR_clear_error(); /* the end of the file */
	return 0;
}

static int
load_certificate(SSL_CTX *ssl, const char *path, struct fail *f)
{
	BIO *bio = open_pem(path, f);
	X509 *x;
	int rc = -1;

	if (bio == NULL) {
		return -1;
	}
	x = PEM_read_bio_X509_AUX(bio, NULL, no_phrase, NULL);
	if (x == NULL || SSL_CTX_use_certificate(ssl, x) != 1
	    || load_chain(ssl, bio) != 0) {
		(void)tls_fail(f, FAIL_SYNTAX, "certificate", path);
	} else {
		rc = 0;
	}
	X509_free(x);
	BIO_free(bio);
	return rc;
}

static int
load_key(SSL_CTX *ssl, const char *path, struct fail *f)
{
	BIO *bio = open_pem(path, f);
	EVP_PKEY *key;
	int rc = -1;

	if (bio == NULL) {
		return -1;
	}
	key = PEM_read_bio_PrivateKey(bio, NULL, no_phrase, NULL);
	if (key == NULL || SSL_CTX_use_PrivateKey(ssl, key) != 1
	    || SSL_CTX_check_private_key(ssl) != 1) {
		(void)tls_fail(f, FAIL_SYNTAX, "private key", path);
	} else {
		rc = 0;
	}
	EVP_PKEY_free(key);
	BIO_free(bio);
	return rc;
}

/* ---- for the log ---- */

static void
add_names(const X509 *x, struct buf *to)
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	int n = names != NULL ? sk_GENERAL_NAME_num(names) : 0;

	for (int i = 0; i < n && to->len < NAMES_TEXT_MAX; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS) {
			const ASN1_IA5STRING *s = name->d.dNSName;

			buf_addf(to, "%s%.*s", to->len > 0 ? "," : "",
			    ASN1_STRING_length(s), ASN1_STRING_get0_data(s));
		}
	}
	GENERAL_NAMES_free(names);
}

/* Why a client may refuse it, or NULL. */
static const char *
judge_time(const X509 *x)
{
	time_t soon = time(NULL) + EXPIRES_SOON_S;

	if (X509_cmp_current_time(X509_get0_notAfter(x)) < 0) {
		return "it has expired";
	}
	if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0) {
		return "it is not valid yet";
	}
	return X509_cmp_time(X509_get0_notAfter(x), &soon) < 0
		   ? "it expires soon"
		   : NULL;
}

static void
log_loaded(const char *cert, const X509 *x)
{
	const char *why = judge_time(x);
	struct buf names = {.data = NULL};
	struct tm until = {0};
	char text[32];

	add_names(x, &names);
	(void)ASN1_TIME_to_tm(X509_get0_notAfter(x), &until);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &until);
	LOG(why == NULL ? LOG_INFO : LOG_WARN, "tls.certificate",
	    kv_str("path", cert), kv_sv("names", buf_sv(&names)),
	    kv_str("until", text), kv_str("why", why != NULL ? why : ""));
	buf_deinit(&names);
}

/* ---- for the context ---- */

int
tls_pair_load(
    const char *cert, const char *key, struct tls_pair *out, struct fail *f)
{
	SSL_CTX *ssl = tls_context_new();

	if (ssl == NULL) {
		return tls_fail(f, FAIL_TEMP, "TLS", "set-up");
	}
	ERR_clear_error();
	if (load_certificate(ssl, cert, f) != 0 || load_key(ssl, key, f) != 0) {
		SSL_CTX_free(ssl);
		return -1;
	}
	log_loaded(cert, SSL_CTX_get0_certificate(ssl));
	*out = (struct tls_pair){.cert = xstrdup(cert), .ssl = ssl};
	return 0;
}

void
tls_pair_copy(struct tls_pair *to, const struct tls_pair *from)
{
	(void)SSL_CTX_up_ref(from->ssl);
	*to = (struct tls_pair){.cert = xstrdup(from->cert), .ssl = from->ssl};
}

void
tls_pair_deinit(struct tls_pair *p)
{
	SSL_CTX_free(p->ssl);
	SSL_CTX_free(p->both);
	free(p->cert);
}

bool
tls_pair_is_for(const struct tls_pair *p, const char *name, bool wild)
{
	/* It takes a certificate that is not const, and changes nothing. */
	X509 *x = SSL_CTX_get0_certificate(p->ssl);
	unsigned flags = wild ? X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS
			      : X509_CHECK_FLAG_NO_WILDCARDS;

	return X509_check_host(x, name, strlen(name), flags, NULL) == 1;
}
