/*
 * listen_open.c: opening and inheriting listening sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/listen.h"
#include "net/listen_priv.h"

enum {
	BACKLOG = 1024,
	INHERITED_FIRST = 3, /* [sd_listen_fds(3)] */
	INHERITED_MAX = 64,
	UNIX_MODE = 0600,
};

/* ---- inherited ---- */

struct inherited {
	int n;
	char *names; /* owned; "a:b:c" */
};

/* The environment's answer, once: a child must not take it for its own. */
static const struct inherited *
inherited(void)
{
	static struct inherited all;
	static bool asked;
	/* NOLINTBEGIN(concurrency-mt-unsafe): before threads start */
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	uint64_t v;

	if (asked) {
		return &all;
	}
	asked = true;
	if (pid != NULL && fds != NULL && sv_u64(sv_cstr(pid), &v)
	    && v == (uint64_t)getpid() && sv_u64(sv_cstr(fds), &v)
	    && v <= INHERITED_MAX) {
		all.n = (int)v;
		all.names = xstrdup(names != NULL ? names : "");
	}
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	/* NOLINTEND(concurrency-mt-unsafe) */
	for (int i = 0; i < all.n; i++) {
		(void)fcntl(INHERITED_FIRST + i, F_SETFD, FD_CLOEXEC);
	}
	return &all;
}

/* -1: none were inherited at all, so open them. */
int
listen_inherit(const char *name, int *fds, unsigned most)
{
	const struct inherited *all = inherited();
	struct sv names = sv_cstr(all->names);
	unsigned n = 0;

	if (all->n == 0) {
		return -1;
	}
	for (int i = 0; i < all->n && n < most; i++) {
		if (sv_eq(sv_cut(&names, ':'), sv_cstr(name))) {
			fds[n++] = INHERITED_FIRST + i;
		}
	}
	return (int)n;
}

/* ---- opened ---- */

static int
bind_and_listen(int fd, const struct sockaddr *sa, socklen_t len,
    const char *what, struct fail *f)
{
	if (bind(fd, sa, len) != 0) {
		if (errno == EADDRINUSE) {
			return fail_set(
			    f, FAIL_EXISTS, "%s: the address is in use", what);
		}
		return fail_sys(f, "bind to %s", what);
	}
	if (listen(fd, BACKLOG) != 0) {
		return fail_sys(f, "listen on %s", what);
	}
	return 0;
}

static int
open_ip(const struct addr *a, int *fd_out, struct fail *f)
{
	static const int on = 1;
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(a, &ss);
	char text[ADDR_TEXT_SIZE];
	char what[ADDR_TEXT_SIZE + 16];
	int fd =
	    socket(a->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)snprintf(
	    what, sizeof(what), "%s port %u", addr_text(a, text), a->port);
	if (fd < 0) {
		return fail_sys(f, "socket for %s", what);
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->family == AF_INET6) {
		(void)setsockopt(
		    fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	}
	if (bind_and_listen(fd, (const struct sockaddr *)&ss, len, what, f)
	    != 0) {
		(void)close(fd);
		return -1;
	}
	*fd_out = fd;
	return 0;
}

/* A socket file that nobody listens on any more is taken away. */
static int
remove_stale(const struct sockaddr_un *sun, struct fail *f)
{
	struct stat st;
	int fd;
	int rc;

	if (lstat(sun->sun_path, &st) != 0) {
		return 0;
	}
	if (!S_ISSOCK(st.st_mode)) {
		return fail_set(
		    f, FAIL_EXISTS, "%s is there and no socket", sun->sun_path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return fail_sys(f, "socket");
	}
	rc = connect(fd, (const struct sockaddr *)sun, sizeof(*sun));
	(void)close(fd);
	if (rc == 0 || errno == EAGAIN) {
		return fail_set(f, FAIL_EXISTS,
		    "%s: another program listens there", sun->sun_path);
	}
	if (unlink(sun->sun_path) != 0 && errno != ENOENT) {
		return fail_sys(f, "unlink %s", sun->sun_path);
	}
	return 0;
}

static int
open_path(const struct listen_spec *spec, int *fd_out, struct fail *f)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	size_t len = strlen(spec->path);
	mode_t mode = spec->mode != 0 ? spec->mode : UNIX_MODE;
	int fd;

	if (len >= sizeof(sun.sun_path)) {
		return fail_set(f, FAIL_LIMIT,
		    "%s: longer than the path of a "
		    "socket may be",
		    spec->path);
	}
	memcpy(sun.sun_path, spec->path, len + 1);
	if (remove_stale(&sun, f) != 0) {
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return fail_sys(f, "socket");
	}
	/* The mode that the file is made with: no moment of more rights.
	 * Linux takes it from the socket. */
	if (fchmod(fd, mode) != 0
	    || bind_and_listen(fd, (const struct sockaddr *)&sun, sizeof(sun),
		   spec->path, f)
		   != 0) {
		(void)close(fd);
		return -1;
	}
	if ((spec->group != 0 && chown(spec->path, (uid_t)-1, spec->group) != 0)
	    || chmod(spec->path, mode) != 0) {
		(void)fail_sys(f, "set the rights of %s", spec->path);
		(void)close(fd);
		return -1;
	}
	*fd_out = fd;
	return 0;
}

/* The next address of a list; "*" stands for both families' all. */
static bool
next_address(struct sv *list, struct sv *out)
{
	for (;;) {
		*list = sv_trim(*list);
		if (list->len == 0) {
			return false;
		}
		*out = sv_trim(sv_cut(list, ','));
		if (out->len != 0) {
			return true;
		}
	}
}

static bool
no_ipv6(const struct addr *a, const struct fail *f)
{
	return a->family == AF_INET6
	       && (f->err == EADDRNOTAVAIL || f->err == EAFNOSUPPORT);
}

static int
open_address(struct sv text, uint16_t port, int *fds, unsigned most,
    unsigned *n, struct fail *f)
{
	struct addr a;

	if (*n == most) {
		return fail_set(f, FAIL_LIMIT, "more than %u addresses", most);
	}
	if (addr_parse(text, &a, f) != 0) {
		return -1;
	}
	a.port = port;
	if (open_ip(&a, &fds[*n], f) == 0) {
		*n += 1;
		return 0;
	}
	return no_ipv6(&a, f) ? 0 : -1;
}

int
listen_sockets(const struct listen_spec *spec, int *fds, unsigned most,
    unsigned *n_out, struct fail *f)
{
	struct sv list = sv_cstr(spec->addresses);
	struct sv text;
	unsigned n = 0;
	int rc = 0;

	fail_clear(f);
	if (spec->path != NULL) {
		*n_out = 1;
		return open_path(spec, fds, f);
	}
	while (rc == 0 && next_address(&list, &text)) {
		if (sv_eq(text, SV("*"))) {
			rc = open_address(
			    SV("0.0.0.0"), spec->port, fds, most, &n, f);
			text = SV("::");
		}
		if (rc == 0) {
			rc = open_address(text, spec->port, fds, most, &n, f);
		}
	}
	if (rc == 0 && n == 0) {
		rc = f->kind != FAIL_NONE
			 ? -1
			 : fail_set(f, FAIL_SYNTAX, "no address to listen on");
	}
	if (rc != 0) {
		(void)fail_wrap(f, "%s", spec->name);
		while (n != 0) {
			(void)close(fds[--n]);
		}
	}
	*n_out = n;
	return rc;
}

void
listen_tune(int fd)
{
	static const int on = 1;
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0) {
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	}
	/* Accepted sockets inherit both; Unix-domain ones know neither. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}
