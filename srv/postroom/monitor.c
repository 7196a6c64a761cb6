#include "postroom/monitor.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/sv.h"

enum { NOTIFY_MAX = 1024, POLL_MAX_MS = 60 * 1000 };

struct monitor {
	struct child *children;
	size_t n;
	struct monitor_conf *conf;
	int signals; /* signalfd */
	int notify;  /* datagrams from the children */
	char notify_name[64];
	bool announced; /* `ready` was called */
	bool stopping;
	int64_t deadline;    /* of the first start, or of stopping */
	bool killed;	     /* SIGKILL was needed */
	const char *refused; /* who could not start with the settings */
};

/*
 * The name is in the abstract space, so that neither the length of the home's
 * path nor a stale file matters.  Anybody may send there: what counts is the
 * process id, which the kernel vouches for.
 */
static int
open_notify(struct monitor *m, struct fail *f)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int on = 1;
	int n;

	n = snprintf(m->notify_name, sizeof(m->notify_name),
	    "@postroom-%016" PRIx64, random_u64());
	memcpy(sa.sun_path, m->notify_name, (size_t)n);
	sa.sun_path[0] = '\0';
	m->notify =
	    socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (m->notify < 0
	    || setsockopt(m->notify, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on))
		   != 0
	    || bind(m->notify, (const struct sockaddr *)&sa,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path)
			       + (size_t)n))
		   != 0) {
		return fail_sys(f, "notification socket");
	}
	return 0;
}

static int
open_signals(struct monitor *m, struct fail *f)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGCHLD);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	m->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (m->signals < 0) {
		return fail_sys(f, "signalfd");
	}
	return 0;
}

static struct child *
child_of(struct monitor *m, pid_t pid)
{
	for (size_t i = 0; i < m->n; i++) {
		if (pid != 0 && m->children[i].pid == pid) {
			return &m->children[i];
		}
	}
	return NULL;
}

/* The sender of a datagram as the kernel knows it, 0 if it does not say. */
static pid_t
sender(struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL;
	     c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == SOL_SOCKET
		    && c->cmsg_type == SCM_CREDENTIALS
		    && c->cmsg_len == CMSG_LEN(sizeof(struct ucred))) {
			struct ucred cred;

			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			return cred.pid;
		}
	}
	return 0;
}

static bool
has_line(struct sv text, struct sv line)
{
	while (text.len != 0) {
		if (sv_eq(sv_cut(&text, '\n'), line)) {
			return true;
		}
	}
	return false;
}

static void
read_notify(struct monitor *m)
{
	char text[NOTIFY_MAX];
	_Alignas(struct cmsghdr) char control[256];
	struct iovec v = {text, sizeof(text)};
	struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1};
	struct child *c;
	ssize_t n;

	for (;;) {
		h.msg_control = control;
		h.msg_controllen = sizeof(control);
		n = recvmsg(m->notify, &h, MSG_CMSG_CLOEXEC);
		if (n < 0) {
			return;
		}
		c = child_of(m, sender(&h));
		if (c != NULL && c->state == CHILD_STARTING
		    && has_line(sv_make(text, (size_t)n), SV("READY=1"))) {
			c->state = CHILD_READY;
			LOG(LOG_INFO, "program.ready",
			    kv_str("program", c->name), kv_i64("pid", c->pid),
			    kv_i64("ms", clock_mono_ms() - c->started),
			    kv_u64("restarts", c->restarts));
		}
	}
}

static void
begin_stop(struct monitor *m)
{
	if (!m->stopping) {
		m->stopping = true;
		m->deadline = clock_mono_ms() + m->conf->stop_ms;
		LOG(LOG_INFO, "stop", kv_i64("limit_ms", m->conf->stop_ms));
	}
}

static void
reap(struct monitor *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = child_of(m, pid);

		if (c == NULL) {
			continue;
		}
		child_ended(c, &m->conf->plan, status);
		/* At the first start it is in vain to try again. */
		if (!m->announced && !m->stopping && WIFEXITED(status)
		    && WEXITSTATUS(status) == EX_CONFIG) {
			m->refused = c->name;
			begin_stop(m);
		}
	}
}

static void
read_signals(struct monitor *m)
{
	struct signalfd_siginfo info;

	while (read(m->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			reap(m);
			break;
		case SIGHUP:
			m->conf->hup(m->conf->arg);
			for (size_t i = 0; i < m->n; i++) {
				child_signal(&m->children[i], SIGHUP);
			}
			break;
		default:
			begin_stop(m);
		}
	}
}

/* Start what is down and due. */
static void
start_due(struct monitor *m)
{
	int64_t now = clock_mono_ms();
	struct fail f;

	for (size_t i = 0; i < m->n; i++) {
		struct child *c = &m->children[i];

		if (c->state != CHILD_DOWN || c->start_at > now) {
			continue;
		}
		if (child_start(c, &m->conf->plan, &f) != 0) {
			LOG(LOG_ERROR, "program.start",
			    kv_str("program", c->name), kv_fail(&f));
			c->start_at = now + m->conf->plan.restart_max_ms;
		}
	}
}

/* Stop the first that still runs, so that each finishes what it began while
 * those it depends on are there. */
static bool
stop_next(struct monitor *m)
{
	bool late = clock_mono_ms() >= m->deadline;

	for (size_t i = 0; i < m->n; i++) {
		struct child *c = &m->children[i];

		if (c->pid == 0) {
			continue;
		}
		if (!late) {
			child_close_sockets(c);
			child_stop(c);
			return true;
		}
		LOG(LOG_ERROR, "program.kill", kv_str("program", c->name),
		    kv_i64("pid", c->pid));
		child_signal(c, SIGKILL);
		m->killed = true;
	}
	if (m->killed) {
		while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
		}
	}
	return false;
}

static void
announce(struct monitor *m)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->children[i].state != CHILD_READY) {
			return;
		}
	}
	m->announced = true;
	m->conf->ready();
}

static int
wait_ms(const struct monitor *m)
{
	int64_t now = clock_mono_ms();
	int64_t until = now + POLL_MAX_MS;

	if ((m->stopping || !m->announced) && m->deadline < until) {
		until = m->deadline;
	}
	for (size_t i = 0; !m->stopping && i < m->n; i++) {
		const struct child *c = &m->children[i];

		if (c->state == CHILD_DOWN && c->start_at < until) {
			until = c->start_at;
		}
	}
	return until > now ? (int)(until - now) : 0;
}

static void
wait_event(struct monitor *m)
{
	struct pollfd p[2] = {
	    {.fd = m->signals, .events = POLLIN},
	    {.fd = m->notify, .events = POLLIN},
	};

	(void)poll(p, COUNT_OF(p), wait_ms(m));
	read_notify(m);
	read_signals(m);
}

/* One turn; false when there is nothing left to do. */
static bool
turn(struct monitor *m, bool *late)
{
	if (m->stopping) {
		if (!stop_next(m)) {
			return false;
		}
	} else {
		start_due(m);
		if (!m->announced) {
			announce(m);
		}
		if (!m->announced && clock_mono_ms() >= m->deadline) {
			*late = true;
			begin_stop(m);
			return true;
		}
	}
	wait_event(m);
	return true;
}

int
monitor_run(
    struct child *children, size_t n, struct monitor_conf *conf, struct fail *f)
{
	struct monitor m = {.children = children,
	    .n = n,
	    .conf = conf,
	    .signals = -1,
	    .notify = -1,
	    .deadline = clock_mono_ms() + conf->start_ms};
	bool late = false;
	int rc = -1;

	if (open_notify(&m, f) != 0 || open_signals(&m, f) != 0) {
		goto out;
	}
	conf->plan.notify = m.notify_name;
	while (turn(&m, &late)) {
	}
	if (m.refused != NULL) {
		(void)fail_set(f, FAIL_SYNTAX,
		    "%s cannot start with this configuration, as it says above",
		    m.refused);
	} else if (late) {
		(void)fail_set(f, FAIL_TEMP,
		    "the programs did not become ready in %" PRId64 " ms",
		    conf->start_ms);
	} else if (m.killed) {
		(void)fail_set(f, FAIL_CANCELLED,
		    "a program had to be killed after %" PRId64 " ms",
		    conf->stop_ms);
	} else {
		rc = 0;
	}
out:
	for (size_t i = 0; i < n; i++) {
		child_close_sockets(&children[i]);
	}
	if (m.signals >= 0) {
		(void)close(m.signals);
	}
	if (m.notify >= 0) {
		(void)close(m.notify);
	}
	return rc;
}
