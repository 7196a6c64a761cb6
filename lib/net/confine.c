#include "net/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/user.h"

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

/* Since the fourth version: TCP, of which no program makes connections or
 * listeners once it runs. */
enum {
	VERSION_NET = 4,
	NET_BIND_TCP = 1 << 0,
	NET_CONNECT_TCP = 1 << 1,
};

/* The kernel's struct landlock_ruleset_attr as of that version. */
struct ruleset {
	uint64_t fs;
	uint64_t net;
};

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

/* The groups of the user database, or none but its own. */
static int
take_groups(const struct user *user)
{
	return user->name[0] != '\0' ? initgroups(user->name, user->gid)
				     : setgroups(1, &user->gid);
}

int
confine_user(const struct user *user, struct fail *f)
{
	int death_signal = 0;

	(void)prctl(PR_GET_PDEATHSIG, &death_signal);
	if (take_groups(user) != 0
	    || setresgid(user->gid, user->gid, user->gid) != 0
	    || setresuid(user->uid, user->uid, user->uid) != 0) {
		return fail_sys(
		    f, "become user %s (%u)", user->name, (unsigned)user->uid);
	}
	/* Changing users has cleared it. */
	if (death_signal != 0
	    && prctl(PR_SET_PDEATHSIG, (unsigned long)death_signal) != 0) {
		return fail_sys(f, "PR_SET_PDEATHSIG");
	}
	return 0;
}

/* ---- capabilities ---- */

/* Bits of the first 32, which is where ours are. */
static int
set_capabilities(uint32_t effective, uint32_t permitted)
{
	struct __user_cap_header_struct header = {
	    .version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct data[2] = {
	    {.effective = effective, .permitted = permitted}};

	return (int)syscall(SYS_capset, &header, data);
}

static uint32_t
get_capabilities(void)
{
	struct __user_cap_header_struct header = {
	    .version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	return syscall(SYS_capget, &header, data) == 0 ? data[0].permitted : 0;
}

/* Keep those that are needed to reach `home`, which mostly are none. */
static int
drop_capabilities(const char *home, bool *all_files_out, struct fail *f)
{
	const uint32_t files =
	    1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH;
	uint32_t had = get_capabilities();

	*all_files_out = false;
	if (had == 0) {
		return 0;
	}
	if (set_capabilities(0, had) != 0) {
		return fail_sys(f, "give up capabilities");
	}
	*all_files_out =
	    faccessat(AT_FDCWD, home, R_OK | W_OK | X_OK, AT_EACCESS) != 0;
	had = *all_files_out ? had & files : 0;
	return set_capabilities(had, had) == 0
		   ? 0
		   : fail_sys(f, "give up capabilities");
}

/* A sanitizer's leak checker traces the process. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MAY_HIDE = false };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)        \
    || __has_feature(memory_sanitizer)
enum { MAY_HIDE = false };
#else
enum { MAY_HIDE = true };
#endif
#else
enum { MAY_HIDE = true };
#endif

int
confine_rights(const char *home, bool *all_files_out, struct fail *f)
{
	const struct rlimit none = {0, 0};
	/* Root's own, or that of a user that we have become. */
	bool root = getuid() == 0 || prctl(PR_GET_DUMPABLE) == 0;

	(void)umask(0077);
	(void)setrlimit(RLIMIT_CORE, &none);
	if (MAY_HIDE && root) {
		(void)prctl(PR_SET_DUMPABLE, 0);
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		return fail_sys(f, "PR_SET_NO_NEW_PRIVS");
	}
	return MAY_HIDE ? drop_capabilities(home, all_files_out, f) : 0;
}

int
confine_reader(struct fail *f)
{
	const uint32_t reads = get_capabilities() & 1u << CAP_DAC_READ_SEARCH;
	const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		return fail_sys(f, "PR_SET_NO_NEW_PRIVS");
	}
	return set_capabilities(reads, reads) == 0
		   ? 0
		   : fail_sys(f, "give up capabilities");
}

/* ---- Landlock ---- */

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
	struct ruleset attr = {.fs = ACCESS_READ | ACCESS_WRITE | ACCESS_NEVER
				     | LANDLOCK_ACCESS_FS_REFER};
	long version;
	int ruleset;
	int rc = -1;

	*done_out = false;
	version = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 2) {
		/* The first version forbids link(2) between folders, which
		 * the store lives by. */
		return 0;
	}
	if (version >= VERSION_NET) {
		attr.net = NET_BIND_TCP | NET_CONNECT_TCP;
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr,
	    version >= VERSION_NET ? sizeof(attr) : sizeof(attr.fs), 0);
	if (ruleset < 0) {
		return fail_sys(f, "landlock_create_ruleset");
	}
	if (allow_all(
		ruleset, library_paths, COUNT_OF(library_paths), attr.fs, f)
		== 0
	    && allow_all(ruleset, paths, n, attr.fs, f) == 0) {
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
