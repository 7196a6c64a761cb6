#include "net/listen.h"
#include "scratch.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/park.h"
#include "net/stat.h"
#include "net/tls.h"

/* ---- a protocol that says who one is ---- */

static _Atomic unsigned ends;

static enum verdict
run(struct session *s, unsigned why)
{
	char peer[ADDR_TEXT_SIZE];
	char local[ADDR_TEXT_SIZE];
	struct sv line;

	if (why & WHY_START) {
		session_user(s, SV("ann@example.org"));
		session_state(s, SV("INBOX \xff idle"));
		(void)c_writef(s->c, "%s to %s port %u%s\r\n",
		    addr_text(&s->peer, peer), addr_text(&s->local, local),
		    s->local.port, c_is_tls(s->c) ? " TLS" : "");
	}
	if ((why & WHY_INPUT) && c_line(s->c, 100, LINE_CRLF, &line) != 0) {
		return V_CLOSE;
	}
	return (why & (WHY_SHUTDOWN | WHY_TIMEOUT)) != 0 ? V_CLOSE : V_PARK;
}

static void
ended(struct session *s)
{
	(void)s;
	ends++;
}

static const struct conn_limits limits = {.input_ms = 300};

static const struct protocol protocol = {
    .name = "test",
    .session_size = sizeof(struct session),
    .run = run,
    .close = ended,
    .limits = &limits,
    .busy = {"busy\r\n", 6},
};

/* ---- set up ---- */

static char dir[SCRATCH_SIZE];
static char path[64];
static char cert_path[64];
static char key_path[64];
static struct arena arena;

static int
make_dir(void **state)
{
	struct fail f;

	(void)state;
	scratch_make(dir);
	(void)snprintf(path, sizeof(path), "%s/socket", dir);
	(void)snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", dir);
	(void)snprintf(key_path, sizeof(key_path), "%s/key.pem", dir);
	assert_int_equal(
	    tls_self_signed(cert_path, key_path, "mail.example.org", &f), 0);
	return 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	tls_unload();
	arena_deinit(&arena);
	scratch_remove(dir);
	return 0;
}

static void
start(const struct listen_conf *conf)
{
	static const struct park_conf park = {.running = 2};
	const struct tls_conf tls = {cert_path, key_path, NULL};
	const struct listen_spec specs[] = {
	    {.name = "plain", .proto = &protocol, .addresses = "127.0.0.1"},
	    {.name = "tls",
		.proto = &protocol,
		.tls = true,
		.addresses = "127.0.0.1"},
	    {.name = "unix", .proto = &protocol, .path = path, .mode = 0660},
	};
	struct fail f;
	unsigned n;

	atomic_store(&ends, 0);
	assert_int_equal(tls_load(&tls, &f), 0);
	for (size_t i = 0; i < COUNT_OF(specs); i++) {
		assert_int_equal(listen_open(&specs[i], &n, &f), 0);
		assert_int_equal(n, 1);
	}
	assert_int_equal(park_start(&park, &f), 0);
	assert_int_equal(listen_start(conf, &f), 0);
}

static void
stop(void)
{
	listen_stop();
	assert_int_equal(park_stop(clock_mono_ms() + 5000), 0);
}

static int
connect_to(const char *name)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
	    .sin_port = htons(listen_port(name)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval patience = {.tv_sec = 20};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)setsockopt(
	    fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	return fd;
}

static void
expect(int fd, const char *text)
{
	size_t n = strlen(text);
	char got[128] = "";

	assert_int_equal(recv(fd, got, n, MSG_WAITALL), n);
	assert_string_equal(got, text);
}

static void
expect_end(int fd)
{
	char octet;

	assert_true(recv(fd, &octet, 1, 0) <= 0);
	assert_int_equal(close(fd), 0);
}

static void
expect_greeting(int fd)
{
	char want[64];

	(void)snprintf(want, sizeof(want), "127.0.0.1 to 127.0.0.1 port %u\r\n",
	    listen_port("plain"));
	expect(fd, want);
}

static void
wait_for_ends(unsigned n)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	int64_t until = clock_mono_ms() + 20000;

	while (atomic_load(&ends) < n) {
		assert_true(clock_mono_ms() < until);
		(void)nanosleep(&pause, NULL);
	}
}

/* ---- tests ---- */

static const struct listen_conf no_limits;

static void
sessions_begin_on_tcp_and_unix_sockets(void **state)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct stat st;
	int fd;

	(void)state;
	start(&no_limits);
	fd = connect_to("plain");
	expect_greeting(fd);
	assert_int_equal(close(fd), 0);
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	expect(fd, "local to local port 0\r\n");
	assert_int_equal(close(fd), 0);
	wait_for_ends(2);
	stop();
	assert_int_equal(stat(path, &st), -1);
}

static void
over_the_total_limit_a_peer_hears_why(void **state)
{
	static const struct listen_conf three = {.total_max = 3};
	int fds[4];

	(void)state;
	start(&three);
	for (unsigned i = 0; i < 3; i++) {
		fds[i] = connect_to("plain");
		expect_greeting(fds[i]);
	}
	fds[3] = connect_to("plain");
	expect(fds[3], "busy\r\n");
	expect_end(fds[3]);
	assert_int_equal(close(fds[0]), 0);
	wait_for_ends(1);
	/* The place is free as soon as the session has gone altogether. */
	for (;;) {
		char octet;

		fds[3] = connect_to("plain");
		assert_int_equal(recv(fds[3], &octet, 1, MSG_PEEK), 1);
		if (octet != 'b') {
			break;
		}
		assert_int_equal(close(fds[3]), 0);
	}
	for (unsigned i = 1; i < 4; i++) {
		assert_int_equal(close(fds[i]), 0);
	}
	stop();
}

/* ---- PROXY protocol, version 2 ---- */

static const char v4_header[] = "\r\n\r\n\0\r\nQUIT\n"
				"\x21\x11\0\x0c"
				"\xc0\0\2\1"	  /* 192.0.2.1 */
				"\xc6\x33\x64\1"  /* 198.51.100.1 */
				"\x30\x39\0\x8f"; /* 12345 to 143 */

static void
send_all(int fd, const char *p, size_t n)
{
	assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), (ssize_t)n);
}

static void
balancer(struct listen_conf *conf, const char *nets)
{
	struct fail f;

	assert_int_equal(
	    addr_nets_parse(sv_cstr(nets), &arena, &conf->balancers, &f), 0);
}

static void
a_balancer_names_the_peer(void **state)
{
	struct listen_conf conf = {.total_max = 0};
	size_t n = sizeof(v4_header) - 1;
	int fd;

	(void)state;
	balancer(&conf, "10.0.0.0/8, 127.0.0.0/8");
	start(&conf);
	fd = connect_to("plain");
	send_all(fd, v4_header, n);
	expect(fd, "192.0.2.1 to 198.51.100.1 port 143\r\n");
	assert_int_equal(close(fd), 0);
	/* Cut anywhere, and with a command behind it. */
	for (size_t cut = 1; cut < n; cut += 5) {
		fd = connect_to("plain");
		send_all(fd, v4_header, cut);
		(void)usleep(1000);
		send_all(fd, v4_header + cut, n - cut);
		send_all(fd, "NOOP\r\n", 6);
		expect(fd, "192.0.2.1 to 198.51.100.1 port 143\r\n");
		assert_int_equal(close(fd), 0);
	}
	stop();
}

static void
without_the_header_a_balancers_connection_is_closed(void **state)
{
	struct listen_conf conf = {.total_max = 0};
	int fd;

	(void)state;
	balancer(&conf, "127.0.0.1");
	start(&conf);
	fd = connect_to("plain");
	send_all(fd, "EHLO somebody.example.org\r\n", 27);
	expect_end(fd);
	fd = connect_to("plain");
	send_all(fd, v4_header, 15);
	expect_end(fd); /* after limits.input_ms */
	fd = connect_to("plain");
	expect_end(fd);
	assert_int_equal(ends, 0);
	stop();
}

static void
from_others_the_header_is_no_header(void **state)
{
	struct listen_conf conf = {.total_max = 0};
	int fd;

	(void)state;
	balancer(&conf, "192.0.2.0/24");
	start(&conf);
	fd = connect_to("plain");
	send_all(fd, v4_header, sizeof(v4_header) - 1);
	expect_greeting(fd);
	assert_int_equal(close(fd), 0);
	stop();
}

static void
peers_behind_a_balancer_are_counted_one_by_one(void **state)
{
	struct listen_conf conf = {.peer_max = 2};
	char other[sizeof(v4_header)];
	int fds[4];

	(void)state;
	balancer(&conf, "127.0.0.1");
	start(&conf);
	for (unsigned i = 0; i < 3; i++) {
		fds[i] = connect_to("plain");
		send_all(fds[i], v4_header, sizeof(v4_header) - 1);
		if (i < 2) {
			expect(
			    fds[i], "192.0.2.1 to 198.51.100.1 port 143\r\n");
		}
	}
	expect_end(fds[2]);
	memcpy(other, v4_header, sizeof(other));
	other[19] = 2;
	fds[3] = connect_to("plain");
	send_all(fds[3], other, sizeof(other) - 1);
	expect(fds[3], "192.0.2.2 to 198.51.100.1 port 143\r\n");
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(close(fds[1]), 0);
	assert_int_equal(close(fds[3]), 0);
	stop();
}

/* ---- TLS from the first octet ---- */

static void
tls_expect(int fd, const char *text)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	char got[128] = "";

	SSL_CTX_free(ctx);
	assert_int_equal(SSL_set_fd(ssl, fd), 1);
	assert_int_equal(SSL_connect(ssl), 1);
	assert_int_equal(
	    SSL_read(ssl, got, sizeof(got) - 1), (int)strlen(text));
	assert_string_equal(got, text);
	(void)SSL_shutdown(ssl);
	SSL_free(ssl);
	assert_int_equal(close(fd), 0);
}

static void
tls_begins_at_once_or_behind_a_header(void **state)
{
	struct listen_conf conf = {.total_max = 0};
	char want[80];
	int fd;

	(void)state;
	start(&conf);
	(void)snprintf(want, sizeof(want),
	    "127.0.0.1 to 127.0.0.1 port %u TLS\r\n", listen_port("tls"));
	tls_expect(connect_to("tls"), want);
	fd = connect_to("tls");
	send_all(fd, "not TLS\r\n", 9);
	expect_end(fd);
	fd = connect_to("tls");
	expect_end(fd); /* who says nothing, after limits.input_ms */
	stop();

	balancer(&conf, "127.0.0.1");
	start(&conf);
	fd = connect_to("tls");
	send_all(fd, v4_header, sizeof(v4_header) - 1);
	tls_expect(fd, "192.0.2.1 to 198.51.100.1 port 143 TLS\r\n");
	stop();
}

/* ---- no descriptors left ---- */

static int64_t
cpu_ms(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
without_descriptors_peers_are_turned_away_without_spinning(void **state)
{
	enum { CLIENTS = 20, LEFT = 8 };
	struct rlimit old;
	struct rlimit low;
	int fds[CLIENTS];
	unsigned greeted = 0;
	int64_t cpu;
	int spare;

	(void)state;
	start(&no_limits);
	for (unsigned i = 0; i < CLIENTS; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_true(fds[i] >= 0);
	}
	spare = dup(fds[0]);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)spare + LEFT;
	assert_int_equal(close(spare), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	cpu = cpu_ms();
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct sockaddr_in sin = {.sin_family = AF_INET,
		    .sin_port = htons(listen_port("plain")),
		    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

		assert_int_equal(
		    connect(fds[i], (struct sockaddr *)&sin, sizeof(sin)), 0);
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		char first;

		assert_int_equal(recv(fds[i], &first, 1, 0), 1);
		greeted += first == '1';
	}
	assert_in_range(greeted, 1, LEFT);
	assert_in_range(cpu_ms() - cpu, 0, 500);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	for (unsigned i = 0; i < CLIENTS; i++) {
		assert_int_equal(close(fds[i]), 0);
	}
	fds[0] = connect_to("plain");
	expect_greeting(fds[0]);
	assert_int_equal(close(fds[0]), 0);
	stop();
}

/* ---- opening ---- */

static void
an_address_in_use_is_told_apart(void **state)
{
	struct listen_spec spec = {
	    .name = "x", .proto = &protocol, .addresses = "127.0.0.1"};
	struct fail f;
	unsigned n;
	int fd;

	(void)state;
	start(&no_limits);
	spec.port = listen_port("plain");
	assert_int_equal(listen_sockets(&spec, &fd, 1, &n, &f), -1);
	assert_int_equal(f.kind, FAIL_EXISTS);
	spec = (struct listen_spec){.name = "x", .path = path};
	assert_int_equal(listen_sockets(&spec, &fd, 1, &n, &f), -1);
	assert_int_equal(f.kind, FAIL_EXISTS);
	spec = (struct listen_spec){
	    .name = "x", .addresses = "127.0.0.256", .port = 1};
	assert_int_equal(listen_sockets(&spec, &fd, 1, &n, &f), -1);
	assert_int_equal(f.kind, FAIL_SYNTAX);
	stop();
}

static void
a_socket_file_of_a_dead_program_is_replaced(void **state)
{
	const struct listen_spec spec = {.name = "x", .path = path};
	struct fail f;
	unsigned n;
	int fd;

	(void)state;
	assert_int_equal(listen_sockets(&spec, &fd, 1, &n, &f), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(listen_sockets(&spec, &fd, 1, &n, &f), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(unlink(path), 0);
}

/* NOLINTBEGIN(concurrency-mt-unsafe): a process with one thread */

/* In a process of its own, as the environment is read once.  What
 * sd_listen_fds(3) says: descriptors from 3 on, with their names. */
static int
inherit_in_child(void)
{
	struct listen_spec spec = {
	    .name = "second", .proto = &protocol, .addresses = "127.0.0.1"};
	struct fail f;
	char pid[24];
	unsigned n[3] = {0, 0, 0};
	int fds[3];
	uint16_t port;

	for (unsigned i = 0; i < COUNT_OF(fds); i++) {
		if (listen_sockets(&spec, &fds[i], 1, &n[0], &f) != 0
		    || dup2(fds[i], 100 + (int)i) < 0) {
			return 10;
		}
	}
	for (int i = 0; i < 3; i++) {
		if (dup2(100 + i, 3 + i) < 0) {
			return 11;
		}
	}
	(void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	(void)setenv("LISTEN_PID", pid, 1);
	(void)setenv("LISTEN_FDS", "3", 1);
	(void)setenv("LISTEN_FDNAMES", "first:second:second", 1);
	if (listen_open(&spec, &n[0], &f) != 0) {
		return 12;
	}
	port = listen_port("second");
	spec.name = "third";
	if (listen_open(&spec, &n[1], &f) != 0) {
		return 13;
	}
	spec.name = "first";
	if (listen_open(&spec, &n[2], &f) != 0) {
		return 14;
	}
	if (n[0] != 2 || n[1] != 0 || n[2] != 1 || port == 0
	    || getenv("LISTEN_FDS") != NULL) {
		return 15;
	}
	return (fcntl(4, F_GETFD) & FD_CLOEXEC) != 0 ? 0 : 16;
}

/* NOLINTEND(concurrency-mt-unsafe) */

static void
sockets_are_inherited_by_name(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		_exit(inherit_in_child());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- statistics ---- */

static json_t *
ask_stat(const char *socket_path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct buf b = {.data = NULL};
	char piece[1000];
	json_t *j;
	ssize_t n;

	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", socket_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	while ((n = recv(fd, piece, sizeof(piece), 0)) > 0) {
		buf_add(&b, piece, (size_t)n);
	}
	assert_int_equal(close(fd), 0);
	j = json_loadb(b.data, b.len, 0, NULL);
	assert_non_null(j);
	buf_deinit(&b);
	return j;
}

static const char *
text_of(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	assert_non_null(text);
	return text;
}

static void
statistics_show_every_session(void **state)
{
	static struct stat_counter counter = {.name = "test.things"};
	static struct stat_counter *const counters[] = {&counter, NULL};
	enum { SESSIONS = 150 };
	char socket_path[96];
	struct stat st;
	struct fail f;
	json_t *sessions;
	json_t *j;
	int fds[SESSIONS];

	(void)state;
	start(&no_limits);
	stat_add(&counter, 3);
	assert_int_equal(stat_open(dir, "testd", counters, &f), 0);
	(void)snprintf(socket_path, sizeof(socket_path), "%s/testd.%ld", dir,
	    (long)getpid());
	assert_int_equal(stat(socket_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	for (unsigned i = 0; i < SESSIONS; i++) {
		fds[i] = connect_to("plain");
		expect_greeting(fds[i]);
	}
	j = ask_stat(socket_path);
	sessions = json_object_get(j, "sessions");
	assert_string_equal(text_of(j, "program"), "testd");
	assert_int_equal(json_array_size(sessions), SESSIONS);
	assert_string_equal(
	    text_of(json_array_get(sessions, 7), "user"), "ann@example.org");
	assert_string_equal(
	    text_of(json_array_get(sessions, 7), "peer"), "127.0.0.1");
	assert_int_equal(json_integer_value(json_object_get(
			     json_object_get(j, "counters"), "test.things")),
	    3);
	assert_true(json_integer_value(
			json_object_get(json_object_get(j, "memory"), "pss"))
		    > 0);
	json_decref(j);
	for (unsigned i = 0; i < SESSIONS; i++) {
		assert_int_equal(close(fds[i]), 0);
	}
	stop();
	stat_close();
	assert_int_equal(stat(socket_path, &st), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sockets_are_inherited_by_name),
	    cmocka_unit_test(sessions_begin_on_tcp_and_unix_sockets),
	    cmocka_unit_test(over_the_total_limit_a_peer_hears_why),
	    cmocka_unit_test(a_balancer_names_the_peer),
	    cmocka_unit_test(
		without_the_header_a_balancers_connection_is_closed),
	    cmocka_unit_test(from_others_the_header_is_no_header),
	    cmocka_unit_test(peers_behind_a_balancer_are_counted_one_by_one),
	    cmocka_unit_test(tls_begins_at_once_or_behind_a_header),
	    cmocka_unit_test(
		without_descriptors_peers_are_turned_away_without_spinning),
	    cmocka_unit_test(an_address_in_use_is_told_apart),
	    cmocka_unit_test(a_socket_file_of_a_dead_program_is_replaced),
	    cmocka_unit_test(statistics_show_every_session),
	};

	log_init("test_listen", LOG_ERROR);
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
