/*
 * segment: one file of an account's journal, and reading it.
 *
 * journal/<number, 10 decimal digits>.<random, 16 hex digits>
 *
 * A segment begins with its header, twice (each copy in a block of its own,
 * so that one bad block does not take the key and with it all records):
 *
 *	 0	magic		8	"PRjourn\n"
 *	 8	format		4	3
 *	12	semantics	4	version of the rules by which it replays
 *	16	name		16	number, random
 *	32	previous	16	number, random; zeros: the account's first
 *	48	boot id		16	of the machine that made it
 *	64	generation	8	of the store
 *	72	inode		8	its own
 *	80	key		16	random; marks and checksums come from it
 *	96	floor		8	ms: adds of older placements are void
 *	104	purge		8	place: what was expunged below it is gone
 *	112	created		8	ms since 1970
  *	120	flags		4	1: its predecessor was a restored copy, or
 *					of an earlier generation
 *	124	CRC-32C		4	of the 124 octets before
 *
 * The second copy stands at SEG_HEADER_COPY; records begin at SEG_HEADER.
 *
 * Threads: a segment is immutable but for its atomics; a scan is owned by
 * one runner.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/fail.h"
#include "store/fs.h"
#include "store/record_priv.h"

enum {
	SEG_FORMAT = 3,
	SEG_SEMANTICS = 1, /* the highest that this program replays */
	SEG_HEADER_SIZE = 128,
	SEG_HEADER_COPY = 4096,
	SEG_HEADER = SEG_HEADER_COPY + SEG_HEADER_SIZE,
	SEG_LIMIT = 8 * 1024 * 1024, /* no append begins behind this */
	SEG_ALLOCATE = 48 * 1024,    /* room kept ahead of the end */
	SEG_RESERVE = 16 * 1024,     /* of it, not for ADD */
	SEG_NAME_SIZE = 10 + 1 + 16 + 1,
	SEG_PLACE_BITS = 24,		     /* offset within a segment */
	SEG_RESTORED = 1,		     /* of the header's flags */
	SEG_ALL = (1 << SEG_PLACE_BITS) - 1, /* behind all of its records */
};

struct seg_header {
	uint32_t semantics;
	struct seg_name name;
	struct seg_name previous;
	uint64_t boot_id[2];
	uint64_t generation;
	uint64_t inode;
	uint64_t key[2];
	int64_t floor_ms;
	place_t purge;
	int64_t created_ms;
	bool restored; /* what was told of the one before may not be so */
};

static inline place_t
place_make(uint64_t number, uint64_t offset)
{
	return number << SEG_PLACE_BITS | offset;
}

static inline bool
seg_name_eq(const struct seg_name *a, const struct seg_name *b)
{
	return a->number == b->number && a->random == b->random;
}

void seg_name_write(const struct seg_name *name, char out[SEG_NAME_SIZE]);
bool seg_name_read(const char *text, struct seg_name *out);

struct record_key seg_record_key(const struct seg_header *h);

struct segment {
	struct fs *fs; /* borrowed */
	_Atomic unsigned refs;
	int fd; /* O_RDWR | O_APPEND */
	struct seg_header header;
	struct record_key key;
	uint64_t inode;		/* of the file now: differs after a restore */
	uint64_t size_at_open;	/* octets; it may have grown since */
	_Atomic bool bad;	/* a flush failed: never append here again */
	_Atomic bool vouched;	/* none had failed before we opened it */
	_Atomic uint64_t reach; /* octets that it had for a snapshot */
	_Atomic bool cut;	/* fewer than that are left */
	_Atomic uint64_t allocated; /* octets that a full disk leaves us */
	/* One flush at a time, see journal_flush(): how many were asked for,
	 * and how many of these one that succeeded had begun behind. */
	_Atomic uint64_t flushes_asked;
	pthread_mutex_t flush;
	uint64_t flushes_done; /* with `flush` */
};

/* Open `name` in the folder journal/ below `account_dir`.  FAIL_ABSENT;
 * FAIL_CORRUPT when neither copy of the header is good; FAIL_PERM for a
 * format or semantics version of the future. */
int segment_open(struct fs *fs, int account_dir, const struct seg_name *name,
    struct segment **out, struct fail *f) MUST_CHECK;

/* Make a segment of the name and values in `h`, whose inode and key are
 * filled in.  Nothing names it yet, and it is not flushed. */
int segment_make(struct fs *fs, int account_dir, struct seg_header *h,
    struct segment **out, struct fail *f) MUST_CHECK;

struct segment *segment_ref(struct segment *s);
void segment_unref(struct segment **s);

/*
 * A scan reads a segment's records from an offset on.  Each scan_next() gives
 * a batch: the records of complete groups, in order, all checked, as many as
 * one read brought.  Octets that form no record but have one behind them, in
 * a read begun after that one was seen, are a gap and skipped; at the end
 * they are "not yet there".
 */
enum { SCAN_BATCH = 1024 };

enum scan_end {
	SCAN_MORE, /* call again */
	SCAN_TAIL, /* nothing whole behind `at` for now */
	SCAN_SEAL, /* the batch's last record is the segment's valid SEAL */
};

struct scan {
	struct segment *segment; /* borrowed */
	uint64_t at;		 /* where the next batch begins */
	/* The octets before `at` as last seen, once `check` is set: if they
	 * change, history was rewritten below us. */
	bool check;
	unsigned char before[RECORD_TAIL];

	struct record *rec; /* the batch: borrowed until the next call */
	size_t n;
	enum scan_end end;
	struct rec_seal seal; /* SCAN_SEAL */
	uint64_t gaps;	      /* octets skipped so far */

	char *data; /* private from here: what was read */
	size_t data_cap;
	size_t want;	  /* octets of the next read */
	uint64_t suspect; /* offset of what is no record but is followed by
			   * one; 0: none */
	size_t rec_cap;
};

void scan_init(struct scan *s, struct segment *segment, uint64_t at);
/* All that the segment had when it was opened is going to be read. */
void scan_ahead(struct scan *s);
/* What is wanted ends at `end`, where the file has grown to: one read. */
void scan_until(struct scan *s, uint64_t end);
void scan_deinit(struct scan *s);

/* FAIL_TEMP: reading failed.  FAIL_CORRUPT: what stood before `at` is not
 * there any more. */
int scan_next(struct scan *s, struct fail *f) MUST_CHECK;
