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

enum { ID_NONE = -1 };

/* Whom the parts belong to; ID_NONE leaves things as they are. */
struct owners {
	uid_t user;  /* of the store */
	gid_t group; /* of what both users read */
};

static struct owners
find_owners(const struct settings *set)
{
	struct owners o = {(uid_t)ID_NONE, (gid_t)ID_NONE};
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

static int
make_dir(
    const char *path, unsigned mode, uid_t user, gid_t group, struct fail *f)
{
	if (mkdir(path, 0700) != 0) {
		return errno == EEXIST ? 0 : fail_sys(f, "make %s", path);
	}
	if (chown(path, user, group) != 0 || chmod(path, mode) != 0) {
		return fail_sys(f, "set the rights of %s", path);
	}
	LOG(LOG_INFO, "home.make", kv_str("path", path));
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
	if (o->group != (gid_t)ID_NONE
	    && (chown(set->tls_key, (uid_t)ID_NONE, o->group) != 0
		|| chmod(set->tls_key, 0640) != 0)) {
		return fail_sys(f, "set the rights of %s", set->tls_key);
	}
	LOG(LOG_INFO, "tls.self_signed", kv_str("path", set->tls_certificate),
	    kv_str("name", set->server_hostname));
	return 0;
}

int
home_prepare(const struct settings *set, struct arena *arena, struct fail *f)
{
	struct owners o = find_owners(set);
	const struct {
		const char *path;
		unsigned mode;
		uid_t user;
		gid_t group;
	} dirs[] = {
	    {set->directory_path, 0700, o.user, o.group},
	    {set->store_path, 0700, o.user, o.group},
	    {settings_path(set, "queue", arena), 0770, (uid_t)ID_NONE, o.group},
	    {settings_path(set, "tls", arena), 0750, (uid_t)ID_NONE, o.group},
	    {set->tls_names, 0750, (uid_t)ID_NONE, o.group},
	    {settings_path(set, "run", arena), 0750, o.user, o.group},
	    {set->smtp_spool, 0770, o.user, o.group},
	    {settings_path(set, "run/hint", arena), 0700, o.user, o.group},
	    {settings_path(set, "run/stat", arena), 0770, o.user, o.group},
	};

	for (size_t i = 0; i < COUNT_OF(dirs); i++) {
		if (make_dir(dirs[i].path, dirs[i].mode, dirs[i].user,
			dirs[i].group, f)
		    != 0) {
			return -1;
		}
	}
	if (write_conf(settings_path(set, "postroom.conf", arena), arena, f)
	    != 0) {
		return -1;
	}
	return make_certificate(set, &o, f);
}

int
home_lock(const struct settings *set, struct arena *arena, int *fd_out,
    struct fail *f)
{
	const char *path = settings_path(set, "run/postroom.lock", arena);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0) {
		return fail_sys(f, "open %s", path);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		(void)close(fd);
		if (errno == EWOULDBLOCK) {
			return fail_set(f, FAIL_EXISTS,
			    "another postroom runs on %s", set->home);
		}
		return fail_sys(f, "lock %s", path);
	}
	*fd_out = fd;
	return 0;
}
