#include "postroom/room.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
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

/* File systems that write anew what is written over.  Not all are in every
 * version of <linux/magic.h>. */
static const uint32_t copying[] = {
    0x9123683e, /* btrfs */
    0xca451a4e, /* bcachefs */
    0x2fc12fc1, /* ZFS */
    0xf2f52010, /* F2FS */
    0x3434,	/* NILFS */
};

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
room_copies(const struct settings *set)
{
	struct statfs st;

	if (statfs(set->run, &st) != 0) {
		return false;
	}
	for (size_t i = 0; i < COUNT_OF(copying); i++) {
		if ((uint32_t)st.f_type == copying[i]) {
			return true;
		}
	}
	return false;
}

bool
room_lacks(const struct fail *f)
{
	return f->err == ENOSPC || f->err == EDQUOT || f->err == EROFS;
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

static void
remove_folder(int at, const char *name)
{
	int fd =
	    openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0) {
		return;
	}
	for (size_t i = 0; i < COUNT_OF(folders); i++) {
		empty_folder(fd, folders[i]);
		(void)unlinkat(fd, folders[i], AT_REMOVEDIR);
	}
	(void)close(fd);
	empty_folder(at, name);
	(void)unlinkat(at, name, AT_REMOVEDIR);
}

/* ---- in memory ---- */

/* The name under which a folder of an earlier start waits. */
static const char *
aside_of(const char *name, char out[RUNDIR_SIZE + 8])
{
	(void)snprintf(out, RUNDIR_SIZE + 8, "%s.aside", name);
	return out;
}

void
room_set_aside(const char *home)
{
	char name[RUNDIR_SIZE], aside[RUNDIR_SIZE + 8];
	struct fail f;

	if (rundir_name(home, name, &f) != 0 || !rundir_counts(home, name)) {
		return;
	}
	room_drop_aside(home);
	if (rename(name, aside_of(name, aside)) != 0) {
		(void)fail_sys(&f, "rename %s", name);
		LOG(LOG_WARN, "run.memory", kv_fail(&f));
	}
}

void
room_drop_aside(const char *home)
{
	char name[RUNDIR_SIZE], aside[RUNDIR_SIZE + 8];
	struct fail f;
	int at;

	if (rundir_name(home, name, &f) != 0
	    || !rundir_counts(home, aside_of(name, aside))) {
		return;
	}
	at = open(aside, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (at >= 0) {
		remove_folder(at, "run");
		remove_folder(at, "tables");
		(void)close(at);
	}
	if (rmdir(aside) != 0) {
		(void)fail_sys(&f, "remove %s", aside);
		LOG(LOG_WARN, "run.memory", kv_fail(&f));
	}
}

/* The folder, with what it had when it was set aside. */
static int
take_memory(const char *home, char name[RUNDIR_SIZE], struct fail *f)
{
	char aside[RUNDIR_SIZE + 8];

	if (rundir_name(home, name, f) != 0) {
		return -1;
	}
	if (rundir_counts(home, aside_of(name, aside))
	    && rename(aside, name) == 0) {
		return 0;
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

int
room_use_memory(const char *home, struct fail *f)
{
	char name[RUNDIR_SIZE];
	int at;

	if (take_memory(home, name, f) != 0) {
		return -1;
	}
	/* With tables alone run/ would be sought on the disk. */
	at = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (at < 0) {
		return fail_sys(f, "open %s", name);
	}
	remove_folder(at, "tables");
	(void)close(at);
	return 0;
}

int
room_tables_to_memory(
    const struct settings *set, struct arena *arena, struct fail *f)
{
	struct owners o = home_owners(set);
	char name[RUNDIR_SIZE];

	if (take_memory(set->home, name, f) != 0) {
		return -1;
	}
	const struct home_dir dirs[] = {
	    {arena_printf(arena, "%s/tables", name), 0700, o.user, o.group},
	    {arena_printf(arena, "%s/tables/hint", name), 0700, o.user,
		o.group},
	};

	return home_make_dir(&dirs[0], f) == 0 ? home_make_dir(&dirs[1], f)
					       : -1;
}
