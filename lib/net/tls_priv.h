/*
 * tls: what conn.c takes of it.
 *
 * Threads: immutable; references from any thread.
 */
#pragma once

#include <openssl/ssl.h>

struct tls_context;

/* A reference to the current context, or NULL if none is loaded. */
struct tls_context *tls_current(void);
void tls_context_unref(struct tls_context **t);
SSL_CTX *tls_context_ssl(const struct tls_context *t); /* borrowed */
