/*
 * conn_in.c: reading: lines, literals, dotted texts.
 */
#include "net/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "net/conn_priv.h"
#include "net/park.h"

enum {
	LINE_PREFIX = 256, /* kept of a line that is too long */
	LINE_DISCARD_MAX = 1024 * 1024,
};

/* ---- the buffer ---- */

ssize_t __attribute__((noinline))
conn_sys_recv(struct conn *c, void *to, size_t n)
{
	ssize_t got;

	do {
		got = recv(c->fd, to, n, MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	return got >= 0 ? got : -errno;
}

/* Room for at least one more octet behind in_end: up to `want` buffered. */
static void
conn_in_room(struct conn *c, size_t want)
{
	size_t have = c->in_end - c->in_at;

	if (have == 0) {
		c->in_at = 0;
		c->in_end = 0;
	}
	if (c->in_cap >= want && c->in_end < c->in_cap) {
		return;
	}
	if (c->in_at != 0) {
		memmove(c->in, c->in + c->in_at, have);
		c->in_at = 0;
		c->in_end = have;
	}
	if (c->in_cap < want || c->in_end == c->in_cap) {
		size_t cap = c->in_cap != 0 ? c->in_cap : CONN_IN_FIRST;

		while (cap < want || cap == c->in_end) {
			cap *= 2;
		}
		c->in = xrealloc(c->in, cap);
		c->in_cap = cap;
	}
}

/* A plain socket's errors, as the callers know them. */
static ssize_t
plain_result(ssize_t n)
{
	if (n == 0) {
		return -EPIPE;
	}
	if (n == -ECONNRESET || n == -ETIMEDOUT || n == -EHOSTUNREACH
	    || n == -ENETUNREACH) {
		return -EPIPE; /* the network's time-out is not ours */
	}
	return n;
}

ssize_t
conn_try(struct conn *c, uint32_t *events_out)
{
	ssize_t n;

	if (c->in_error != 0) {
		return c->in_error;
	}
	conn_in_room(c, CONN_IN_FIRST);
	*events_out = EPOLLIN;
	if (c->tls != NULL) {
		n = tls_recv(c->tls, c->in + c->in_end, c->in_cap - c->in_end,
		    events_out);
	} else if (c->received != NULL) {
		n = conn_recv_fds(c, c->in + c->in_end, c->in_cap - c->in_end);
	} else {
		n = conn_sys_recv(c, c->in + c->in_end, c->in_cap - c->in_end);
	}
	if (c->tls == NULL) {
		c->reset = n == -ECONNRESET;
		n = plain_result(n);
	}
	c->awaits = *events_out;
	if (n == -EAGAIN) {
		return 0;
	}
	if (n < 0) {
		return conn_broken(c, CONN_READS, (int)n);
	}
	c->in_end += (size_t)n;
	atomic_fetch_add_explicit(&c->n_in, (uint64_t)n, memory_order_relaxed);
	return n;
}

/* Read more, waiting if need be; the call's clock is the caller's. */
static ssize_t
fill(struct conn *c)
{
	for (;;) {
		uint32_t events;
		ssize_t n = conn_try(c, &events);
		int rc;

		if (n != 0) {
			return n;
		}
		/* The peer may be waiting for what we have to say. */
		rc = c->out.len != 0 ? c_flush(c)
				     : conn_wait(c, CONN_READS, events);
		if (rc != 0) {
			return rc;
		}
	}
}

/* Read long input into the empty buffer, which grows up to `most` while the
 * peer fills it: who sends by drops costs little. */
static ssize_t
fill_bulk(struct conn *c, size_t most)
{
	ssize_t n;

	conn_in_room(c, c->bulk < most ? c->bulk : most);
	n = fill(c);
	if (n > 0 && c->in_end == c->in_cap) {
		c->bulk = c->in_cap * 4;
	}
	return n;
}

struct sv
c_peek(const struct conn *c)
{
	return conn_buffered(c);
}

void
c_skip(struct conn *c, size_t n)
{
	ASSERT(n <= c->in_end - c->in_at);
	c->in_at += n;
}

ssize_t
c_fill_bulk(struct conn *c)
{
	conn_in_begin(c);
	return fill_bulk(c, CONN_IN_BULK);
}

/* ---- lines ---- */

static uint64_t
discard_max(const struct conn *c)
{
	return c->limits->discard_max != 0 ? c->limits->discard_max
					   : LINE_DISCARD_MAX;
}

/*
 * Where in `s` from `from` on a line ends: *len_out octets of text, *end_out
 * octets with its end.  False if there is no end yet.  With LINE_CRLF a bare
 * CR or LF ends it too, and *bare_out says so; a CR that is the last octet
 * may still become CRLF.
 */
static bool
find_end(struct sv s, size_t from, enum line_ends ends, size_t *len_out,
    size_t *end_out, bool *bare_out)
{
	struct sv rest = sv_from(s, from);
	ptrdiff_t lf = sv_chr(rest, '\n');
	size_t lf_at = lf >= 0 ? from + (size_t)lf : s.len;
	bool crlf = lf >= 0 && lf_at > 0 && s.p[lf_at - 1] == '\r';

	*bare_out = false;
	if (ends == LINE_CRLF) {
		ptrdiff_t cr = sv_chr(sv_sub(s, from, lf_at - from), '\r');
		size_t cr_at = from + (size_t)cr;

		if (cr >= 0 && cr_at + 1 < s.len && cr_at + 1 != lf_at) {
			*bare_out = true;
			*len_out = cr_at;
			*end_out = cr_at + 1;
			return true;
		}
		*bare_out = lf >= 0 && !crlf;
	}
	if (lf < 0) {
		return false;
	}
	*len_out = crlf ? lf_at - 1 : lf_at;
	*end_out = lf_at + 1;
	return true;
}

/* How much of a line that is too long is worth keeping. */
static size_t
prefix_len(struct sv s)
{
	ptrdiff_t lf = sv_chr(s, '\n');

	s = sv_sub(s, 0, lf >= 0 ? (size_t)lf : s.len);
	return s.len < LINE_PREFIX ? s.len : LINE_PREFIX;
}

/* Drop a line, whose first octets are in the buffer, up to its LF; some of
 * its first octets are left in *line_out. */
static int
discard_line(struct conn *c, struct sv *line_out)
{
	size_t kept = prefix_len(conn_buffered(c));
	uint64_t dropped = 0;

	for (;;) {
		struct sv s = sv_from(conn_buffered(c), kept);
		ptrdiff_t lf = sv_chr(s, '\n');
		size_t take = lf >= 0 ? (size_t)lf + 1 : s.len;
		char *from = c->in + c->in_at + kept;
		ssize_t n;

		memmove(from, from + take, s.len - take);
		c->in_end -= take;
		dropped += take;
		if (lf >= 0) {
			break;
		}
		if (dropped > discard_max(c)) {
			return conn_broken(c, CONN_READS, -EPROTO);
		}
		conn_in_room(c, CONN_IN_FIRST);
		n = fill(c);
		if (n < 0) {
			return (int)n;
		}
	}
	*line_out = sv_sub(conn_buffered(c), 0, kept);
	c_skip(c, kept);
	if (kept != 0 && line_out->p[kept - 1] == '\r') {
		line_out->len--;
	}
	return -EMSGSIZE;
}

int
c_line(struct conn *c, size_t max, enum line_ends ends, struct sv *line_out)
{
	size_t searched = 0;

	*line_out = SV_EMPTY;
	conn_in_begin(c);
	for (;;) {
		struct sv s = conn_buffered(c);
		size_t len = 0;
		size_t end = 0;
		bool bare = false;
		ssize_t n;

		if (find_end(s, searched, ends, &len, &end, &bare)
		    && len <= max) {
			*line_out = sv_sub(s, 0, len);
			c_skip(c, end);
			return bare ? -EILSEQ : 0;
		}
		/* The CR before an LF that is still to come does not count. */
		if (end != 0 || s.len > max + 1) {
			return discard_line(c, line_out);
		}
		/* Look again at a last CR. */
		searched = s.len > 0 ? s.len - 1 : 0;
		conn_in_room(c, s.len + 1);
		n = fill(c);
		if (n < 0) {
			return (int)n;
		}
	}
}

/* ---- a number of octets ---- */

int
conn_read_direct(struct conn *c, void *to, size_t n)
{
	char *p = to;

	conn_in_begin(c);
	while (n != 0) {
		ssize_t got = plain_result(conn_sys_recv(c, p, n));

		if (got == -EAGAIN) {
			got = conn_wait(c, CONN_READS, EPOLLIN);
		} else if (got > 0) {
			p += got;
			n -= (size_t)got;
		}
		if (got < 0) {
			return conn_broken(c, CONN_READS, (int)got);
		}
	}
	return 0;
}

/* Hand a piece on unless the sink has refused one. */
static void
put(struct sink *to, struct sv piece, bool *refused)
{
	if (piece.len != 0 && !*refused) {
		*refused = to->put(to, piece) != 0;
	}
}

int
c_literal(struct conn *c, uint64_t n, struct sink *to)
{
	bool refused = false;

	conn_in_begin(c);
	while (n != 0) {
		struct sv s = conn_buffered(c);
		ssize_t rc;

		if (s.len != 0) {
			s = sv_sub(s, 0, n < SIZE_MAX ? (size_t)n : SIZE_MAX);
			put(to, s, &refused);
			n -= s.len;
			c_skip(c, s.len);
			if (c->s != NULL) {
				park_yield(c->s);
			}
			continue;
		}
		rc = fill_bulk(c, n < CONN_IN_BULK ? (size_t)n : CONN_IN_BULK);
		if (rc < 0) {
			return (int)rc;
		}
	}
	return refused ? -EIO : 0;
}
