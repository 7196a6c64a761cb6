/*
 * pack: digests whose records are no longer in the journal.
 *
 *	pack/<lo>-<hi>.<random>		(16 hexadecimal digits each)
 *
 * A pack says that it holds the digest of every message that lived, or had a
 * grave, when it was made, and whose ADD record stood at a place from `lo` up
 * to but not including `hi`.  It is written under tmp/, flushed, renamed to
 * its name, which is never used again, and from then on only read, until
 * another pack that spans all of its places makes it superfluous.
 *
 * Packs are a cache: what they hold can be made again from the messages.  So
 * there is one copy, nothing refers to them, and whatever becomes of one
 * costs time alone.  How they are made and when they go: packs_priv.h.
 *
 * A file, all fixed numbers little-endian, varints as in codec_priv.h:
 *
 *	data blocks	in order of mailbox, then place
 *	index blocks	in order of place
 *	top		the index of the index
 *	trailer		PACK_TRAILER octets
 *
 *	data block	CRC-32C 4, of what follows | octets when unpacked 4 |
 *			one zstd frame of:
 *			count 2 | length 2 of each | the digests
 *	index block	CRC-32C 4, of what follows | varints, an entry:
 *			place, less the one before (the first: than `top`
 *			says) | where:
 *			   0: the next of the same data block
 *			   else 1 + zigzag(offset of the data block, less the
 *			   one before, which begins at 0), its octets, position
 *			   in it
 *	top		for each index block: place of its first entry, less
 *			that of the block before | its octets
 *	trailer		magic 8 "PRpack1\n" | lo 8 | hi 8 | random 8 |
 *			digests 8 | offset of the index 8 | octets of the
 *			top 4 | its CRC-32C 4 | zero 4 | CRC-32C 4 of all
 *			before
 *
 * To read one digest takes the top (kept in memory: 100,000 digests have a
 * hundred index blocks), one index block and one data block; to read a
 * mailbox in order, each of its blocks once.
 *
 * Threads: a pack is immutable; writers and readers are owned by one runner.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/fail.h"
#include "store/store_priv.h"

enum {
	PACK_NAME_SIZE = 16 + 1 + 16 + 1 + 16 + 1,
	PACK_PATH_SIZE = 5 + PACK_NAME_SIZE,
	PACK_BLOCK = 16 * 1024, /* octets of digests that fill a data block */
	PACK_SLOTS = 512,	/* digests in one, at most */
	PACK_RAW_MAX = PACK_BLOCK + STORE_DIGEST_MAX + 2 + 2 * PACK_SLOTS,
	PACK_STORED_MAX = PACK_RAW_MAX + 1024, /* of what did not shrink */
	PACK_BLOCK_HEAD = 8,
	PACK_ENTRIES = 1024, /* of an index block, at most */
	PACK_INDEX_MAX = 4 + PACK_ENTRIES * 4 * 10,
	PACK_TOP_MAX = 16 * 1024 * 1024, /* a thousand million digests */
	PACK_TRAILER = 64,
};

struct pack_name {
	place_t lo, hi;
	uint64_t random;
};

void pack_name_write(const struct pack_name *name, char out[PACK_NAME_SIZE]);
bool pack_name_read(const char *text, struct pack_name *out);
void pack_path(const struct pack_name *name, char out[PACK_PATH_SIZE]);

/* ---- the format; every decoder returns false for what it refuses ---- */

/* Where a digest is. */
struct pack_entry {
	place_t place;
	uint64_t offset; /* of the data block */
	uint32_t stored; /* octets of it in the file */
	uint32_t slot;
};

struct pack_index { /* one index block */
	place_t first;
	uint64_t offset;
	uint32_t stored;
};

struct pack {
	struct pack_name name;
	uint64_t size; /* of the file; 0: damaged, nothing is in it */
	uint64_t n;    /* digests */
	struct pack_index *index; /* owned */
	size_t n_index;
};
void pack_free(struct pack **p);

/* The ends of a file of `size` octets: the trailer gives *top_len. */
bool pack_trailer_read(
    struct sv trailer, uint64_t size, struct pack *out, size_t *top_len);
/* `top` is followed by the trailer in the same slice. */
bool pack_top_read(struct sv top_and_trailer, struct pack *out);

/* An index block as stored.  At most PACK_ENTRIES into `out`. */
bool pack_index_read(
    struct sv stored, place_t first, struct pack_entry *out, size_t *n_out);

/* Position `slot` of an unpacked data block. */
bool pack_slot(struct sv raw, uint32_t slot, struct sv *out);

/* ---- writing ---- */

struct pack_writer;

/* A file `path` below the account.  FAIL_LIMIT: no room. */
int pack_writer_new(struct store *s, int dir, const char *path,
    const struct pack_name *name, struct pack_writer **out,
    struct fail *f) MUST_CHECK;
/* In any order of place, no place twice; what is to be read together in one
 * go.  A digest is at most STORE_DIGEST_MAX octets. */
int pack_writer_add(struct pack_writer *w, place_t place, struct sv digest,
    struct fail *f) MUST_CHECK;
/* Complete the file and flush it.  Its name is the caller's. */
int pack_writer_end(struct pack_writer *w, struct fail *f) MUST_CHECK;
void pack_writer_free(struct pack_writer **w);

/* ---- reading ---- */

/* FAIL_ABSENT; FAIL_CORRUPT; FAIL_TEMP. */
int pack_open(struct fs *fs, int account_dir, const struct pack_name *name,
    struct pack **out, struct fail *f) MUST_CHECK;

/* One open pack, with the blocks used last. */
struct pack_reader;
struct pack_reader *pack_reader_new(
    struct fs *fs, int account_dir, const struct pack *pack);
void pack_reader_free(struct pack_reader **r);
/*
 * 1: *out is borrowed until the next call.  0: it is not there, or damaged
 * (*bad).  -1: FAIL_ABSENT, the file has gone; FAIL_TEMP.
 */
int pack_reader_get(struct pack_reader *r, place_t place, struct sv *out,
    bool *bad, struct fail *f) MUST_CHECK;
