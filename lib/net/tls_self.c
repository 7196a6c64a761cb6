/*
 * tls_self.c: a certificate of our own, for a first start.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "net/tls.h"
#include "net/tls_priv.h"

enum { SELF_SIGNED_DAYS = 3650, SERIAL_OCTETS = 16 };

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
		(void)tls_fail(
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
