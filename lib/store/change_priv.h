/*
 * change: what the calls that change an account have in common.
 *
 * Threads: owned by one runner.
 */
#pragma once

#include "store/commit_priv.h"

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

void outcomes_free(struct outcome **outs, size_t n); /* deinits each */
