#include <gsasl.h>
#include <stdlib.h>
#include <string.h>

#include "auth/verifier_priv.h"
#include "base/mem.h"

bool
base64_decode(struct sv s, uint8_t *out, size_t max, size_t *len_out)
{
	char *raw = NULL;
	size_t n = 0;
	bool ok;

	*len_out = 0;
	if (s.len == 0) {
		return true;
	}
	ok = gsasl_base64_from(s.p, s.len, &raw, &n) == GSASL_OK && n <= max;
	if (ok && n != 0) {
		memcpy(out, raw, n);
		*len_out = n;
	}
	if (raw != NULL) {
		mem_wipe(raw, n);
	}
	gsasl_free(raw);
	return ok;
}

void
base64_encode(const void *p, size_t len, struct buf *out)
{
	char *text = NULL;
	size_t n = 0;

	if (len == 0) {
		return;
	}
	ASSERT(gsasl_base64_to(p, len, &text, &n) == GSASL_OK);
	buf_add(out, text, n);
	gsasl_free(text);
}

/* ---- parsing ---- */

static const struct {
	struct sv name;
	enum scram_hash hash;
} scram_names[] = {
    {{"SCRAM-SHA-256", 13}, SCRAM_SHA256},
    {{"SCRAM-SHA-1", 11}, SCRAM_SHA1},
};

/* Hashes that are fit to be stored today. */
static const char *const crypt_prefixes[] = {
    "$y$", "$gy$", "$7$", "$6$", "$5$", "$2b$", "$2a$", "$2y$"};

static bool
parse_key(struct sv s, enum scram_hash hash, uint8_t key[VERIFIER_KEY_MAX])
{
	size_t n;

	return base64_decode(s, key, VERIFIER_KEY_MAX, &n)
	       && n == scram_hash_len(hash);
}

/* <iterations>:<salt>$<StoredKey>:<ServerKey> [RFC 5803 2] */
static int
parse_scram(
    struct sv s, enum scram_hash hash, struct scram_keys *keys, struct fail *f)
{
	struct sv info = sv_cut(&s, '$');
	struct sv iterations = sv_cut(&info, ':');
	struct sv stored = sv_cut(&s, ':');
	size_t salt_len;

	if (!sv_u32(iterations, &keys->iterations) || keys->iterations == 0
	    || keys->iterations > VERIFIER_ITERATIONS_MAX) {
		return fail_set(f, FAIL_SYNTAX,
		    "stored keys: iterations from 1 to %d expected",
		    VERIFIER_ITERATIONS_MAX);
	}
	if (!base64_decode(info, keys->salt, sizeof(keys->salt), &salt_len)
	    || salt_len == 0) {
		return fail_set(f, FAIL_SYNTAX,
		    "stored keys: salt of up to %d octets in base64 expected",
		    VERIFIER_SALT_MAX);
	}
	keys->salt_len = (uint8_t)salt_len;
	if (!parse_key(stored, hash, keys->stored_key)
	    || !parse_key(s, hash, keys->server_key)) {
		return fail_set(f, FAIL_SYNTAX,
		    "stored keys: two keys of %zu octets in base64 expected",
		    scram_hash_len(hash));
	}
	keys->present = true;
	return 0;
}

static bool
is_crypt_octet(char c)
{
	/* What crypt(5) allows. */
	return c > ' ' && c < 0x7f && strchr(":;*!\\", c) == NULL;
}

static int
parse_crypt(struct sv s, char out[VERIFIER_CRYPT_MAX + 1], struct fail *f)
{
	bool known = false;

	for (size_t i = 0; i < COUNT_OF(crypt_prefixes); i++) {
		known = known || sv_starts(s, sv_cstr(crypt_prefixes[i]));
	}
	if (!known) {
		return fail_set(f, FAIL_SYNTAX,
		    "stored keys: a hash by yescrypt, scrypt, SHA-2 or bcrypt "
		    "expected");
	}
	if (s.len > VERIFIER_CRYPT_MAX) {
		return fail_set(f, FAIL_SYNTAX,
		    "stored keys: hash over %d octets", VERIFIER_CRYPT_MAX);
	}
	for (size_t i = 0; i < s.len; i++) {
		if (!is_crypt_octet(s.p[i])) {
			return fail_set(f, FAIL_SYNTAX,
			    "stored keys: octet 0x%02x in a hash",
			    (unsigned)(unsigned char)s.p[i]);
		}
	}
	memcpy(out, s.p, s.len);
	out[s.len] = '\0';
	return 0;
}

static int
given_twice(struct fail *f)
{
	return fail_set(f, FAIL_SYNTAX, "stored keys: one kind given twice");
}

static int
parse_word(struct sv word, struct verifier *v, struct fail *f)
{
	static const struct sv crypt_name = {"{CRYPT}", 7};
	struct sv rest = word;
	struct sv name = sv_cut(&rest, '$');

	if (sv_starts_nocase(word, crypt_name)) {
		return v->crypt[0] != '\0'
			   ? given_twice(f)
			   : parse_crypt(
			       sv_from(word, crypt_name.len), v->crypt, f);
	}
	for (size_t i = 0; i < COUNT_OF(scram_names); i++) {
		struct scram_keys *keys = &v->scram[scram_names[i].hash];

		if (sv_eq(name, scram_names[i].name)) {
			return keys->present ? given_twice(f)
					     : parse_scram(rest,
						 scram_names[i].hash, keys, f);
		}
	}
	return 0;
}

int
verifier_parse(struct sv text, struct verifier *out, struct fail *f)
{
	memset(out, 0, sizeof(*out));
	if (text.len > VERIFIER_TEXT_MAX) {
		return fail_set(f, FAIL_SYNTAX, "stored keys over %d octets",
		    VERIFIER_TEXT_MAX);
	}
	while (text.len != 0) {
		struct sv word = sv_cut(&text, ' ');

		if (word.len != 0 && parse_word(word, out, f) != 0) {
			verifier_wipe(out);
			return -1;
		}
	}
	return 0;
}

/* ---- formatting ---- */

static void
format_scram(struct sv name, enum scram_hash hash,
    const struct scram_keys *keys, struct buf *out)
{
	size_t n = scram_hash_len(hash);

	buf_add_sv(out, name);
	buf_addf(out, "$%u:", keys->iterations);
	base64_encode(keys->salt, keys->salt_len, out);
	buf_add_char(out, '$');
	base64_encode(keys->stored_key, n, out);
	buf_add_char(out, ':');
	base64_encode(keys->server_key, n, out);
}

void
verifier_format(const struct verifier *v, struct buf *out)
{
	const char *blank = "";

	for (size_t i = 0; i < COUNT_OF(scram_names); i++) {
		enum scram_hash hash = scram_names[i].hash;

		if (v->scram[hash].present) {
			buf_add_str(out, blank);
			format_scram(
			    scram_names[i].name, hash, &v->scram[hash], out);
			blank = " ";
		}
	}
	if (v->crypt[0] != '\0') {
		buf_addf(out, "%s{CRYPT}%s", blank, v->crypt);
	}
}
