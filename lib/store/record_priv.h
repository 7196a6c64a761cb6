/*
 * record: the operations of which an account's journal consists, as octets.
 *
 * Framing (little-endian):
 *
 *	 0	mark	 8	from the segment's key
 *	 8	length	 4	of all, 49 to RECORD_MAX
 *	12	type	 1	enum record_type
 *	13	flags	 1	RECORD_MORE: one change together with the next,
 *				RECORD_CONTINUES: and with the one before
 *	14	zero	 2
 *	16	time	 8	ms since 1970, of the writer's clock
 *	24	actor	 8	session that asked for it, or 0
 *	32	body
 *	-17	process	 8	random, of the writing process
 *	-9	counter	 4	(process, counter) is the record's id
 *	-5	CRC-32C	 4	of all before it, begun with the segment's key
 *	-1	end	 1	RECORD_END: no mark has one
 *
 * A write that is cut short leaves a record without its last octets, and the
 * next record stands right behind it: were it not for the end, its mark could
 * take the place of a missing octet of the checksum, and complete it.
 *
 * Bodies are made of varints (7 bits an octet, low first), fixed 64-bit
 * numbers and strings (varint length, octets); each decoder takes exactly its
 * body or refuses it.  A record whose body is refused has no effect; since its
 * checksum was right, only a program that writes what it should not makes one.
 *
 * Records that belong together (RECORD_MORE) stand in one write(2), one
 * behind the other: the group has its effect when its last is there whole.
 * At any other sequence the whole group is void, and so is what is left of one
 * whose beginning has gone: RECORD_CONTINUES tells it from a smaller one.
 *
 * Decoding allocates only UID sets, whose size is bounded by that of the body.
 *
 * Threads: plain values.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/sv.h"
#include "store/store.h"

enum {
	RECORD_MAX = 64 * 1024,
	RECORD_HEAD = 32,
	RECORD_TAIL = 17,
	RECORD_END = 0xa5, /* not zero, as what a power cut loses is */
	RECORD_MIN = RECORD_HEAD + RECORD_TAIL,
	RECORD_BODY_MAX = RECORD_MAX - RECORD_MIN,
	GROUP_MAX = 1024 * 1024, /* octets of records with one effect */
	GROUP_RECORDS = 1024,
};

enum record_type {
	RECORD_ADD = 1,
	RECORD_STORE,
	RECORD_COPY,
	RECORD_EXPUNGE,
	RECORD_CLAIM,
	RECORD_CREATE,
	RECORD_DELETE,
	RECORD_RENAME,
	RECORD_USE,
	RECORD_SUBSCRIBE,
	RECORD_UNDELETE,
	RECORD_SEAL,
	RECORD_FILL, /* nothing: room between two copies of a SEAL */
};

enum { RECORD_MORE = 1, RECORD_CONTINUES = 2 };

/* What a segment's header gives to its records. */
struct record_key {
	uint64_t mark;
	uint32_t crc;
};

struct record_id {
	uint64_t process;
	uint32_t counter;
};

/* A record found whole.  `body` is borrowed from what was read. */
struct record {
	place_t place;
	uint32_t len; /* of all */
	enum record_type type;
	bool more;	/* a group goes on with the next */
	bool continues; /* it began with one before */
	int64_t time_ms;
	uint64_t actor;
	struct record_id id;
	struct sv body;
};

/* Append a whole record to `to`; the body is at most RECORD_BODY_MAX. */
void record_write(
    struct buf *to, const struct record_key *key, const struct record *r);

enum record_found {
	RECORD_WHOLE,
	RECORD_SHORT,	/* begins well, but is not all there */
	RECORD_INVALID, /* no record of this segment begins here */
};

/* Is there a record at the start of `s`?  Sets all of *out but its place. */
enum record_found record_read(
    struct sv s, const struct record_key *key, struct record *out);

/* Offset of the next mark in `s` at or behind `from`; s.len if none. */
size_t record_seek(struct sv s, size_t from, const struct record_key *key);

/* ---- bodies; every decoder returns false for what it refuses ---- */

struct placement {
	uint64_t time_ms; /* when it was drawn: below the floor it is void */
	uint64_t random;
};

/* Keywords by name: slices of the body, or of the caller. */
struct keyword_list {
	unsigned n;
	struct sv name[STORE_KEYWORDS_MAX];
};

/* Take over what can be a keyword; how many could not. */
size_t keyword_list_fill(
    struct keyword_list *list, const struct sv *names, size_t n);

struct rec_add {
	bool delivery; /* mailbox gone: INBOX; else: nothing */
	uint64_t mbox;
	uint64_t folder; /* whose folder has the file */
	struct placement placement;
	uint64_t email_id[2];
	uint64_t key[2];  /* 0: none */
	uint32_t uidnext; /* seen by the writer, 0: none */
	uint32_t uid;	  /* import, else 0 */
	uint64_t size;
	uint32_t sum; /* of the octets */
	int64_t date_ms;
	int16_t zone_min;
	uint32_t flags;
	struct keyword_list keywords;
	struct sv uidl;
	struct sv digest;
};

struct rec_store {
	uint64_t mbox;
	enum flag_how how;
	uint32_t flags;
	struct keyword_list keywords;
	bool conditional;
	place_t unchanged_since;
	struct uidset uids; /* owned: deinit */
};

struct rec_copy {
	uint64_t from, to; /* mailboxes; files are in the folder of `to` */
	bool move;
	uint32_t uidnext;	/* of `to`, seen by the writer */
	struct placement first; /* the i-th of `uids` has random + i */
	struct uidset uids;	/* owned: deinit */
};

struct rec_expunge {
	uint64_t mbox;
	bool any_flags;	    /* \Deleted or not */
	bool lost;	    /* their files are gone: nothing to undelete */
	bool all;	    /* every UID; else `uids` */
	struct uidset uids; /* owned: deinit */
};

struct rec_claim {
	uint64_t mbox;
	uint32_t up_to;
	uint64_t session;
};

struct rec_create {
	struct sv name;
	unsigned special_use;
	uint32_t uidvalidity; /* import, else 0 */
};

struct rec_rename {
	uint64_t mbox;
	struct sv name;
};

struct rec_use {
	uint64_t mbox;
	unsigned special_use;
};

struct rec_subscribe {
	struct sv name;
	bool on;
};

struct rec_undelete {
	uint64_t from, to; /* mailboxes; the same unless `from` is deleted */
	int64_t since_ms;
	uint32_t uidnext; /* of `to`, seen by the writer */
};

struct seg_name {
	uint64_t number;
	uint64_t random;
};

enum seal_kind {
	SEAL_NEXT,
	SEAL_GONE,   /* the account is closed */
	SEAL_MENDED, /* as SEAL_NEXT, in place of one that was lost, and
		      * maybe of records before it */
};
struct rec_seal {
	enum seal_kind kind;
	struct seg_name next; /* but for SEAL_GONE */
};

void rec_add_write(struct buf *to, const struct rec_add *r);
bool rec_add_read(struct sv body, struct rec_add *r);
void rec_store_write(struct buf *to, const struct rec_store *r);
bool rec_store_read(struct sv body, struct rec_store *r);
void rec_copy_write(struct buf *to, const struct rec_copy *r);
bool rec_copy_read(struct sv body, struct rec_copy *r);
void rec_expunge_write(struct buf *to, const struct rec_expunge *r);
bool rec_expunge_read(struct sv body, struct rec_expunge *r);
void rec_claim_write(struct buf *to, const struct rec_claim *r);
bool rec_claim_read(struct sv body, struct rec_claim *r);
void rec_create_write(struct buf *to, const struct rec_create *r);
bool rec_create_read(struct sv body, struct rec_create *r);
void rec_delete_write(struct buf *to, uint64_t mbox);
bool rec_delete_read(struct sv body, uint64_t *mbox);
void rec_rename_write(struct buf *to, const struct rec_rename *r);
bool rec_rename_read(struct sv body, struct rec_rename *r);
void rec_use_write(struct buf *to, const struct rec_use *r);
bool rec_use_read(struct sv body, struct rec_use *r);
void rec_subscribe_write(struct buf *to, const struct rec_subscribe *r);
bool rec_subscribe_read(struct sv body, struct rec_subscribe *r);
void rec_undelete_write(struct buf *to, const struct rec_undelete *r);
bool rec_undelete_read(struct sv body, struct rec_undelete *r);
void rec_seal_write(struct buf *to, const struct rec_seal *r);
bool rec_seal_read(struct sv body, struct rec_seal *r);
