#include "postroom/home.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "net/tls.h"
#include "net/user.h"
#include "postroom/room.h"

struct owners
home_owners(const struct settings *set)
{
	struct owners o = {(uid_t)HOME_KEEP, (gid_t)HOME_KEEP};
	struct user user;

	if (user_find(set, false, &user)) {
		o.user = user.uid;
		o.group = user.gid;
	}
	return o;
}

int
home_make(const char *home, struct fail *f)
{
	if (mkdir(home, 0755) != 0 && errno != EEXIST) {
		return fail_sys(f, "make %s", home);
	}
	return 0;
}

int
home_make_dir(const struct home_dir *d, struct fail *f)
{
	if (mkdir(d->path, 0700) != 0) {
		return errno == EEXIST ? 0 : fail_sys(f, "make %s", d->path);
	}
	if (chown(d->path, d->user, d->group) != 0
	    || chmod(d->path, d->mode) != 0) {
		return fail_sys(f, "set the rights of %s", d->path);
	}
	LOG(LOG_INFO, "home.make", kv_str("path", d->path));
	return 0;
}

/* Written aside and linked into place, so that it is there whole or not. */
static int
write_conf(const char *path, struct arena *arena, struct fail *f)
{
	const char *tmp = arena_printf(arena, "%s.%d", path, (int)getpid());
	FILE *to;
	bool ok;

	if (access(path, F_OK) == 0) {
		return 0;
	}
	to = fopen(tmp, "wx");
	if (to == NULL) {
		return fail_sys(f, "make %s", tmp);
	}
	settings_template(to);
	ok = fflush(to) == 0 && fchmod(fileno(to), 0644) == 0
	     && fsync(fileno(to)) == 0 && link(tmp, path) == 0;
	if (!ok && errno != EEXIST) {
		(void)fail_sys(f, "write %s", path);
	} else {
		ok = true;
	}
	(void)fclose(to);
	(void)unlink(tmp);
	return ok ? 0 : -1;
}

static int
make_certificate(
    const struct settings *set, const struct owners *o, struct fail *f)
{
	if (access(set->tls_certificate, F_OK) == 0
	    || access(set->tls_key, F_OK) == 0) {
		return 0; /* what is wrong with one of them, tls_load says */
	}
	if (tls_self_signed(
		set->tls_certificate, set->tls_key, set->server_hostname, f)
	    != 0) {
		return -1;
	}
	if (o->group != (gid_t)HOME_KEEP
	    && (chown(set->tls_key, (uid_t)HOME_KEEP, o->group) != 0
		|| chmod(set->tls_key, 0640) != 0)) {
		return fail_sys(f, "set the rights of %s", set->tls_key);
	}
	LOG(LOG_INFO, "tls.self_signed", kv_str("path", set->tls_certificate),
	    kv_str("name", set->server_hostname));
	return 0;
}

/* What no program needs is not made on a disk that takes nothing. */
static bool
do_without(struct fail *f)
{
	if (!room_lacks(f)) {
		return false;
	}
	LOG(LOG_WARN, "home.make", kv_fail(f));
	fail_clear(f);
	return true;
}

int
home_prepare(const struct settings *set, struct arena *arena, struct fail *f)
{
	struct owners o = home_owners(set);
	const uid_t keep = (uid_t)HOME_KEEP;
	enum { NEEDED = 2 };
	const struct home_dir dirs[] = {
	    {set->directory_path, 0700, o.user, o.group},
	    {set->store_path, 0700, o.user, o.group},
	    /* and what is not needed */
	    {settings_path(set, "queue", arena), 0770, keep, o.group},
	    {settings_path(set, "tls", arena), 0750, keep, o.group},
	    {set->tls_names, 0750, keep, o.group},
	};

	for (size_t i = 0; i < COUNT_OF(dirs); i++) {
		if (home_make_dir(&dirs[i], f) != 0
		    && (i < NEEDED || !do_without(f))) {
			return -1;
		}
	}
	if (write_conf(settings_path(set, "postroom.conf", arena), arena, f)
		!= 0
	    && !do_without(f)) {
		return -1;
	}
	return make_certificate(set, &o, f);
}

/* Of the folder itself: to make a file would take room. */
int
home_lock(const char *home, int *fd_out, struct fail *f)
{
	int fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		return fail_sys(f, "open %s", home);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK) {
			(void)fail_set(f, FAIL_EXISTS,
			    "another postroom runs on %s", home);
		} else {
			(void)fail_sys(f, "lock %s", home);
		}
		(void)close(fd);
		return -1;
	}
	*fd_out = fd;
	return 0;
}
