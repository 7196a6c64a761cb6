/*
 * embedded_write_priv: the steps of a change to the embedded directory.  All
 * but the first two are between these.
 *
 * Threads: a connection belongs to who took it.
 */
#pragma once

#include "directory/embedded_priv.h"

/* BEGIN IMMEDIATE: the one writer. */
int embedded_begin(
    struct embedded *e, struct sqlconn **out, struct fail *f) MUST_CHECK;

/* Commit when `rc` is 0, else undo: embedded_give() rolls back. */
int embedded_end(
    struct embedded *e, struct sqlconn **c, int rc, struct fail *f) MUST_CHECK;

/* Run a change; FAIL_ABSENT with `what` when it met no row. */
int embedded_change_one(struct sqlconn *c, sqlite3_stmt *st, const char *what,
    struct fail *f) MUST_CHECK;

struct embedded_row {
	int64_t id;
	bool alias;
};

/* 1 found, 0 not, -1 failed. */
int embedded_find_row(struct sqlconn *c, const struct mailaddr *address,
    struct embedded_row *out, struct fail *f) MUST_CHECK;

/* FAIL_EXISTS when it is an account or an alias. */
int embedded_must_be_free(struct sqlconn *c, const struct mailaddr *address,
    struct fail *f) MUST_CHECK;

/* FAIL_ABSENT when the domain is not ours. */
int embedded_must_be_ours(struct sqlconn *c, const struct mailaddr *address,
    struct fail *f) MUST_CHECK;

/* With `account` empty: an alias, whose row id is last_insert_rowid. */
int embedded_add_address(struct sqlconn *c, const struct mailaddr *address,
    struct sv account, struct fail *f) MUST_CHECK;

int embedded_add_domain(struct sqlconn *c, struct sv name, bool *made_out,
    struct fail *f) MUST_CHECK;

/* ---- embedded_alias.c ---- */

/* Let what led to `from`, with a detail or without, lead to `to`, or with NULL
 * nowhere. */
int embedded_retarget(struct embedded *e, struct sqlconn *c,
    const struct mailaddr *from, const struct mailaddr *to,
    struct fail *f) MUST_CHECK;

/* FAIL_EXISTS when the alias leads there already. */
int embedded_add_target(struct sqlconn *c, int64_t alias,
    const struct mailaddr *target, struct fail *f) MUST_CHECK;
