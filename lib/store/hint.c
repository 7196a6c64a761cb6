#include "store/hint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "store/wants_priv.h"

enum {
	NAME_SIZE = 48,
	PEERS_MAX = 256,
	/* A folder that changed this shortly before it was read may have
	 * changed again in the same tick of its time stamp. */
	TICK_NS = 50 * 1000 * 1000,
};

struct packet {
	char id[HINT_ID_LEN];
	uint64_t flushed;
};

/* The others, as the folder's time stamp `read_at` had it.  Immutable. */
struct peers {
	atomic_uint refs;
	bool settled; /* false: read again although the stamp is the same */
	struct timespec stamp;
	size_t n;
	struct peer {
		int fd; /* connected */
		struct wants *wants;
	} peer[];
};

struct hint {
	struct lock lock;
	struct peers *peers; /* GUARDED_BY(lock) */

	int dir;
	int fd; /* bound in dir */
	char name[NAME_SIZE];
	struct wants *wants; /* ours */
	hint_fn *heard;
	void *arg;
	pthread_t thread;
	bool started;
};

static void
peers_unref(struct peers *p)
{
	if (p == NULL
	    || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel)
		   != 1) {
		return;
	}
	for (size_t i = 0; i < p->n; i++) {
		(void)close(p->peer[i].fd);
		wants_close(&p->peer[i].wants);
	}
	free(p);
}

static socklen_t
address_in(int dir, const char *name, struct sockaddr_un *sa)
{
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	(void)snprintf(sa->sun_path, sizeof(sa->sun_path),
	    "/proc/self/fd/%d/%.*s", dir, NAME_SIZE - 1, name);
	return sizeof(*sa);
}

/* A socket connected to the process of that name, or -1. */
static int
connect_peer(const struct hint *h, const char *name)
{
	struct sockaddr_un sa;
	socklen_t len = address_in(h->dir, name, &sa);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0) {
		return -1;
	}
	if (connect(fd, (const struct sockaddr *)&sa, len) == 0) {
		return fd;
	}
	if (errno == ECONNREFUSED) {
		(void)unlinkat(h->dir, name, 0); /* was killed */
		wants_unlink(h->dir, name);
	}
	(void)close(fd);
	return -1;
}

static bool
same_stamp(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static void
add_peer(const struct hint *h, const char *name, struct peers *p)
{
	int fd = connect_peer(h, name);

	if (fd >= 0) {
		p->peer[p->n++] = (struct peer){fd, wants_open(h->dir, name)};
	}
}

static struct peers *
read_peers(const struct hint *h, const struct timespec *stamp)
{
	struct peers *p = xmalloc(sizeof(*p) + PEERS_MAX * sizeof(p->peer[0]));
	int fd = openat(h->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct timespec now;
	struct dirent *e;

	atomic_init(&p->refs, 1);
	p->stamp = *stamp;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	p->settled = (now.tv_sec - stamp->tv_sec) * 1000000000
			 + (now.tv_nsec - stamp->tv_nsec)
		     > TICK_NS;
	if (d == NULL) {
		if (fd >= 0) {
			(void)close(fd);
		}
		return p;
	}
	/* `d` is this call's own. */
	while ((e = readdir(d)) != NULL // NOLINT(concurrency-mt-unsafe)
	       && p->n < PEERS_MAX) {
		if (e->d_name[0] != '.' && strcmp(e->d_name, h->name) != 0) {
			add_peer(h, e->d_name, p);
		}
	}
	(void)closedir(d);
	return p;
}

/* A reference to the peers as they are now. */
static struct peers *
current_peers(struct hint *h)
{
	struct peers *p;
	struct peers *old;
	struct stat st;

	if (fstat(h->dir, &st) != 0) {
		st.st_mtim = (struct timespec){0, 0};
	}
	lock_acquire(&h->lock);
	p = h->peers;
	if (p != NULL && p->settled && same_stamp(&p->stamp, &st.st_mtim)) {
		(void)atomic_fetch_add_explicit(
		    &p->refs, 1, memory_order_relaxed);
		lock_release(&h->lock);
		return p;
	}
	lock_release(&h->lock);

	p = read_peers(h, &st.st_mtim);
	(void)atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	lock_acquire(&h->lock);
	old = h->peers;
	h->peers = p;
	lock_release(&h->lock);
	peers_unref(old);
	return p;
}

void
hint_send(struct hint *h, const char *id, uint64_t flushed)
{
	struct packet packet = {.flushed = flushed};
	struct peers *p = current_peers(h);

	memcpy(packet.id, id, sizeof(packet.id));
	for (size_t i = 0; i < p->n; i++) {
		const struct peer *peer = &p->peer[i];

		if (peer->wants == NULL || wants_has(peer->wants, id)) {
			(void)send(peer->fd, &packet, sizeof(packet),
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		}
	}
	peers_unref(p);
}

void
hint_want(struct hint *h, const char *id, bool yes)
{
	if (h->wants != NULL) {
		wants_set(h->wants, id, yes);
	}
}

static bool
is_id(const char id[HINT_ID_LEN])
{
	for (size_t i = 0; i < HINT_ID_LEN; i++) {
		if (!((id[i] >= '0' && id[i] <= '9')
			|| (id[i] >= 'a' && id[i] <= 'f'))) {
			return false;
		}
	}
	return true;
}

static void *
listen_for_hints(void *arg)
{
	struct hint *h = arg;
	struct packet packet;
	char id[HINT_ID_LEN + 1];
	ssize_t n;

	for (;;) {
		n = recv(h->fd, &packet, sizeof(packet), 0);
		if (n == 0 || (n < 0 && errno != EINTR)) {
			return NULL; /* hint_close */
		}
		if (n == (ssize_t)sizeof(packet) && is_id(packet.id)) {
			memcpy(id, packet.id, HINT_ID_LEN);
			id[HINT_ID_LEN] = '\0';
			h->heard(h->arg, id, packet.flushed);
		}
	}
}

static int
join(struct hint *h, const char *dir, struct fail *f)
{
	struct sockaddr_un sa;
	socklen_t len;
	int rc;

	h->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	h->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (h->dir < 0 || h->fd < 0) {
		return fail_sys(f, "open %s", dir);
	}
	/* What a killed program left is removed first: a full disk may have
	 * no inode but those. */
	peers_unref(read_peers(h, &(struct timespec){0}));
	(void)snprintf(h->name, sizeof(h->name), "%d.%016" PRIx64,
	    (int)getpid(), random_u64());
	/* Who finds the socket finds this; if it cannot be made, we hear of
	 * everything. */
	if (wants_create(h->dir, h->name, &h->wants, f) != 0) {
		LOG(LOG_WARN, "hint.wants", kv_fail(f));
		fail_clear(f);
	}
	len = address_in(h->dir, h->name, &sa);
	if (bind(h->fd, (const struct sockaddr *)&sa, len) != 0) {
		return fail_sys(f, "bind in %s", dir);
	}
	rc = pthread_create(&h->thread, NULL, listen_for_hints, h);
	if (rc != 0) {
		return fail_err(f, rc, "hint thread");
	}
	h->started = true;
	return 0;
}

int
hint_open(const char *dir, hint_fn *heard, void *arg, struct hint **out,
    struct fail *f)
{
	struct hint *h = xmalloc(sizeof(*h));

	lock_init(&h->lock, LOCK_LEAF);
	h->dir = -1;
	h->fd = -1;
	h->heard = heard;
	h->arg = arg;
	if (join(h, dir, f) != 0) {
		hint_close(&h);
		return -1;
	}
	*out = h;
	return 0;
}

void
hint_close(struct hint **hp)
{
	struct hint *h = *hp;

	if (h == NULL) {
		return;
	}
	if (h->started) {
		(void)shutdown(h->fd, SHUT_RDWR);
		(void)pthread_join(h->thread, NULL);
	}
	/* Not before: what the thread was told of may be wanted no more. */
	*hp = NULL;
	if (h->name[0] != '\0') {
		(void)unlinkat(h->dir, h->name, 0);
		wants_unlink(h->dir, h->name);
	}
	wants_close(&h->wants);
	if (h->fd >= 0) {
		(void)close(h->fd);
	}
	if (h->dir >= 0) {
		(void)close(h->dir);
	}
	peers_unref(h->peers);
	lock_deinit(&h->lock);
	free(h);
}
