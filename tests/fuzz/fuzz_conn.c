/* Lines and dotted texts are the same however the network cuts them: once all
 * in one piece, once in packets, by calls drawn from the first octets. */
#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/conn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	HEAD = 3,
	INPUT_MAX = 3900, /* the buffer is never full, so no packet is cut */
	PACKETS_MAX = 100,
	LINE_MAX_LEAST = 1,
	RESULTS_MAX = 4096,
};

struct keep {
	struct sink sink;
	struct buf *to;
};

static int
keep_put(struct sink *to, struct sv piece)
{
	struct keep *k = (struct keep *)to;

	buf_add_sv(k->to, piece);
	return 0;
}

/* A connection whose peer has sent `input` in pieces and gone. */
static struct conn *
feed(struct sv input, size_t piece)
{
	int type = piece < input.len ? SOCK_SEQPACKET : SOCK_STREAM;
	int fds[2];

	ASSERT(socketpair(AF_UNIX, type, 0, fds) == 0);
	while (input.len != 0) {
		struct sv s = sv_sub(input, 0, piece);

		ASSERT(
		    send(fds[0], s.p, s.len, MSG_NOSIGNAL) == (ssize_t)s.len);
		input = sv_from(input, s.len);
	}
	(void)close(fds[0]);
	return conn_new(fds[1], NULL, NULL);
}

/* One call; what it gave goes to `out`.  False at the end of input. */
static bool
step(struct conn *c, unsigned what, size_t max, struct buf *out)
{
	struct keep keep = {{keep_put}, out};
	struct sv line = SV_EMPTY;
	int rc;

	if (what % 3 == 2) {
		rc = c_literal(c, max, &keep.sink);
	} else {
		rc = c_line(
		    c, max, what % 3 == 0 ? LINE_CRLF : LINE_CRLF_OR_LF, &line);
	}
	/* How much is kept of a line too long may depend on the cuts. */
	if (rc != -EMSGSIZE) {
		buf_add_sv(out, line);
	}
	buf_addf(out, "|%d|", rc);
	return rc == 0 || rc == -EILSEQ || rc == -EMSGSIZE;
}

static void
read_all(
    struct sv input, size_t piece, unsigned calls, size_t max, struct buf *out)
{
	struct conn *c = feed(input, piece);
	unsigned n = 0;

	/* Two bits choose each call, over and over. */
	while (step(c, calls >> (n % 4 * 2) & 3, max, out)) {
		n++;
	}
	buf_addf(out, "%llu", (unsigned long long)conn_bytes_in(c));
	conn_free(&c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = {.data = NULL};
	struct buf cut = {.data = NULL};
	struct sv input = sv_sub(sv_make(data, size), HEAD, INPUT_MAX);
	size_t least;
	size_t piece;
	size_t max;

	if (size <= HEAD) {
		return 0;
	}
	least = input.len / PACKETS_MAX + 1;
	piece = least + data[0] % 16;
	max = LINE_MAX_LEAST + data[1];
	read_all(input, input.len, data[2], max, &whole);
	read_all(input, piece, data[2], max, &cut);
	ASSERT(sv_eq(buf_sv(&whole), buf_sv(&cut)));
	buf_deinit(&whole);
	buf_deinit(&cut);
	return 0;
}
