/*
 * state: what replaying an account's journal gives.
 *
 * A `view` is one version of it: a vec of mailboxes (struct box) in rising
 * order of id, each with vecs of messages, of expunged messages (graves) and
 * of rare attributes.  Versions share all that did not change.  A `replay` is
 * the newest version with what is needed to go on: it alone changes views,
 * and only parts that no other version holds, so a view that was given out is
 * immutable.
 *
 * replay_apply() is total: no record makes it fail.  Its result depends only
 * on the records, on the headers of their segments, and on the constants
 * here, which belong to SEG_SEMANTICS.
 *
 * Threads: views are immutable; a replay is changed by one owner (for an
 * account in memory: under its lock).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/record_priv.h"
#include "store/segment_priv.h"
#include "store/store.h"
#include "store/vec_priv.h"

/* Constants of the semantics version. */
enum {
	INBOX_ID = 1,	      /* below every place, so no other has it */
	STATE_KEYS = 1 << 16, /* delivery keys remembered */
	STATE_DEPTH = 32,     /* levels of a mailbox's name */
	STATE_UIDL = 70,      /* octets of a UIDL [RFC 1939 7] */
	STATE_SUBSCRIPTIONS = 65536,
};
#define STATE_UID_MAX UINT32_C(0xfffffff0) /* no UID above is given */

/* Octets shared by versions. */
struct shared_name {
	_Atomic unsigned refs;
	struct sv s; /* points behind itself */
	char data[];
};

struct keyword_table {
	_Atomic unsigned refs;
	unsigned n;
	struct sv name[STORE_KEYWORDS_MAX]; /* point into data */
	char data[];
};

struct name_list { /* sorted, of shared names */
	_Atomic unsigned refs;
	size_t n;
	struct shared_name *name[];
};

/* Rare attributes of a message: msg.extra - 1 is its index. */
struct extra {
	uint8_t uidl_len;
	char uidl[STATE_UIDL];
};

enum grave_kind {
	GRAVE_EXPUNGED,	 /* can be undeleted */
	GRAVE_MOVED,	 /* lives elsewhere; its file here is to go */
	GRAVE_RENAMED,	 /* lives elsewhere with this very file */
	GRAVE_LOST,	 /* had no file any more */
	GRAVE_UNDELETED, /* lives again under another UID, with this file */
};

/* A message that was expunged: in order of `at`. */
struct grave {
	struct msg msg;
	place_t at;    /* of the record that did it */
	int64_t at_ms; /* its time */
	uint32_t kind; /* enum grave_kind */
};

struct box {
	struct mbox pub; /* first: what readers see; counts are kept true */
	_Atomic unsigned refs;
	bool deleted;	   /* stays for its graves; not in the order */
	place_t forgotten; /* graves up to here were dropped */
	struct shared_name *name;
	struct keyword_table *keywords; /* NULL: none */
	struct vec msgs;		/* struct msg, by UID */
	struct vec graves;		/* struct grave, by place */
	struct vec extras;		/* struct extra */
};

/* Mailboxes by name: their indexes in view.boxes. */
struct name_order {
	_Atomic unsigned refs;
	uint32_t n;
	uint32_t slot[];
};

struct view {
	_Atomic unsigned refs;
	place_t place;	  /* of the last record; of the first segment's
			   * start before any */
	int64_t floor_ms; /* F and P of the segments so far */
	place_t purge;
	uint32_t uidvalidity; /* the highest given */
	place_t last;	      /* its last octet */
	place_t firm; /* the same of the last that was more than STORE and
		       * CLAIM */
	struct usage usage;
	struct vec boxes; /* struct box *, by id; INBOX is the first */
	struct name_order *order;
	struct name_list *subscriptions;
};

/* The last STATE_KEYS delivery keys, in order, and a table to find them. */
struct key_ring {
	uint64_t *ring;
	uint32_t n, cap; /* ring[0..n): until n is STATE_KEYS */
	uint32_t next;	 /* then the oldest, to be overwritten */
	uint64_t *table; /* open addressing; 0: free */
	uint32_t table_size;
};

void key_ring_deinit(struct key_ring *k);
uint64_t key_ring_hash(const uint64_t key[2]); /* never 0 */
bool key_ring_has(const struct key_ring *k, uint64_t hash);
void key_ring_add(struct key_ring *k, uint64_t hash);
/* The i-th of n, oldest first. */
uint64_t key_ring_at(const struct key_ring *k, uint32_t i);

struct replay {
	struct view *view; /* the newest version; owned */
	struct key_ring keys;
	/* Where the next record is to be read. */
	struct seg_name segment;
	uint64_t offset;
	unsigned char before[RECORD_TAIL]; /* the octets before it */
	bool gone;	   /* a SEAL without a next: the account is closed */
	int64_t mended_ms; /* the last record was a SEAL that was made then in
			    * place of a lost one; else 0 */
	uint64_t read;	   /* octets of the journal read since it was begun */
};

/* The state before the first record of an account. */
void replay_init(struct replay *r, const struct seg_header *first);
void replay_deinit(struct replay *r);

/* Take over what the header says; called before its first record. */
void replay_enter(struct replay *r, const struct seg_header *h);

enum outcome_code {
	OUTCOME_NONE, /* not applied (yet) */
	OUTCOME_DONE,
	OUTCOME_NO_MBOX,
	OUTCOME_EXISTS,
	OUTCOME_LIMIT,
	OUTCOME_VOID,	   /* placement below the floor */
	OUTCOME_DUPLICATE, /* delivery key seen before */
	OUTCOME_REFUSED,   /* not possible for this mailbox or name */
};

/* What a record did, for its writer. */
struct outcome {
	enum outcome_code code;
	place_t place;
	uint64_t mbox;
	uint32_t uidvalidity;
	bool keyword_lost;
	uint32_t first, last;	/* CLAIM: UIDs; first > last: none */
	uint64_t count;		/* UNDELETE */
	struct uidset from, to; /* COPY; `to` also of ADD; owned: deinit */
	struct uidset modified; /* STORE; owned: deinit */
};
void outcome_deinit(struct outcome *o);

/* Apply one record.  `out` may be NULL. */
void replay_apply(
    struct replay *r, const struct record *rec, struct outcome *out);

/* Two replays at one place have the same hash, however they got there. */
uint64_t replay_hash(const struct replay *r);

/* ---- building and changing views: replay and snapshots only ---- */

extern const struct vec_type msg_type, grave_type, extra_type, box_type;

struct shared_name *shared_name_new(struct sv s);
struct shared_name *shared_name_ref(struct shared_name *n);
void shared_name_unref(struct shared_name **n);

/* Without mailboxes, with one reference. */
struct view *view_new(void);
/* An empty mailbox with one reference, not in any view yet. */
struct box *box_new(uint64_t id, struct sv name);
void box_unref(struct box **b);

/* The replay's view, owned alone: copied if others hold it. */
struct view *replay_own(struct replay *r);

/* Index of a mailbox in view.boxes by id, deleted or not; -1. */
ptrdiff_t view_slot(const struct view *v, uint64_t id);
const struct box *view_box(const struct view *v, uint32_t slot);
/* The same, to change; the view must be owned. */
struct box *view_box_own(struct view *v, uint32_t slot);
/* Take a mailbox with an id above all others; its slot. */
uint32_t view_box_add(struct view *v, struct box *b);
/* Drop the mailboxes that are deleted and have no graves. */
void view_boxes_sweep(struct view *v);

/* The order of names, made anew or changed by one. */
void view_order_rebuild(struct view *v);
void view_order_insert(struct view *v, uint32_t slot);
void view_order_remove(struct view *v, uint32_t slot);
/* Position in the order of the first name of at least `name`, INBOX apart. */
uint32_t view_order_find(const struct view *v, struct sv name);
/* Slot of the mailbox of this name; -1. */
ptrdiff_t view_slot_of_name(const struct view *v, struct sv name);

void box_rename(struct box *b, struct sv name);
/* Keyword's bit, made if there is room; -1 if there is none. */
int box_keyword_make(struct box *b, struct sv name);
/* Append to the messages (UID above all) and keep the counts. */
void box_add_msg(struct view *v, struct box *b, const struct msg *m);
/* Count a message in (sign 1) or out (-1). */
void box_count(struct view *v, struct box *b, const struct msg *m, int sign);
/* Keep a message's UIDL: sets m->extra. */
void box_set_uidl(struct box *b, struct msg *m, struct sv uidl);
/* False if it changes nothing, or there are STATE_SUBSCRIPTIONS. */
bool view_subscribe(struct view *v, struct sv name, bool on);
