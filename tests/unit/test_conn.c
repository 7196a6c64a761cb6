#include "net/conn.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

/*
 * Connections outside of coroutines: they poll(2).  A SOCK_SEQPACKET pair
 * hands over one packet a read, so input can be cut anywhere without a clock.
 */
struct pair {
	int peer;
	struct conn *c;
};

static const struct conn_limits quick = {
    .input_ms = 100, .command_ms = 300, .output_ms = 100, .rate_min = 1000000};

static struct pair
pair_new(int type, const struct conn_limits *limits)
{
	struct pair p;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, type, 0, fds), 0);
	p.peer = fds[0];
	p.c = conn_new(fds[1], NULL, limits);
	return p;
}

static void
pair_free(struct pair *p)
{
	conn_free(&p->c);
	if (p->peer >= 0) {
		assert_int_equal(close(p->peer), 0);
	}
}

static void
say(const struct pair *p, struct sv text)
{
	assert_int_equal(
	    send(p->peer, text.p, text.len, MSG_NOSIGNAL), (ssize_t)text.len);
}

/* In packets of `piece` octets each; 0: cut once, at `cut`. */
static void
say_cut(const struct pair *p, struct sv text, size_t piece, size_t cut)
{
	if (piece == 0) {
		struct sv first = sv_sub(text, 0, cut);

		if (first.len != 0) {
			say(p, first);
		}
		if (first.len < text.len) {
			say(p, sv_from(text, cut));
		}
		return;
	}
	for (size_t at = 0; at < text.len; at += piece) {
		say(p, sv_sub(text, at, piece));
	}
}

static void
expect_line(
    struct conn *c, size_t max, enum line_ends ends, int rc, struct sv want)
{
	struct sv line;

	assert_int_equal(c_line(c, max, ends, &line), rc);
	if (!sv_eq(line, want)) {
		print_error("got \"%.*s\", expected \"%.*s\"\n", SV_ARG(line),
		    SV_ARG(want));
	}
	assert_true(sv_eq(line, want));
}

/* ---- lines ---- */

struct line_row {
	struct sv input;
	enum line_ends ends;
	int rc; /* of the first line */
	struct sv line;
	struct sv next; /* the line after it */
};

#define ROW(input, ends, rc, line, next)                                       \
	{                                                                      \
		{(input), sizeof(input) - 1}, (ends), (rc),                    \
		    {(line), sizeof(line) - 1},                                \
		{                                                              \
			(next), sizeof(next) - 1                               \
		}                                                              \
	}

enum { LINE_MAX_TEST = 10 };

static const struct line_row line_rows[] = {
    ROW("abc\r\nd\r\n", LINE_CRLF, 0, "abc", "d"),
    ROW("abc\r\nd\r\n", LINE_CRLF_OR_LF, 0, "abc", "d"),
    ROW("abc\nd\r\n", LINE_CRLF_OR_LF, 0, "abc", "d"),
    ROW("\r\nd\r\n", LINE_CRLF, 0, "", "d"),
    ROW("\nd\r\n", LINE_CRLF_OR_LF, 0, "", "d"),
    ROW("a\0b\r\nd\r\n", LINE_CRLF, 0, "a\0b", "d"),
    /* [RFC 5321 2.3.8] only CRLF ends a line */
    ROW("abc\nd\r\n", LINE_CRLF, -EILSEQ, "abc", "d"),
    ROW("abc\rd\r\n", LINE_CRLF, -EILSEQ, "abc", "d"),
    ROW("abc\r\r\nd\r\n", LINE_CRLF, -EILSEQ, "abc", ""),
    ROW("\nd\r\n", LINE_CRLF, -EILSEQ, "", "d"),
    ROW("a\rb\nd\r\n", LINE_CRLF_OR_LF, 0, "a\rb", "d"),
    /* as long as may be, and one more */
    ROW("0123456789\r\nd\r\n", LINE_CRLF, 0, "0123456789", "d"),
    ROW("0123456789\nd\r\n", LINE_CRLF_OR_LF, 0, "0123456789", "d"),
    ROW("0123456789x\r\nd\r\n", LINE_CRLF, -EMSGSIZE, "0123456789x", "d"),
    ROW("0123456789x\nd\r\n", LINE_CRLF_OR_LF, -EMSGSIZE, "0123456789x", "d"),
    ROW("0123456789xyz\r\nd\r\n", LINE_CRLF_OR_LF, -EMSGSIZE, "0123456789xy",
	"d"),
};

static void
check_line(const struct line_row *row, size_t piece, size_t cut)
{
	struct pair p = pair_new(SOCK_SEQPACKET, &quick);
	struct sv line;

	say_cut(&p, row->input, piece, cut);
	assert_int_equal(c_line(p.c, LINE_MAX_TEST, row->ends, &line), row->rc);
	/* How much is kept of a line that is too long depends on the cuts. */
	assert_true(row->rc == -EMSGSIZE ? sv_starts(line, SV("0123456789"))
					 : sv_eq(line, row->line));
	expect_line(p.c, LINE_MAX_TEST, row->ends, 0, row->next);
	pair_free(&p);
}

static void
lines_end_as_asked_however_they_are_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(line_rows); i++) {
		const struct line_row *row = &line_rows[i];

		check_line(row, 1, 0);
		for (size_t cut = 0; cut < row->input.len; cut++) {
			check_line(row, 0, cut);
		}
	}
}

struct feed {
	int fd;
	char octet;
	size_t n;
	struct sv end;
};

static void *
feed_main(void *arg)
{
	const struct feed *f = arg;
	char piece[4096];
	size_t left = f->n;

	memset(piece, f->octet, sizeof(piece));
	while (left != 0) {
		size_t n = left < sizeof(piece) ? left : sizeof(piece);
		ssize_t sent = send(f->fd, piece, n, MSG_NOSIGNAL);

		if (sent <= 0) {
			return NULL;
		}
		left -= (size_t)sent;
	}
	(void)send(f->fd, f->end.p, f->end.len, MSG_NOSIGNAL);
	return NULL;
}

static void
a_line_of_many_megabytes_is_dropped_to_its_end(void **state)
{
	static const struct conn_limits patient = {.discard_max = 1 << 25};
	struct pair p = pair_new(SOCK_STREAM, &patient);
	struct feed f = {p.peer, 'x', 20 * 1000 * 1000, SV("\r\nNOOP\r\n")};
	pthread_t t;
	struct sv line;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, feed_main, &f), 0);
	assert_int_equal(c_line(p.c, 1000, LINE_CRLF, &line), -EMSGSIZE);
	assert_int_equal(line.len, 256);
	expect_line(p.c, 1000, LINE_CRLF, 0, SV("NOOP"));
	assert_int_equal(pthread_join(t, NULL), 0);
	pair_free(&p);
}

static void
a_line_without_end_is_given_up(void **state)
{
	static const struct conn_limits limits = {.discard_max = 100000};
	struct pair p = pair_new(SOCK_STREAM, &limits);
	struct feed f = {p.peer, 'x', 1000000, SV("")};
	pthread_t t;
	struct sv line;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, feed_main, &f), 0);
	assert_int_equal(c_line(p.c, 1000, LINE_CRLF, &line), -EPROTO);
	assert_int_equal(c_line(p.c, 1000, LINE_CRLF, &line), -EPROTO);
	conn_free(&p.c);
	assert_int_equal(pthread_join(t, NULL), 0);
	pair_free(&p);
}

/* ---- the end of input, and time ---- */

static void
the_end_comes_after_what_was_sent(void **state)
{
	struct pair p = pair_new(SOCK_STREAM, &quick);
	struct sv line;

	(void)state;
	say(&p, SV("one\r\ntwo"));
	assert_int_equal(close(p.peer), 0);
	p.peer = -1;
	expect_line(p.c, 100, LINE_CRLF, 0, SV("one"));
	assert_int_equal(c_line(p.c, 100, LINE_CRLF, &line), -EPIPE);
	assert_true(sv_eq(c_peek(p.c), SV("two")));
	assert_int_equal(conn_error(p.c), -EPIPE);
	pair_free(&p);
}

static void
a_pause_within_a_command_times_out(void **state)
{
	struct pair p = pair_new(SOCK_STREAM, &quick);
	int64_t since = clock_mono_ms();
	struct sv line;

	(void)state;
	say(&p, SV("NO"));
	assert_int_equal(c_line(p.c, 100, LINE_CRLF, &line), -ETIMEDOUT);
	assert_in_range(clock_mono_ms() - since, 90, 5000);
	pair_free(&p);
}

static void *
trickle_main(void *arg)
{
	const struct feed *f = arg;

	for (size_t i = 0; i < f->n; i++) {
		const struct timespec pause = {.tv_nsec = 20000000};

		if (send(f->fd, &f->octet, 1, MSG_NOSIGNAL) != 1) {
			break;
		}
		(void)nanosleep(&pause, NULL);
	}
	return NULL;
}

static void
octets_that_trickle_do_not_extend_a_command_for_ever(void **state)
{
	/* However late an octet comes, it comes in time. */
	struct conn_limits limits = quick;

	limits.input_ms = 60000;
	struct pair p = pair_new(SOCK_STREAM, &limits);
	struct feed f = {p.peer, 'x', 1000, SV("")};
	int64_t since = clock_mono_ms();
	struct sv line;
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, trickle_main, &f), 0);
	assert_int_equal(c_line(p.c, 2000, LINE_CRLF, &line), -ETIMEDOUT);
	assert_in_range(clock_mono_ms() - since, 290, 10000);
	conn_free(&p.c);
	assert_int_equal(pthread_join(t, NULL), 0);
	pair_free(&p);
}

static void
a_deadline_ends_every_wait(void **state)
{
	struct pair p = pair_new(SOCK_STREAM, NULL);
	int64_t since = clock_mono_ms();
	struct sv line;

	(void)state;
	conn_set_deadline(p.c, since + 50);
	assert_int_equal(c_line(p.c, 100, LINE_CRLF, &line), -ETIMEDOUT);
	assert_in_range(clock_mono_ms() - since, 45, 5000);
	pair_free(&p);
}

static void
a_peer_that_takes_nothing_times_out(void **state)
{
	struct pair p = pair_new(SOCK_STREAM, &quick);
	char *much = xmalloc(4 << 20);

	(void)state;
	assert_int_equal(
	    c_write(p.c, sv_make(much, (size_t)4 << 20)), -ETIMEDOUT);
	assert_int_equal(c_write(p.c, SV("more")), -ETIMEDOUT);
	assert_int_equal(c_flush(p.c), -ETIMEDOUT);
	free(much);
	pair_free(&p);
}

/* ---- literals ---- */

struct gather {
	struct sink sink;
	struct buf got;
	size_t refuse_at; /* octets taken before it refuses; 0 = never */
};

static int
gather_put(struct sink *to, struct sv piece)
{
	struct gather *g = (struct gather *)to;

	if (g->refuse_at != 0 && g->got.len + piece.len > g->refuse_at) {
		return -1;
	}
	buf_add_sv(&g->got, piece);
	return 0;
}

static void
a_literal_is_exactly_its_octets(void **state)
{
	static const struct sv text = {"12345\r\n.\r\n\0z NOOP\r\n", 19};

	(void)state;
	for (size_t cut = 0; cut <= text.len; cut++) {
		struct pair p = pair_new(SOCK_SEQPACKET, &quick);
		struct gather g = {.sink.put = gather_put};

		say_cut(&p, text, 0, cut);
		assert_int_equal(c_literal(p.c, 0, &g.sink), 0);
		assert_int_equal(c_literal(p.c, 12, &g.sink), 0);
		assert_true(sv_eq(buf_sv(&g.got), sv_sub(text, 0, 12)));
		expect_line(p.c, 100, LINE_CRLF, 0, SV(" NOOP"));
		buf_deinit(&g.got);
		pair_free(&p);
	}
}

static void
a_refused_literal_leaves_the_connection_in_step(void **state)
{
	struct pair p = pair_new(SOCK_STREAM, NULL);
	struct feed f = {p.peer, 'x', 1000000, SV("NOOP\r\n")};
	struct gather g = {.sink.put = gather_put, .refuse_at = 100000};
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, feed_main, &f), 0);
	assert_int_equal(c_literal(p.c, 1000000, &g.sink), -EIO);
	expect_line(p.c, 100, LINE_CRLF, 0, SV("NOOP"));
	assert_int_equal(pthread_join(t, NULL), 0);
	buf_deinit(&g.got);
	pair_free(&p);
}

/* ---- output ---- */

struct drain {
	int fd;
	struct buf got;
};

static void *
drain_main(void *arg)
{
	struct drain *d = arg;
	char piece[10000];
	ssize_t n;

	while ((n = recv(d->fd, piece, sizeof(piece), 0)) > 0) {
		buf_add(&d->got, piece, (size_t)n);
	}
	return NULL;
}

static int
numbered_file(size_t lines)
{
	int fd = memfd_create("numbers", MFD_CLOEXEC);
	struct buf b = {.data = NULL};

	assert_true(fd >= 0);
	for (size_t i = 0; i < lines; i++) {
		buf_addf(&b, "%08zu\n", i);
	}
	assert_int_equal(write(fd, b.data, b.len), (ssize_t)b.len);
	buf_deinit(&b);
	return fd;
}

static void
check_sendfile(uint64_t from, uint64_t n)
{
	struct pair p = pair_new(SOCK_STREAM, NULL);
	struct drain d = {.fd = p.peer};
	int fd = numbered_file(100000);
	char *want = xmalloc(n + 1);
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, drain_main, &d), 0);
	assert_int_equal(c_write(p.c, SV("<")), 0);
	assert_int_equal(c_sendfile(p.c, fd, from, n), 0);
	assert_int_equal(c_write(p.c, SV(">")), 0);
	assert_int_equal(c_flush(p.c), 0);
	conn_free(&p.c);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(pread(fd, want, n, (off_t)from), (ssize_t)n);
	assert_int_equal(d.got.len, n + 2);
	assert_memory_equal(d.got.data + 1, want, n);
	assert_int_equal(d.got.data[n + 1], '>');
	free(want);
	buf_deinit(&d.got);
	assert_int_equal(close(fd), 0);
	pair_free(&p);
}

static void
files_are_sent_in_their_place(void **state)
{
	(void)state;
	check_sendfile(0, 0);
	check_sendfile(9, 18);
	check_sendfile(5, 65535);
	check_sendfile(1, 899999);
}

static void
a_file_shorter_than_promised_is_reported(void **state)
{
	static const uint64_t sizes[] = {901, 200000};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		struct pair p = pair_new(SOCK_STREAM, NULL);
		struct drain d = {.fd = p.peer};
		int fd = numbered_file(100);
		pthread_t t;

		assert_int_equal(pthread_create(&t, NULL, drain_main, &d), 0);
		assert_int_equal(c_sendfile(p.c, fd, 0, sizes[i]), -EIO);
		conn_free(&p.c);
		assert_int_equal(pthread_join(t, NULL), 0);
		buf_deinit(&d.got);
		assert_int_equal(close(fd), 0);
		pair_free(&p);
	}
}

static void
what_was_said_goes_out_before_a_wait(void **state)
{
	struct pair p = pair_new(SOCK_STREAM, &quick);
	struct sv line;
	char got[16];

	(void)state;
	assert_int_equal(c_write(p.c, SV("+ go on\r\n")), 0);
	assert_int_equal(c_line(p.c, 100, LINE_CRLF, &line), -ETIMEDOUT);
	assert_int_equal(recv(p.peer, got, sizeof(got), MSG_DONTWAIT), 9);
	pair_free(&p);
}

/* ---- descriptors ---- */

static void
descriptors_pass_with_their_text(void **state)
{
	struct pair p = pair_new(SOCK_STREAM, &quick);
	struct conn *other = conn_new(dup(p.peer), NULL, &quick);
	int file = numbered_file(3);
	char got[9];
	int fd;

	(void)state;
	c_accept_fds(other);
	assert_int_equal(c_write(p.c, SV("BEFORE\r\n")), 0);
	assert_int_equal(c_send_fd(p.c, SV("FILE 1\r\n"), file), 0);
	assert_int_equal(c_take_fd(other), -1);
	expect_line(other, 100, LINE_CRLF, 0, SV("BEFORE"));
	expect_line(other, 100, LINE_CRLF, 0, SV("FILE 1"));
	fd = c_take_fd(other);
	assert_true(fd >= 0);
	assert_int_equal(c_take_fd(other), -1);
	assert_int_equal(pread(fd, got, sizeof(got), 9), 9);
	assert_memory_equal(got, "00000001\n", sizeof(got));
	assert_int_equal(close(fd), 0);
	assert_int_equal(close(file), 0);
	conn_free(&other);
	pair_free(&p);
}

static void
more_descriptors_than_allowed_are_closed(void **state)
{
	struct pair p = pair_new(SOCK_STREAM, &quick);
	struct conn *other = conn_new(dup(p.peer), NULL, &quick);
	int file = numbered_file(1);
	int fd;
	int n = 0;

	(void)state;
	c_accept_fds(other);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(c_send_fd(p.c, SV("x\r\n"), file), 0);
	}
	for (int i = 0; i < 10; i++) {
		expect_line(other, 100, LINE_CRLF, 0, SV("x"));
	}
	while ((fd = c_take_fd(other)) >= 0) {
		assert_int_equal(close(fd), 0);
		n++;
	}
	assert_int_equal(n, 4);
	assert_int_equal(close(file), 0);
	conn_free(&other);
	pair_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_end_as_asked_however_they_are_cut),
	    cmocka_unit_test(a_line_of_many_megabytes_is_dropped_to_its_end),
	    cmocka_unit_test(a_line_without_end_is_given_up),
	    cmocka_unit_test(the_end_comes_after_what_was_sent),
	    cmocka_unit_test(a_pause_within_a_command_times_out),
	    cmocka_unit_test(
		octets_that_trickle_do_not_extend_a_command_for_ever),
	    cmocka_unit_test(a_deadline_ends_every_wait),
	    cmocka_unit_test(a_peer_that_takes_nothing_times_out),
	    cmocka_unit_test(a_literal_is_exactly_its_octets),
	    cmocka_unit_test(a_refused_literal_leaves_the_connection_in_step),
	    cmocka_unit_test(files_are_sent_in_their_place),
	    cmocka_unit_test(a_file_shorter_than_promised_is_reported),
	    cmocka_unit_test(what_was_said_goes_out_before_a_wait),
	    cmocka_unit_test(descriptors_pass_with_their_text),
	    cmocka_unit_test(more_descriptors_than_allowed_are_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
