#include "net/stat.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/stat_priv.h"

enum {
	BATCH = 64, /* sessions described under one hold of the lock */
	ANSWER_S = 10,
	PAUSE_MS = 1000, /* without descriptors */
	TIME_TEXT = 40,
};

static struct {
	struct lock lock;
	struct session *sessions; /* GUARDED_BY(lock), newest first */

	struct stat_counter *const *counters;
	const char *program;
	int64_t since;
	int dir;
	int listener;
	char name[64]; /* of the socket, in dir */
	pthread_t thread;
} stats = {
    .lock = {PTHREAD_MUTEX_INITIALIZER, LOCK_LEAF},
    .dir = -1,
    .listener = -1,
};

static void
link_session(struct session *s, struct session **at)
{
	s->stat_next = *at;
	s->stat_prev = at;
	if (*at != NULL) {
		(*at)->stat_prev = &s->stat_next;
	}
	*at = s;
}

static void
unlink_session(struct session *s)
{
	*s->stat_prev = s->stat_next;
	if (s->stat_next != NULL) {
		s->stat_next->stat_prev = s->stat_prev;
	}
	s->stat_prev = NULL;
}

void
stat_session_add(struct session *s)
{
	s->since = clock_wall_ms();
	lock_acquire(&stats.lock);
	link_session(s, &stats.sessions);
	lock_release(&stats.lock);
}

void
stat_session_remove(struct session *s)
{
	lock_acquire(&stats.lock);
	if (s->stat_prev != NULL) {
		unlink_session(s);
	}
	free(s->user);
	free(s->state);
	s->user = NULL;
	s->state = NULL;
	lock_release(&stats.lock);
}

void
stat_session_peer(
    struct session *s, const struct addr *peer, const struct addr *local)
{
	lock_acquire(&stats.lock);
	s->peer = *peer;
	s->local = *local;
	lock_release(&stats.lock);
}

/* Swap in a copy of `text`; the old one is freed outside of the lock. */
static void
set_text(char **field, struct sv text)
{
	char *copy = NULL;
	char *old;

	if (text.len != 0) {
		copy = xmalloc(text.len + 1);
		memcpy(copy, text.p, text.len);
	}
	lock_acquire(&stats.lock);
	old = *field;
	*field = copy;
	lock_release(&stats.lock);
	free(old);
}

void
session_user(struct session *s, struct sv user)
{
	set_text(&s->user, user);
}

void
session_state(struct session *s, struct sv state)
{
	/* Said at each change of mailbox or mood: often the same again. */
	if (s->state == NULL || !sv_eq(sv_cstr(s->state), state)) {
		set_text(&s->state, state);
	}
}

void
stat_session_tls(struct session *s, const char *version)
{
	lock_acquire(&stats.lock);
	s->tls = version;
	lock_release(&stats.lock);
}

/* Text from a peer may be anything: what is no UTF-8 is not shown. */
static json_t *
json_text(const char *s)
{
	json_t *j = json_string(s != NULL ? s : "");

	return j != NULL ? j : json_string("?");
}

static json_t *
json_number(uint64_t v)
{
	return json_integer((json_int_t)v);
}

static json_t *
json_time(int64_t ms)
{
	char text[TIME_TEXT];
	time_t s = (time_t)(ms / 1000);
	struct tm tm;

	(void)gmtime_r(&s, &tm);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

static json_t *
describe_session(const struct session *s)
{
	char id[24];
	char peer[ADDR_TEXT_SIZE];
	json_t *o = json_object();

	(void)snprintf(id, sizeof(id), "%" PRIx64, s->id);
	(void)json_object_set_new(o, "id", json_string(id));
	(void)json_object_set_new(o, "protocol", json_string(s->proto->name));
	(void)json_object_set_new(
	    o, "peer", json_string(addr_text(&s->peer, peer)));
	(void)json_object_set_new(o, "user", json_text(s->user));
	(void)json_object_set_new(o, "state", json_text(s->state));
	(void)json_object_set_new(o, "since", json_time(s->since));
	(void)json_object_set_new(o, "in", json_number(conn_bytes_in(s->c)));
	(void)json_object_set_new(o, "out", json_number(conn_bytes_out(s->c)));
	(void)json_object_set_new(o, "tls", json_text(s->tls));
	return o;
}

/* A mark in the list keeps the place while the lock is let go; the one thread
 * that answers has the only mark. */
static json_t *
describe_sessions(void)
{
	struct session mark = {.proto = NULL};
	json_t *all = json_array();
	bool more = true;

	lock_acquire(&stats.lock);
	link_session(&mark, &stats.sessions);
	while (more) {
		for (unsigned i = 0; i < BATCH && mark.stat_next != NULL; i++) {
			struct session *s = mark.stat_next;

			unlink_session(&mark);
			link_session(&mark, &s->stat_next);
			(void)json_array_append_new(all, describe_session(s));
		}
		more = mark.stat_next != NULL;
		lock_release(&stats.lock);
		lock_acquire(&stats.lock);
	}
	unlink_session(&mark);
	lock_release(&stats.lock);
	return all;
}

/* "Pss:   123 kB" in a file of /proc/self: the number, 0 if not there. */
static uint64_t
proc_number(const char *path, const char *field)
{
	FILE *in = fopen(path, "re");
	size_t len = strlen(field);
	char line[256];
	uint64_t v = 0;

	if (in == NULL) {
		return 0;
	}
	while (fgets(line, sizeof(line), in) != NULL) {
		if (strncmp(line, field, len) == 0 && line[len] == ':') {
			v = strtoull(line + len + 1, NULL, 10);
			break;
		}
	}
	(void)fclose(in);
	return v;
}

static json_t *
describe_memory(void)
{
	json_t *o = json_object();

	(void)json_object_set_new(o, "pss",
	    json_number(proc_number("/proc/self/smaps_rollup", "Pss") * 1024));
	(void)json_object_set_new(o, "rss",
	    json_number(proc_number("/proc/self/smaps_rollup", "Rss") * 1024));
	return o;
}

static json_t *
describe_counters(void)
{
	json_t *o = json_object();

	for (struct stat_counter *const *c = stats.counters; *c != NULL; c++) {
		(void)json_object_set_new(o, (*c)->name,
		    json_number(atomic_load_explicit(
			&(*c)->value, memory_order_relaxed)));
	}
	return o;
}

static json_t *
describe(void)
{
	json_t *o = json_object();

	(void)json_object_set_new(o, "program", json_string(stats.program));
	(void)json_object_set_new(o, "pid", json_number((uint64_t)getpid()));
	(void)json_object_set_new(o, "since", json_time(stats.since));
	(void)json_object_set_new(o, "threads",
	    json_number(proc_number("/proc/self/status", "Threads")));
	(void)json_object_set_new(o, "memory", describe_memory());
	(void)json_object_set_new(o, "counters", describe_counters());
	(void)json_object_set_new(o, "sessions", describe_sessions());
	return o;
}

static int
write_piece(const char *p, size_t len, void *arg)
{
	int fd = *(const int *)arg;

	while (len != 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0) {
			return -1;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static void *
serve_stat(void *arg)
{
	const struct timeval limit = {.tv_sec = ANSWER_S};
	int fd;

	(void)arg;
	for (;;) {
		json_t *o;

		fd = accept4(stats.listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EINTR || errno == ECONNABORTED) {
				continue;
			}
			/* Shut down by stat_close, or out of descriptors: the
			 * listener stays readable, so do not spin. */
			if (errno != EMFILE && errno != ENFILE) {
				return NULL;
			}
			(void)poll(NULL, 0, PAUSE_MS);
			continue;
		}
		(void)setsockopt(
		    fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		o = describe();
		(void)json_dump_callback(o, write_piece, &fd, JSON_COMPACT);
		json_decref(o);
		(void)close(fd);
	}
}

/* Short enough whatever the length of the folder's path. */
static void
address_of(const char *name, struct sockaddr_un *sa)
{
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	(void)snprintf(sa->sun_path, sizeof(sa->sun_path),
	    "/proc/self/fd/%d/%.63s", stats.dir, name);
}

/* Of a program that was killed: nobody answers any more. */
static void
remove_if_dead(const char *name)
{
	struct sockaddr_un sa;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	address_of(name, &sa);
	if (fd >= 0
	    && connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0
	    && errno == ECONNREFUSED) {
		(void)unlinkat(stats.dir, name, 0);
	}
	if (fd >= 0) {
		(void)close(fd);
	}
}

/* A full disk may have no inode for ours but that of the one before us. */
static void
remove_dead(const char *dir)
{
	size_t len = strlen(stats.program);
	DIR *d = opendir(dir);
	const struct dirent *e;

	/* `d` is this call's own. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, stats.program, len) == 0
		    && e->d_name[len] == '.') {
			remove_if_dead(e->d_name);
		}
	}
	if (d != NULL) {
		(void)closedir(d);
	}
}

/* Process ids come back: a socket of that name is a dead process's. */
static void
bind_name(struct sockaddr_un *sa)
{
	(void)snprintf(stats.name, sizeof(stats.name), "%s.%d", stats.program,
	    (int)getpid());
	(void)unlinkat(stats.dir, stats.name, 0);
	address_of(stats.name, sa);
}

int
stat_open(const char *dir, const char *program,
    struct stat_counter *const *counters, struct fail *f)
{
	struct sockaddr_un sa;
	mode_t mask;
	int rc;

	stats.program = program;
	stats.counters = counters;
	stats.since = clock_wall_ms();
	stats.dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	stats.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (stats.dir < 0 || stats.listener < 0) {
		(void)fail_sys(f, "open %s", dir);
		goto out;
	}
	remove_dead(dir);
	bind_name(&sa);
	mask = umask(0177);
	rc = bind(stats.listener, (const struct sockaddr *)&sa, sizeof(sa));
	(void)umask(mask);
	if (rc != 0 || listen(stats.listener, 16) != 0) {
		(void)fail_sys(f, "bind %s/%s", dir, stats.name);
		goto out;
	}
	rc = pthread_create(&stats.thread, NULL, serve_stat, NULL);
	if (rc != 0) {
		(void)fail_err(f, rc, "statistics thread");
		goto out;
	}
	return 0;
out:
	if (stats.listener >= 0) {
		(void)close(stats.listener);
	}
	if (stats.dir >= 0) {
		(void)close(stats.dir);
	}
	stats.listener = -1;
	stats.dir = -1;
	return -1;
}

void
stat_close(void)
{
	if (stats.listener < 0) {
		return;
	}
	(void)shutdown(stats.listener, SHUT_RDWR);
	(void)pthread_join(stats.thread, NULL);
	(void)unlinkat(stats.dir, stats.name, 0);
	(void)close(stats.listener);
	(void)close(stats.dir);
	stats.listener = -1;
	stats.dir = -1;
}
