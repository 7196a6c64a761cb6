#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "directory/directory_priv.h"

enum { KEY_SIZE = 1 + MAILADDR_TEXT_SIZE };

struct cache_node {
	struct cache_node *before, *behind; /* in order of use */
	struct entry *entry;		    /* a reference */
	size_t key_len;
	char key[];
};

/* A letter for the kind, then the text. */
static struct sv
make_key(char to[KEY_SIZE], enum entry_key by, struct sv key)
{
	ASSERT(key.len < KEY_SIZE);
	to[0] = (char)('0' + (int)by);
	if (key.len != 0) {
		memcpy(to + 1, key.p, key.len);
	}
	return sv_make(to, key.len + 1);
}

static void
node_unlink(struct cache *c, struct cache_node *n) REQUIRES(c->lock)
{
	if (n->before != NULL) {
		n->before->behind = n->behind;
	} else {
		c->first = n->behind;
	}
	if (n->behind != NULL) {
		n->behind->before = n->before;
	} else {
		c->last = n->before;
	}
}

static void
node_link_first(struct cache *c, struct cache_node *n) REQUIRES(c->lock)
{
	n->before = NULL;
	n->behind = c->first;
	if (c->first != NULL) {
		c->first->before = n;
	} else {
		c->last = n;
	}
	c->first = n;
}

static void
node_drop(struct cache *c, struct cache_node *n) REQUIRES(c->lock)
{
	(void)map_remove(&c->nodes, sv_make(n->key, n->key_len));
	node_unlink(c, n);
	entry_unref(&n->entry);
	free(n);
}

/* True when `version` is that of the cache, which is emptied when it is
 * behind. */
static bool
cache_is_at(struct cache *c, uint64_t version) REQUIRES(c->lock)
{
	if (version > c->version) {
		while (c->last != NULL) {
			node_drop(c, c->last);
		}
		c->version = version;
	}
	return version == c->version;
}

void
cache_init(struct cache *c, size_t max)
{
	memset(c, 0, sizeof(*c));
	lock_init(&c->lock, LOCK_LEAF);
	c->max = max;
}

void
cache_deinit(struct cache *c) NO_THREAD_SAFETY
{
	while (c->last != NULL) {
		node_drop(c, c->last);
	}
	map_deinit(&c->nodes);
	lock_deinit(&c->lock);
}

struct entry *
cache_get(struct cache *c, enum entry_key by, struct sv key, uint64_t version)
{
	char text[KEY_SIZE];
	struct sv k = make_key(text, by, key);
	struct cache_node *n = NULL;
	struct entry *e = NULL;

	lock_acquire(&c->lock);
	if (cache_is_at(c, version)) {
		n = map_get(&c->nodes, k);
	}
	if (n != NULL) {
		node_unlink(c, n);
		node_link_first(c, n);
		e = entry_ref(n->entry);
	}
	lock_release(&c->lock);
	return e;
}

void
cache_put(struct cache *c, enum entry_key by, struct sv key, struct entry *e,
    uint64_t version)
{
	char text[KEY_SIZE];
	struct sv k = make_key(text, by, key);
	struct cache_node *n;

	lock_acquire(&c->lock);
	if (cache_is_at(c, version) && map_get(&c->nodes, k) == NULL) {
		if (c->nodes.n >= c->max) {
			node_drop(c, c->last);
		}
		n = xmalloc(sizeof(*n) + k.len);
		n->key_len = k.len;
		memcpy(n->key, k.p, k.len);
		n->entry = entry_ref(e);
		(void)map_put(&c->nodes, k, n);
		node_link_first(c, n);
	}
	lock_release(&c->lock);
}
