/*
 * conn.c: making, waiting, closing; input is in conn_in.c, output in
 * conn_out.c, descriptors in conn_fd.c.
 */
#include "net/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/conn_priv.h"
#include "net/park_priv.h"
#include "net/worker.h"
#include "settings/settings.h"

enum {
	IDLE_MS = 30 * 60 * 1000,
	INPUT_MS = 60 * 1000,
	COMMAND_MS = 5 * 60 * 1000,
	OUTPUT_MS = 60 * 1000,
	RATE_MIN = 100,
	DRAIN_MAX = 256 * 1024, /* read before closing */
};

static const struct conn_limits no_limits;

struct conn_limits
conn_limits_settings(const struct settings *set, uint64_t idle_ms)
{
	return (struct conn_limits){
	    .idle_ms = (int64_t)idle_ms,
	    .input_ms = (int64_t)set->limits_input,
	    .command_ms = (int64_t)set->limits_command,
	    .output_ms = (int64_t)set->limits_output,
	    .rate_min = set->limits_rate,
	};
}

static int64_t
or_default(int64_t value, int64_t fallback)
{
	return value != 0 ? value : fallback;
}

int64_t
conn_idle_ms(const struct conn *c)
{
	return or_default(c->limits->idle_ms, IDLE_MS);
}

int64_t
conn_input_ms(const struct conn *c)
{
	return or_default(c->limits->input_ms, INPUT_MS);
}

struct conn *
conn_new(int fd, struct session *s, const struct conn_limits *limits)
{
	struct conn *c = xmalloc(sizeof(*c));
	int flags = fcntl(fd, F_GETFL);

	ASSERT(flags >= 0);
	if ((flags & O_NONBLOCK) == 0) {
		ASSERT(fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
	}
	c->fd = fd;
	c->awaits = EPOLLIN;
	c->s = s;
	c->limits = limits != NULL ? limits : &no_limits;
	return c;
}

static void
release_buffers(struct conn *c)
{
	free(c->in);
	c->in = NULL;
	c->in_cap = 0;
	c->in_at = 0;
	c->in_end = 0;
	c->bulk = 0;
	buf_deinit(&c->out);
}

void
conn_free(struct conn **c)
{
	struct conn *conn = *c;
	int fd;

	if (conn == NULL) {
		return;
	}
	tls_free(&conn->tls);
	release_buffers(conn);
	while ((fd = c_take_fd(conn)) >= 0) {
		(void)close(fd);
	}
	free(conn->received);
	(void)close(conn->fd);
	free(conn);
	*c = NULL;
}

void
conn_adopt(struct conn *c, struct session *s)
{
	c->s = s;
}

void
conn_set_limits(struct conn *c, const struct conn_limits *limits)
{
	c->limits = limits != NULL ? limits : &no_limits;
}

void
conn_set_deadline(struct conn *c, int64_t when)
{
	c->deadline = when;
}

int
conn_error(const struct conn *c)
{
	return c->out_error != 0 ? c->out_error : c->in_error;
}

uint64_t
conn_bytes_in(const struct conn *c)
{
	return atomic_load_explicit(&c->n_in, memory_order_relaxed);
}

uint64_t
conn_bytes_out(const struct conn *c)
{
	return atomic_load_explicit(&c->n_out, memory_order_relaxed);
}

bool
c_is_tls(const struct conn *c)
{
	return c->tls != NULL;
}

bool
c_is_private(const struct conn *c)
{
	return c->tls != NULL
	       || (c->s != NULL && addr_is_loopback(&c->s->peer));
}

int
conn_broken(struct conn *c, enum conn_way way, int error)
{
	if (way == CONN_WRITES && c->out_error == 0) {
		c->out_error = error;
		buf_deinit(&c->out);
	}
	if (c->in_error == 0) {
		c->in_error = error;
	}
	return error;
}

/* ---- waiting ---- */

/* When a call that has waited since `since` and moved `n` octets must end:
 * each rate_min octets buy it a second. */
static int64_t
call_deadline(const struct conn *c, int64_t since, uint64_t n)
{
	uint64_t rate =
	    c->limits->rate_min != 0 ? c->limits->rate_min : RATE_MIN;

	return since + or_default(c->limits->command_ms, COMMAND_MS)
	       + (int64_t)(n / rate) * 1000;
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
wait_deadline(struct conn *c, enum conn_way way)
{
	int64_t now = clock_mono_ms();
	int64_t pause;
	int64_t call;

	if (way == CONN_READS) {
		uint64_t n = conn_bytes_in(c);

		if (c->in_since == 0) {
			c->in_since = now;
			c->in_since_n = n;
		}
		pause = now + conn_input_ms(c);
		call = call_deadline(c, c->in_since, n - c->in_since_n);
	} else {
		uint64_t n = conn_bytes_out(c);

		if (c->out_since == 0) {
			c->out_since = now;
			c->out_since_n = n;
		}
		pause = now + or_default(c->limits->output_ms, OUTPUT_MS);
		call = call_deadline(c, c->out_since, n - c->out_since_n);
	}
	if (c->deadline != 0) {
		pause = earlier(pause, c->deadline);
	}
	return earlier(pause, call);
}

/* Outside of coroutines the thread waits. */
static int
wait_poll(const struct conn *c, uint32_t events, int64_t deadline)
{
	struct pollfd p = {
	    .fd = c->fd,
	    .events = (short)((events & EPOLLOUT) != 0 ? POLLOUT : POLLIN),
	};
	int64_t left = deadline - clock_mono_ms();
	int n;

	if (left < 0) {
		left = 0;
	}
	n = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
	if (n < 0) {
		return errno == EINTR ? 0 : -errno;
	}
	return n == 0 ? -ETIMEDOUT : 0;
}

int
conn_wait(struct conn *c, enum conn_way way, uint32_t events)
{
	int64_t deadline = wait_deadline(c, way);
	int rc;

	if (park_on_coroutine(c->s)) {
		rc =
		    park_wait_fd(c->s, c->fd, &c->registered, events, deadline);
	} else {
		rc = wait_poll(c, events, deadline);
	}
	return rc == 0 ? 0 : conn_broken(c, way, rc);
}

/* ---- parking and closing ---- */

int
conn_rest(struct conn *c)
{
	release_buffers(c);
	c->out_since = 0;
	return worker_arm(c->s, c->fd, &c->registered, c->awaits);
}

/*
 * close(2) with unread input in the kernel sends a reset, which can overtake
 * our last words.  So say that we are done, and read what is there already.
 */
void
conn_shut(struct conn *c)
{
	char trash[4096];
	size_t left = DRAIN_MAX;
	ssize_t n;

	if (c->out_error == 0 && c->tls != NULL) {
		tls_shut(c->tls);
	}
	(void)shutdown(c->fd, SHUT_WR);
	do {
		n = recv(c->fd, trash, sizeof(trash), MSG_DONTWAIT);
		left -= n > 0 ? (size_t)n : 0;
	} while (n > 0 && left > sizeof(trash));
}

/* ---- connecting ---- */

static int
connect_to(const struct sockaddr *sa, socklen_t len, const char *what,
    struct session *s, const struct conn_limits *limits, struct conn **out,
    struct fail *f)
{
	struct conn *c;
	int fd = socket(
	    sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;
	int err = 0;
	socklen_t err_len = sizeof(err);

	if (fd < 0) {
		return fail_sys(f, "socket");
	}
	c = conn_new(fd, s, limits);
	rc = connect(fd, sa, len) == 0 ? 0 : -errno;
	if (rc == -EINPROGRESS) {
		rc = conn_wait(c, CONN_WRITES, EPOLLOUT);
		if (rc == 0) {
			(void)getsockopt(
			    c->fd, SOL_SOCKET, SO_ERROR, &err, &err_len);
			rc = -err;
		}
	}
	if (rc == 0) {
		*out = c;
		return 0;
	}
	conn_free(&c);
	if (rc == -ECONNREFUSED) {
		return fail_set(f, FAIL_ABSENT, "%s: nobody listens", what);
	}
	return fail_err(f, -rc, "connect to %s", what);
}

int
conn_connect_unix(const char *path, struct session *s,
    const struct conn_limits *limits, struct conn **out, struct fail *f)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	size_t len = strlen(path);

	if (len >= sizeof(sun.sun_path)) {
		return fail_set(f, FAIL_LIMIT,
		    "%s: longer than a socket's "
		    "path may be",
		    path);
	}
	memcpy(sun.sun_path, path, len + 1);
	return connect_to((const struct sockaddr *)&sun, sizeof(sun), path, s,
	    limits, out, f);
}
