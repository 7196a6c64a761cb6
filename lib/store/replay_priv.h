/*
 * replay_priv: the rules for each record.  docs/store.md, "What each record
 * does", is their definition.
 *
 *	replay_msg.c		ADD, STORE, CLAIM
 *	replay_copy.c		COPY, MOVE, UNDELETE
 *	replay_expunge.c	EXPUNGE
 *	replay_mbox.c		what is about mailboxes
 *
 * Threads: as state_priv.h.
 */
#pragma once

#include "store/state_priv.h"

/* A record's application: `out` is never NULL here. */
struct apply {
	struct replay *r;
	const struct record *rec;
	struct outcome *out;
};

void apply_add(struct apply *a);
void apply_store(struct apply *a);
void apply_copy(struct apply *a);
void apply_expunge(struct apply *a);
void apply_claim(struct apply *a);
void apply_undelete(struct apply *a);

void apply_create(struct apply *a);
void apply_delete(struct apply *a);
void apply_rename(struct apply *a);
void apply_use(struct apply *a);
void apply_subscribe(struct apply *a);

/* Slot of a mailbox that holds messages and has a name; -1. */
ptrdiff_t live_slot(const struct view *v, uint64_t id);

/* Older than the floor: its file may be gone (F4). */
bool below_floor(const struct view *v, const struct placement *p);

/* Which messages to expunge. */
struct victims {
	const struct uidset *uids; /* NULL: all */
	bool any_flags;		   /* else those with \Deleted */
	enum grave_kind kind;
};
/* Make graves of them.  False if there were none, and nothing changed. */
bool expunge_from(struct apply *a, uint32_t slot, const struct victims *v);

/* UIDVALIDITY of a mailbox made by this record. */
uint32_t next_uidvalidity(struct apply *a, uint32_t given);

/* The UID for the next message of `b`, whose writer had seen `seen`; 0 when
 * they are used up. */
uint32_t next_uid(const struct box *b, uint32_t seen);
