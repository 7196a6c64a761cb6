/*
 * embedded_backup.c: a copy of the database, made while it is used.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "directory/embedded_priv.h"

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
fill_copy(struct sqlconn *c, const char *path, struct fail *f)
{
	sqlite3_stmt *st = NULL;
	int rc = -1;

	if (sqlite3_prepare_v2(c->db, "VACUUM INTO ?1", -1, &st, NULL)
		!= SQLITE_OK
	    || sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC) != SQLITE_OK
	    || sqlite3_step(st) != SQLITE_DONE) {
		sqlconn_fail(c, f, "copy");
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
	int rc = embedded_sync_path(path, f);

	if (slash != NULL) {
		slash[slash == folder ? 1 : 0] = '\0';
	}
	if (rc == 0) {
		rc = embedded_sync_path(slash != NULL ? folder : ".", f);
	}
	free(folder);
	return rc;
}

int
embedded_backup(void *b, const char *path, struct fail *f)
{
	struct embedded *e = b;
	struct sqlconn *c;
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
