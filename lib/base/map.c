#include "base/map.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

enum { MAP_FIRST = 16 };

struct map_entry {
	struct map_entry *next;
	void *value;
	uint64_t hash;
	size_t len;
	char key[];
};

void
map_deinit(struct map *m)
{
	for (size_t i = 0; i < m->n_slots; i++) {
		struct map_entry *e = m->slots[i];

		while (e != NULL) {
			struct map_entry *next = e->next;

			free(e);
			e = next;
		}
	}
	free(m->slots);
	*m = (struct map){.n = 0};
}

/* The link that holds the entry of `key`, or that would end its chain. */
static struct map_entry **
find(const struct map *m, struct sv key, uint64_t hash)
{
	struct map_entry **at = &m->slots[hash & (m->n_slots - 1)];

	while (*at != NULL
	       && ((*at)->hash != hash
		   || !sv_eq(sv_make((*at)->key, (*at)->len), key))) {
		at = &(*at)->next;
	}
	return at;
}

void *
map_get(const struct map *m, struct sv key)
{
	struct map_entry *e;

	if (m->n == 0) {
		return NULL;
	}
	e = *find(m, key, hash_sv(key));
	return e != NULL ? e->value : NULL;
}

static void
rehash(struct map *m)
{
	size_t n = m->n_slots != 0 ? m->n_slots * 2 : MAP_FIRST;
	struct map_entry **slots = xcalloc(n, sizeof(struct map_entry *));

	for (size_t i = 0; i < m->n_slots; i++) {
		struct map_entry *e = m->slots[i];

		while (e != NULL) {
			struct map_entry *next = e->next;

			e->next = slots[e->hash & (n - 1)];
			slots[e->hash & (n - 1)] = e;
			e = next;
		}
	}
	free(m->slots);
	m->slots = slots;
	m->n_slots = n;
}

void *
map_put(struct map *m, struct sv key, void *value)
{
	uint64_t hash = hash_sv(key);
	struct map_entry **at;
	struct map_entry *e;

	if (m->n >= m->n_slots) {
		rehash(m);
	}
	at = find(m, key, hash);
	if (*at != NULL) {
		void *old = (*at)->value;

		(*at)->value = value;
		return old;
	}
	e = xmalloc(sizeof(*e) + key.len);
	e->hash = hash;
	e->len = key.len;
	e->value = value;
	if (key.len != 0) {
		memcpy(e->key, key.p, key.len);
	}
	*at = e;
	m->n++;
	return NULL;
}

void *
map_remove(struct map *m, struct sv key)
{
	struct map_entry **at;
	struct map_entry *e;
	void *value;

	if (m->n == 0) {
		return NULL;
	}
	at = find(m, key, hash_sv(key));
	e = *at;
	if (e == NULL) {
		return NULL;
	}
	value = e->value;
	*at = e->next;
	free(e);
	m->n--;
	return value;
}

bool
map_next(const struct map *m, struct map_iter *it, struct sv *key_out,
    void **value_out)
{
	struct map_entry *e = it->next;

	while (e == NULL) {
		if (it->slot >= m->n_slots) {
			return false;
		}
		e = m->slots[it->slot++];
	}
	it->next = e->next;
	*key_out = sv_make(e->key, e->len);
	*value_out = e->value;
	return true;
}
