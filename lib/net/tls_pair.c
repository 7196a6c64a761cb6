/*
 * tls_pair.c: a certificate with its chain and key, and the names it is for.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
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
load_files(SSL_CTX *ssl, const char *cert, const char *key, struct fail *f)
{
	if (check_readable(cert, f) != 0 || check_readable(key, f) != 0) {
		return -1;
	}
	if (SSL_CTX_use_certificate_chain_file(ssl, cert) != 1) {
		return tls_fail(f, FAIL_SYNTAX, "certificate", cert);
	}
	if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1
	    || SSL_CTX_check_private_key(ssl) != 1) {
		return tls_fail(f, FAIL_SYNTAX, "private key", key);
	}
	return 0;
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
	if (load_files(ssl, cert, key, f) != 0) {
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
