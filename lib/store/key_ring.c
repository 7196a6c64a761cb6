#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/state_priv.h"

enum { RING_FIRST = 64 };

void
key_ring_deinit(struct key_ring *k)
{
	free(k->ring);
	free(k->table);
	*k = (struct key_ring){0};
}

uint64_t
key_ring_hash(const uint64_t key[2])
{
	static const uint64_t salt[2] = {
	    0x64656c6976657279U, 0x6b65792068617368U};
	uint64_t h = siphash(salt, key, 2 * sizeof(key[0]));

	return h != 0 ? h : 1;
}

/* Where `hash` is, or the free place where it would be. */
static uint32_t
table_find(const struct key_ring *k, uint64_t hash)
{
	uint32_t mask = k->table_size - 1;
	uint32_t i = (uint32_t)hash & mask;

	while (k->table[i] != 0 && k->table[i] != hash) {
		i = (i + 1) & mask;
	}
	return i;
}

bool
key_ring_has(const struct key_ring *k, uint64_t hash)
{
	return k->table_size != 0 && k->table[table_find(k, hash)] == hash;
}

static void
grow(struct key_ring *k)
{
	k->cap = k->cap != 0 ? k->cap * 2 : RING_FIRST;
	k->ring = xreallocarray(k->ring, k->cap, sizeof(*k->ring));
	free(k->table);
	k->table_size = k->cap * 2;
	k->table = xcalloc(k->table_size, sizeof(*k->table));
	for (uint32_t i = 0; i < k->n; i++) {
		k->table[table_find(k, k->ring[i])] = k->ring[i];
	}
}

/* Linear probing: what follows the hole moves into it where it may. */
static void
table_remove(struct key_ring *k, uint64_t hash)
{
	uint32_t mask = k->table_size - 1;
	uint32_t hole = table_find(k, hash);
	uint32_t i = hole;

	for (;;) {
		i = (i + 1) & mask;
		if (k->table[i] == 0) {
			break;
		}
		uint32_t home = (uint32_t)k->table[i] & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			k->table[hole] = k->table[i];
			hole = i;
		}
	}
	k->table[hole] = 0;
}

void
key_ring_add(struct key_ring *k, uint64_t hash)
{
	if (k->n == STATE_KEYS) {
		table_remove(k, k->ring[k->next]);
		k->ring[k->next] = hash;
		k->next = (k->next + 1) % STATE_KEYS;
	} else {
		if (k->n == k->cap) {
			grow(k);
		}
		k->ring[k->n++] = hash;
	}
	k->table[table_find(k, hash)] = hash;
}

uint64_t
key_ring_at(const struct key_ring *k, uint32_t i)
{
	ASSERT(i < k->n);
	return k->n == STATE_KEYS ? k->ring[(k->next + i) % STATE_KEYS]
				  : k->ring[i];
}
