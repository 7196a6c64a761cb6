/*
 * store_priv: a volume and its accounts, as the files of this folder share
 * them.
 *
 * Below the volume's root:
 *
 *	generation		text: a number that msadm raises after the
 *				disk lost what it had flushed
 *	read-only.<generation>	a flush has failed
 *	tmp/			accounts being made or removed
 *	accounts/<2>/<id>/	one account; <2>: first two digits of its id
 *
 * and below an account:
 *
 *	journal/<number>.<random>	segments	[segment_priv.h]
 *	snap/<place>.<random>/		snapshots	[snapshot_priv.h]
 *	pack/<lo>-<hi>.<random>		digests		[pack_priv.h]
 *	box/<mailbox id>/<placement>	message files
 *	by-name/, box/<id>/.name	for people: a cache
 *	head				newest segment, names, usage: a hint
 *	tmp/				snapshots and heads being made
 *
 * Threads: a store and its accounts are shared by threads; what is not under
 * the lock above it is immutable or atomic.  No lock is held across an
 * fs_*() call.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lock.h"
#include "base/map.h"
#include "store/fs.h"
#include "store/segment_priv.h"
#include "store/state_priv.h"
#include "store/store.h"

enum {
	FILE_MODE = 0600,
	FOLDER_MODE = 0700,
	ACCOUNT_PATH_SIZE = 9 + 3 + ACCOUNT_ID_LEN + 1,
	PATH_SIZE = 160, /* of anything below an account */
};

struct head;
struct hint;
struct packset;
struct upkeep;

struct store {
	struct fs *fs;
	bool owns_fs;
	struct store_conf conf;
	struct fs_traits traits;
	uint64_t process; /* of this store's record ids */
	_Atomic uint32_t counter;
	uint64_t boot_id[2];
	_Atomic uint64_t generation;
	_Atomic bool read_only; /* a flush failed on this volume */
	struct hint *hint;	/* NULL: none */
	struct upkeep *upkeep;	/* NULL: no thread */

	struct lock lock;
	struct map accounts GUARDED_BY(lock);	     /* id: struct account * */
	struct account *idle_first GUARDED_BY(lock); /* oldest first */
	struct account *idle_last GUARDED_BY(lock);
	unsigned n_idle GUARDED_BY(lock);
	uint64_t idle_weight GUARDED_BY(lock); /* octets, about */
	/* Operations that flush: under way, and those that wait for a place
	 * in order of coming. */
	unsigned n_flushing GUARDED_BY(lock);
	struct flush_wait *flush_first GUARDED_BY(lock);
	struct flush_wait **flush_last GUARDED_BY(lock); /* if there is one */
	/* Random parts of placements that were logged as damaged. */
	uint64_t damaged[64] GUARDED_BY(lock);
	unsigned n_damaged GUARDED_BY(lock);
};

/* A record that was appended and whose outcome is waited for. */
struct pending {
	struct pending *next;
	struct record_id id;
	struct outcome *out; /* NULL: not asked for */
	bool done;
};

struct account {
	struct store *store;
	char id[ACCOUNT_ID_LEN + 1];
	int dir; /* folder handle */

	/* Guarded by the store's lock. */
	unsigned refs;
	struct account *idle_prev, *idle_next;
	uint64_t weight; /* while idle: octets that it takes, about */

	struct lock lock;
	/* The newest segment known to be live; the one that `replay` stands
	 * in once that is loaded.  NULL: not looked for yet. */
	struct segment *segment GUARDED_BY(lock);
	uint64_t clean GUARDED_BY(lock);  /* no SEAL before this offset in it */
	uint64_t size GUARDED_BY(lock);	  /* of it, as last seen */
	place_t flushed GUARDED_BY(lock); /* all below is on disk */
	bool rotating GUARDED_BY(lock);	  /* one of our threads is */
	/* Octets of journal met since a snapshot was loaded or made, and how
	 * many call for the next. */
	uint64_t tail GUARDED_BY(lock);
	uint64_t tail_max GUARDED_BY(lock);
	int64_t upkeep_after_ms GUARDED_BY(lock);
	bool gone GUARDED_BY(lock); /* closed for ever */
	bool lost GUARDED_BY(lock); /* history changed: open it anew */
	bool names_stale GUARDED_BY(
	    lock);		      /* mailboxes changed [names_priv.h] */
	bool astray GUARDED_BY(lock); /* what `head` names leads nowhere */
	/* The segment's file was like this (fs_stat.changed) when what stands
	 * before replay.offset was last looked at; 0: not since. */
	int64_t seen GUARDED_BY(lock);
	bool loaded GUARDED_BY(lock);
	struct replay replay GUARDED_BY(lock); /* if loaded */
	/* Inodes of folders whose names are known to be on disk. */
	uint64_t firm_folder[8] GUARDED_BY(lock);
	unsigned next_firm GUARDED_BY(lock);
	struct pending *pending GUARDED_BY(lock);
	struct head *head GUARDED_BY(lock);	/* NULL: not read */
	struct packset *packs GUARDED_BY(lock); /* NULL: not looked for */
	/* What usage_estimate() has counted so far; 0: nothing. */
	struct usage counted GUARDED_BY(lock);
	bool counted_low GUARDED_BY(lock);
	struct seg_name counted_in GUARDED_BY(lock);
	uint64_t counted_at GUARDED_BY(lock);
	/* What operations under way are about to add [room.c]. */
	struct usage taken GUARDED_BY(lock);
	struct watch *watches GUARDED_BY(lock);
};

/* Another reference to an account that the caller holds one of. */
struct account *account_ref(struct account *a);

/* An account that this process has in memory, a reference; or NULL. */
struct account *account_find(struct store *store, const char *id);

/* Tell other processes, and the watches of this one, of a change that is on
 * disk below `flushed`. */
void account_changed(struct account *a, place_t flushed);

/*
 * Enter and leave an operation that waits in fsync(2), once or several times:
 * at most conf.flushers_max threads of the process are in one, the others
 * wait in order.  A bracket of base/block.h round all of it.  Not nested:
 * what journal*.c, msgfile.c and their like flush counts as part of the
 * operation that calls them, or, where it is rare, not at all.
 */
void store_flush_begin(struct store *s);
void store_flush_end(struct store *s);

/* An error of a flush: sets `f`; nothing more is acknowledged on this
 * volume. */
int store_flush_failed(
    struct store *s, int err, const char *what, struct fail *f) MUST_CHECK;
/* The same of a new file that only its maker relies on, and is going to give
 * up: if the disk is full, that is all. */
int store_flush_new_failed(
    struct store *s, int err, const char *what, struct fail *f) MUST_CHECK;

/* Take over a generation that was raised while we run. */
void store_look_at_generation(struct store *s);

/* The failure of what is not done then. */
int store_is_read_only(struct fail *f) MUST_CHECK;
/* Remove what was begun in the store's tmp/ a day ago, and never ended: trees
 * of accounts that were being made or removed. */
void store_tidy(struct store *s);

/* Another process was told of a failed flush: read-only from now on.  To be
 * asked behind opening what is to be flushed. */
void store_look_for_mark(struct store *s);

/* Flush a file or folder by its path below an account.  FAIL_TEMP on a volume
 * that is read-only, or turns out to be: what was lost may be what the caller
 * relies on. */
int store_sync_path(
    struct store *s, int dir, const char *path, struct fail *f) MUST_CHECK;

void account_path(const char *id, char out[ACCOUNT_PATH_SIZE]);
bool account_id_valid(const char *id);

/* box/<id>, and the file of a placement in one, below the account. */
void box_path(uint64_t mbox, char out[PATH_SIZE]);
void msg_path(const struct msg *m, char out[PATH_SIZE]);
void placement_path(uint64_t folder, const struct placement *p, uint64_t size,
    int64_t date_ms, uint32_t sum, char out[PATH_SIZE]);

/* Part of a file's name: `n` hexadecimal digits in lower case, and then `end`,
 * which is passed over if it is not the string's. */
bool hex_part(const char **at, unsigned n, char end, uint64_t *out);

/* Octets of a whole file, at most `max` (else FAIL_CORRUPT), into `to`. */
int file_read(struct fs *fs, int dir, const char *path, size_t max,
    struct buf *to, struct fail *f) MUST_CHECK;
/* All of v[0..n), which is changed; a short write is FAIL_LIMIT. */
int file_write(
    struct fs *fs, int fd, struct iovec *v, int n, struct fail *f) MUST_CHECK;

/* All below and with `path`, `depth` levels; what is gone already is no
 * failure. */
int tree_remove(struct fs *fs, int dir, const char *path, unsigned depth,
    struct fail *f) MUST_CHECK;
