/*
 * netbench: what lib/net costs by itself.
 *
 *	netbench rate [SECONDS]		NOOPs a second, plain and over TLS
 *	netbench memory [CONNECTIONS]	process memory of an idle connection
 *	netbench slow [SECONDS]		NOOPs beside idle and slow peers
 *
 * It starts itself again as a server with a protocol of two commands (NOOP,
 * and LITERAL n with n octets) and drives it from threads that block.  The
 * figures hold for client and server on the same processors.  `memory` exits
 * with 1 if a connection costs more than the project allows.
 *
 * Threads: the client has one per busy connection.
 */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/listen.h"
#include "net/park.h"
#include "net/tls.h"

enum {
	PLAIN_MAX = 8 * 1024, /* octets allowed for an idle connection */
	TLS_MAX = 24 * 1024,
	CLIENTS_MAX = 256,
	IDLE = 1000, /* beside the fast ones in `slow` */
	SLOW = 200,
	FAST = 20,
	LITERAL = 1000000,
};

/* ---- the server ---- */

static int
drop_put(struct sink *to, struct sv piece)
{
	(void)to;
	(void)piece;
	return 0;
}

static int
command(struct session *s, struct sv line)
{
	struct sink drop = {drop_put};
	struct sv verb = sv_cut(&line, ' ');
	uint64_t n;

	if (sv_eq(verb, SV("NOOP"))) {
		return c_write(s->c, SV("OK NOOP completed\r\n"));
	}
	if (sv_eq(verb, SV("LITERAL")) && sv_u64(line, &n)) {
		int rc = c_literal(s->c, n, &drop);

		return rc != 0 ? rc : c_write(s->c, SV("OK LITERAL\r\n"));
	}
	return c_write(s->c, SV("BAD\r\n"));
}

static enum verdict
run(struct session *s, unsigned why)
{
	struct sv line;

	if (why & WHY_START) {
		(void)c_write(s->c, SV("hello\r\n"));
	}
	if ((why & WHY_INPUT)
	    && (c_line(s->c, 1000, LINE_CRLF, &line) != 0
		|| command(s, line) != 0)) {
		return V_CLOSE;
	}
	return (why & (WHY_TIMEOUT | WHY_SHUTDOWN)) != 0 ? V_CLOSE : V_PARK;
}

static const struct protocol protocol = {
    .name = "bench",
    .session_size = sizeof(struct session),
    .run = run,
};

static void
die(const char *what, const struct fail *f)
{
	(void)fprintf(stderr, "netbench: %s: %s\n", what, f->text);
	_exit(EXIT_FAILURE);
}

static void
load_certificate(void)
{
	char dir[] = "/tmp/netbench.XXXXXX";
	char cert[64];
	char key[64];
	struct tls_conf conf = {cert, key, NULL};
	struct fail f;

	ASSERT(mkdtemp(dir) != NULL);
	(void)snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	(void)snprintf(key, sizeof(key), "%s/key.pem", dir);
	if (tls_self_signed(cert, key, "localhost", &f) != 0
	    || tls_load(&conf, &f) != 0) {
		die("certificate", &f);
	}
	(void)unlink(cert);
	(void)unlink(key);
	(void)rmdir(dir);
}

/* Writes the two ports to standard output, then serves until killed. */
static int
serve(void)
{
	static const struct park_conf park = {.running = 0};
	static const struct listen_conf conf = {.total_max = 100000};
	struct listen_spec spec = {
	    .name = "plain", .proto = &protocol, .addresses = "127.0.0.1"};
	uint16_t ports[2];
	struct fail f;
	unsigned n;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Before threads start.  NOLINTNEXTLINE(concurrency-mt-unsafe) */
	(void)mallopt(M_ARENA_MAX, 4);
	log_init("netbench", LOG_WARN);
	load_certificate();
	if (listen_open(&spec, &n, &f) != 0) {
		die("listen", &f);
	}
	spec.name = "tls";
	spec.tls = true;
	if (listen_open(&spec, &n, &f) != 0 || park_start(&park, &f) != 0
	    || listen_start(&conf, &f) != 0) {
		die("start", &f);
	}
	ports[0] = listen_port("plain");
	ports[1] = listen_port("tls");
	ASSERT(write(STDOUT_FILENO, ports, sizeof(ports)) == sizeof(ports));
	for (;;) {
		(void)pause();
	}
}

struct server {
	pid_t pid;
	uint16_t ports[2]; /* plain, TLS */
};

static struct server
server_start(void)
{
	struct server s;
	int fds[2];

	ASSERT(pipe(fds) == 0);
	s.pid = fork();
	ASSERT(s.pid >= 0);
	if (s.pid == 0) {
		ASSERT(dup2(fds[1], STDOUT_FILENO) >= 0);
		(void)execl("/proc/self/exe", "netbench", "serve", NULL);
		_exit(127);
	}
	(void)close(fds[1]);
	ASSERT(read(fds[0], s.ports, sizeof(s.ports)) == sizeof(s.ports));
	(void)close(fds[0]);
	return s;
}

static void
server_stop(const struct server *s)
{
	(void)kill(s->pid, SIGKILL);
	(void)waitpid(s->pid, NULL, 0);
}

/* Octets of memory that only this process uses, and its share of others. */
static uint64_t
pss(pid_t pid)
{
	char path[64];
	char line[128];
	uint64_t kb = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", (long)pid);
	file = fopen(path, "re");
	ASSERT(file != NULL);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "Pss:", 4) == 0) {
			kb = strtoull(line + 4, NULL, 10);
		}
	}
	(void)fclose(file);
	return kb * 1024;
}

/* Milliseconds of processor time. */
static int64_t
cpu_ms(pid_t pid)
{
	clockid_t clock;
	struct timespec t;

	ASSERT(clock_getcpuclockid(pid, &clock) == 0);
	ASSERT(clock_gettime(clock, &t) == 0);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- a client ---- */

struct client {
	int fd;
	SSL *ssl; /* NULL: plain */
};

static SSL_CTX *client_context;

static void
client_read(struct client *c, char *to, size_t n)
{
	while (n != 0) {
		ssize_t got = c->ssl != NULL ? SSL_read(c->ssl, to, (int)n)
					     : recv(c->fd, to, n, 0);

		ASSERT(got > 0);
		to += got;
		n -= (size_t)got;
	}
}

static void
client_write(struct client *c, const char *text, size_t n)
{
	ssize_t sent = c->ssl != NULL ? SSL_write(c->ssl, text, (int)n)
				      : send(c->fd, text, n, MSG_NOSIGNAL);

	ASSERT(sent == (ssize_t)n);
}

static struct client
client_open(const struct server *s, bool tls)
{
	static const int on = 1;
	struct sockaddr_in sin = {.sin_family = AF_INET,
	    .sin_port = htons(s->ports[tls]),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct client c = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
	char greeting[7];

	ASSERT(c.fd >= 0);
	(void)setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	ASSERT(connect(c.fd, (struct sockaddr *)&sin, sizeof(sin)) == 0);
	if (tls) {
		c.ssl = SSL_new(client_context);
		ASSERT(c.ssl != NULL && SSL_set_fd(c.ssl, c.fd) == 1);
		ASSERT(SSL_connect(c.ssl) == 1);
	}
	client_read(&c, greeting, sizeof(greeting));
	return c;
}

static void
client_close(struct client *c)
{
	SSL_free(c->ssl);
	(void)close(c->fd);
}

static void
noop(struct client *c)
{
	char answer[19];

	client_write(c, "NOOP\r\n", 6);
	client_read(c, answer, sizeof(answer));
}

/* ---- rate ---- */

static _Atomic bool running;

struct busy {
	pthread_t thread;
	struct client client;
	uint64_t n;
	int64_t worst_ns;
};

static void *
busy_main(void *arg)
{
	struct busy *b = arg;

	while (atomic_load(&running)) {
		int64_t since = clock_mono_ns();
		int64_t took;

		noop(&b->client);
		took = clock_mono_ns() - since;
		b->worst_ns = took > b->worst_ns ? took : b->worst_ns;
		b->n++;
	}
	return NULL;
}

static void
measure_rate(const struct server *s, unsigned clients, bool tls, unsigned ms)
{
	struct busy *all = xcalloc(clients, sizeof(*all));
	const struct timespec t = {
	    .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
	int64_t since;
	int64_t cpu;
	int64_t worst = 0;
	uint64_t n = 0;

	atomic_store(&running, true);
	for (unsigned i = 0; i < clients; i++) {
		all[i].client = client_open(s, tls);
	}
	cpu = cpu_ms(s->pid);
	since = clock_mono_ns();
	for (unsigned i = 0; i < clients; i++) {
		ASSERT(pthread_create(&all[i].thread, NULL, busy_main, &all[i])
		       == 0);
	}
	(void)nanosleep(&t, NULL);
	atomic_store(&running, false);
	for (unsigned i = 0; i < clients; i++) {
		(void)pthread_join(all[i].thread, NULL);
		n += all[i].n;
		worst = all[i].worst_ns > worst ? all[i].worst_ns : worst;
		client_close(&all[i].client);
	}
	since = clock_mono_ns() - since;
	cpu = cpu_ms(s->pid) - cpu;
	(void)printf("%-5s %3u clients: %8.0f NOOP/s, %5.2f us server CPU "
		     "each, worst %.1f ms\n",
	    tls ? "TLS" : "plain", clients, (double)n * 1e9 / (double)since,
	    n != 0 ? (double)cpu * 1000.0 / (double)n : 0.0,
	    (double)worst / 1e6);
	free(all);
}

static int
bench_rate(unsigned seconds)
{
	static const unsigned clients[] = {1, 20, 200};
	struct server s = server_start();

	for (unsigned tls = 0; tls < 2; tls++) {
		for (size_t i = 0; i < COUNT_OF(clients); i++) {
			measure_rate(&s, clients[i], tls != 0, seconds * 1000);
		}
	}
	server_stop(&s);
	return EXIT_SUCCESS;
}

/* ---- memory ---- */

/* Octets of the server's memory for each of `n` idle connections that have
 * given one command. */
static double
idle_cost(unsigned n, bool tls)
{
	struct server s = server_start();
	struct client *all = xcalloc(n, sizeof(*all));
	struct client first = client_open(&s, tls);
	uint64_t before;
	uint64_t after;

	noop(&first);
	before = pss(s.pid);
	for (unsigned i = 0; i < n; i++) {
		all[i] = client_open(&s, tls);
		noop(&all[i]);
	}
	(void)usleep(200000);
	after = pss(s.pid);
	for (unsigned i = 0; i < n; i++) {
		client_close(&all[i]);
	}
	client_close(&first);
	free(all);
	server_stop(&s);
	return ((double)after - (double)before) / n;
}

static int
bench_memory(unsigned n)
{
	double plain = idle_cost(n, false);
	double tls = idle_cost(n, true);

	(void)printf("%u idle connections: %.2f KB each plain (at most %d), "
		     "%.2f KB with TLS (at most %d)\n",
	    n, plain / 1024, PLAIN_MAX / 1024, tls / 1024, TLS_MAX / 1024);
	return plain <= PLAIN_MAX && tls <= TLS_MAX ? EXIT_SUCCESS
						    : EXIT_FAILURE;
}

/* ---- slow peers ---- */

static void *
drip_main(void *arg)
{
	struct client *slow = arg;

	while (atomic_load(&running)) {
		for (unsigned i = 0; i < SLOW; i++) {
			client_write(&slow[i], "x", 1);
		}
		(void)usleep(10000);
	}
	return NULL;
}

static int
bench_slow(unsigned seconds)
{
	struct server s = server_start();
	struct client *idle = xcalloc(IDLE, sizeof(*idle));
	struct client *slow = xcalloc(SLOW, sizeof(*slow));
	uint64_t before = pss(s.pid);
	pthread_t drip;

	for (unsigned i = 0; i < IDLE; i++) {
		idle[i] = client_open(&s, false);
	}
	for (unsigned i = 0; i < SLOW; i++) {
		slow[i] = client_open(&s, false);
		client_write(&slow[i], "LITERAL 1000000\r\n", 17);
	}
	atomic_store(&running, true);
	ASSERT(pthread_create(&drip, NULL, drip_main, slow) == 0);
	measure_rate(&s, FAST, false, seconds * 1000);
	(void)pthread_join(drip, NULL);
	(void)printf("with %d idle and %d slow senders: %.1f MB more memory\n",
	    IDLE, SLOW, (double)(pss(s.pid) - before) / 1e6);
	server_stop(&s);
	free(idle);
	free(slow);
	return EXIT_SUCCESS;
}

static void
raise_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	unsigned n = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;

	raise_descriptors();
	(void)signal(SIGPIPE, SIG_IGN);
	if (strcmp(what, "serve") == 0) {
		return serve();
	}
	client_context = SSL_CTX_new(TLS_client_method());
	if (strcmp(what, "rate") == 0) {
		return bench_rate(n != 0 ? n : 1);
	}
	if (strcmp(what, "memory") == 0) {
		return bench_memory(n != 0 ? n : 5000);
	}
	if (strcmp(what, "slow") == 0) {
		return bench_slow(n != 0 ? n : 1);
	}
	(void)fprintf(stderr,
	    "usage: netbench rate [SECONDS] | memory [CONNECTIONS] | "
	    "slow [SECONDS]\n");
	return EXIT_FAILURE;
}
