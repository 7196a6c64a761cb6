/*
 * tls_priv: TLS from inside lib/net.
 *
 *	tls.c		the context: which certificates there are
 *	tls_pair.c	one certificate with its key
 *	tls_kinds.c	two for the same names
 *	tls_conn.c	one connection
 *	tls_self.c	a certificate of our own
 *
 * Threads: contexts and pairs are immutable; references from any thread.
 */
#pragma once

#include <stdbool.h>

#include <openssl/ssl.h>

#include "base/attr.h"
#include "base/fail.h"

struct conn;
struct tls_context;

/* FAIL_ with the reason that OpenSSL gives, whose queue is emptied. */
int tls_fail(
    struct fail *f, enum fail_kind kind, const char *what, const char *path);

/* ---- a certificate and its key ---- */

struct tls_pair {
	char *cert;   /* path, owned */
	SSL_CTX *ssl; /* a reference */
	/* The same beside one for the same names with a key of another kind;
	 * owned, NULL if there is none. */
	SSL_CTX *both;
};

/* Reads both files and logs what the certificate is for.  FAIL_ABSENT,
 * FAIL_DENIED, FAIL_SYNTAX. */
int tls_pair_load(const char *cert, const char *key, struct tls_pair *out,
    struct fail *f) MUST_CHECK;
void tls_pair_copy(struct tls_pair *to, const struct tls_pair *from);
void tls_pair_deinit(struct tls_pair *p);

/* Is `name` one that the certificate is for, by a wildcard if `wild`?
 * [RFC 6125 6.4] */
bool tls_pair_is_for(const struct tls_pair *p, const char *name, bool wild);

/* Find those for the same names and set `both` of the first of them. */
void tls_join_kinds(struct tls_pair *pairs, size_t n);

/* ---- the context ---- */

/* With what RFC 9325 recommends, and no certificate; NULL if OpenSSL cannot. */
SSL_CTX *tls_context_new(void) MUST_CHECK;

/* A reference to the current context, or NULL if none is loaded. */
struct tls_context *tls_current(void);
void tls_context_unref(struct tls_context **t);

/* Borrowed: of the first certificate; of the one for `name`, NULL if none. */
SSL_CTX *tls_context_ssl(const struct tls_context *t);
SSL_CTX *tls_context_named(const struct tls_context *t, const char *name);

/* ---- a connection ---- */

struct tls {
	SSL *ssl; /* its app data is this struct */
	struct conn *c;
	struct tls_context *context; /* a reference, during the handshake */
	size_t idle; /* octets read since the last that were for us */
};

/* Call-backs of OpenSSL. */
int tls_choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg);
int tls_choose_name(SSL *ssl, int *alert, void *arg);
