/*
 * directory: who exists here: domains, accounts, aliases.
 *
 * One account is one entry, known by an id that never changes and is never
 * given again; its address is an attribute that may.  An address belongs to
 * one account or to one alias, never to both.  An alias leads to any number
 * of addresses, here or elsewhere.
 *
 * The back end stands behind `struct directory_ops` (directory_priv.h); the
 * embedded one keeps everything in one SQLite file.  Any number of processes
 * use it at once, and each sees a change at its next call: what is kept in
 * memory is valid only while the directory's change counter stands.
 *
 * Failures common to all calls: FAIL_TEMP when the directory is away (the
 * caller defers: 451, NO [UNAVAILABLE]); FAIL_SYNTAX and FAIL_LIMIT for an
 * address or a name that cannot be.  Calls bracket what may sleep with
 * block_begin()/block_end() themselves: do not call them inside a bracket or
 * under a lock.
 *
 * Threads: a struct directory is locked inside and safe from any thread;
 * struct directory_account is immutable and reference-counted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/fail.h"
#include "base/sv.h"
#include "directory/mailaddr.h"

enum {
	DIRECTORY_ID_LEN = 32,	   /* lower-case hex digits */
	DIRECTORY_SECRET_LEN = 32, /* octets */
	DIRECTORY_NAME_MAX = 256,  /* octets of a person's name */
	DIRECTORY_AUTH_MAX = 2048, /* octets of stored keys */
	DIRECTORY_DEPTH_MAX = 8,   /* aliases one behind the other */
};

struct directory;
struct settings;

struct directory_conf {
	const char *path;	/* folder of directory.db, or the file */
	bool create;		/* make it where folder is absent or empty */
	const char *separators; /* of subaddresses, "" = none; NULL = "+" */
	const char *postmaster; /* who gets unclaimed postmaster mail; NULL
				 * or "": see directory_resolve() */
	uint64_t cache_max; /* accounts and addresses in memory, 0 = 16384 */
	uint64_t busy_ms;   /* wait for another writer, 0 = 10000 */
	uint64_t rcpts_max; /* places that one address leads to, and targets
			     * of one alias; 0 = 1000 */
};

/* Immutable; the strings live as long as the account is referenced. */
struct directory_account {
	char id[DIRECTORY_ID_LEN + 1];
	bool enabled;		 /* false: no login, no delivery */
	uint64_t quota_octets;	 /* 0 = none */
	uint64_t quota_messages; /* 0 = none */
	int64_t created;	 /* ms since 1970 */
	struct mailaddr address; /* the primary one */
	struct sv name;		 /* the person's, UTF-8; may be empty */
	struct sv auth;		 /* stored keys (auth/verifier.h), or empty */
};

struct directory_domain {
	char name[MAILADDR_DOMAIN_MAX + 1]; /* ASCII form */
	int64_t created;		    /* ms since 1970 */
	uint64_t accounts, aliases;	    /* how many addresses are in it */
};

struct directory_alias {
	struct mailaddr address;
	const struct mailaddr *targets;
	size_t n_targets;
};

/*
 * Open, and with `create` make, a directory; strings in `conf` are borrowed
 * until closed.  FAIL_ABSENT when there is none, FAIL_PERM when its format is
 * newer than this program.
 */
int directory_open(const struct directory_conf *conf, struct directory **out,
    struct fail *f) MUST_CHECK;
void directory_close(struct directory **d);

/* The same by the settings of section `directory`; `create` as above. */
int directory_open_settings(const struct settings *set, bool create,
    struct directory **out, struct fail *f) MUST_CHECK;

/* 32 octets that belong to this directory and never leave it, for whatever
 * must look alike on all servers (auth/auth.h). */
void directory_secret(
    const struct directory *d, uint8_t out[DIRECTORY_SECRET_LEN]);

/* A consistent copy in a new file (mode 0600), durable, while others go on
 * writing.  FAIL_EXISTS. */
int directory_backup(
    struct directory *d, const char *path, struct fail *f) MUST_CHECK;

/* ---- accounts ---- */

/* One more reference, given back with unref, for which NULL is a no-op. */
struct directory_account *directory_account_ref(struct directory_account *a);
void directory_account_unref(struct directory_account **a);

/* A reference to be given back, or FAIL_ABSENT.  Microseconds when warm. */
int directory_account_by_id(struct directory *d, struct sv id,
    struct directory_account **out, struct fail *f) MUST_CHECK;
int directory_account_by_address(struct directory *d,
    const struct mailaddr *address, struct directory_account **out,
    struct fail *f) MUST_CHECK;

/*
 * Whom a person means who signs in as `address`: the account of that address,
 * or of the only target of the alias of that name.  FAIL_ABSENT.
 */
int directory_account_by_login(struct directory *d,
    const struct mailaddr *address, struct directory_account **out,
    struct fail *f) MUST_CHECK;

struct directory_account_spec {
	const struct mailaddr *address;
	const char *id; /* by directory_id_make(); NULL = make one */
	struct sv name;
	struct sv auth; /* auth/verifier.h; empty = cannot sign in */
	uint64_t quota_octets;
	uint64_t quota_messages;
	bool make_domain; /* when it is new, instead of FAIL_ABSENT */
};

/* A fresh account id: 128 random bits. */
void directory_id_make(char out[DIRECTORY_ID_LEN + 1]);

/*
 * Make an account under a fresh id.  FAIL_EXISTS when the address is taken by
 * an account or an alias, FAIL_ABSENT when the domain is not ours.
 * `domain_made_out` may be NULL.
 */
int directory_account_add(struct directory *d,
    const struct directory_account_spec *spec,
    char id_out[DIRECTORY_ID_LEN + 1], bool *domain_made_out,
    struct fail *f) MUST_CHECK;

/*
 * Give the account another primary address.  Aliases that led to the old one
 * lead to the new one; with `keep_old` the old address becomes an alias.
 * FAIL_ABSENT: no such account or domain; FAIL_EXISTS: address taken.
 */
int directory_account_rename(struct directory *d, struct sv id,
    const struct mailaddr *to, bool keep_old, struct fail *f) MUST_CHECK;

/* Remove the entry, and its address from the aliases that led to it; an alias
 * left with no target goes too.  FAIL_ABSENT. */
int directory_account_remove(
    struct directory *d, struct sv id, struct fail *f) MUST_CHECK;

/* Each: FAIL_ABSENT when there is no such account. */
int directory_account_enable(
    struct directory *d, struct sv id, bool enabled, struct fail *f) MUST_CHECK;
int directory_account_set_quota(struct directory *d, struct sv id,
    uint64_t octets, uint64_t messages, struct fail *f) MUST_CHECK;
int directory_account_set_name(struct directory *d, struct sv id,
    struct sv name, struct fail *f) MUST_CHECK;

/* Replace the stored keys; with `only_if` not NULL only while they are those
 * (else FAIL_EXISTS: somebody else was faster). */
int directory_account_set_auth(struct directory *d, struct sv id,
    struct sv auth, const struct sv *only_if, struct fail *f) MUST_CHECK;

/*
 * Up to `max` accounts by address, those behind `after` (NULL: from the
 * start), of `domain` (NULL: all).  The array is in `arena`; its references
 * are the caller's.
 */
int directory_account_list(struct directory *d, const char *domain,
    const struct mailaddr *after, size_t max, struct arena *arena,
    struct directory_account ***out, size_t *n_out, struct fail *f) MUST_CHECK;

/* ---- domains ---- */

/* `name` in any form.  FAIL_EXISTS. */
int directory_domain_add(
    struct directory *d, struct sv name, struct fail *f) MUST_CHECK;

/* FAIL_ABSENT; FAIL_DENIED while it has accounts or aliases. */
int directory_domain_remove(
    struct directory *d, struct sv name, struct fail *f) MUST_CHECK;
int directory_domain_list(struct directory *d, struct arena *arena,
    struct directory_domain **out, size_t *n_out, struct fail *f) MUST_CHECK;

/* The domain of the oldest account: that of names without one.  FAIL_ABSENT
 * when there is no account. */
int directory_first_domain(struct directory *d,
    char out[MAILADDR_DOMAIN_MAX + 1], struct fail *f) MUST_CHECK;

/* ---- aliases ---- */

/*
 * Let `address` lead to `target` too; the local part `*` catches all that
 * nothing else in its domain takes.  FAIL_ABSENT: the domain is not ours;
 * FAIL_EXISTS: it leads there already, or is an account; FAIL_LIMIT: it has
 * as many as configured; FAIL_DENIED: the target would lead back to it.
 */
int directory_alias_add(struct directory *d, const struct mailaddr *address,
    const struct mailaddr *target, struct fail *f) MUST_CHECK;

/* One target, or with NULL the alias; FAIL_ABSENT. */
int directory_alias_remove(struct directory *d, const struct mailaddr *address,
    const struct mailaddr *target, struct fail *f) MUST_CHECK;

/* By address; `domain` NULL: all.  All in `arena`. */
int directory_alias_list(struct directory *d, const char *domain,
    struct arena *arena, struct directory_alias **out, size_t *n_out,
    struct fail *f) MUST_CHECK;

/* ---- where mail goes ---- */

/* One place that an address leads to. */
struct directory_rcpt {
	struct directory_account *account; /* NULL: elsewhere */
	struct mailaddr address; /* the account's, or the one elsewhere */
	struct sv detail;	 /* of the subaddress, in the arena; or empty */
};

enum directory_route {
	ROUTE_LOCAL,   /* every place is an account here */
	ROUTE_MIXED,   /* at least one place is elsewhere */
	ROUTE_REMOTE,  /* the domain is not ours: no places are given */
	ROUTE_UNKNOWN, /* the domain is ours, the address leads nowhere */
};

/*
 * Where mail to `address` goes.  Looked for in this order: the address as it
 * is, the address without its detail, postmaster, the catch-all.  Aliases are
 * followed without loops, DIRECTORY_DEPTH_MAX deep and to at most
 * as many places as configured (else FAIL_LIMIT); each account is given once.  A
 * detail is handed on to targets that have none of their own.  Accounts that
 * are not enabled are given too: look.
 *
 * `postmaster` exists in each of our domains [RFC 5321 4.5.1]: where nobody
 * claimed it, mail goes to the address configured, else to the domain's
 * oldest account, else to the directory's oldest.
 *
 * The array is in `arena`; its references are the caller's, given back with
 * directory_rcpts_unref().
 */
int directory_resolve(struct directory *d, const struct mailaddr *address,
    struct arena *arena, enum directory_route *route_out,
    struct directory_rcpt **out, size_t *n_out, struct fail *f) MUST_CHECK;

/* The same for <Postmaster> without a domain [RFC 5321 4.1.1.3]. */
int directory_resolve_postmaster(struct directory *d, struct arena *arena,
    enum directory_route *route_out, struct directory_rcpt **out, size_t *n_out,
    struct fail *f) MUST_CHECK;

void directory_rcpts_unref(struct directory_rcpt *rcpts, size_t n);
