/*
 * verifier: what is stored of a password, and checking one against it.
 *
 * Nothing stored gives the password back or signs in by itself.  The text is
 * one line of words with a blank between them, each
 *
 *	SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>
 *	SCRAM-SHA-1$<iterations>:<salt>$<StoredKey>:<ServerKey>
 *	{CRYPT}<crypt(3) hash>
 *
 * in base64, as RFC 5803 lays down for LDAP; {CRYPT} takes yescrypt ($y$),
 * SHA-512 ($6$), SHA-256 ($5$) and bcrypt ($2b$, $2a$, $2y$) and is for
 * accounts that come from elsewhere.
 *
 * Passwords are prepared with SASLprep [RFC 4013] first: one typed on another
 * keyboard or system gives the same keys.
 *
 * [RFC 5802 3] [RFC 7677 4] [RFC 5803]
 *
 * Threads: plain values and pure functions.  verifier_make() and
 * verifier_check() take milliseconds and bracket that with block_begin().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/fail.h"
#include "base/sv.h"

enum {
	VERIFIER_TEXT_MAX = 2048,
	VERIFIER_SALT_MAX = 64,
	VERIFIER_KEY_MAX = 32,
	VERIFIER_CRYPT_MAX = 383, /* CRYPT_OUTPUT_SIZE - 1 */
	VERIFIER_PASSWORD_MAX = 1024,
	VERIFIER_ITERATIONS_MIN = 4096, /* [RFC 5802 5.1] [RFC 7677 4] */
	VERIFIER_ITERATIONS_MAX = 10 * 1000 * 1000,
};

enum scram_hash {
	SCRAM_SHA1,
	SCRAM_SHA256,
	SCRAM_HASHES,
};

/* Keys of one SCRAM mechanism. */
struct scram_keys {
	bool present;
	uint32_t iterations;
	uint8_t salt_len;
	uint8_t salt[VERIFIER_SALT_MAX];
	uint8_t stored_key[VERIFIER_KEY_MAX];
	uint8_t server_key[VERIFIER_KEY_MAX];
};

struct verifier {
	struct scram_keys scram[SCRAM_HASHES];
	char crypt[VERIFIER_CRYPT_MAX + 1]; /* "" = none */
};

/* 20 or 32 octets. */
size_t scram_hash_len(enum scram_hash hash);

/* FAIL_SYNTAX says where.  Words with unknown names are left out, so that a
 * later version may add some. */
int verifier_parse(
    struct sv text, struct verifier *out, struct fail *f) MUST_CHECK;

/* Append the text of `v`. */
void verifier_format(const struct verifier *v, struct buf *out);

/*
 * Fresh salts and the keys of both SCRAM mechanisms for `password`.
 * FAIL_SYNTAX when it is empty or SASLprep refuses it, FAIL_LIMIT past
 * VERIFIER_PASSWORD_MAX.
 */
int verifier_make(struct sv password, uint32_t iterations, struct verifier *out,
    struct fail *f) MUST_CHECK;

/* The keys that `password`, prepared, gives with `keys`' salt and iterations:
 * for tests with published vectors. */
int scram_keys_derive(enum scram_hash hash, struct sv password,
    struct scram_keys *keys, struct fail *f) MUST_CHECK;

/*
 * 0 when `password` (prepared, see verifier_prepare) is the one, FAIL_DENIED
 * when it is not or nothing is stored, FAIL_TEMP when it cannot be told.
 */
int verifier_check(
    const struct verifier *v, struct sv password, struct fail *f) MUST_CHECK;

/* SASLprep into `out`, which the caller wipes.  Characters that Unicode 3.2
 * did not have are refused, as for all that is stored [RFC 4013 2.5]. */
int verifier_prepare(
    struct sv password, struct buf *out, struct fail *f) MUST_CHECK;

void verifier_wipe(struct verifier *v);
