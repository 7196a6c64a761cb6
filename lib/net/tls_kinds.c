/*
 * tls_kinds.c: certificates for the same names with keys of two kinds.
 *
 * ECDSA is fast and its signatures are short, but some clients can check RSA
 * alone.  A context of OpenSSL's that holds one of each shows a client the one
 * that it can check.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "net/tls_priv.h"

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In lower case; owned. */
static char *
name_of(const ASN1_IA5STRING *s)
{
	char *text =
	    xasprintf("%.*s", ASN1_STRING_length(s), ASN1_STRING_get0_data(s));

	for (char *p = text; *p != '\0'; p++) {
		*p = (char)tolower((unsigned char)*p);
	}
	return text;
}

/* The names that a certificate is for, in one order and case. */
static void
add_names(const X509 *x, struct buf *to)
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	int n = names != NULL ? sk_GENERAL_NAME_num(names) : 0;
	char **list = xcalloc((size_t)n + 1, sizeof(*list));
	size_t found = 0;

	for (int i = 0; i < n; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS) {
			list[found++] = name_of(name->d.dNSName);
		}
	}
	qsort(list, found, sizeof(*list), compare_names);
	for (size_t i = 0; i < found; i++) {
		buf_addf(to, "%s\n", list[i]);
		free(list[i]);
	}
	free(list);
	GENERAL_NAMES_free(names);
}

static int
kind_of(const SSL_CTX *ssl)
{
	return EVP_PKEY_get_base_id(SSL_CTX_get0_privatekey(ssl));
}

static bool
add_certificate(SSL_CTX *to, SSL_CTX *from)
{
	STACK_OF(X509) *chain = NULL;

	return SSL_CTX_get0_chain_certs(from, &chain) == 1
	       && SSL_CTX_use_cert_and_key(to, SSL_CTX_get0_certificate(from),
		      SSL_CTX_get0_privatekey(from), chain, 1)
		      == 1;
}

static void
join(struct tls_pair *to, const struct tls_pair *from)
{
	SSL_CTX *both;

	if (to->both != NULL || kind_of(to->ssl) == kind_of(from->ssl)) {
		return;
	}
	both = tls_context_new();
	if (both != NULL && add_certificate(both, to->ssl)
	    && add_certificate(both, from->ssl)) {
		to->both = both;
	} else {
		SSL_CTX_free(both);
		ERR_clear_error();
	}
}

void
tls_join_kinds(struct tls_pair *pairs, size_t n)
{
	struct map firsts = {.slots = NULL};

	for (size_t i = 0; i < n; i++) {
		struct buf names = {.data = NULL};
		struct tls_pair *first;

		add_names(SSL_CTX_get0_certificate(pairs[i].ssl), &names);
		first = map_get(&firsts, buf_sv(&names));
		if (first != NULL) {
			join(first, &pairs[i]);
		} else if (names.len > 0) {
			(void)map_put(&firsts, buf_sv(&names), &pairs[i]);
		}
		buf_deinit(&names);
	}
	map_deinit(&firsts);
}
