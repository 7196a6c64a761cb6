#include "postroom/child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum {
	LISTEN_FDS_START = 3, /* sd_listen_fds(3) */
	EXIT_NO_PROGRAM = 127,
};

/* NOLINTBEGIN(concurrency-mt-unsafe): the environment of the one thread that
 * a forked child has. */

static void
set_number(const char *name, long v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%ld", v);
	(void)setenv(name, text, 1);
}

/* Lay the sockets out from descriptor 3 on.  In the child. */
static bool
pass_sockets(const struct child *c)
{
	int high[CHILD_SOCKETS_MAX];
	struct buf names = {.limit = 0};

	/* First out of the way of where they belong. */
	for (size_t i = 0; i < c->n_sockets; i++) {
		high[i] = fcntl(c->sockets[i], F_DUPFD_CLOEXEC,
		    LISTEN_FDS_START + CHILD_SOCKETS_MAX);
		if (high[i] < 0) {
			return false;
		}
	}
	for (size_t i = 0; i < c->n_sockets; i++) {
		if (dup2(high[i], LISTEN_FDS_START + (int)i) < 0) {
			return false;
		}
		buf_addf(&names, "%s%s", i != 0 ? ":" : "", c->socket_names[i]);
	}
	set_number("LISTEN_FDS", (long)c->n_sockets);
	set_number("LISTEN_PID", (long)getpid());
	(void)setenv("LISTEN_FDNAMES", buf_cstr(&names), 1);
	buf_deinit(&names);
	return true;
}

static void NO_RETURN
run_child(const struct child *c, const struct child_plan *plan, pid_t monitor)
{
	const char **argv;
	char path[4096];
	sigset_t none;
	size_t n = 1;

	/* Ctrl-C is for the monitor alone, which stops them in order. */
	(void)setpgid(0, 0);
	/* Nobody would look after it, were the monitor killed. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != monitor) {
		_exit(EXIT_FAILURE);
	}
	(void)sigemptyset(&none);
	(void)pthread_sigmask(SIG_SETMASK, &none, NULL);
	(void)setenv("NOTIFY_SOCKET", plan->notify, 1);
	while (plan->args[n - 1] != NULL) {
		n++;
	}
	argv = xcalloc(n + 1, sizeof(*argv));
	argv[0] = c->name;
	for (size_t i = 1; i < n; i++) {
		argv[i] = plan->args[i - 1];
	}
	(void)snprintf(path, sizeof(path), "%s/%s", plan->bin_dir, c->name);
	if (pass_sockets(c)) {
		/* execv() takes pointers to non-const for history alone. */
		(void)execv(path, (char *const *)(uintptr_t)argv);
	}
	_exit(EXIT_NO_PROGRAM);
}

/* NOLINTEND(concurrency-mt-unsafe) */

int
child_start(struct child *c, const struct child_plan *plan, struct fail *f)
{
	pid_t monitor = getpid();
	pid_t pid;

	ASSERT(c->state == CHILD_DOWN);
	pid = fork();
	if (pid < 0) {
		return fail_sys(f, "fork for %s", c->name);
	}
	if (pid == 0) {
		run_child(c, plan, monitor);
	}
	c->pid = pid;
	c->state = CHILD_STARTING;
	c->started = clock_mono_ms();
	LOG(LOG_DEBUG, "program.start", kv_str("program", c->name),
	    kv_i64("pid", pid));
	return 0;
}

static void
log_end(const struct child *c, int status)
{
	bool killed = WIFSIGNALED(status);
	bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	LOG(clean && c->state == CHILD_STOPPING ? LOG_DEBUG : LOG_ERROR,
	    "program.end", kv_str("program", c->name), kv_i64("pid", c->pid),
	    kv_i64(killed ? "signal" : "status",
		killed ? WTERMSIG(status) : WEXITSTATUS(status)));
}

void
child_ended(struct child *c, const struct child_plan *plan, int status)
{
	int64_t now = clock_mono_ms();

	log_end(c, status);
	if (now - c->started >= plan->restart_good_ms) {
		c->pause_ms = 0;
	}
	c->pause_ms = c->pause_ms == 0 ? plan->restart_min_ms : c->pause_ms * 2;
	if (c->pause_ms > plan->restart_max_ms) {
		c->pause_ms = plan->restart_max_ms;
	}
	c->pid = 0;
	c->state = CHILD_DOWN;
	c->start_at = now + c->pause_ms;
	c->restarts++;
}

void
child_signal(const struct child *c, int sig)
{
	if (c->pid != 0) {
		(void)kill(c->pid, sig);
	}
}

void
child_stop(struct child *c)
{
	if (c->pid != 0 && c->state != CHILD_STOPPING) {
		c->state = CHILD_STOPPING;
		child_signal(c, SIGTERM);
	}
}

void
child_close_sockets(struct child *c)
{
	for (size_t i = 0; i < c->n_sockets; i++) {
		(void)close(c->sockets[i]);
	}
	c->n_sockets = 0;
}
