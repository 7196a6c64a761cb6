/*
 * listen.c: accepting, and the limits; listen_open.c makes the sockets.
 */
#include "net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "net/listen_priv.h"
#include "net/park.h"
#include "net/session_priv.h"

enum {
	LISTENERS_MAX = 64,
	TOTAL_MAX = 10000,
	PEER_MAX = 100,
	ACCEPT_BURST = 64, /* of one socket before the next one's turn */
	PAUSE_MS = 100,	   /* without descriptors */
	LOG_PAUSE_MS = 1000,
};

struct listener {
	int fd;
	bool tls;
	const struct protocol *proto;
	const char *name;
	char *path; /* owned; to remove at the end, or NULL */
};

static struct {
	struct listener all[LISTENERS_MAX];
	unsigned n;
	unsigned total_max;
	unsigned peer_max;
	struct addr_nets balancers;
	pthread_t thread;
	bool started;
	int stop_fd;
	int reserve_fd;	   /* given up to turn somebody away */
	int64_t log_again; /* refusals are logged from then on */
	unsigned unlogged; /* since the last line */
	_Atomic unsigned total;
} state = {.stop_fd = -1, .reserve_fd = -1};

/* Sessions by client network: their number as the value. */
static struct {
	struct lock lock;
	struct map map; /* guarded by lock */
} peers = {.lock = LOCK_INITIALIZER(LOCK_SERVICE)};

/* ---- limits ---- */

static struct sv
net_key(const struct addr *net)
{
	return sv_make(net, sizeof(*net));
}

/* Count one more of the peer's network in s->counted, or refuse. */
static bool
count_peer(struct session *s)
{
	struct addr net = addr_client_net(&s->peer);
	uintptr_t n;
	bool ok;

	if (addr_is_loopback(&s->peer)) {
		return true;
	}
	lock_acquire(&peers.lock);
	n = (uintptr_t)map_get(&peers.map, net_key(&net));
	ok = n < state.peer_max;
	if (ok) {
		(void)map_put(&peers.map, net_key(&net), (void *)(n + 1));
	}
	lock_release(&peers.lock);
	if (ok) {
		s->counted = net;
	}
	return ok;
}

static void
uncount_peer(const struct addr *net)
{
	uintptr_t n;

	lock_acquire(&peers.lock);
	n = (uintptr_t)map_get(&peers.map, net_key(net));
	if (n > 1) {
		(void)map_put(&peers.map, net_key(net), (void *)(n - 1));
	} else {
		(void)map_remove(&peers.map, net_key(net));
	}
	lock_release(&peers.lock);
}

bool
listen_admit(struct session *s)
{
	return s->listener == NULL || count_peer(s);
}

void
listen_release(struct session *s)
{
	if (s->counted.family != 0) {
		uncount_peer(&s->counted);
		s->counted.family = 0;
	}
	if (s->listener != NULL) {
		atomic_fetch_sub(&state.total, 1);
	}
}

/* ---- accepting ---- */

/* One line a second at most: a flood of peers must not become one of log. */
static void
log_refusal(const struct listener *l, const struct addr *peer, const char *why)
{
	int64_t now = clock_mono_ms();
	char text[ADDR_TEXT_SIZE];

	if (now < state.log_again) {
		state.unlogged++;
		return;
	}
	LOG(LOG_WARN, "listen.refused", kv_str("listener", l->name),
	    kv_str("peer", addr_text(peer, text)), kv_str("why", why),
	    kv_u64("more", state.unlogged));
	state.log_again = now + LOG_PAUSE_MS;
	state.unlogged = 0;
}

/* Say why in the protocol's words, where they can be understood, and close. */
static void
turn_away(
    const struct listener *l, int fd, const struct addr *peer, const char *why)
{
	struct sv busy = l->proto->busy;

	if (!l->tls && busy.len != 0) {
		(void)send(fd, busy.p, busy.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	(void)close(fd);
	log_refusal(l, peer, why);
}

static struct session *
make_session(const struct listener *l, int fd, const struct addr *peer)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr local = {.family = 0};
	struct session *s;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0) {
		addr_from_sockaddr((struct sockaddr *)&ss, len, &local);
	}
	s = session_new(l->proto, fd, peer, &local);
	if (s != NULL) {
		s->listener = l;
		atomic_fetch_add(&state.total, 1);
	}
	return s;
}

static void
admit(const struct listener *l, int fd, const struct addr *peer)
{
	bool balanced = addr_nets_have(&state.balancers, peer);
	struct session probe = {.peer = *peer};
	struct session *s;

	if (atomic_load(&state.total) >= state.total_max) {
		turn_away(l, fd, peer, "too many connections");
		return;
	}
	if (!balanced && !count_peer(&probe)) {
		turn_away(l, fd, peer, "too many connections of this peer");
		return;
	}
	s = make_session(l, fd, peer);
	if (s == NULL) {
		listen_release(&probe);
		return;
	}
	s->counted = probe.counted;
	if (balanced) {
		session_stage(s, l->tls ? STAGE_PROXY_TLS : STAGE_PROXY);
	} else if (l->tls) {
		session_stage(s, STAGE_TLS);
	}
	park_add(s);
}

static int
accept_one(const struct listener *l, struct addr *peer)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = accept4(
	    l->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		addr_from_sockaddr((struct sockaddr *)&ss, len, peer);
		/* An unbound Unix-domain peer has an empty address. */
		if (peer->family == 0) {
			peer->family = AF_UNIX;
		}
	}
	return fd;
}

/* No descriptor is left: use the one in reserve to tell one peer so, instead
 * of leaving it in the queue, and let some time pass. */
static void
out_of_descriptors(const struct listener *l)
{
	struct addr peer;
	int fd;

	(void)close(state.reserve_fd);
	fd = accept_one(l, &peer);
	if (fd >= 0) {
		turn_away(l, fd, &peer, "no descriptors left");
	}
	state.reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* False if accepting should pause. */
static bool
accept_some(const struct listener *l)
{
	for (unsigned i = 0; i < ACCEPT_BURST; i++) {
		struct addr peer;
		int fd = accept_one(l, &peer);

		if (fd >= 0) {
			admit(l, fd, &peer);
		} else if (errno == EMFILE || errno == ENFILE) {
			out_of_descriptors(l);
			return false;
		} else if (errno == ENOMEM || errno == ENOBUFS) {
			return false;
		} else if (errno == EAGAIN) {
			return true;
		}
		/* Else the peer has gone already: the next one. */
	}
	return true;
}

static void *
accept_main(void *arg)
{
	struct pollfd fds[LISTENERS_MAX + 1];
	bool pause = false;

	(void)arg;
	fds[0] = (struct pollfd){.fd = state.stop_fd, .events = POLLIN};
	for (unsigned i = 0; i < state.n; i++) {
		fds[i + 1] =
		    (struct pollfd){.fd = state.all[i].fd, .events = POLLIN};
	}
	for (;;) {
		int n =
		    pause ? poll(fds, 1, PAUSE_MS) : poll(fds, state.n + 1, -1);

		if (n > 0 && fds[0].revents != 0) {
			return NULL;
		}
		if (pause) {
			pause = false;
			continue;
		}
		for (unsigned i = 0; n > 0 && i < state.n; i++) {
			if (fds[i + 1].revents != 0
			    && !accept_some(&state.all[i])) {
				pause = true;
			}
		}
	}
}

/* ---- set up ---- */

int
listen_open(const struct listen_spec *spec, unsigned *n_out, struct fail *f)
{
	unsigned room = LISTENERS_MAX - state.n;
	int fds[LISTENERS_MAX];
	int inherited = listen_inherit(spec->name, fds, room);
	unsigned n = inherited >= 0 ? (unsigned)inherited : 0;

	if (inherited < 0 && listen_sockets(spec, fds, room, &n, f) != 0) {
		return -1;
	}
	for (unsigned i = 0; i < n; i++) {
		struct listener *l = &state.all[state.n++];

		listen_tune(fds[i]);
		*l = (struct listener){.fd = fds[i],
		    .tls = spec->tls,
		    .proto = spec->proto,
		    .name = spec->name};
		if (inherited < 0 && spec->path != NULL) {
			l->path = xstrdup(spec->path);
		}
	}
	*n_out = n;
	return 0;
}

uint16_t
listen_port(const char *name)
{
	for (unsigned i = 0; i < state.n; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		struct addr a;

		if (strcmp(state.all[i].name, name) == 0
		    && getsockname(
			   state.all[i].fd, (struct sockaddr *)&ss, &len)
			   == 0) {
			addr_from_sockaddr((struct sockaddr *)&ss, len, &a);
			return a.port;
		}
	}
	return 0;
}

/* With all signals blocked: they are main's. */
static int
start_thread(struct fail *f)
{
	sigset_t all;
	sigset_t old;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&state.thread, NULL, accept_main, NULL);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc == 0 ? 0 : fail_err(f, rc, "thread");
}

int
listen_start(const struct listen_conf *conf, struct fail *f)
{
	state.total_max = conf->total_max != 0 ? conf->total_max : TOTAL_MAX;
	state.peer_max = conf->peer_max != 0 ? conf->peer_max : PEER_MAX;
	state.balancers = conf->balancers;
	state.reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	state.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (state.reserve_fd < 0 || state.stop_fd < 0) {
		return fail_sys(f, "descriptors for listening");
	}
	if (start_thread(f) != 0) {
		return -1;
	}
	state.started = true;
	return 0;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0) {
		(void)close(*fd);
		*fd = -1;
	}
}

void
listen_stop(void)
{
	static const uint64_t one = 1;

	if (state.started) {
		ASSERT(write(state.stop_fd, &one, sizeof(one)) == sizeof(one));
		(void)pthread_join(state.thread, NULL);
		state.started = false;
	}
	for (unsigned i = 0; i < state.n; i++) {
		struct listener *l = &state.all[i];

		close_fd(&l->fd);
		if (l->path != NULL) {
			(void)unlink(l->path);
			free(l->path);
			l->path = NULL;
		}
	}
	state.n = 0;
	close_fd(&state.stop_fd);
	close_fd(&state.reserve_fd);
}
