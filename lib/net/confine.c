#include "net/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PW_TEXT_MAX = 4096 };

/* Of Landlock's first version, which every kernel with Landlock knows. */
#define ACCESS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_WRITE                                                           \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR         \
	    | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR     \
	    | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK       \
	    | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define ACCESS_NEVER                                                           \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR             \
	    | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK)
/* What a rule on a file, not a folder, may grant. */
#define ACCESS_OF_FILE                                                         \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)

/* Links and renames from one folder to another: since the second version,
 * refused by the first even where both are writable. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif

static const struct confine_path library_paths[] = {
    {"/usr", false},
    {"/lib", false},
    {"/etc/localtime", false},
    {"/etc/resolv.conf", false},
    {"/etc/hosts", false},
    {"/etc/host.conf", false},
    {"/etc/nsswitch.conf", false},
    {"/etc/services", false},
    {"/etc/gai.conf", false},
    {"/etc/ssl", false},
    {"/proc/self", false},
    {"/proc/sys/kernel/random", false}, /* the boot id, for the store */
    {"/dev/null", true},
    {"/dev/urandom", false},
};

int
confine_user(const char *user, bool *changed_out, struct fail *f)
{
	char text[PW_TEXT_MAX];
	struct passwd pw;
	struct passwd *found = NULL;
	int death_signal = 0;

	*changed_out = false;
	if (geteuid() != 0 || user[0] == '\0'
	    || getpwnam_r(user, &pw, text, sizeof(text), &found) != 0
	    || found == NULL) {
		return 0;
	}
	(void)prctl(PR_GET_PDEATHSIG, &death_signal);
	if (initgroups(pw.pw_name, pw.pw_gid) != 0
	    || setresgid(pw.pw_gid, pw.pw_gid, pw.pw_gid) != 0
	    || setresuid(pw.pw_uid, pw.pw_uid, pw.pw_uid) != 0) {
		return fail_sys(f, "become user %s", user);
	}
	/* Changing users has cleared it. */
	if (death_signal != 0
	    && prctl(PR_SET_PDEATHSIG, (unsigned long)death_signal) != 0) {
		return fail_sys(f, "PR_SET_PDEATHSIG");
	}
	*changed_out = true;
	return 0;
}

static int
allow(
    int ruleset, const struct confine_path *p, uint64_t handled, struct fail *f)
{
	struct landlock_path_beneath_attr rule = {
	    .allowed_access = ACCESS_READ,
	    .parent_fd = open(p->path, O_PATH | O_CLOEXEC),
	};
	struct stat st;
	long rc;

	if (rule.parent_fd < 0) {
		return 0;
	}
	if (p->write) {
		rule.allowed_access |=
		    ACCESS_WRITE | (handled & LANDLOCK_ACCESS_FS_REFER);
	}
	if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode)) {
		rule.allowed_access &= ACCESS_OF_FILE;
	}
	rc = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
	    &rule, 0);
	if (rc != 0) {
		(void)fail_sys(f, "landlock_add_rule %s", p->path);
	}
	(void)close(rule.parent_fd);
	return rc == 0 ? 0 : -1;
}

static int
allow_all(int ruleset, const struct confine_path *paths, size_t n,
    uint64_t handled, struct fail *f)
{
	for (size_t i = 0; i < n; i++) {
		if (allow(ruleset, &paths[i], handled, f) != 0) {
			return -1;
		}
	}
	return 0;
}

int
confine_files(
    const struct confine_path *paths, size_t n, bool *done_out, struct fail *f)
{
	struct landlock_ruleset_attr attr = {
	    .handled_access_fs = ACCESS_READ | ACCESS_WRITE | ACCESS_NEVER};
	long version;
	int ruleset;
	int rc = -1;

	*done_out = false;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		return fail_sys(f, "PR_SET_NO_NEW_PRIVS");
	}
	version = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 2) {
		/* The first version forbids link(2) between folders, which
		 * the store lives by. */
		return 0;
	}
	attr.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
	ruleset =
	    (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0) {
		return fail_sys(f, "landlock_create_ruleset");
	}
	if (allow_all(ruleset, library_paths, COUNT_OF(library_paths),
		attr.handled_access_fs, f)
		== 0
	    && allow_all(ruleset, paths, n, attr.handled_access_fs, f) == 0) {
		if (syscall(SYS_landlock_restrict_self, ruleset, 0) == 0) {
			*done_out = true;
			rc = 0;
		} else {
			(void)fail_sys(f, "landlock_restrict_self");
		}
	}
	(void)close(ruleset);
	return rc;
}
