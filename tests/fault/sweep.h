/*
 * sweep: one scene, played again and again on the simulated file system, each
 * time with another call that fails, or at which the process is killed.
 *
 * A scene keeps account of what it was told: how often each message must and
 * may be there.  After each run a new process looks, before the power fails,
 * behind that, and once more.
 *
 * Threads: one.
 */
#pragma once

#include <stdbool.h>

#include "../unit/unit.h"
#include "content.h"
#include "simfs.h"
#include "store/store.h"

enum { ACCOUNTS = 2, MESSAGES = 32, FIRST_LOOK = 24, NOTES = 4 };

extern const char *const account_ids[ACCOUNTS];

/* How a call fails. */
struct kind {
	const char *name;
	int answer;
	bool kill; /* the process ends before it */
};

/* How often message k must be there afterwards. */
struct must {
	unsigned min, max;
};

enum gone { IS_THERE, MAY_BE_THERE, IS_GONE };

struct run {
	struct simfs *fs;
	struct simproc *proc;
	struct store *store;
	struct account *account[ACCOUNTS];
	const struct scene *scene;
	const struct kind *kind;
	unsigned left; /* calls until the fault; 0: it was met */
	bool armed;
	struct must must[ACCOUNTS][MESSAGES];
	unsigned least[MESSAGES];	/* in both accounts together */
	bool again[ACCOUNTS][MESSAGES]; /* to be delivered once more */
	enum gone gone[ACCOUNTS];
	unsigned failed; /* operations that said so */
	unsigned acked;
	unsigned looks;	      /* that went on to deliver */
	uint64_t note[NOTES]; /* the scene's own */
};

struct scene {
	const char *name;
	void (*set_up)(
	    struct run *r); /* accounts and first messages are made */
	void (*act)(struct run *r);
	void (*check)(struct run *r); /* by a new process; may be NULL */
};

/* Every call that can fail so, in turn, until a run meets no fault. */
void sweep_scene(const struct scene *scene, const struct kind *kind);
/* For whoever looks at a failure. */
const char *sweep_where(void);

bool run_begin(struct run *r); /* a process, with the store open */
void run_end(struct run *r);
/* Is it alive, with account `a` open? */
bool run_open(struct run *r, unsigned a);
bool run_dead(const struct run *r);
/* A flush was refused: an administrator has to raise the generation. */
bool run_refused(const struct run *r);

/* Counts what happened; true if it was done. */
bool run_done(struct run *r, int rc, const struct fail *f);
/* A failure that does not say that nothing was done. */
bool run_unknown(const struct run *r, const struct fail *f);
/* One more, or one less, of message k, if that was done. */
void run_added(
    struct run *r, unsigned a, uint32_t k, bool so, const struct fail *f);
void run_removed(
    struct run *r, unsigned a, uint32_t k, bool so, const struct fail *f);

/* ---- operations on one account ---- */

void op_deliver(struct run *r, unsigned a, uint32_t k);
/* To both, with one call. */
void op_deliver_both(struct run *r, uint32_t k);
void op_append(struct run *r, unsigned a, uint32_t k);
void op_expunge(struct run *r, unsigned a, uint32_t k);
void op_flags(struct run *r, unsigned a, uint32_t k);
/* Message k of account a's INBOX to a mailbox. */
void op_copy(struct run *r, unsigned a, uint32_t k, unsigned to_account,
    uint64_t to, bool move);
/* A new mailbox's id, or 0. */
uint64_t op_create(struct run *r, unsigned a, const char *name);
void op_checkpoint(struct run *r, unsigned a);
void op_collect(struct run *r, unsigned a);

/* scenes */
extern const struct scene scene_everyday, scene_recipients, scene_shut,
    scene_import, scene_undelete, scene_across, scene_rename, scene_accounts,
    scene_candidates, scene_packs;
