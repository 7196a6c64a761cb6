/*
 * snapshot: the state of an account at one place of its journal, on disk.
 *
 * snap/<at, 16 hex digits>.<random, 16 hex digits>/
 *	manifest	where it stands, and what it consists of
 *	c<n>		chunks: mailboxes, messages, graves, extras, keys
 *
 * `at` is the place of the first record that is not in it.  A snapshot is
 * made in tmp/, flushed, and renamed to its name, which is never used again:
 * it is never changed nor replaced, and the highest that is whole is the one
 * to use.  A late low one is harmless.
 *
 * Two generations are kept, and the one that the last collection began with
 * [collect_priv.h].  The two newest share no chunk's file: an unchanged chunk
 * is linked from the generation before the last, so that it is written twice
 * in its life and a bad block spoils one of two.  A chunk is linked only after
 * its octets were read and found equal to what would be written.  Each file
 * of a chunk has a random id, so that sharing shows without a look at inodes.
 *
 * Manifest: magic, then codec_priv.h fields in the order of snap_manifest
 * (snap_manifest.c), last a CRC-32C over all before it.
 *
 * Chunk: items one behind the other, in rising order of their snap_key; its
 * CRC-32C is in the manifest.  An item is
 *
 *	kind 1 | mailbox id 8 | elements 4 | elements
 *
 * and an element, all numbers little-endian:
 *
 *	ITEM_KEY	hash 8				(mailbox id 0)
 *	ITEM_BOX	varints and strings, see box_put()
 *	ITEM_MSG	SNAP_MSG_SIZE octets, see msg_put()
 *	ITEM_GRAVE	a message, place 8, time 8, kind 4
 *	ITEM_EXTRA	length 1, UIDL
 *
 * Threads: plain values; loading and writing are owned by one runner.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/state_priv.h"
#include "store/store_priv.h"

enum {
	SNAP_FORMAT = 3, /* the digit behind "PRsnap" */
	SNAP_NAME_SIZE = 16 + 1 + 16 + 1,
	SNAP_PATH_SIZE = 5 + SNAP_NAME_SIZE + 1 + 20,
	SNAP_CHUNK_MAX = 384 * 1024, /* octets: some 4,096 messages */
	SNAP_CHUNK_PART = 4,	     /* what part of it a chunk has at least */
	SNAP_KEYS_MAX = 64 * 1024,   /* the same of delivery keys, some of which
				    * each delivery overwrites */
	SNAP_KEYS_MIN = 16 * 1024,   /* less than that shares its chunk */
	SNAP_MANIFEST_MAX = 64 * 1024 * 1024,
	SNAP_MSG_SIZE = 96,
	SNAP_GRAVE_SIZE = SNAP_MSG_SIZE + 20,
};

enum snap_item {
	ITEM_KEY = 1,
	ITEM_BOX,
	ITEM_MSG,
	ITEM_GRAVE,
	ITEM_EXTRA,
};

/* The order of elements over all chunks. */
struct snap_key {
	uint64_t box;
	enum snap_item item;
	uint64_t at; /* UID, place, index */
};

struct snap_name {
	place_t at;
	uint64_t random;
};

struct snap_chunk {
	struct snap_key first;
	uint64_t id;   /* random, of the file */
	uint32_t size; /* octets */
	uint32_t crc;
};

struct snap_manifest {
	uint32_t semantics;
	place_t place; /* of the last record in it */
	uint64_t hash; /* replay_hash() */
	struct seg_name segment;
	uint64_t offset;
	unsigned char before[RECORD_TAIL];
	bool gone;
	int64_t floor_ms;
	place_t purge;
	uint32_t uidvalidity;
	place_t firm;
	uint32_t keys_next; /* as key_ring.next */
	uint64_t fresh;	    /* octets of chunks that were written for it */
	struct snap_chunk *chunks;
	size_t n_chunks;
	struct sv *subscriptions; /* borrowed from `octets` or a view */
	size_t n_subscriptions;
	struct buf octets; /* the file, when read */
};

/* Where replay goes on: what the name must say. */
static inline place_t
snap_manifest_at(const struct snap_manifest *m)
{
	return place_make(m->segment.number, m->offset);
}

void snap_manifest_deinit(struct snap_manifest *m);
void snap_manifest_write(const struct snap_manifest *m, struct buf *to);
/* FAIL_CORRUPT, FAIL_PERM.  Takes `octets` (emptied) on success. */
int snap_manifest_read(
    struct snap_manifest *m, struct buf *octets, struct fail *f) MUST_CHECK;

void snap_name_write(const struct snap_name *name, char out[SNAP_NAME_SIZE]);
/* snap/<name>/<file>, or the folder if `file` is NULL. */
void snap_path(
    const struct snap_name *name, const char *file, char out[SNAP_PATH_SIZE]);

/* The snapshots there are, newest first; free() *out. */
int snap_list(struct fs *fs, int account_dir, struct snap_name **out,
    size_t *n_out, struct fail *f) MUST_CHECK;

/* Read one manifest: FAIL_ABSENT, FAIL_CORRUPT, FAIL_TEMP; FAIL_PERM: of a
 * format or of rules that this program does not know. */
int snap_open(struct fs *fs, int account_dir, const struct snap_name *name,
    struct snap_manifest *out, struct fail *f) MUST_CHECK;

/* ---- loading ---- */

/* All of one snapshot into `r`, which was not initialized. */
int snap_load(struct fs *fs, int account_dir, const struct snap_name *name,
    struct replay *r, struct fail *f) MUST_CHECK;

/* The newest that is whole; damaged ones are logged and passed over.
 * FAIL_ABSENT: there is none at all.  FAIL_CORRUPT: none is whole. */
int snapshot_load(struct fs *fs, int account_dir, struct replay *r,
    struct fail *f) MUST_CHECK;

/* Only where it stands. */
int snapshot_segment(struct fs *fs, int account_dir, struct seg_name *out,
    struct fail *f) MUST_CHECK;

/* Decode one chunk's items into a state being built. */
struct snap_builder {
	struct replay *r;
	struct box *box;      /* being filled; owned */
	struct mbox box_last; /* values to set when it is complete */
	uint64_t last_id;
};
/* False: not what a chunk can hold. */
bool snap_build(struct snap_builder *b, struct sv chunk);
void snap_build_end(struct snap_builder *b);
void snap_build_abort(struct snap_builder *b);

/* ---- writing ---- */

/*
 * A state as chunks: `each` gets them in order, with the key of the first
 * element.  `bounds` are the first keys of an older snapshot's chunks, in
 * order: what did not change since falls into equal chunks.
 */
typedef int snap_chunk_fn(
    void *arg, const struct snap_key *first, struct sv chunk, struct fail *f);
int snap_encode(const struct replay *r, const struct snap_chunk *bounds,
    size_t n_bounds, snap_chunk_fn *each, void *arg, struct fail *f) MUST_CHECK;

int snap_key_cmp(const struct snap_key *a, const struct snap_key *b);
