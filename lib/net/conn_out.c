/*
 * conn_out.c: writing: gathered text, files, dotted texts.
 */
#include "net/conn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/block.h"
#include "net/conn_priv.h"

enum {
	OUTPUT_MAX = 32 * 1024,
	FILE_PIECE = 32 * 1024,
	SENDFILE_LEAST = 64 * 1024, /* less is copied: one send for all */
	SENDFILE_PIECE = 1024 * 1024,
};

ssize_t __attribute__((noinline))
conn_sys_send(struct conn *c, const void *p, size_t n, int flags)
{
	ssize_t sent;

	do {
		sent = send(c->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL | flags);
	} while (sent < 0 && errno == EINTR);
	return sent >= 0 ? sent : -errno;
}

/* One attempt: octets, 0 if it would have to wait, or a negative errno. */
static ssize_t
try_send(struct conn *c, struct sv s, int flags, uint32_t *events_out)
{
	ssize_t n;

	*events_out = EPOLLOUT;
	n = c->tls != NULL ? tls_send(c->tls, s.p, s.len, events_out)
			   : conn_sys_send(c, s.p, s.len, flags);
	if (n == -EAGAIN) {
		return 0;
	}
	if (n == -ECONNRESET || n == -ETIMEDOUT) {
		n = -EPIPE; /* the network's time-out is not ours */
	}
	return n;
}

static int
flush(struct conn *c, int flags)
{
	size_t sent = 0;

	while (c->out_error == 0 && sent < c->out.len) {
		uint32_t events;
		ssize_t n =
		    try_send(c, sv_from(buf_sv(&c->out), sent), flags, &events);

		if (n > 0) {
			sent += (size_t)n;
			atomic_fetch_add_explicit(
			    &c->n_out, (uint64_t)n, memory_order_relaxed);
		} else if (n < 0) {
			(void)conn_broken(c, CONN_WRITES, (int)n);
		} else {
			int rc = conn_wait(c, CONN_WRITES, events);

			if (rc != 0) {
				break; /* it sticks */
			}
		}
	}
	buf_clear(&c->out);
	return c->out_error;
}

int
c_flush(struct conn *c)
{
	return flush(c, 0);
}

struct buf *
c_out(struct conn *c)
{
	return &c->out;
}

int
c_drain(struct conn *c)
{
	size_t max =
	    c->limits->output_max != 0 ? c->limits->output_max : OUTPUT_MAX;

	if (c->out_error != 0) {
		buf_clear(&c->out);
		return c->out_error;
	}
	return c->out.len > max ? c_flush(c) : 0;
}

int
c_write(struct conn *c, struct sv text)
{
	buf_add_sv(&c->out, text);
	return c_drain(c);
}

int
c_writef(struct conn *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&c->out, fmt, ap);
	va_end(ap);
	return c_drain(c);
}

/* ---- files ---- */

static int
send_copied(struct conn *c, int fd, uint64_t from, uint64_t n)
{
	while (n != 0) {
		size_t piece = n < FILE_PIECE ? (size_t)n : FILE_PIECE;
		char *to = buf_reserve(&c->out, piece);
		ssize_t got = block_pread(fd, to, piece, from);
		int rc;

		if (got <= 0) {
			return -EIO;
		}
		c->out.len += (size_t)got;
		from += (uint64_t)got;
		n -= (uint64_t)got;
		rc = c_drain(c);
		if (rc != 0) {
			return rc;
		}
	}
	return 0;
}

/* The disk may be waited for inside, so it stands in brackets. */
static ssize_t __attribute__((noinline))
sys_sendfile(int to, int from, off_t *at, size_t n)
{
	ssize_t sent;

	block_begin();
	sent = sendfile(to, from, at, n);
	block_end();
	return sent >= 0 ? sent : -errno;
}

static int
send_direct(struct conn *c, int fd, uint64_t from, uint64_t n)
{
	off_t at = (off_t)from;
	int rc = flush(c, MSG_MORE);

	while (rc == 0 && n != 0) {
		ssize_t sent = sys_sendfile(c->fd, fd, &at,
		    n < SENDFILE_PIECE ? (size_t)n : SENDFILE_PIECE);

		if (sent > 0) {
			n -= (uint64_t)sent;
			atomic_fetch_add_explicit(
			    &c->n_out, (uint64_t)sent, memory_order_relaxed);
		} else if (sent == -EAGAIN) {
			rc = conn_wait(c, CONN_WRITES, EPOLLOUT);
		} else if (sent == 0 || sent == -EIO) {
			return -EIO;
		} else if (sent != -EINTR) {
			rc = conn_broken(c, CONN_WRITES, -EPIPE);
		}
	}
	return rc;
}

int
c_sendfile(struct conn *c, int fd, uint64_t from, uint64_t n)
{
	if (c->out_error != 0) {
		return c->out_error;
	}
	if (c->tls != NULL || n < SENDFILE_LEAST) {
		return send_copied(c, fd, from, n);
	}
	return send_direct(c, fd, from, n);
}
