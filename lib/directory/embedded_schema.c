/*
 * embedded_schema.c: the tables, and the formats that they had.
 */
#include <stdio.h>

#include "base/mem.h"
#include "directory/embedded_priv.h"

enum { APPLICATION_ID = 0x506f5264 }; /* "PoRd" */

/* migrations[n] takes format n to n + 1. */
static const char *const migrations[] = {
    "CREATE TABLE state ("
    " id INTEGER PRIMARY KEY CHECK (id = 1),"
    " secret BLOB NOT NULL) STRICT;"
    "INSERT INTO state VALUES (1, randomblob(32));"
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

static int
migrate_from(struct sqlconn *c, int64_t format, struct fail *f)
{
	char text[64];

	for (size_t i = (size_t)format; i < FORMAT; i++) {
		if (sqlconn_exec(c, migrations[i], f) != 0) {
			return -1;
		}
	}
	(void)snprintf(text, sizeof(text), "PRAGMA application_id = %d",
	    (int)APPLICATION_ID);
	if (sqlconn_exec(c, text, f) != 0) {
		return -1;
	}
	(void)snprintf(
	    text, sizeof(text), "PRAGMA user_version = %d", (int)FORMAT);
	return sqlconn_exec(c, text, f);
}

static int
check_format(struct sqlconn *c, int64_t format, struct fail *f)
{
	int64_t application;

	if (sqlconn_int(c, "PRAGMA application_id", &application, f) != 0) {
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
int
embedded_bring_up_to_date(struct sqlconn *c, struct fail *f)
{
	int64_t format;

	if (sqlconn_int(c, "PRAGMA user_version", &format, f) != 0
	    || check_format(c, format, f) != 0) {
		return -1;
	}
	if (format == FORMAT) {
		return 0;
	}
	if (sqlconn_exec(c, "BEGIN IMMEDIATE", f) != 0) {
		return -1;
	}
	if (sqlconn_int(c, "PRAGMA user_version", &format, f) != 0
	    || migrate_from(c, format, f) != 0
	    || sqlconn_exec(c, "COMMIT", f) != 0) {
		(void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
		return -1;
	}
	return 0;
}
