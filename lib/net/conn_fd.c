/*
 * conn_fd.c: descriptors passed over Unix-domain sockets.
 */
#include "net/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/conn_priv.h"

union control {
	struct cmsghdr header; /* for its alignment */
	char space[CMSG_SPACE(CONN_FDS_MAX * sizeof(int))];
};

void
c_accept_fds(struct conn *c)
{
	if (c->received == NULL) {
		c->received = xmalloc(sizeof(*c->received));
	}
}

int
c_take_fd(struct conn *c)
{
	struct conn_fds *r = c->received;
	int fd;

	if (r == NULL || r->n == 0) {
		return -1;
	}
	fd = r->fds[0];
	r->n--;
	memmove(r->fds, r->fds + 1, r->n * sizeof(*r->fds));
	return fd;
}

static void
keep_fds(struct conn_fds *r, const struct cmsghdr *header)
{
	size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(header) + i * sizeof(fd), sizeof(fd));
		if (r->n < CONN_FDS_MAX) {
			r->fds[r->n++] = fd;
		} else {
			(void)close(fd);
		}
	}
}

ssize_t __attribute__((noinline))
conn_recv_fds(struct conn *c, void *to, size_t n)
{
	struct iovec v = {.iov_base = to, .iov_len = n};
	union control control;
	struct msghdr m = {
	    .msg_iov = &v,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control),
	};
	struct cmsghdr *h;
	ssize_t got;

	do {
		got = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		return -errno;
	}
	for (h = CMSG_FIRSTHDR(&m); h != NULL; h = CMSG_NXTHDR(&m, h)) {
		if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS) {
			keep_fds(c->received, h);
		}
	}
	return got;
}

static ssize_t __attribute__((noinline))
send_with_fd(struct conn *c, struct sv text, int fd)
{
	char first = text.p[0];
	struct iovec v = {.iov_base = &first, .iov_len = 1};
	union control control = {.space = {0}};
	struct msghdr m = {
	    .msg_iov = &v,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = CMSG_SPACE(sizeof(fd)),
	};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	ssize_t sent;

	/* One octet carries it; the rest goes the usual way. */
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	do {
		sent = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent >= 0 ? sent : -errno;
}

int
c_send_fd(struct conn *c, struct sv text, int fd)
{
	ssize_t n = 0;
	int rc;

	ASSERT(text.len != 0 && c->tls == NULL);
	rc = c_flush(c);
	while (rc == 0 && n <= 0) {
		n = send_with_fd(c, text, fd);
		if (n == -EAGAIN) {
			rc = conn_wait(c, CONN_WRITES, EPOLLOUT);
		} else if (n < 0) {
			rc = conn_broken(c, CONN_WRITES, -EPIPE);
		}
	}
	if (rc != 0) {
		return rc;
	}
	atomic_fetch_add_explicit(&c->n_out, 1, memory_order_relaxed);
	(void)c_write(c, sv_from(text, 1));
	return c_flush(c);
}
