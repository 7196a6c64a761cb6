/*
 * ops_priv: what the files of operations share.
 *
 * Threads: one.
 */
#pragma once

#include "world.h"

/* The process's account, opened; NULL if that failed. */
struct account *op_account(struct proc *p, unsigned a);

/* A failure of a call: is it one that may be? */
void op_failed(struct proc *p, unsigned a, const char *what,
    const struct fail *f, unsigned allowed);
#define ALLOW(kind) (1U << (kind))

/* True if the process lives and the tree is the one it was. */
bool op_counts(const struct proc *p, unsigned a, unsigned epoch);

/* A mailbox of the process's view, by chance; NULL without a view. */
const struct mbox *op_mbox(struct proc *p, unsigned a);
struct box_fact *op_box(struct proc *p, unsigned a, uint64_t id);

/* Some UIDs of a mailbox. */
void op_uids(struct proc *p, const struct mbox *m, struct uidset *out);

const char *op_name(struct world *w); /* of a mailbox, by chance */

void op_refresh(struct proc *p, unsigned a);
void op_claim(struct proc *p, unsigned a);
void op_read(struct proc *p, unsigned a);
void op_digest(struct proc *p, unsigned a);

void op_deliver(struct proc *p);
void op_append(struct proc *p, unsigned a);
void op_flags(struct proc *p, unsigned a);
void op_copy(struct proc *p, unsigned a);
void op_expunge(struct proc *p, unsigned a);
void op_undelete(struct proc *p, unsigned a);

void op_create(struct proc *p, unsigned a);
void op_delete(struct proc *p, unsigned a);
void op_rename(struct proc *p, unsigned a);
void op_subscribe(struct proc *p, unsigned a);
