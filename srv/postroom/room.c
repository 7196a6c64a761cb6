#include "postroom/room.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "postroom/home.h"
#include "settings/rundir.h"

enum {
	FILES = 32, /* sockets and tables of all programs, and some more */
	OCTETS = 1024 * 1024, /* of tables, and as many for each peer: */
	PEER_OCTETS = 128,
};

static const char *const folders[] = {"hint", "stat", "spool"};

/* ---- making ---- */

/* Files that are made and removed again, one of them as large as all tables
 * together. */
static int
try_files(int dir, off_t octets, struct fail *f)
{
	char name[24];
	int made = 0, rc = 0;

	for (; rc == 0 && made < FILES; made++) {
		(void)snprintf(name, sizeof(name), ".room.%d", made);
		(void)unlinkat(dir, name, 0); /* of one that was killed */
		int fd = openat(dir, name,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0) {
			rc = fail_sys(f, "no room in run");
			break;
		}
		int err = made == 0 ? posix_fallocate(fd, 0, octets) : 0;

		if (err != 0) {
			rc = fail_err(f, err, "no room in run");
		}
		(void)close(fd);
	}
	while (made-- > 0) {
		(void)snprintf(name, sizeof(name), ".room.%d", made);
		(void)unlinkat(dir, name, 0);
	}
	return rc;
}

int
room_make(const struct settings *set, struct arena *arena, struct fail *f)
{
	struct owners o = home_owners(set);
	const struct home_dir dirs[] = {
	    {set->run, 0750, o.user, o.group},
	    {set->smtp_spool, 0770, o.user, o.group},
	    {settings_path(set, "run/hint", arena), 0700, o.user, o.group},
	    {settings_path(set, "run/stat", arena), 0770, o.user, o.group},
	};
	off_t octets = OCTETS + PEER_OCTETS * (off_t)set->auth_peers;
	int rc, dir;

	for (size_t i = 0; i < COUNT_OF(dirs); i++) {
		if (home_make_dir(&dirs[i], f) != 0) {
			return -1;
		}
	}
	dir = open(set->run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		return fail_sys(f, "open %s", set->run);
	}
	rc = try_files(dir, octets, f);
	(void)close(dir);
	return rc;
}

bool
room_lacks(const struct fail *f)
{
	return f->err == ENOSPC || f->err == EDQUOT || f->err == EROFS;
}

int
room_use_memory(const char *home, struct fail *f)
{
	char name[RUNDIR_SIZE];

	if (rundir_name(home, name, f) != 0) {
		return -1;
	}
	if (mkdir(name, 0755) == 0) {
		(void)chmod(name, 0755); /* whatever the umask */
	} else if (errno != EEXIST) {
		return fail_sys(f, "make %s", name);
	}
	if (!rundir_counts(home, name)) {
		return fail_set(
		    f, FAIL_DENIED, "%s is there and is somebody else's", name);
	}
	return 0;
}

/* ---- taking away ---- */

/* Others may write to these folders: nothing is followed, nor gone into. */
static void
empty_folder(int at, const char *name)
{
	int fd =
	    openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (d == NULL) {
		if (fd >= 0) {
			(void)close(fd);
		}
		return;
	}
	/* Before threads start. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while ((e = readdir(d)) != NULL) {
		(void)unlinkat(fd, e->d_name, 0);
	}
	(void)closedir(d);
}

void
room_leave_memory(const char *home)
{
	char name[RUNDIR_SIZE];
	struct fail f;
	int run, at;

	if (rundir_name(home, name, &f) != 0 || !rundir_counts(home, name)) {
		return;
	}
	at = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	run = at < 0 ? -1
		     : openat(at, "run",
			 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (run >= 0) {
		for (size_t i = 0; i < COUNT_OF(folders); i++) {
			empty_folder(run, folders[i]);
			(void)unlinkat(run, folders[i], AT_REMOVEDIR);
		}
		(void)close(run);
		empty_folder(at, "run");
		(void)unlinkat(at, "run", AT_REMOVEDIR);
	}
	if (at >= 0) {
		(void)close(at);
	}
	if (rmdir(name) != 0) {
		(void)fail_sys(&f, "remove %s", name);
		LOG(LOG_WARN, "run.memory", kv_fail(&f));
	}
}
