#include "directory/sqlconn_priv.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

/* Of the database's header.  [sqlite.org/fileformat2.html 1.3] */
enum {
	HEADER_FORMAT = 18,  /* one octet for writing, one for reading */
	HEADER_CHANGES = 24, /* the file change counter, 32 bits */
	HEADER_END = 28,
	FORMAT_JOURNAL = 1, /* 2: a write-ahead log, and no such counter */
};

#define COLUMNS                                                                \
	"c.id, c.created, c.enabled, c.quota_octets, c.quota_messages, "       \
	"c.name, c.auth, a.text"

static const char *const sql[STMTS] = {
    [ST_BEGIN] = "BEGIN",
    [ST_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",

    /* The account's columns are NULL for an alias. */
    [ST_ADDRESS] = "SELECT " COLUMNS ", a.id FROM address a"
		   " LEFT JOIN account c ON c.id = a.account"
		   " WHERE a.text = ?1",
    [ST_TARGETS] = "SELECT text FROM target WHERE address = ?1 ORDER BY text",
    [ST_DOMAIN] = "SELECT id FROM domain WHERE name = ?1",
    [ST_BY_ID] = "SELECT " COLUMNS " FROM account c"
		 " JOIN address a ON a.account = c.id WHERE c.id = ?1",
    [ST_OLDEST] = "SELECT " COLUMNS " FROM account c"
		  " JOIN address a ON a.account = c.id"
		  " WHERE ?1 = '' OR a.domain ="
		  " (SELECT id FROM domain WHERE name = ?1)"
		  " ORDER BY c.created, a.id LIMIT 1",
    [ST_ACCOUNTS] = "SELECT " COLUMNS " FROM address a"
		    " JOIN account c ON c.id = a.account"
		    " WHERE a.text > ?1 AND (?2 = '' OR a.domain ="
		    " (SELECT id FROM domain WHERE name = ?2))"
		    " ORDER BY a.text LIMIT ?3",
    [ST_DOMAINS] = "SELECT d.name, d.created, count(a.account),"
		   " count(a.id) - count(a.account) FROM domain d"
		   " LEFT JOIN address a ON a.domain = d.id"
		   " GROUP BY d.id ORDER BY d.name",
    [ST_ALIASES] = "SELECT a.text, t.text FROM address a"
		   " JOIN target t ON t.address = a.id"
		   " WHERE ?1 = '' OR a.domain ="
		   " (SELECT id FROM domain WHERE name = ?1)"
		   " ORDER BY a.text, t.text",

    [ST_ADD_DOMAIN] = "INSERT INTO domain (name, created) VALUES (?1, ?2)"
		      " ON CONFLICT DO NOTHING",
    [ST_DEL_DOMAIN] = "DELETE FROM domain WHERE name = ?1",
    [ST_DOMAIN_USED] = "SELECT 1 FROM address WHERE domain ="
		       " (SELECT id FROM domain WHERE name = ?1) LIMIT 1",
    [ST_ADD_ACCOUNT] = "INSERT INTO account (id, created, enabled,"
		       " quota_octets, quota_messages, name, auth)"
		       " VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6)",
    [ST_DEL_ACCOUNT] = "DELETE FROM account WHERE id = ?1",
    [ST_ADD_ADDRESS] = "INSERT INTO address (text, domain, account)"
		       " VALUES (?1, (SELECT id FROM domain"
		       " WHERE name = ?2), ?3)",
    [ST_FIND_ADDRESS] = "SELECT id, account IS NULL FROM address"
			" WHERE text = ?1",
    [ST_DEL_ADDRESS] = "DELETE FROM address WHERE id = ?1",
    [ST_ADDRESS_OF] = "SELECT id, text FROM address WHERE account = ?1",
    [ST_MOVE_ADDRESS] = "UPDATE address SET text = ?2, domain ="
			" (SELECT id FROM domain WHERE name = ?3)"
			" WHERE id = ?1",
    [ST_ENABLE] = "UPDATE account SET enabled = ?2 WHERE id = ?1",
    [ST_SET_QUOTA] = "UPDATE account SET quota_octets = ?2,"
		     " quota_messages = ?3 WHERE id = ?1",
    [ST_SET_NAME] = "UPDATE account SET name = ?2 WHERE id = ?1",
    [ST_SET_AUTH] = "UPDATE account SET auth = ?2 WHERE id = ?1",
    [ST_GET_AUTH] = "SELECT auth FROM account WHERE id = ?1",
    [ST_ADD_TARGET] = "INSERT INTO target (address, text) VALUES (?1, ?2)"
		      " ON CONFLICT DO NOTHING",
    [ST_DEL_TARGET] = "DELETE FROM target WHERE address = ?1 AND text = ?2",
    [ST_COUNT_TARGETS] = "SELECT count(*) FROM target WHERE address = ?1",
    [ST_LEADS_TO] = "WITH RECURSIVE reach(text) AS (SELECT ?1 UNION"
		    " SELECT t.text FROM reach r"
		    " JOIN address a ON a.text = r.text"
		    " JOIN target t ON t.address = a.id)"
		    " SELECT 1 FROM reach WHERE text = ?2",
    [ST_TARGETS_FROM] = "SELECT DISTINCT text FROM target"
			" WHERE text >= ?1 AND text < ?2",
    [ST_MOVE_TARGET] = "UPDATE OR IGNORE target SET text = ?2"
		       " WHERE text = ?1",
    [ST_DROP_TARGET] = "DELETE FROM target WHERE text = ?1",
    [ST_DROP_EMPTY] = "DELETE FROM address WHERE account IS NULL AND"
		      " NOT EXISTS (SELECT 1 FROM target"
		      " WHERE address = address.id)",
};

int
sqlconn_fail(const struct sqlconn *c, struct fail *f, const char *what)
{
	int code = c->db != NULL ? sqlite3_errcode(c->db) : SQLITE_NOMEM;

	return fail_set(f, code == SQLITE_FULL ? FAIL_LIMIT : FAIL_TEMP,
	    "directory: %s: %s", what,
	    c->db != NULL ? sqlite3_errmsg(c->db) : "out of memory");
}

void
sqlconn_close(struct sqlconn **conn)
{
	struct sqlconn *c = *conn;

	*conn = NULL;
	if (c == NULL) {
		return;
	}
	for (size_t i = 0; i < STMTS; i++) {
		(void)sqlite3_finalize(c->stmts[i]);
	}
	(void)sqlite3_close(c->db);
	free(c);
}

int
sqlconn_stmt(
    struct sqlconn *c, enum stmt which, sqlite3_stmt **out, struct fail *f)
{
	sqlite3_stmt **st = &c->stmts[which];

	if (*st == NULL
	    && sqlite3_prepare_v3(
		   c->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, st, NULL)
		   != SQLITE_OK) {
		return sqlconn_fail(c, f, "prepare");
	}
	(void)sqlite3_reset(*st);
	(void)sqlite3_clear_bindings(*st);
	*out = *st;
	return 0;
}

int
sqlconn_row(struct sqlconn *c, sqlite3_stmt *st, struct fail *f)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW) {
		return 1;
	}
	if (rc != SQLITE_DONE) {
		sqlconn_fail(c, f, "step");
		(void)sqlite3_reset(st);
		return -1;
	}
	(void)sqlite3_reset(st);
	return 0;
}

int
sqlconn_look_up(struct sqlconn *c, enum stmt which, struct sv key,
    sqlite3_stmt **out, struct fail *f)
{
	if (sqlconn_stmt(c, which, out, f) != 0) {
		return -1;
	}
	bind_sv(*out, 1, key);
	return sqlconn_row(c, *out, f);
}

int
sqlconn_run(struct sqlconn *c, enum stmt which, struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (sqlconn_stmt(c, which, &st, f) != 0) {
		return -1;
	}
	return sqlconn_row(c, st, f);
}

/* Through SQLite's own descriptor: to close another of the same file would
 * drop the locks that this process holds on it. */
int
sqlconn_version(struct sqlconn *c, uint64_t *out, struct fail *f)
{
	uint8_t h[HEADER_END - HEADER_FORMAT];
	sqlite3_file *file = NULL;
	uint64_t changes = 0;

	if (sqlite3_file_control(
		c->db, "main", SQLITE_FCNTL_FILE_POINTER, (void *)&file)
		!= SQLITE_OK
	    || file->pMethods == NULL
	    || file->pMethods->xRead(file, h, sizeof(h), HEADER_FORMAT)
		   != SQLITE_OK) {
		return fail_set(f, FAIL_TEMP, "directory: header not read");
	}
	if (h[0] != FORMAT_JOURNAL || h[1] != FORMAT_JOURNAL) {
		return fail_set(f, FAIL_TEMP, "directory: a write-ahead log");
	}
	for (size_t i = HEADER_CHANGES - HEADER_FORMAT; i < sizeof(h); i++) {
		changes = changes << 8 | h[i];
	}
	*out = (c->epoch << EPOCH_SHIFT) + changes;
	return 0;
}

void
bind_sv(sqlite3_stmt *st, int at, struct sv s)
{
	ASSERT(sqlite3_bind_text64(st, at, s.len != 0 ? s.p : "", s.len,
		   SQLITE_STATIC, SQLITE_UTF8)
	       == SQLITE_OK);
}

void
bind_u64(sqlite3_stmt *st, int at, uint64_t v)
{
	ASSERT(
	    sqlite3_bind_int64(st, at, v > INT64_MAX ? INT64_MAX : (int64_t)v)
	    == SQLITE_OK);
}

struct sv
column_sv(sqlite3_stmt *st, int at)
{
	const void *p = sqlite3_column_text(st, at);

	return sv_make(p, p != NULL ? (size_t)sqlite3_column_bytes(st, at) : 0);
}

bool
column_mailaddr(sqlite3_stmt *st, int at, struct mailaddr *out)
{
	struct fail f;

	return mailaddr_parse(column_sv(st, at), out, &f) == 0;
}

int
sqlconn_exec(struct sqlconn *c, const char *text, struct fail *f)
{
	if (sqlite3_exec(c->db, text, NULL, NULL, NULL) != SQLITE_OK) {
		return sqlconn_fail(c, f, text);
	}
	return 0;
}

/*
 * A journal that is emptied, not removed, at the end of each change: that is
 * flushed, while to remove a file is not.  Who finds a write-ahead log in use
 * waits here, as SQLite's busy handler does not cover the change of mode.
 */
static int
use_journal(struct sqlconn *c, int busy_ms, struct fail *f)
{
	int64_t until = clock_mono_ms() + busy_ms;
	const struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};

	for (;;) {
		int rc = sqlite3_exec(
		    c->db, "PRAGMA journal_mode = TRUNCATE", NULL, NULL, NULL);

		if (rc == SQLITE_OK) {
			return 0;
		}
		if (rc != SQLITE_BUSY || clock_mono_ms() >= until) {
			return sqlconn_fail(c, f, "journal_mode = TRUNCATE");
		}
		(void)nanosleep(&pause, NULL);
	}
}

int
sqlconn_open(const char *path, int busy_ms, uint64_t epoch,
    struct sqlconn **out, struct fail *f)
{
	struct sqlconn *c = xmalloc(sizeof(*c));

	c->epoch = epoch;
	if (sqlite3_open_v2(
		path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)
	    != SQLITE_OK) {
		sqlconn_fail(c, f, "open");
		goto failed;
	}
	(void)sqlite3_extended_result_codes(c->db, 0);
	(void)sqlite3_busy_timeout(c->db, busy_ms);
	if (sqlconn_exec(c, "PRAGMA foreign_keys = ON", f) != 0
	    || sqlconn_exec(c, "PRAGMA synchronous = FULL", f) != 0
	    || use_journal(c, busy_ms, f) != 0) {
		goto failed;
	}
	*out = c;
	return 0;
failed:
	sqlconn_close(&c);
	return -1;
}

int
sqlconn_int(struct sqlconn *c, const char *text, int64_t *out, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc = -1;

	if (sqlite3_prepare_v2(c->db, text, -1, &st, NULL) != SQLITE_OK
	    || sqlite3_step(st) != SQLITE_ROW) {
		sqlconn_fail(c, f, text);
		goto out;
	}
	*out = sqlite3_column_int64(st, 0);
	rc = 0;
out:
	(void)sqlite3_finalize(st);
	return rc;
}
