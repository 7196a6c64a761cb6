/*
 * embedded_priv: the embedded back end, one SQLite file.
 *
 *	embedded.c		open and close, version, secret
 *	embedded_schema.c	the tables and their formats
 *	embedded_pool.c		connections, which sqlconn.c makes
 *	embedded_read.c		look-ups and lists
 *	embedded_write.c	what all changes share, changes of domains
 *	embedded_account.c	changes of accounts
 *	embedded_alias.c	changes of aliases
 *	embedded_backup.c	a copy while it is used
 *
 * DIR/directory/directory.db (mode 0600: it holds stored keys), with a
 * journal of what a change overwrites, synchronous=FULL: what was reported
 * done stands after a power cut.  Format 1, application id "PoRd":
 *
 *	state	  one row: `secret`
 *	domain	  id, name (ASCII form), created (ms since 1970)
 *	account	  id (32 hex digits), created, enabled, quota_octets,
 *		  quota_messages, name, auth
 *	address	  id, text (as mailaddr.h makes it), domain, account;
 *		  account NULL: an alias
 *	target	  address (of an alias), text
 *
 * Connections are pooled, each with its prepared statements; one is used by
 * one thread at a time.  They are opened anew when the file was replaced
 * (restored, for instance), or can be written to and could not before, which
 * is looked at once a second.
 *
 * Threads: struct embedded is locked; struct sqlconn belongs to who took it.
 */
#pragma once

#include <sys/types.h>

#include "directory/directory_priv.h"
#include "directory/sqlconn_priv.h"

enum { CONNS_MAX = 16 };

struct embedded {
	char *path;		/* of directory.db */
	const char *separators; /* borrowed from the configuration */
	int busy_ms;
	unsigned targets_max; /* of one alias */

	struct lock lock;
	pthread_cond_t given; /* with `lock`: a connection came back */
	struct sqlconn *idle; /* last given first */
	unsigned n_open;      /* idle and taken */
	uint64_t epoch;	      /* how often the file was replaced */
	dev_t dev;
	ino_t ino;
	int64_t looked_ms; /* when that was last checked */
	bool away;	   /* there was no file then */
	bool read_only;	   /* connections were made that cannot change it */
};

/* A connection, opened when there is none; may sleep.  Give it back. */
int embedded_take(struct embedded *e, struct sqlconn **out,
    struct fail *f) MUST_CHECK EXCLUDES(e->lock);
void embedded_give(struct embedded *e, struct sqlconn **conn) EXCLUDES(e->lock);

/* An idle connection or NULL, without waiting; false when the directory is
 * away. */
bool embedded_take_idle(struct embedded *e, struct sqlconn **out)
    EXCLUDES(e->lock);
void embedded_close_idle(struct embedded *e); /* nobody has one any more */

/* fsync(2) of a file or folder. */
int embedded_sync_path(const char *path, struct fail *f) MUST_CHECK;

/* ---- embedded_schema.c ---- */

/* Make the tables, or bring those of an older format up to date.  Two
 * processes may get here at once: the second finds it done.  FAIL_PERM: the
 * file is not of ours, or of a newer program. */
int embedded_bring_up_to_date(struct sqlconn *c, struct fail *f) MUST_CHECK;

/* ---- embedded_backup.c ---- */
int embedded_backup(void *b, const char *path, struct fail *f);

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

/* ---- embedded_account.c ---- */
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

/* ---- embedded_write.c ---- */
int embedded_domain_add(void *b, const char *name, struct fail *f);
int embedded_domain_remove(void *b, const char *name, struct fail *f);

/* ---- embedded_alias.c ---- */
int embedded_alias_add(void *b, const struct mailaddr *address,
    const struct mailaddr *target, struct fail *f);
int embedded_alias_remove(void *b, const struct mailaddr *address,
    const struct mailaddr *target, struct fail *f);
