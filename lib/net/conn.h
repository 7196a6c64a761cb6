/*
 * conn: one stream connection, plain or TLS, with buffers.
 *
 * The c_*() calls read as if they blocked.  On a coroutine they suspend the
 * command and never the thread; outside of one (tools, tests) they poll(2).
 *
 * Results are 0 or a count, or a negative errno:
 *
 *	-EPIPE		the peer has closed, or broken the connection
 *	-ETIMEDOUT	a limit of struct conn_limits has passed
 *	-ECANCELED	the program stops
 *	-EPROTO		TLS failed, or the peer went on past discard_max
 *	-ENOMEM		too many coroutines wait already
 * those stick: every later call in that direction fails at once with the
 * same, so a writer may check its last call only.  These do not:
 *	-EMSGSIZE	longer than the caller's maximum; dropped to its end
 *	-EILSEQ		a CR or LF that is not part of CRLF
 *	-EIO		the sink refused, or the file is shorter than asked
 *
 * Output is gathered; it goes out when the buffer is full, in c_flush(), and
 * when the session parks.  A parked connection holds no buffers.
 *
 * Threads: session-owned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/fail.h"
#include "base/sv.h"
#include "net/addr.h"
#include "net/session.h"

struct conn;
struct settings;

/* All times in milliseconds, 0 = the default beside it. */
struct conn_limits {
	int64_t idle_ms;      /* parked without input; 0 = 30 min */
	int64_t input_ms;     /* within a command, for the next octet; 60 s */
	int64_t command_ms;   /* one call, from its start, however slowly the
			       * octets come: 5 min */
	int64_t output_ms;    /* the peer takes nothing; 60 s */
	uint64_t rate_min;    /* each this many octets give a call one second
			       * more than command_ms; 0 = 100 */
	size_t output_max;    /* gathered before c_write() waits; 32 KiB */
	uint64_t discard_max; /* dropped of one line that is too long before
			       * the connection is; 0 = 1 MiB */
};

/* Those of section `limits` of the settings, with that idle time (ms). */
struct conn_limits conn_limits_settings(
    const struct settings *set, uint64_t idle_ms);

/*
 * A connection over `fd` (taken; made non-blocking).  `s` is the session on
 * whose coroutine it waits, or NULL to poll(2).  `limits` is borrowed, NULL
 * for the defaults.
 */
struct conn *conn_new(
    int fd, struct session *s, const struct conn_limits *limits) MUST_CHECK;

/* Connect to a Unix-domain stream socket, or to `to` by TCP.  FAIL_ABSENT if
 * there is none, FAIL_TEMP, FAIL_CANCELLED on time-out (output_ms). */
int conn_connect_unix(const char *path, struct session *s,
    const struct conn_limits *limits, struct conn **out,
    struct fail *f) MUST_CHECK;

/* Close without flushing; a NULL *c is a no-op.  Not for s->c, which the
 * session owns. */
void conn_free(struct conn **c);

/* From now on `c` waits on behalf of `s`: for pools of connections. */
void conn_adopt(struct conn *c, struct session *s);

/* Change limits, for instance after login; borrowed. */
void conn_set_limits(struct conn *c, const struct conn_limits *limits);

/* However busy the peer is, fail with -ETIMEDOUT (parked: WHY_TIMEOUT) after
 * `when` (clock_mono_ms); 0 = never.  For the time before login. */
void conn_set_deadline(struct conn *c, int64_t when);

int conn_error(const struct conn *c);	      /* 0 or the first that stuck */
uint64_t conn_bytes_in(const struct conn *c); /* of the protocol, not TLS */
uint64_t conn_bytes_out(const struct conn *c);

/*
 * True if the peer has acknowledged all that was sent to it and did not break
 * the connection: with an orderly end, it has read it.
 */
bool conn_taken(const struct conn *c);

/* True if octets are in the socket that nobody has read yet. */
bool conn_waiting(const struct conn *c);

/* ---- input ---- */

/* What is in the buffer, without taking it; borrowed until the next call. */
struct sv c_peek(const struct conn *c);
void c_skip(struct conn *c, size_t n); /* take n octets of c_peek() */

/* The same for long input, when nothing is buffered: the buffer grows to
 * 64 KiB while the peer fills it. */
ssize_t c_fill_bulk(struct conn *c) MUST_CHECK;

enum line_ends {
	LINE_CRLF_OR_LF, /* LF alone ends a line too */
	LINE_CRLF,	 /* a bare CR or LF is -EILSEQ; the input is then past
			  * the LF, or the CR */
};

/*
 * One line of at most `max` octets without its end, which is taken but not
 * in *line_out.  Borrowed until the next c_*() call that reads.  A longer
 * line is -EMSGSIZE, dropped to its end, and *line_out is its first octets
 * (at most 256: enough for a tag or a verb).  Lines may contain NUL.
 */
int c_line(struct conn *c, size_t max, enum line_ends ends,
    struct sv *line_out) MUST_CHECK;

/* Where long input goes, in pieces.  put: 0, or -1 to take no more; the rest
 * is then read and dropped and the call returns -EIO.  It may block within
 * block_begin/end, and calls no c_*() that reads from the same conn. */
struct sink {
	int (*put)(struct sink *to, struct sv piece);
};

/* Exactly `n` octets to `to`. */
int c_literal(struct conn *c, uint64_t n, struct sink *to) MUST_CHECK;

/* ---- output ---- */

/* Gather a copy of the text; sent when more than output_max has gathered. */
int c_write(struct conn *c, struct sv text);
int c_writef(struct conn *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * The output buffer itself, to append to; then call c_drain(), which sends
 * if it has grown past output_max.  Borrowed until the next c_*() call.
 */
struct buf *c_out(struct conn *c);
int c_drain(struct conn *c);

/* Octets [from, from + n) of a file, behind what was written before.  -EIO if
 * the file ends before; the connection is then broken for the protocol. */
int c_sendfile(struct conn *c, int fd, uint64_t from, uint64_t n) MUST_CHECK;

/* Send all that was gathered. */
int c_flush(struct conn *c);

/* ---- descriptors over Unix-domain sockets ---- */

/* Send `text` (not empty) at once with `fd` attached; `fd` stays ours. */
int c_send_fd(struct conn *c, struct sv text, int fd) MUST_CHECK;

/* Accept descriptors from the peer (at most 4 wait at a time; more are
 * closed).  Without it all are refused by the kernel. */
void c_accept_fds(struct conn *c);
int c_take_fd(struct conn *c); /* the oldest one, owned by the caller; or -1 */

/* ---- TLS: see net/tls.h ---- */

/*
 * STARTTLS: write `reply`, flush, shake hands.  If the peer has sent
 * anything behind its STARTTLS already, in plain text, that input is dropped,
 * reading fails from now on with -EPROTO and the call returns -EBADMSG with
 * nothing written: say so, log it, and close.  [RFC 3207 6, RFC 9051 11.1]
 */
int c_starttls(struct conn *c, struct sv reply) MUST_CHECK;

bool c_is_tls(const struct conn *c);
/* TLS, or a peer on this machine: what passwords in clear text need. */
bool c_is_private(const struct conn *c);
