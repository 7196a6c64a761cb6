#include "net/confine.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* With these capabilities stay, which leak checkers need. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = true };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)        \
    || __has_feature(memory_sanitizer)
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif
#else
enum { SANITIZED = false };
#endif

enum { PASSED = 0, NO_LANDLOCK = 77 };

/* What cannot be undone is done in a child; its exit status. */
static int
in_child(int (*body)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		_exit(body());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static long
landlock_version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
}

static int
listener(struct sockaddr_in *sa)
{
	socklen_t len = sizeof(*sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*sa = (struct sockaddr_in){
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (bind(fd, (const struct sockaddr *)sa, len) != 0
	    || listen(fd, 1) != 0
	    || getsockname(fd, (struct sockaddr *)sa, &len) != 0) {
		return -1;
	}
	return fd;
}

static int
files_and_connections(void)
{
	const struct confine_path paths[] = {{"/tmp", true}};
	struct sockaddr_in sa;
	int before = listener(&sa), after, fd;
	bool done, all;
	struct fail f;

	if (before < 0 || confine_rights("/tmp", &all, &f) != 0
	    || confine_files(paths, 1, &done, &f) != 0) {
		return 1;
	}
	if (!done) {
		return NO_LANDLOCK;
	}
	if (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES) {
		return 2;
	}
	fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	if (fd < 0) {
		return 3;
	}
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (landlock_version() >= 4
	    && (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0
		|| errno != EACCES)) {
		return 4;
	}
	after = listener(&sa);
	if (landlock_version() >= 4 && after >= 0) {
		return 5;
	}
	return PASSED;
}

static void
only_named_files_and_no_tcp_are_left(void **state)
{
	int status = in_child(files_and_connections);

	(void)state;
	if (status == NO_LANDLOCK) {
		skip();
	}
	assert_int_equal(status, PASSED);
}

static int
rights(void)
{
	struct rlimit core;
	struct fail f;
	bool all;

	if (confine_rights("/", &all, &f) != 0) {
		return 1;
	}
	if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0) {
		return 2;
	}
	/* What root may only by a capability. */
	if (!SANITIZED && setpriority(PRIO_PROCESS, 0, -20) == 0) {
		return 3;
	}
	return umask(0) == 0077 ? PASSED : 4;
}

static void
rights_are_given_up(void **state)
{
	(void)state;
	assert_int_equal(in_child(rights), PASSED);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_named_files_and_no_tcp_are_left),
	    cmocka_unit_test(rights_are_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
