/*
 * sqlconn: a connection to the directory's database, with the statements that
 * are run on it.
 *
 * Threads: a connection belongs to who has it.
 */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/fail.h"
#include "base/sv.h"
#include "directory/mailaddr.h"

enum { EPOCH_SHIFT = 44 }; /* version = epoch << EPOCH_SHIFT | changes */

enum stmt {
	ST_BEGIN,
	ST_BEGIN_WRITE,
	ST_COMMIT,
	/* reads */
	ST_ADDRESS,
	ST_TARGETS,
	ST_DOMAIN,
	ST_BY_ID,
	ST_OLDEST,
	ST_ACCOUNTS,
	ST_DOMAINS,
	ST_ALIASES,
	/* writes */
	ST_ADD_DOMAIN,
	ST_DEL_DOMAIN,
	ST_DOMAIN_USED,
	ST_ADD_ACCOUNT,
	ST_DEL_ACCOUNT,
	ST_ADD_ADDRESS,
	ST_FIND_ADDRESS,
	ST_DEL_ADDRESS,
	ST_ADDRESS_OF,
	ST_MOVE_ADDRESS,
	ST_ENABLE,
	ST_SET_QUOTA,
	ST_SET_NAME,
	ST_SET_AUTH,
	ST_GET_AUTH,
	ST_ADD_TARGET,
	ST_DEL_TARGET,
	ST_COUNT_TARGETS,
	ST_LEADS_TO,
	ST_TARGETS_FROM,
	ST_MOVE_TARGET,
	ST_DROP_TARGET,
	ST_DROP_EMPTY,
	STMTS,
};

struct sqlconn {
	struct sqlconn *next;
	sqlite3 *db;
	uint64_t epoch;
	sqlite3_stmt *stmts[STMTS]; /* made at first use */
};

/* FAIL_TEMP, FAIL_LIMIT.  `epoch` tells the file from one that replaces it. */
int sqlconn_open(const char *path, int busy_ms, uint64_t epoch,
    struct sqlconn **out, struct fail *f) MUST_CHECK;
void sqlconn_close(struct sqlconn **conn);

/* -1, and FAIL_TEMP but for a full disk: a directory that cannot be read is
 * away. */
int sqlconn_fail(const struct sqlconn *c, struct fail *f, const char *what);

/* Text with statements, run once; and one that gives a number. */
int sqlconn_exec(
    struct sqlconn *c, const char *text, struct fail *f) MUST_CHECK;
int sqlconn_int(struct sqlconn *c, const char *text, int64_t *out,
    struct fail *f) MUST_CHECK;

/* The statement, reset and without bindings; borrowed. */
int sqlconn_stmt(struct sqlconn *c, enum stmt which, sqlite3_stmt **out,
    struct fail *f) MUST_CHECK;

/* 1 a row, 0 the end, -1 failed. */
int sqlconn_row(struct sqlconn *c, sqlite3_stmt *st, struct fail *f) MUST_CHECK;

/* The first row for a key, the statement's first parameter, as above.  After 1
 * *out has the row, and is reset by who runs it next. */
int sqlconn_look_up(struct sqlconn *c, enum stmt which, struct sv key,
    sqlite3_stmt **out, struct fail *f) MUST_CHECK;

/* A statement without parameters and rows. */
int sqlconn_run(struct sqlconn *c, enum stmt which, struct fail *f) MUST_CHECK;

/* The count of changes to the file, with the epoch; FAIL_TEMP when it cannot
 * be told.  Takes no lock: outside of a transaction that has read, it may be
 * that of a change that is being made and may yet be undone. */
int sqlconn_version(
    struct sqlconn *c, uint64_t *out, struct fail *f) MUST_CHECK;

void bind_sv(sqlite3_stmt *st, int at, struct sv s); /* borrowed */
void bind_u64(sqlite3_stmt *st, int at, uint64_t v); /* cut at 2^63 - 1 */
struct sv column_sv(sqlite3_stmt *st, int at); /* borrowed until the next row */
bool column_mailaddr(sqlite3_stmt *st, int at, struct mailaddr *out);
