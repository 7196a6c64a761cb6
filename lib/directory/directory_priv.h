/*
 * directory_priv: what a back end is, and the cache in front of it.
 *
 * A back end answers from one consistent state and says which: `version`
 * rises with each change that anyone makes.  directory.c keeps answers as
 * long as the version stands, so that a back end is asked for little more
 * than that.
 *
 * Threads: back ends are locked inside; an entry is immutable and
 * reference-counted; a cache is locked.
 */
#pragma once

#include <stdatomic.h>

#include "base/lock.h"
#include "base/map.h"
#include "directory/directory.h"

/* What a key means now. */
enum entry_kind {
	ENTRY_FOREIGN, /* the domain is not ours */
	ENTRY_NONE,    /* the domain is ours, the address is nobody's */
	ENTRY_ACCOUNT,
	ENTRY_ALIAS,
};

struct entry {
	_Atomic unsigned refs;
	enum entry_kind kind;
	struct directory_account *account; /* ENTRY_ACCOUNT; a reference */
	struct mailaddr *targets;	   /* ENTRY_ALIAS; owned */
	size_t n_targets;
};

struct entry *entry_new(enum entry_kind kind);
struct entry *entry_ref(struct entry *e);
void entry_unref(struct entry **e);

/* A new account with copies of the strings; the rest is the caller's to
 * fill in before anybody else sees it. */
struct directory_account *account_new(struct sv name, struct sv auth);

/*
 * Keys of a look-up.  One text each: it is the cache's key too.  OLDEST is
 * the oldest account of a domain, or with "" of all.
 */
enum entry_key { KEY_ADDRESS, KEY_ID, KEY_DOMAIN, KEY_OLDEST };

/*
 * A back end.  Calls fail with FAIL_TEMP when it is away and otherwise as
 * directory.h says of the function of that name.  Those marked (fast) take
 * microseconds and are not bracketed; all others may sleep and are called
 * inside block_begin()/block_end(); they do not bracket themselves.
 */
struct directory_ops {
	const char *name;

	int (*open)(
	    const struct directory_conf *conf, void **out, struct fail *f);
	void (*close)(void *b);
	int (*secret)(
	    void *b, uint8_t out[DIRECTORY_SECRET_LEN], struct fail *f);

	int (*backup)(void *b, const char *path, struct fail *f);

	/* (fast) The version now; FAIL_TEMP also where it would have to wait:
	 * ask again through look_up. */
	int (*version)(void *b, uint64_t *out, struct fail *f);

	/* The entry of `key`, and the version that it was read at; 0 if that
	 * cannot be told. */
	int (*look_up)(void *b, enum entry_key by, struct sv key,
	    struct entry **out, uint64_t *version_out, struct fail *f);

	int (*account_add)(void *b, const struct directory_account_spec *spec,
	    const char *id, bool *domain_made_out, struct fail *f);
	int (*account_rename)(void *b, struct sv id, const struct mailaddr *to,
	    bool keep_old, struct fail *f);
	int (*account_remove)(void *b, struct sv id, struct fail *f);
	int (*account_enable)(
	    void *b, struct sv id, bool enabled, struct fail *f);
	int (*account_set_quota)(void *b, struct sv id, uint64_t octets,
	    uint64_t messages, struct fail *f);
	int (*account_set_name)(
	    void *b, struct sv id, struct sv name, struct fail *f);
	int (*account_set_auth)(void *b, struct sv id, struct sv auth,
	    const struct sv *only_if, struct fail *f);
	int (*account_list)(void *b, const char *domain,
	    const struct mailaddr *after, size_t max, struct arena *arena,
	    struct directory_account ***out, size_t *n_out, struct fail *f);

	int (*domain_add)(void *b, const char *name, struct fail *f);
	int (*domain_remove)(void *b, const char *name, struct fail *f);
	int (*domain_list)(void *b, struct arena *arena,
	    struct directory_domain **out, size_t *n_out, struct fail *f);

	int (*alias_add)(void *b, const struct mailaddr *address,
	    const struct mailaddr *target, struct fail *f);
	int (*alias_remove)(void *b, const struct mailaddr *address,
	    const struct mailaddr *target, struct fail *f);
	int (*alias_list)(void *b, const char *domain, struct arena *arena,
	    struct directory_alias **out, size_t *n_out, struct fail *f);
};

extern const struct directory_ops directory_embedded_ops;

/*
 * The cache: entries of one version, the least recently used go first.
 * A get or put of a higher version empties it; one of a lower version, by a
 * thread that was slow, does nothing.
 */
struct cache_node;

struct cache {
	struct lock lock;
	uint64_t version;
	struct map nodes;	  /* key -> cache_node */
	struct cache_node *first; /* most recently used */
	struct cache_node *last;
	size_t max;
};

void cache_init(struct cache *c, size_t max);
void cache_deinit(struct cache *c);

/* A reference, or NULL. */
struct entry *cache_get(struct cache *c, enum entry_key by, struct sv key,
    uint64_t version) EXCLUDES(c->lock);
void cache_put(struct cache *c, enum entry_key by, struct sv key,
    struct entry *e, uint64_t version) EXCLUDES(c->lock);

/* The entry of `key` by the shortest way: for resolve.c too. */
int directory_look_up(struct directory *d, enum entry_key by, struct sv key,
    struct entry **out, struct fail *f) MUST_CHECK;
const char *directory_separators(const struct directory *d);
unsigned directory_rcpts_max(const struct directory *d);

/* The address configured, or NULL. */
const struct mailaddr *directory_postmaster(const struct directory *d);
