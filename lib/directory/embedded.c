#include "directory/embedded_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"

enum {
	APPLICATION_ID = 0x506f5264, /* "PoRd" */
	LOOK_MS = 1000,		     /* how often the file is looked for */
};

#define COLUMNS                                                                \
	"c.id, c.created, c.enabled, c.quota_octets, c.quota_messages, "       \
	"c.name, c.auth, a.text"

static const char *const sql[STMTS] = {
    [ST_BEGIN] = "BEGIN",
    [ST_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_CHANGES] = "SELECT changes FROM state",
    [ST_CHANGE] = "UPDATE state SET changes = changes + 1",

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

/* migrations[n] takes format n to n + 1. */
static const char *const migrations[] = {
    "CREATE TABLE state ("
    " id INTEGER PRIMARY KEY CHECK (id = 1),"
    " changes INTEGER NOT NULL,"
    " secret BLOB NOT NULL) STRICT;"
    "INSERT INTO state VALUES (1, 1, randomblob(32));"
    "CREATE TABLE domain ("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " created INTEGER NOT NULL) STRICT;"
    "CREATE TABLE account ("
    " id TEXT NOT NULL PRIMARY KEY,"
    " created INTEGER NOT NULL,"
    " enabled INTEGER NOT NULL,"
    " quota_octets INTEGER NOT NULL,"
    " quota_messages INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " auth TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE address ("
    " id INTEGER PRIMARY KEY,"
    " text TEXT NOT NULL UNIQUE,"
    " domain INTEGER NOT NULL REFERENCES domain,"
    " account TEXT UNIQUE REFERENCES account ON DELETE CASCADE) STRICT;"
    "CREATE INDEX address_domain ON address (domain, text);"
    "CREATE TABLE target ("
    " address INTEGER NOT NULL REFERENCES address ON DELETE CASCADE,"
    " text TEXT NOT NULL,"
    " PRIMARY KEY (address, text)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX target_text ON target (text);",
};

enum { FORMAT = COUNT_OF(migrations) };

/* ---- connections ---- */

/* Always FAIL_TEMP but for a full disk: a directory that cannot be read is
 * away. */
static int
conn_fail(const struct conn *c, struct fail *f, const char *what)
{
	int code = c->db != NULL ? sqlite3_errcode(c->db) : SQLITE_NOMEM;

	return fail_set(f, code == SQLITE_FULL ? FAIL_LIMIT : FAIL_TEMP,
	    "directory: %s: %s", what,
	    c->db != NULL ? sqlite3_errmsg(c->db) : "out of memory");
}

static void
conn_close(struct conn **conn)
{
	struct conn *c = *conn;

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
conn_stmt(struct conn *c, enum stmt which, sqlite3_stmt **out, struct fail *f)
{
	sqlite3_stmt **st = &c->stmts[which];

	if (*st == NULL
	    && sqlite3_prepare_v3(
		   c->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, st, NULL)
		   != SQLITE_OK) {
		return conn_fail(c, f, "prepare");
	}
	(void)sqlite3_reset(*st);
	(void)sqlite3_clear_bindings(*st);
	*out = *st;
	return 0;
}

int
conn_row(struct conn *c, sqlite3_stmt *st, struct fail *f)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW) {
		return 1;
	}
	if (rc != SQLITE_DONE) {
		conn_fail(c, f, "step");
		(void)sqlite3_reset(st);
		return -1;
	}
	(void)sqlite3_reset(st);
	return 0;
}

int
conn_run(struct conn *c, enum stmt which, struct fail *f)
{
	sqlite3_stmt *st = NULL;

	if (conn_stmt(c, which, &st, f) != 0) {
		return -1;
	}
	return conn_row(c, st, f);
}

int
conn_version(struct conn *c, uint64_t *out, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc;

	if (conn_stmt(c, ST_CHANGES, &st, f) != 0) {
		return -1;
	}
	rc = conn_row(c, st, f);
	if (rc < 0) {
		return -1;
	}
	if (rc == 0) {
		return fail_set(f, FAIL_TEMP, "directory: no state row");
	}
	*out =
	    (c->epoch << EPOCH_SHIFT) + (uint64_t)sqlite3_column_int64(st, 0);
	(void)sqlite3_reset(st);
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

static int
conn_exec(struct conn *c, const char *text, struct fail *f)
{
	if (sqlite3_exec(c->db, text, NULL, NULL, NULL) != SQLITE_OK) {
		return conn_fail(c, f, text);
	}
	return 0;
}

static int
conn_open(
    const struct embedded *e, uint64_t epoch, struct conn **out, struct fail *f)
{
	struct conn *c = xmalloc(sizeof(*c));

	c->epoch = epoch;
	if (sqlite3_open_v2(e->path, &c->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)
	    != SQLITE_OK) {
		conn_fail(c, f, "open");
		goto failed;
	}
	(void)sqlite3_extended_result_codes(c->db, 0);
	(void)sqlite3_busy_timeout(c->db, e->busy_ms);
	if (conn_exec(c, "PRAGMA foreign_keys = ON", f) != 0
	    || conn_exec(c, "PRAGMA synchronous = FULL", f) != 0) {
		goto failed;
	}
	*out = c;
	return 0;
failed:
	conn_close(&c);
	return -1;
}

/* ---- the pool ---- */

/* A connection to a file that was replaced must not remove the write-ahead
 * log of the one that is there now when it closes. */
static void
conn_abandon(struct conn **conn)
{
	(void)sqlite3_db_config(
	    (*conn)->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
	conn_close(conn);
}

/* Is the file the one that is open?  Once a second; returns connections to
 * abandon. */
static struct conn *
look_for_file_locked(struct embedded *e) REQUIRES(e->lock)
{
	int64_t now = clock_mono_ms();
	struct conn *stale = NULL;
	struct stat st;

	if (now - e->looked_ms < LOOK_MS) {
		return NULL;
	}
	e->looked_ms = now;
	e->away = stat(e->path, &st) != 0;
	if (!e->away && st.st_dev == e->dev && st.st_ino == e->ino) {
		return NULL;
	}
	if (!e->away) {
		e->dev = st.st_dev;
		e->ino = st.st_ino;
		e->epoch++;
		stale = e->idle;
		e->idle = NULL;
	}
	for (struct conn *c = stale; c != NULL; c = c->next) {
		e->n_open--;
	}
	return stale;
}

/* An idle connection or NULL; false when the directory is away. */
static bool
take_idle(struct embedded *e, struct conn **out) EXCLUDES(e->lock)
{
	struct conn *stale;
	bool here;

	lock_acquire(&e->lock);
	stale = look_for_file_locked(e);
	here = !e->away;
	*out = here ? e->idle : NULL;
	if (*out != NULL) {
		e->idle = (*out)->next;
	}
	lock_release(&e->lock);
	while (stale != NULL) {
		struct conn *c = stale;

		stale = c->next;
		conn_abandon(&c);
	}
	return here;
}

/* Wait until one may be opened or is idle: *out is set then. */
static uint64_t
wait_for_turn(struct embedded *e, struct conn **out) EXCLUDES(e->lock)
{
	uint64_t epoch;

	lock_acquire(&e->lock);
	while (e->idle == NULL && e->n_open >= CONNS_MAX) {
		(void)pthread_cond_wait(&e->given, &e->lock.mutex);
	}
	*out = e->idle;
	if (*out != NULL) {
		e->idle = (*out)->next;
	} else {
		e->n_open++;
	}
	epoch = e->epoch;
	lock_release(&e->lock);
	return epoch;
}

static void
forget_one(struct embedded *e) EXCLUDES(e->lock)
{
	lock_acquire(&e->lock);
	e->n_open--;
	(void)pthread_cond_signal(&e->given);
	lock_release(&e->lock);
}

int
embedded_take(struct embedded *e, struct conn **out, struct fail *f)
{
	uint64_t epoch;

	if (!take_idle(e, out)) {
		return fail_set(
		    f, FAIL_TEMP, "directory: %s is not there", e->path);
	}
	if (*out != NULL) {
		return 0;
	}
	epoch = wait_for_turn(e, out);
	if (*out == NULL && conn_open(e, epoch, out, f) != 0) {
		forget_one(e);
		return -1;
	}
	return 0;
}

void
embedded_give(struct embedded *e, struct conn **conn)
{
	struct conn *c = *conn;
	bool stale;

	*conn = NULL;
	if (sqlite3_get_autocommit(c->db) == 0) {
		(void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
	}
	lock_acquire(&e->lock);
	stale = c->epoch != e->epoch;
	if (stale) {
		e->n_open--;
	} else {
		c->next = e->idle;
		e->idle = c;
	}
	(void)pthread_cond_signal(&e->given);
	lock_release(&e->lock);
	if (stale) {
		conn_abandon(&c);
	}
}

/* ---- schema ---- */

static int
pragma_int(struct conn *c, const char *text, int64_t *out, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc = -1;

	if (sqlite3_prepare_v2(c->db, text, -1, &st, NULL) != SQLITE_OK
	    || sqlite3_step(st) != SQLITE_ROW) {
		conn_fail(c, f, text);
		goto out;
	}
	*out = sqlite3_column_int64(st, 0);
	rc = 0;
out:
	(void)sqlite3_finalize(st);
	return rc;
}

static int
migrate_from(struct conn *c, int64_t format, struct fail *f)
{
	char text[64];

	for (size_t i = (size_t)format; i < FORMAT; i++) {
		if (conn_exec(c, migrations[i], f) != 0) {
			return -1;
		}
	}
	(void)snprintf(text, sizeof(text), "PRAGMA application_id = %d",
	    (int)APPLICATION_ID);
	if (conn_exec(c, text, f) != 0) {
		return -1;
	}
	(void)snprintf(
	    text, sizeof(text), "PRAGMA user_version = %d", (int)FORMAT);
	return conn_exec(c, text, f);
}

static int
check_format(struct conn *c, int64_t format, struct fail *f)
{
	int64_t application;

	if (pragma_int(c, "PRAGMA application_id", &application, f) != 0) {
		return -1;
	}
	if (application != (format == 0 ? 0 : APPLICATION_ID)) {
		return fail_set(f, FAIL_PERM,
		    "directory: the file is another program's database");
	}
	if (format > FORMAT) {
		return fail_set(f, FAIL_PERM,
		    "directory: format %lld is newer than this program's %d",
		    (long long)format, (int)FORMAT);
	}
	return 0;
}

/* Two processes may get here at once: the second finds it done. */
static int
bring_up_to_date(struct conn *c, struct fail *f)
{
	int64_t format;

	if (pragma_int(c, "PRAGMA user_version", &format, f) != 0
	    || check_format(c, format, f) != 0) {
		return -1;
	}
	if (format == FORMAT) {
		return 0;
	}
	if (conn_exec(c, "BEGIN IMMEDIATE", f) != 0) {
		return -1;
	}
	if (pragma_int(c, "PRAGMA user_version", &format, f) != 0
	    || migrate_from(c, format, f) != 0
	    || conn_exec(c, "COMMIT", f) != 0) {
		(void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
		return -1;
	}
	return 0;
}

/* SQLite's busy handler does not cover the change of mode. */
static int
use_write_ahead_log(struct conn *c, int busy_ms, struct fail *f)
{
	int64_t until = clock_mono_ms() + busy_ms;
	const struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};

	for (;;) {
		int rc = sqlite3_exec(
		    c->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);

		if (rc == SQLITE_OK) {
			return 0;
		}
		if (rc != SQLITE_BUSY || clock_mono_ms() >= until) {
			return conn_fail(c, f, "journal_mode = WAL");
		}
		(void)nanosleep(&pause, NULL);
	}
}

/* ---- open and close ---- */

static int
sync_path(const char *path, struct fail *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = -1;

	if (fd < 0) {
		return fail_sys(f, "open %s", path);
	}
	if (fsync(fd) != 0) {
		fail_sys(f, "fsync %s", path);
	} else {
		rc = 0;
	}
	(void)close(fd);
	return rc;
}

static bool
is_empty(const char *folder)
{
	DIR *d = opendir(folder);
	int entries = 0;

	if (d == NULL) {
		return false;
	}
	while (entries <= 2
	       && readdir(d) != NULL) { // NOLINT(concurrency-mt-unsafe)
		entries++;
	}
	(void)closedir(d);
	return entries <= 2; /* "." and ".." */
}

/*
 * Make folder and file at the first start.  Where the folder holds something
 * and the file lacks, it was taken away: an empty directory in its place
 * would refuse all mail for good.
 *
 * A file that is there is not opened: closing it would drop the locks that
 * SQLite may hold on it in this process.
 */
static int
make_file(const char *folder, const char *path, struct fail *f)
{
	struct stat st;
	int fd;

	if (stat(path, &st) == 0) {
		return 0;
	}
	if (mkdir(folder, 0700) != 0) {
		if (errno != EEXIST) {
			return fail_sys(f, "mkdir %s", folder);
		}
		if (!is_empty(folder)) {
			return 0;
		}
	}
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		return errno == EEXIST ? 0 : fail_sys(f, "create %s", path);
	}
	(void)close(fd);
	return sync_path(folder, f);
}

static bool
is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int
find_file(
    struct embedded *e, const struct directory_config *config, struct fail *f)
{
	struct stat st;

	e->path = is_file(config->path)
		      ? xstrdup(config->path)
		      : xasprintf("%s/directory.db", config->path);
	if (config->create && make_file(config->path, e->path, f) != 0) {
		return -1;
	}
	if (stat(e->path, &st) != 0) {
		return fail_sys(f, "%s", e->path);
	}
	e->dev = st.st_dev;
	e->ino = st.st_ino;
	e->looked_ms = clock_mono_ms();
	return 0;
}

static void
embedded_close(void *b)
{
	struct embedded *e = b;

	while (e->idle != NULL) {
		struct conn *c = e->idle;

		e->idle = c->next;
		conn_close(&c);
	}
	(void)pthread_cond_destroy(&e->given);
	lock_deinit(&e->lock);
	free(e->path);
	free(e);
}

static int
embedded_open(const struct directory_config *config, void **out, struct fail *f)
{
	struct embedded *e = xmalloc(sizeof(*e));
	struct conn *c = NULL;

	lock_init(&e->lock, LOCK_DIRECTORY);
	(void)pthread_cond_init(&e->given, NULL);
	e->separators = config->separators;
	e->busy_ms = (int)config->busy_ms;
	if (find_file(e, config, f) != 0 || embedded_take(e, &c, f) != 0) {
		goto failed;
	}
	if (use_write_ahead_log(c, e->busy_ms, f) != 0
	    || bring_up_to_date(c, f) != 0) {
		embedded_give(e, &c);
		goto failed;
	}
	embedded_give(e, &c);
	*out = e;
	return 0;
failed:
	embedded_close(e);
	return -1;
}

static int
embedded_secret(void *b, uint8_t out[DIRECTORY_SECRET_LEN], struct fail *f)
{
	struct embedded *e = b;
	sqlite3_stmt *st = NULL;
	struct conn *c;
	int rc = -1;

	if (embedded_take(e, &c, f) != 0) {
		return -1;
	}
	if (sqlite3_prepare_v2(c->db, "SELECT secret FROM state", -1, &st, NULL)
		!= SQLITE_OK
	    || sqlite3_step(st) != SQLITE_ROW
	    || sqlite3_column_bytes(st, 0) != DIRECTORY_SECRET_LEN) {
		conn_fail(c, f, "secret");
		goto out;
	}
	memcpy(out, sqlite3_column_blob(st, 0), DIRECTORY_SECRET_LEN);
	rc = 0;
out:
	(void)sqlite3_finalize(st);
	embedded_give(e, &c);
	return rc;
}

/* Made as an empty private file first, which VACUUM INTO fills. */
static int
make_copy(const char *path, struct fail *f)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0) {
		return fail_sys(f, "create %s", path);
	}
	(void)close(fd);
	return 0;
}

static int
fill_copy(struct conn *c, const char *path, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc = -1;

	if (sqlite3_prepare_v2(c->db, "VACUUM INTO ?1", -1, &st, NULL)
		!= SQLITE_OK
	    || sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC) != SQLITE_OK
	    || sqlite3_step(st) != SQLITE_DONE) {
		conn_fail(c, f, "copy");
	} else {
		rc = 0;
	}
	(void)sqlite3_finalize(st);
	return rc;
}

static int
sync_copy(const char *path, struct fail *f)
{
	char *folder = xstrdup(path);
	char *slash = strrchr(folder, '/');
	int rc = sync_path(path, f);

	if (slash != NULL) {
		slash[slash == folder ? 1 : 0] = '\0';
	}
	if (rc == 0) {
		rc = sync_path(slash != NULL ? folder : ".", f);
	}
	free(folder);
	return rc;
}

static int
embedded_backup(void *b, const char *path, struct fail *f)
{
	struct embedded *e = b;
	struct conn *c;
	int rc;

	if (make_copy(path, f) != 0) {
		return -1;
	}
	rc = embedded_take(e, &c, f);
	if (rc == 0) {
		rc = fill_copy(c, path, f);
		embedded_give(e, &c);
	}
	if (rc == 0) {
		rc = sync_copy(path, f);
	}
	if (rc != 0) {
		(void)unlink(path);
	}
	return rc;
}

/* Only with a connection that is idle, and without waiting for a lock. */
static int
embedded_version(void *b, uint64_t *out, struct fail *f)
{
	struct embedded *e = b;
	struct conn *c;
	int rc;

	if (!take_idle(e, &c) || c == NULL) {
		return fail_set(f, FAIL_TEMP, "directory: would wait");
	}
	(void)sqlite3_busy_timeout(c->db, 0);
	rc = conn_version(c, out, f);
	(void)sqlite3_busy_timeout(c->db, e->busy_ms);
	embedded_give(e, &c);
	return rc;
}

const struct directory_ops directory_embedded_ops = {
    .name = "embedded",
    .open = embedded_open,
    .close = embedded_close,
    .secret = embedded_secret,
    .backup = embedded_backup,
    .version = embedded_version,
    .look_up = embedded_look_up,
    .account_add = embedded_account_add,
    .account_rename = embedded_account_rename,
    .account_remove = embedded_account_remove,
    .account_enable = embedded_account_enable,
    .account_set_quota = embedded_account_set_quota,
    .account_set_name = embedded_account_set_name,
    .account_set_auth = embedded_account_set_auth,
    .account_list = embedded_account_list,
    .domain_add = embedded_domain_add,
    .domain_remove = embedded_domain_remove,
    .domain_list = embedded_domain_list,
    .alias_add = embedded_alias_add,
    .alias_remove = embedded_alias_remove,
    .alias_list = embedded_alias_list,
};
