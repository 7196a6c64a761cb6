/*
 * change: what the calls that change an account have in common.
 *
 * Threads: owned by one runner.
 */
#pragma once

#include "store/commit_priv.h"

/* A failure for an outcome other than DONE; 0 for DONE.  `what` was to be
 * changed. */
int outcome_fail(
    const struct outcome *o, const char *what, struct fail *f) MUST_CHECK;

/* Commit, tell the others, and give the outcome of record `out` as a failure
 * if it is one.  Unless that is FAIL_UNKNOWN, nothing was done. */
int change_run(struct commit *c, const struct outcome *out, const char *what,
    struct fail *f) MUST_CHECK;

/* The account's newest state, as far as it is known without a flush. */
int change_view(
    struct account *a, struct view **out, struct fail *f) MUST_CHECK;

/* A mailbox that holds messages, by id; FAIL_ABSENT. */
int change_mbox(const struct view *v, uint64_t id, const struct mbox **out,
    struct fail *f) MUST_CHECK;

/* Records of type `type` that each carry a part of `uids`, which is emptied.
 * `write` makes one body; outcomes go to (*outs)[0..*n), in an array that the
 * caller frees, each to be deinited. */
typedef void change_write_fn(
    void *arg, struct buf *body, const struct uidset *part);
void change_split(struct commit *c, enum record_type type, struct uidset *uids,
    change_write_fn *write, void *arg, struct outcome **outs, size_t *n);
void outcomes_free(struct outcome **outs, size_t n);
