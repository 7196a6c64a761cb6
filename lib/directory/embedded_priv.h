/*
 * embedded_priv: the embedded back end, one SQLite file.
 *
 *	embedded.c		connections, schema, version, secret
 *	embedded_read.c		look-ups and lists
 *	embedded_write.c	changes
 *
 * DIR/directory/directory.db (mode 0600: it holds stored keys), write-ahead
 * log, synchronous=FULL: what was reported done stands after a power cut.
 * Format 1, application id "PoRd":
 *
 *	state	  one row: `changes` (raised by each change), `secret`
 *	domain	  id, name (ASCII form), created (ms since 1970)
 *	account	  id (32 hex digits), created, enabled, quota_octets,
 *		  quota_messages, name, auth
 *	address	  id, text (as mailaddr.h makes it), domain, account;
 *		  account NULL: an alias
 *	target	  address (of an alias), text
 *
 * Connections are pooled, each with its prepared statements; one is used by
 * one thread at a time.  They are opened anew when the file was replaced
 * (restored, for instance), which is looked at once a second.
 *
 * Threads: struct embedded is locked; struct conn belongs to who took it.
 */
#pragma once

#include <sqlite3.h>
#include <sys/types.h>

#include "directory/directory_priv.h"

enum {
	CONNS_MAX = 16,
	/* version = epoch << EPOCH_SHIFT | changes */
	EPOCH_SHIFT = 44,
};

enum stmt {
	ST_BEGIN,
	ST_BEGIN_WRITE,
	ST_COMMIT,
	ST_CHANGES,
	ST_CHANGE,
	/* reads */
	ST_ADDRESS,
	ST_TARGETS,
	ST_DOMAIN,
	ST_BY_ID,
	ST_OLDEST,
	ST_ACCOUNTS,
	ST_DOMAINS,
	ST_ALIASES,
	/* writes */
	ST_ADD_DOMAIN,
	ST_DEL_DOMAIN,
	ST_DOMAIN_USED,
	ST_ADD_ACCOUNT,
	ST_DEL_ACCOUNT,
	ST_ADD_ADDRESS,
	ST_FIND_ADDRESS,
	ST_DEL_ADDRESS,
	ST_ADDRESS_OF,
	ST_MOVE_ADDRESS,
	ST_ENABLE,
	ST_SET_QUOTA,
	ST_SET_NAME,
	ST_SET_AUTH,
	ST_GET_AUTH,
	ST_ADD_TARGET,
	ST_DEL_TARGET,
	ST_COUNT_TARGETS,
	ST_LEADS_TO,
	ST_TARGETS_FROM,
	ST_MOVE_TARGET,
	ST_DROP_TARGET,
	ST_DROP_EMPTY,
	STMTS,
};

struct conn {
	struct conn *next;
	sqlite3 *db;
	uint64_t epoch;
	sqlite3_stmt *stmts[STMTS]; /* made at first use */
};

struct embedded {
	char *path;		/* of directory.db */
	const char *separators; /* borrowed from the configuration */
	int busy_ms;

	struct lock lock;
	pthread_cond_t given; /* with `lock`: a connection came back */
	struct conn *idle;    /* last given first */
	unsigned n_open;      /* idle and taken */
	uint64_t epoch;	      /* how often the file was replaced */
	dev_t dev;
	ino_t ino;
	int64_t looked_ms; /* when that was last checked */
	bool away;	   /* there was no file then */
};

/* A connection, opened when there is none; may sleep.  Give it back. */
int embedded_take(struct embedded *e, struct conn **out,
    struct fail *f) MUST_CHECK EXCLUDES(e->lock);
void embedded_give(struct embedded *e, struct conn **conn) EXCLUDES(e->lock);

/* The statement, reset and without bindings; borrowed. */
int conn_stmt(struct conn *c, enum stmt which, sqlite3_stmt **out,
    struct fail *f) MUST_CHECK;

/* 1 a row, 0 the end, -1 failed. */
int conn_row(struct conn *c, sqlite3_stmt *st, struct fail *f) MUST_CHECK;

/* A statement without parameters and rows. */
int conn_run(struct conn *c, enum stmt which, struct fail *f) MUST_CHECK;

/* The change counter as the open transaction sees it, with the epoch. */
int conn_version(struct conn *c, uint64_t *out, struct fail *f) MUST_CHECK;

void bind_sv(sqlite3_stmt *st, int at, struct sv s); /* borrowed */
void bind_u64(sqlite3_stmt *st, int at, uint64_t v); /* cut at 2^63 - 1 */
struct sv column_sv(sqlite3_stmt *st, int at); /* borrowed until the next row */
bool column_mailaddr(sqlite3_stmt *st, int at, struct mailaddr *out);

/* ---- embedded_read.c ---- */
int embedded_look_up(void *b, enum entry_key by, struct sv key,
    struct entry **out, uint64_t *version_out, struct fail *f);
int embedded_account_list(void *b, const char *domain,
    const struct mailaddr *after, size_t max, struct arena *arena,
    struct directory_account ***out, size_t *n_out, struct fail *f);
int embedded_domain_list(void *b, struct arena *arena,
    struct directory_domain **out, size_t *n_out, struct fail *f);
int embedded_alias_list(void *b, const char *domain, struct arena *arena,
    struct directory_alias **out, size_t *n_out, struct fail *f);

/* ---- embedded_write.c ---- */
int embedded_account_add(void *b, const struct directory_account_spec *spec,
    const char *id, bool *domain_made_out, struct fail *f);
int embedded_account_rename(void *b, struct sv id, const struct mailaddr *to,
    bool keep_old, struct fail *f);
int embedded_account_remove(void *b, struct sv id, struct fail *f);
int embedded_account_enable(
    void *b, struct sv id, bool enabled, struct fail *f);
int embedded_account_set_quota(
    void *b, struct sv id, uint64_t octets, uint64_t messages, struct fail *f);
int embedded_account_set_name(
    void *b, struct sv id, struct sv name, struct fail *f);
int embedded_account_set_auth(void *b, struct sv id, struct sv auth,
    const struct sv *only_if, struct fail *f);
int embedded_domain_add(void *b, const char *name, struct fail *f);
int embedded_domain_remove(void *b, const char *name, struct fail *f);
int embedded_alias_add(void *b, const struct mailaddr *address,
    const struct mailaddr *target, struct fail *f);
int embedded_alias_remove(void *b, const struct mailaddr *address,
    const struct mailaddr *target, struct fail *f);
