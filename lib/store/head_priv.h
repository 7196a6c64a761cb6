/*
 * head: what a process that does not load an account's state needs of it.
 *
 * DIR/head names the newest segment, the mailboxes, and what they hold.  It
 * is a hint: replaced by rename without a flush, it may be old, or not be
 * there.  What it names was live when it was written: a segment that is not
 * any more ends in a SEAL that leads on, and a mailbox that has gone gives
 * its mail to INBOX.
 *
 * Format: "PRhead1\n", then as codec_priv.h: segment's number and random
 * (fixed), place, octets, messages, number of mailboxes, for each its id and
 * name; last a CRC-32C (fixed, 4 octets) of all before.
 *
 * Threads: a head is immutable.
 */
#pragma once

#include "store/store_priv.h"

struct head_mbox {
	uint64_t id;
	struct sv name;
};

struct head {
	_Atomic unsigned refs;
	struct seg_name segment;
	place_t place; /* that names and usage are as of */
	struct usage usage;
	size_t n;
	struct head_mbox *mbox; /* by name in octet order */
	struct buf text;	/* names point into it */
	uint64_t inode;		/* of its file */
};

/* The account's head as last read or written, a reference; reads it if there
 * is none yet.  -1: there is none, or it is damaged. */
int head_get(struct account *a, struct head **out) MUST_CHECK;

/* The same, read again if the file is another one by now. */
int head_fresh(struct account *a, struct head **out) MUST_CHECK;

void head_unref(struct head **h);

/* Id of a mailbox by name; 0 if it is not named. */
uint64_t head_mbox_id(const struct head *h, struct sv name);

/* Write that of a new account, in its folder `dir`. */
void head_create(struct fs *fs, int dir, const struct seg_name *segment);

/* Write it for a new segment behind `old`; names from the state if it is
 * loaded, else as they were.  That it fails is nobody's concern. */
void head_renew(
    struct account *a, struct segment *old, const struct seg_name *segment);

/* What the account holds, as far as can be told from its head and the ADDs in
 * `seg`, its newest segment.  False: not at all.  *low_out: there is more. */
bool usage_estimate(struct account *a, struct segment *seg, struct usage *out,
    bool *low_out, struct fail *f);

/* Write it because mailboxes changed.  The state is loaded. */
void head_update(struct account *a);
