#include <crypt.h>
#include <gsasl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/verifier.h"
#include "base/mem.h"
#include "unit.h"

static void
must_parse(const char *text, struct verifier *v)
{
	struct fail f;

	assert_int_equal(verifier_parse(sv_cstr(text), v, &f), 0);
}

/*
 * The keys behind the exchanges of RFC 5802 section 5 and RFC 7677 section 3,
 * computed with the algorithm of RFC 5802 section 3 from the password
 * "pencil" and the salts given there; test_auth.c runs those exchanges.
 */
static const char rfc_keys[] =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU= "
    "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$"
    "6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=";

static void
rfc5802_3_keys_are_derived(void **state)
{
	struct verifier v;

	(void)state;
	must_parse(rfc_keys, &v);
	for (int h = 0; h < SCRAM_HASHES; h++) {
		struct scram_keys mine = v.scram[h];
		size_t n = scram_hash_len((enum scram_hash)h);
		struct fail f;

		memset(mine.stored_key, 0, sizeof(mine.stored_key));
		memset(mine.server_key, 0, sizeof(mine.server_key));
		assert_int_equal(scram_keys_derive((enum scram_hash)h,
				     SV("pencil"), &mine, &f),
		    0);
		assert_memory_equal(mine.stored_key, v.scram[h].stored_key, n);
		assert_memory_equal(mine.server_key, v.scram[h].server_key, n);
	}
}

/* ---- exchanges: published ones, and those beside the checkout ---- */

struct vector {
	const char *mech, *password;
	const char *client_first, *server_first, *client_final, *server_final;
};

static const struct vector vectors[] = {
    /* [RFC 5802 5] */
    {"SCRAM-SHA-1", "pencil", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
	"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
	"s=QSXCR+Q6sek8bf92,i=4096",
	"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
	"p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
	"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},
    /* [RFC 7677 3] */
    {"SCRAM-SHA-256", "pencil", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
	"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
};

/* The value of attribute `name` of a SCRAM message, from base64. */
static size_t
attribute(const char *message, const char *name, uint8_t *out, size_t max)
{
	const char *at = strstr(message, name);
	char *raw = NULL;
	size_t n = 0;

	assert_non_null(at);
	at += strlen(name);
	assert_int_equal(
	    gsasl_base64_from(at, strcspn(at, ","), &raw, &n), GSASL_OK);
	assert_true(n <= max);
	memcpy(out, raw, n);
	gsasl_free(raw);
	return n;
}

/* ClientProof and ServerSignature [RFC 5802 3], with derived keys. */
static void
check_vector(const struct vector *v)
{
	enum scram_hash hash =
	    strstr(v->mech, "256") != NULL ? SCRAM_SHA256 : SCRAM_SHA1;
	const EVP_MD *md = hash == SCRAM_SHA256 ? EVP_sha256() : EVP_sha1();
	size_t n = scram_hash_len(hash);
	struct scram_keys keys = {.present = true};
	struct buf message = {.data = NULL}, password = {.data = NULL};
	uint8_t proof[64], want[64], got[64], client[64];
	unsigned len;
	struct fail f;

	keys.salt_len = (uint8_t)attribute(
	    v->server_first, ",s=", keys.salt, sizeof(keys.salt));
	keys.iterations =
	    (uint32_t)strtoul(strstr(v->server_first, ",i=") + 3, NULL, 10);
	assert_int_equal(
	    verifier_prepare(sv_cstr(v->password), &password, &f), 0);
	assert_int_equal(
	    scram_keys_derive(hash, buf_sv(&password), &keys, &f), 0);
	buf_addf(&message, "%s,%s,%.*s",
	    strchr(strchr(v->client_first, ',') + 1, ',') + 1, v->server_first,
	    (int)(strstr(v->client_final, ",p=") - v->client_final),
	    v->client_final);

	/* ClientKey is what the proof and its signature give together. */
	assert_int_equal(
	    attribute(v->client_final, ",p=", proof, sizeof(proof)), n);
	assert_non_null(HMAC(md, keys.stored_key, (int)n,
	    (const uint8_t *)message.data, message.len, got, &len));
	for (size_t i = 0; i < n; i++) {
		client[i] = proof[i] ^ got[i];
	}
	assert_int_equal(EVP_Digest(client, n, got, NULL, md, NULL), 1);
	assert_memory_equal(got, keys.stored_key, n);

	assert_int_equal(
	    attribute(v->server_final, "v=", want, sizeof(want)), n);
	assert_non_null(HMAC(md, keys.server_key, (int)n,
	    (const uint8_t *)message.data, message.len, got, &len));
	assert_memory_equal(got, want, n);
	buf_deinit(&message);
	buf_deinit(&password);
}

static void
rfc5802_5_and_rfc7677_3_exchanges_verify(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		check_vector(&vectors[i]);
	}
}

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	assert_non_null(text);
	return text;
}

static void
exchanges_beside_the_checkout_verify(void **state)
{
	const char *folder = getenv("POSTROOM_DATA");
	char path[512];
	json_t *list, *o;
	size_t i;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/vectors/scram.json",
	    folder != NULL ? folder : "../../shared/data");
	list = json_load_file(path, 0, NULL);
	if (list == NULL) {
		skip();
	}
	json_array_foreach(list, i, o)
	{
		const struct vector v = {text_of(o, "mech"),
		    text_of(o, "password"), text_of(o, "client_first"),
		    text_of(o, "server_first"), text_of(o, "client_final"),
		    text_of(o, "server_final")};

		check_vector(&v);
	}
	json_decref(list);
}

static void
rfc5803_text_is_written_as_it_was_read(void **state)
{
	struct verifier v;
	struct buf text = {.data = NULL};

	(void)state;
	must_parse(rfc_keys, &v);
	verifier_format(&v, &text);
	assert_string_equal(buf_cstr(&text), rfc_keys);
	buf_deinit(&text);
}

static void
a_password_is_checked_against_what_was_made_of_it(void **state)
{
	struct verifier v, again;
	struct buf text = {.data = NULL};
	struct fail f;

	(void)state;
	assert_int_equal(verifier_make(SV("secret"), 4096, &v, &f), 0);
	verifier_format(&v, &text);
	must_parse(buf_cstr(&text), &again);
	buf_deinit(&text);
	assert_int_equal(verifier_check(&again, SV("secret"), &f), 0);
	assert_int_equal(verifier_check(&again, SV("Secret"), &f), -1);
	assert_int_equal(f.kind, FAIL_DENIED);
	again.scram[SCRAM_SHA256].present = false;
	assert_int_equal(verifier_check(&again, SV("secret"), &f), 0);
	assert_int_equal(verifier_check(&again, SV("secre"), &f), -1);
	assert_int_equal(f.kind, FAIL_DENIED);
	again.scram[SCRAM_SHA1].present = false;
	assert_int_equal(verifier_check(&again, SV("secret"), &f), -1);
	assert_int_equal(f.kind, FAIL_DENIED);
}

static void
imported_hashes_are_checked(void **state)
{
	static const char *const settings[] = {"$y$j75$", "$6$rounds=1000$",
	    "$5$rounds=1000$", "$2b$04$", "$7$A6....3....", "$gy$j75$"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(settings); i++) {
		char salt[CRYPT_GENSALT_OUTPUT_SIZE] = "";
		char prefix[8];
		char text[CRYPT_OUTPUT_SIZE + 8];
		struct crypt_data *data = xmalloc(sizeof(*data));
		struct verifier v;
		struct fail f;

		(void)snprintf(prefix, sizeof(prefix), "%.*s",
		    (int)(strchr(settings[i] + 1, '$') + 1 - settings[i]),
		    settings[i]);
		assert_non_null(crypt_gensalt_rn(prefix,
		    strcmp(prefix, "$2b$") == 0 ? 4 : 0, NULL, 0, salt,
		    sizeof(salt)));
		assert_non_null(crypt_rn("secret", salt, data, sizeof(*data)));
		(void)snprintf(text, sizeof(text), "{CRYPT}%s", data->output);
		must_parse(text, &v);
		assert_int_equal(verifier_check(&v, SV("secret"), &f), 0);
		assert_int_equal(verifier_check(&v, SV("secret2"), &f), -1);
		assert_int_equal(f.kind, FAIL_DENIED);
		free(data);
	}
}

#define KEY "6dlGYMOdZcOPutkcNY8U2g7vK9Y="

static void
damaged_texts_are_refused(void **state)
{
	static const char *const rows[] = {
	    "SCRAM-SHA-256$",
	    "SCRAM-SHA-1$0:c2FsdA==$" KEY ":" KEY,
	    "SCRAM-SHA-256$99999999999:c2FsdA==$a:b",
	    "SCRAM-SHA-256$4096:$a:b",
	    "SCRAM-SHA-256$4096:*$a:b",
	    "SCRAM-SHA-256$4096:c2FsdA==$" KEY ":" KEY,
	    "SCRAM-SHA-1$4096:c2FsdA==$6dlGYMOdZcOPutkcNY8U2g7vK9Y=",
	    "{CRYPT}secret",
	    "{CRYPT}$1$salt$hash",
	    "{CRYPT}$6$sa:lt$hash",
	    "{CRYPT}$6$salt$hash {CRYPT}$6$salt$hash",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct verifier v;
		struct fail f = {.kind = FAIL_NONE};

		assert_int_equal(verifier_parse(sv_cstr(rows[i]), &v, &f), -1);
		assert_int_equal(f.kind, FAIL_SYNTAX);
	}
}

static void
unknown_words_are_left_to_later_versions(void **state)
{
	struct verifier v;

	(void)state;
	must_parse("SCRAM-SHA3-512$1:x$y:z  OTHER", &v);
	assert_false(v.scram[SCRAM_SHA1].present);
	assert_false(v.scram[SCRAM_SHA256].present);
	assert_int_equal(v.crypt[0], '\0');
}

static void
rfc4013_3_passwords_are_prepared(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
	} rows[] = {
	    {"I\xc2\xadX", "IX"},   /* soft hyphen maps to nothing */
	    {"user", "user"},	    /* no change */
	    {"USER", "USER"},	    /* case is kept */
	    {"\xc2\xaa", "a"},	    /* NFKC */
	    {"\xe2\x85\xa8", "IX"}, /* NFKC */
	    {"\x07", NULL},	    /* prohibited */
	    {"\xd8\xa7"
	     "1",
		NULL},			       /* bidirectional check */
	    {"pass\xc2\xa0word", "pass word"}, /* other spaces */
	    {"\xf0\x9f\x90\x8e", NULL},	       /* not in Unicode 3.2 */
	    {"\xff", NULL}, {"", NULL},
	    {"\xc2\xad", NULL}, /* nothing is left */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf b = {.data = NULL};
		struct fail f = {.kind = FAIL_NONE};
		int rc = verifier_prepare(sv_cstr(rows[i].in), &b, &f);

		assert_int_equal(rc, rows[i].out != NULL ? 0 : -1);
		if (rc == 0) {
			assert_string_equal(buf_cstr(&b), rows[i].out);
		} else {
			assert_int_equal(f.kind, FAIL_SYNTAX);
		}
		buf_wipe(&b);
	}
}

static void
a_password_is_bounded_and_has_no_nul(void **state)
{
	char big[VERIFIER_PASSWORD_MAX + 1];
	struct buf b = {.data = NULL};
	struct fail f;

	(void)state;
	memset(big, 'a', sizeof(big));
	assert_int_equal(
	    verifier_prepare(sv_make(big, sizeof(big)), &b, &f), -1);
	assert_int_equal(f.kind, FAIL_LIMIT);
	assert_int_equal(
	    verifier_prepare(sv_make(big, sizeof(big) - 1), &b, &f), 0);
	assert_int_equal(verifier_prepare(SV("a\0b"), &b, &f), -1);
	assert_int_equal(f.kind, FAIL_SYNTAX);
	buf_wipe(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rfc5802_3_keys_are_derived),
	    cmocka_unit_test(rfc5802_5_and_rfc7677_3_exchanges_verify),
	    cmocka_unit_test(exchanges_beside_the_checkout_verify),
	    cmocka_unit_test(rfc5803_text_is_written_as_it_was_read),
	    cmocka_unit_test(a_password_is_checked_against_what_was_made_of_it),
	    cmocka_unit_test(imported_hashes_are_checked),
	    cmocka_unit_test(damaged_texts_are_refused),
	    cmocka_unit_test(unknown_words_are_left_to_later_versions),
	    cmocka_unit_test(rfc4013_3_passwords_are_prepared),
	    cmocka_unit_test(a_password_is_bounded_and_has_no_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
