#include "auth/verifier.h"

#include <crypt.h>
#include <errno.h>
#include <gsasl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "auth/verifier_priv.h"
#include "base/block.h"
#include "base/mem.h"
#include "base/random.h"

enum { SALT_LEN = 16 };

static const EVP_MD *
md_of(enum scram_hash hash)
{
	return hash == SCRAM_SHA256 ? EVP_sha256() : EVP_sha1();
}

size_t
scram_hash_len(enum scram_hash hash)
{
	return hash == SCRAM_SHA256 ? 32 : 20;
}

static int
crypto_fail(struct fail *f)
{
	return fail_set(f, FAIL_TEMP, "the cryptographic library failed");
}

/* ---- SCRAM ---- */

/* HMAC of a word under the salted password. */
static bool
hmac_word(enum scram_hash hash, const uint8_t *key, struct sv word,
    uint8_t out[VERIFIER_KEY_MAX])
{
	unsigned n = 0;

	return HMAC(md_of(hash), key, (int)scram_hash_len(hash),
		   (const unsigned char *)word.p, word.len, out, &n)
	       != NULL;
}

/* SaltedPassword, ClientKey, StoredKey, ServerKey [RFC 5802 3]. */
static int
derive(enum scram_hash hash, struct sv password, struct scram_keys *keys,
    struct fail *f)
{
	uint8_t salted[VERIFIER_KEY_MAX], client[VERIFIER_KEY_MAX];
	size_t n = scram_hash_len(hash);
	int rc = 0;

	if (PKCS5_PBKDF2_HMAC(password.p, (int)password.len, keys->salt,
		keys->salt_len, (int)keys->iterations, md_of(hash), (int)n,
		salted)
		!= 1
	    || !hmac_word(hash, salted, SV("Client Key"), client)
	    || EVP_Digest(client, n, keys->stored_key, NULL, md_of(hash), NULL)
		   != 1
	    || !hmac_word(hash, salted, SV("Server Key"), keys->server_key)) {
		rc = crypto_fail(f);
	}
	mem_wipe(salted, sizeof(salted));
	mem_wipe(client, sizeof(client));
	return rc;
}

int
scram_keys_derive(enum scram_hash hash, struct sv password,
    struct scram_keys *keys, struct fail *f)
{
	int rc;

	block_begin();
	rc = derive(hash, password, keys, f);
	block_end();
	keys->present = rc == 0;
	return rc;
}

static int
scram_check(enum scram_hash hash, const struct scram_keys *keys,
    struct sv password, struct fail *f)
{
	struct scram_keys mine = *keys;
	size_t n = scram_hash_len(hash);
	int rc = scram_keys_derive(hash, password, &mine, f);

	if (rc == 0 && !mem_equal_ct(mine.stored_key, keys->stored_key, n)) {
		rc = fail_set(f, FAIL_DENIED, "wrong password");
	}
	mem_wipe(&mine, sizeof(mine));
	return rc;
}

/* ---- crypt(3) ---- */

static int
crypt_check(const char *hash, struct sv password, struct fail *f)
{
	struct crypt_data *data = xmalloc(sizeof(*data));
	char *text = xmalloc(password.len + 1);
	const char *got;
	size_t n = strlen(hash);
	int rc = 0;

	if (password.len != 0) {
		memcpy(text, password.p, password.len);
	}
	block_begin();
	got = crypt_rn(text, hash, data, sizeof(*data));
	block_end();
	if (got == NULL || got[0] == '*') {
		rc = fail_err(f, errno, "crypt");
	} else if (strlen(got) != n || !mem_equal_ct(got, hash, n)) {
		rc = fail_set(f, FAIL_DENIED, "wrong password");
	}
	mem_wipe(text, password.len);
	mem_wipe(data, sizeof(*data));
	free(text);
	free(data);
	return rc;
}

/* ---- making and checking ---- */

static bool
is_printable_ascii(struct sv s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < ' ' || s.p[i] > '~') {
			return false;
		}
	}
	return true;
}

/* Up to version 2.2 GNU SASL takes GSASL_ALLOW_UNASSIGNED the wrong way
 * round; a text is good that is good both ways. */
static int
saslprep(const char *in, struct buf *out, struct fail *f)
{
	static const Gsasl_saslprep_flags flags[] = {0, GSASL_ALLOW_UNASSIGNED};

	for (size_t i = 0; i < COUNT_OF(flags); i++) {
		char *prepared = NULL;
		int rc = gsasl_saslprep(in, flags[i], &prepared, NULL);

		buf_clear(out);
		if (prepared != NULL) {
			buf_add_str(out, prepared);
			mem_wipe(prepared, strlen(prepared));
			gsasl_free(prepared);
		}
		if (rc != GSASL_OK || out->len == 0) {
			return fail_set(f, FAIL_SYNTAX,
			    "password is not UTF-8 or has characters that "
			    "SASLprep does not allow");
		}
	}
	return 0;
}

/* Printable ASCII is mapped to itself. */
int
verifier_prepare(struct sv password, struct buf *out, struct fail *f)
{
	char in[VERIFIER_PASSWORD_MAX + 1];
	int rc;

	if (password.len > VERIFIER_PASSWORD_MAX) {
		return fail_set(f, FAIL_LIMIT, "password over %d octets",
		    VERIFIER_PASSWORD_MAX);
	}
	if (password.len == 0 || memchr(password.p, 0, password.len) != NULL) {
		return fail_set(
		    f, FAIL_SYNTAX, "password is empty or has a NUL");
	}
	if (is_printable_ascii(password)) {
		buf_clear(out);
		buf_add_sv(out, password);
		return 0;
	}
	memcpy(in, password.p, password.len);
	in[password.len] = '\0';
	rc = saslprep(in, out, f);
	mem_wipe(in, sizeof(in));
	return rc;
}

int
verifier_make(struct sv password, uint32_t iterations, struct verifier *out,
    struct fail *f)
{
	struct buf prepared = {.data = NULL};
	int rc;

	memset(out, 0, sizeof(*out));
	rc = verifier_prepare(password, &prepared, f);
	for (int h = 0; rc == 0 && h < SCRAM_HASHES; h++) {
		struct scram_keys *keys = &out->scram[h];

		keys->iterations = iterations;
		keys->salt_len = SALT_LEN;
		random_bytes(keys->salt, SALT_LEN);
		rc = scram_keys_derive(
		    (enum scram_hash)h, buf_sv(&prepared), keys, f);
	}
	buf_wipe(&prepared);
	return rc;
}

int
verifier_check(const struct verifier *v, struct sv password, struct fail *f)
{
	if (v->scram[SCRAM_SHA256].present) {
		return scram_check(
		    SCRAM_SHA256, &v->scram[SCRAM_SHA256], password, f);
	}
	if (v->scram[SCRAM_SHA1].present) {
		return scram_check(
		    SCRAM_SHA1, &v->scram[SCRAM_SHA1], password, f);
	}
	if (v->crypt[0] != '\0') {
		return crypt_check(v->crypt, password, f);
	}
	return fail_set(f, FAIL_DENIED, "no password is stored");
}

void
verifier_wipe(struct verifier *v)
{
	mem_wipe(v, sizeof(*v));
}
