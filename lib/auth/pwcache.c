#include "auth/pwcache.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/mem.h"
#include "base/random.h"

enum { WAYS = 8, DIGEST = 32, BLOCK = 64 };

struct slot {
	int64_t until; /* 0: empty */
	uint8_t digest[DIGEST];
};

struct pwcache {
	uint64_t ms;
	size_t sets; /* 0: keeps none */
	uint8_t key[BLOCK];
	struct lock lock;
	struct slot *slots; /* sets * WAYS */
};

struct pwcache *
pwcache_new(size_t max, uint64_t ms)
{
	struct pwcache *c = xmalloc(sizeof(*c));

	c->ms = ms;
	c->sets = max != 0 && ms != 0 ? (max + WAYS - 1) / WAYS : 0;
	c->slots = xcalloc(c->sets * WAYS + 1, sizeof(*c->slots));
	random_bytes(c->key, sizeof(c->key));
	lock_init(&c->lock, LOCK_AUTH);
	return c;
}

void
pwcache_free(struct pwcache **cache)
{
	struct pwcache *c = *cache;

	*cache = NULL;
	if (c == NULL) {
		return;
	}
	lock_deinit(&c->lock);
	mem_wipe(c->slots, (c->sets * WAYS + 1) * sizeof(*c->slots));
	free(c->slots);
	mem_wipe(c, sizeof(*c));
	free(c);
}

/* HMAC [RFC 2104] by its definition: the parts need not lie together. */
struct pwcache_key
pwcache_key_make(
    const struct pwcache *c, struct sv id, struct sv stored, struct sv password)
{
	struct pwcache_key k;
	uint8_t pad[BLOCK], inner[DIGEST];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned n = 0;

	ASSERT(md != NULL);
	for (size_t i = 0; i < BLOCK; i++) {
		pad[i] = c->key[i] ^ 0x36;
	}
	/* Neither id nor stored keys hold a NUL. */
	ASSERT(EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1
	       && EVP_DigestUpdate(md, pad, BLOCK) == 1
	       && EVP_DigestUpdate(md, id.p, id.len) == 1
	       && EVP_DigestUpdate(md, "", 1) == 1
	       && EVP_DigestUpdate(md, stored.p, stored.len) == 1
	       && EVP_DigestUpdate(md, "", 1) == 1
	       && EVP_DigestUpdate(md, password.p, password.len) == 1
	       && EVP_DigestFinal_ex(md, inner, &n) == 1);
	for (size_t i = 0; i < BLOCK; i++) {
		pad[i] = c->key[i] ^ 0x5c;
	}
	ASSERT(EVP_DigestInit_ex(md, NULL, NULL) == 1
	       && EVP_DigestUpdate(md, pad, BLOCK) == 1
	       && EVP_DigestUpdate(md, inner, DIGEST) == 1
	       && EVP_DigestFinal_ex(md, k.digest, &n) == 1);
	EVP_MD_CTX_free(md);
	mem_wipe(pad, sizeof(pad));
	mem_wipe(inner, sizeof(inner));
	return k;
}

static struct slot *
set_of(struct pwcache *c, const struct pwcache_key *key)
{
	uint64_t h;

	memcpy(&h, key->digest, sizeof(h));
	return &c->slots[h % c->sets * WAYS];
}

bool
pwcache_has(struct pwcache *c, const struct pwcache_key *key, int64_t now_ms)
{
	const struct slot *set;
	bool found = false;

	if (c->sets == 0) {
		return false;
	}
	set = set_of(c, key);
	lock_acquire(&c->lock);
	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].until > now_ms
		    && mem_equal_ct(set[i].digest, key->digest, DIGEST)) {
			found = true;
		}
	}
	lock_release(&c->lock);
	return found;
}

void
pwcache_add(struct pwcache *c, const struct pwcache_key *key, int64_t now_ms)
{
	struct slot *set, *s;

	if (c->sets == 0) {
		return;
	}
	set = set_of(c, key);
	s = set;
	lock_acquire(&c->lock);
	for (size_t i = 0; i < WAYS; i++) {
		if (mem_equal_ct(set[i].digest, key->digest, DIGEST)) {
			s = &set[i];
			break;
		}
		if (set[i].until < s->until) {
			s = &set[i];
		}
	}
	memcpy(s->digest, key->digest, DIGEST);
	s->until = now_ms + (int64_t)c->ms;
	lock_release(&c->lock);
}
