/*
 * pwcache: passwords that were found right, so that the next check of one
 * costs microseconds.
 *
 * What is kept is HMAC-SHA-256 over account id, stored keys and password,
 * under a key drawn when the program starts: nothing that would give a
 * password away, in memory only.  When the stored keys change the digest is
 * another one, so nothing needs to be taken back.  Wrong passwords are not
 * kept.  The table has a fixed size; the entry that expires first makes room.
 *
 * Threads: locked inside.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/sv.h"

struct pwcache;

/* `max` passwords, each for `ms` milliseconds.  max 0: keeps none. */
struct pwcache *pwcache_new(size_t max, uint64_t ms);
void pwcache_free(struct pwcache **c); /* wipes */

struct pwcache_key {
	uint8_t digest[32];
};

/* A few microseconds; use it for both calls below, then forget it. */
struct pwcache_key pwcache_key_make(const struct pwcache *c, struct sv id,
    struct sv stored, struct sv password) MUST_CHECK;

/* Was it found right within the time of the cache? */
bool pwcache_has(struct pwcache *c, const struct pwcache_key *key,
    int64_t now_ms) MUST_CHECK;
void pwcache_add(
    struct pwcache *c, const struct pwcache_key *key, int64_t now_ms);
