/*
 * oracle_priv: what the files of the oracle share.
 *
 * Threads: one.
 */
#pragma once

#include "oracle.h"

/* One view, while it is looked at. */
struct look {
	struct oracle *o;
	unsigned account;
	uint64_t clock; /* when it was asked for */
	uint64_t serial;
	place_t place;
	uint16_t count[CONTENT_MAX]; /* of each message */
	uint64_t octets, messages;
};

/* oracle.c */
enum meaning_kind { MEANS_UID = 1, MEANS_MODSEQ, MEANS_HASH, MEANS_BOX };
/* The number first told under this key; `value` if that was now. */
uint64_t meaning(
    struct oracle *o, const uint64_t *key, size_t n, uint64_t value);
void account_clear(struct account_fact *a);

/* oracle_facts.c */
bool held_at(const struct fact *f, enum fact_state state, uint64_t clock);

/* oracle_msg.c */
void look_msg(struct look *l, struct box_fact *b, const struct mbox *mbox,
    const struct msg *m);
/* It was shown, and may be lost: its UID means it all the same. */
void look_told(struct look *l, const struct mbox *mbox, const struct msg *m);
/* It is shown: that settles whether it is there, if nobody is at it. */
void look_presence(
    struct look *l, const struct box_fact *b, struct uid_fact *u);
/* What is not shown in a mailbox. */
void look_missing(struct look *l, struct box_fact *b, bool box_there);

/* oracle_since.c */
void look_since(struct look *l, struct box_fact *b, const struct mbox *mbox);
