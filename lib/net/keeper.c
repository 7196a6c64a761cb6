#include "net/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sv.h"

enum { PATIENCE_S = 10 };

struct request {
	int flags;
	char path[PATH_MAX];
};

/* With a descriptor, unless it failed. */
struct answer {
	int error;
};

static int keeper_fd = -1;

/* ---- the keeper ---- */

static bool
is_allowed(const struct keeper_conf *conf, struct sv path)
{
	for (size_t i = 0; i < KEEPER_PATHS_MAX && conf->allowed[i] != NULL;
	     i++) {
		struct sv allowed = sv_cstr(conf->allowed[i]);

		if (sv_starts(path, allowed)
		    && (path.len == allowed.len
			|| path.p[allowed.len] == '/')) {
			return true;
		}
	}
	return false;
}

/* Could nobody but root have made what has this name?  Its folder is seen to
 * by the call for that.  False, and errno. */
static bool
is_roots(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0) {
		return false;
	}
	errno = EACCES;
	return st.st_uid == 0
	       && (!S_ISDIR(st.st_mode)
		   || (st.st_mode & (S_IWGRP | S_IWOTH)) == 0
		   || (st.st_mode & S_ISVTX) != 0);
}

static bool
goes_up(const char *path)
{
	while ((path = strstr(path, "/..")) != NULL) {
		path += strlen("/..");
		if (*path == '/' || *path == '\0') {
			return true;
		}
	}
	return false;
}

/* The same of each folder above it, and no way back up. */
static bool
is_roots_throughout(char *path)
{
	if (path[0] != '/' || goes_up(path)) {
		errno = EACCES;
		return false;
	}
	for (char *at = path + 1; *at != '\0'; at++) {
		if (*at == '/') {
			*at = '\0';
			bool good = is_roots(path);

			*at = '/';
			if (!good) {
				return false;
			}
		}
	}
	return is_roots(path);
}

static int
open_for(const struct keeper_conf *conf, struct request *r)
{
	if (!is_allowed(conf, sv_cstr(r->path))) {
		errno = EACCES;
		return -1;
	}
	if (!is_roots_throughout(r->path)) {
		return -1;
	}
	return open(r->path,
	    O_RDONLY | O_CLOEXEC | O_NONBLOCK | (r->flags & O_DIRECTORY));
}

static void
send_answer(int to, int fd, int error)
{
	struct answer answer = {.error = fd < 0 ? error : 0};
	struct iovec v = {.iov_base = &answer, .iov_len = sizeof(answer)};
	union {
		struct cmsghdr header; /* for its alignment */
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.space = {0}};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control.space);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	(void)sendmsg(to, &m, MSG_NOSIGNAL);
}

static void NO_RETURN
keep(const struct keeper_conf *conf, int fd)
{
	static struct request r;
	ssize_t n;

	/* What the program holds open is no business of this one. */
	ASSERT(dup2(fd, STDERR_FILENO + 1) >= 0);
	fd = STDERR_FILENO + 1;
	(void)close_range((unsigned)fd + 1, UINT_MAX, 0);
	while ((n = recv(fd, &r, sizeof(r), 0)) > 0) {
		int found;

		if ((size_t)n <= offsetof(struct request, path)) {
			continue;
		}
		r.path[(size_t)n - offsetof(struct request, path) - 1] = '\0';
		found = open_for(conf, &r);
		send_answer(fd, found, errno);
		if (found >= 0) {
			(void)close(found);
		}
	}
	_exit(EXIT_SUCCESS);
}

static void NO_RETURN
run(const struct keeper_conf *conf, int fd, pid_t program)
{
	bool done;
	struct fail f;

	(void)prctl(PR_SET_NAME, "keeper");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != program) {
		_exit(EXIT_FAILURE);
	}
	if (confine_reader(&f) != 0
	    || (conf->restricted
		&& confine_files(conf->paths, conf->n_paths, &done, &f) != 0)) {
		LOG(LOG_ERROR, "keeper.failed", kv_fail(&f));
		_exit(EXIT_FAILURE);
	}
	keep(conf, fd);
}

/* ---- the program ---- */

int
keeper_start(const struct keeper_conf *conf, struct fail *f)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	pid_t program = getpid();
	pid_t pid;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
		return fail_sys(f, "socketpair");
	}
	pid = fork();
	if (pid == 0) {
		run(conf, fds[1], program);
	}
	(void)close(fds[1]);
	if (pid < 0) {
		(void)close(fds[0]);
		return fail_sys(f, "fork");
	}
	(void)setsockopt(
	    fds[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	keeper_fd = fds[0];
	return 0;
}

void
keeper_stop(void)
{
	if (keeper_fd >= 0) {
		(void)close(keeper_fd);
		keeper_fd = -1;
	}
}

static int
receive(void)
{
	struct answer answer = {.error = EIO};
	struct iovec v = {.iov_base = &answer, .iov_len = sizeof(answer)};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr m = {
	    .msg_iov = &v,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control.space),
	};
	ssize_t n = recvmsg(keeper_fd, &m, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	int fd;

	if (h == NULL || h->cmsg_type != SCM_RIGHTS) {
		errno = answer.error;
		return -1;
	}
	memcpy(&fd, CMSG_DATA(h), sizeof(fd));
	return fd;
}

int
keeper_open(const char *path, int flags)
{
	struct request r = {.flags = flags};
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
	size_t len = strlen(path);

	if (fd >= 0 || errno != EACCES || keeper_fd < 0
	    || len >= sizeof(r.path)) {
		return fd;
	}
	memcpy(r.path, path, len + 1);
	if (send(keeper_fd, &r, offsetof(struct request, path) + len + 1,
		MSG_NOSIGNAL)
	    < 0) {
		errno = EACCES;
		return -1;
	}
	return receive();
}
