#include "directory/embedded_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

int
embedded_sync_path(const char *path, struct fail *f)
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
	return embedded_sync_path(folder, f);
}

static bool
is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int
find_file(struct embedded *e, const struct directory_conf *conf, struct fail *f)
{
	struct stat st;

	e->path = is_file(conf->path)
		      ? xstrdup(conf->path)
		      : xasprintf("%s/directory.db", conf->path);
	if (conf->create && make_file(conf->path, e->path, f) != 0) {
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

	embedded_close_idle(e);
	(void)pthread_cond_destroy(&e->given);
	lock_deinit(&e->lock);
	free(e->path);
	free(e);
}

static int
embedded_open(const struct directory_conf *conf, void **out, struct fail *f)
{
	struct embedded *e = xmalloc(sizeof(*e));
	struct sqlconn *c = NULL;

	lock_init(&e->lock, LOCK_DIRECTORY);
	(void)pthread_cond_init(&e->given, NULL);
	e->separators = conf->separators;
	e->busy_ms = (int)conf->busy_ms;
	e->targets_max = (unsigned)conf->rcpts_max;
	if (find_file(e, conf, f) != 0 || embedded_take(e, &c, f) != 0) {
		goto failed;
	}
	if (embedded_bring_up_to_date(c, f) != 0) {
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
	struct sqlconn *c;
	int rc = -1;

	if (embedded_take(e, &c, f) != 0) {
		return -1;
	}
	if (sqlite3_prepare_v2(c->db, "SELECT secret FROM state", -1, &st, NULL)
		!= SQLITE_OK
	    || sqlite3_step(st) != SQLITE_ROW
	    || sqlite3_column_bytes(st, 0) != DIRECTORY_SECRET_LEN) {
		sqlconn_fail(c, f, "secret");
		goto out;
	}
	memcpy(out, sqlite3_column_blob(st, 0), DIRECTORY_SECRET_LEN);
	rc = 0;
out:
	(void)sqlite3_finalize(st);
	embedded_give(e, &c);
	return rc;
}

/* Only with a connection that is idle; that takes no lock. */
static int
embedded_version(void *b, uint64_t *out, struct fail *f)
{
	struct embedded *e = b;
	struct sqlconn *c;
	int rc;

	if (!embedded_take_idle(e, &c) || c == NULL) {
		return fail_set(f, FAIL_TEMP, "directory: would wait");
	}
	rc = sqlconn_version(c, out, f);
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
