/*
 * tls: certificates and contexts for TLS 1.2 and 1.3 by OpenSSL, with what
 * RFC 9325 recommends: ephemeral key exchange, AEAD ciphers, no compression,
 * no renegotiation.
 *
 * The current context is an immutable, reference-counted snapshot; tls_load()
 * replaces it, running connections keep theirs.  It may hold several
 * certificates, of which the one whose names cover what the client asks for
 * is shown [RFC 6066 3], else the first.
 *
 * Threads: struct tls_context is immutable; tls_load and tls_current are for
 * any thread.  The calls on a conn are session-owned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/fail.h"
#include "base/sv.h"

struct conn;
struct tls_context;

struct tls_conf {
	const char *cert; /* path, PEM, the chain behind the certificate */
	const char *key;  /* path, PEM */
	/* A folder with one folder for each further certificate, with
	 * fullchain.pem and privkey.pem in it, or cert.pem and key.pem; NULL,
	 * or one that does not exist: none. */
	const char *names;
};

/*
 * Read the files and make them the current context: for start and SIGHUP.
 * Of a file that is bad the former certificate stays in use: for the first
 * one this fails (FAIL_ABSENT, FAIL_DENIED, FAIL_SYNTAX), for one of `names`
 * it is logged here.
 */
int tls_load(const struct tls_conf *conf, struct fail *f) MUST_CHECK;
void tls_unload(void); /* at exit, for leak checkers */
bool tls_available(void);

/* Make a key and a certificate for `hostname`, signed by itself, valid for
 * ten years; FAIL_EXISTS if one of the files is there.  The key has mode
 * 0600.  For a first start. */
int tls_self_signed(const char *cert, const char *key, const char *hostname,
    struct fail *f) MUST_CHECK;

/* What was agreed on; NULL or empty without TLS. */
const char *tls_version(const struct conn *c); /* "TLSv1.3"; static */
const char *tls_cipher(const struct conn *c);  /* its IANA name; static */
struct sv tls_sni(const struct conn *c);       /* name the client asked for */

/*
 * Channel binding for SCRAM-*-PLUS.  The data is written to `out`, its length
 * returned; 0 if the connection cannot give that type.
 *	TLS_EXPORTER	RFC 9266: TLS 1.3, or 1.2 with extended master secret
 *	TLS_UNIQUE	RFC 5929 3: TLS 1.2 only, not a resumed session without
 *			extended master secret
 *	TLS_SERVER_END_POINT	RFC 5929 4: hash of our certificate
 */
enum tls_binding { TLS_EXPORTER, TLS_UNIQUE, TLS_SERVER_END_POINT };
enum { TLS_BINDING_MAX = 64 };
size_t tls_channel_binding(const struct conn *c, enum tls_binding type,
    uint8_t out[TLS_BINDING_MAX]) MUST_CHECK;
