#include "net/tls.h"
#include "scratch.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/park.h"

/* ---- a protocol with STARTTLS ---- */

struct seen {
	_Atomic int starttls; /* what c_starttls returned */
	_Atomic int error;
	_Atomic unsigned commands;
	_Atomic unsigned ends;
	size_t binding_len[3];
	uint8_t binding[3][TLS_BINDING_MAX];
	char version[16];
	char sni[64];
};

static struct seen seen;

static int
drop_put(struct sink *to, struct sv piece)
{
	(void)to;
	(void)piece;
	return 0;
}

static int
upgrade(struct session *s)
{
	int rc = c_starttls(s->c, SV("go ahead\r\n"));

	atomic_store(&seen.starttls, rc);
	if (rc == -EBADMSG) {
		(void)c_write(s->c, SV("nothing may follow STARTTLS\r\n"));
	}
	return rc;
}

/* All that the client can compare, then "ok". */
static int
tell(struct session *s)
{
	struct sv sni = tls_sni(s->c);

	for (unsigned i = 0; i < 3; i++) {
		seen.binding_len[i] = tls_channel_binding(
		    s->c, (enum tls_binding)i, seen.binding[i]);
	}
	(void)snprintf(
	    seen.version, sizeof(seen.version), "%s", tls_version(s->c));
	(void)snprintf(seen.sni, sizeof(seen.sni), "%.*s", SV_ARG(sni));
	return c_write(s->c, SV("ok\r\n"));
}

static int
command(struct session *s, struct sv line)
{
	static const char piece[1000];
	struct sink drop = {drop_put};
	int rc = 0;

	if (sv_eq(line, SV("STARTTLS"))) {
		return upgrade(s);
	}
	if (sv_eq(line, SV("TELL"))) {
		return tell(s);
	}
	if (sv_eq(line, SV("LITERAL"))) {
		rc = c_literal(s->c, 1000000, &drop);
	}
	if (sv_eq(line, SV("POUR"))) {
		for (unsigned i = 0; rc == 0 && i < 3000; i++) {
			rc = c_write(s->c, sv_make(piece, sizeof(piece)));
		}
	}
	return rc != 0 ? rc : c_write(s->c, SV("ok\r\n"));
}

static enum verdict
run(struct session *s, unsigned why)
{
	struct sv line;
	int rc;

	if (why & WHY_START) {
		(void)c_write(s->c, SV("hello\r\n"));
		return V_PARK;
	}
	if (why & (WHY_SHUTDOWN | WHY_TIMEOUT)) {
		return V_CLOSE;
	}
	rc = c_line(s->c, 100, LINE_CRLF, &line);
	if (rc == 0) {
		seen.commands++;
		rc = command(s, line);
	}
	if (rc != 0) {
		atomic_store(&seen.error, rc);
		return V_CLOSE;
	}
	return V_PARK;
}

static void
ended(struct session *s)
{
	(void)s;
	seen.ends++;
}

static struct protocol protocol = {
    .name = "imap", /* which has an ALPN name */
    .session_size = sizeof(struct session),
    .run = run,
    .close = ended,
};

/* ---- set up ---- */

static char dir[SCRATCH_SIZE];
static char cert_path[64];
static char key_path[64];

static int
make_files(void **state)
{
	struct fail f;

	(void)state;
	scratch_make(dir);
	(void)snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", dir);
	(void)snprintf(key_path, sizeof(key_path), "%s/key.pem", dir);
	assert_int_equal(
	    tls_self_signed(cert_path, key_path, "mail.example.org", &f), 0);
	return 0;
}

static int
remove_files(void **state)
{
	(void)state;
	tls_unload();
	scratch_remove(dir);
	return 0;
}

static void
load(void)
{
	const struct tls_conf conf = {cert_path, key_path, NULL};
	struct fail f;

	assert_int_equal(tls_load(&conf, &f), 0);
}

static void
start(void)
{
	static const struct park_conf conf = {.running = 2, .threads_max = 4};
	struct fail f;

	memset(&seen, 0, sizeof(seen));
	load();
	assert_int_equal(park_start(&conf, &f), 0);
}

static void
stop(void)
{
	assert_int_equal(park_stop(clock_mono_ms() + 5000), 0);
}

/* ---- the client's side, blocking ---- */

static void
expect_plain(int fd, const char *text)
{
	size_t n = strlen(text);
	char got[128];

	assert_int_equal(recv(fd, got, n, MSG_WAITALL), n);
	assert_memory_equal(got, text, n);
}

static int
client(void)
{
	struct addr peer = {.family = AF_INET, .ip = {192, 0, 2, 1}};
	struct timeval patience = {.tv_sec = 20};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	(void)setsockopt(
	    fds[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	park_add(session_new(&protocol, fds[1], &peer, &peer));
	expect_plain(fds[0], "hello\r\n");
	return fds[0];
}

static void
say_plain(int fd, const char *text)
{
	assert_int_equal(
	    send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

struct offer {
	int version;	  /* the only one; 0 = any */
	const char *alpn; /* in wire form, or NULL */
};

static SSL *
client_ssl(int fd, const struct offer *offer)
{
	static char host[] = "mail.example.org";
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;

	if (offer->version != 0) {
		SSL_CTX_set_min_proto_version(ctx, offer->version);
		SSL_CTX_set_max_proto_version(ctx, offer->version);
		/* Else the library refuses old versions by itself. */
		SSL_CTX_set_security_level(ctx, 0);
	}
	ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	assert_int_equal(SSL_set_fd(ssl, fd), 1);
	assert_int_equal(SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
			     TLSEXT_NAMETYPE_host_name, host),
	    1);
	if (offer->alpn != NULL) {
		assert_int_equal(
		    SSL_set_alpn_protos(ssl, (const unsigned char *)offer->alpn,
			(unsigned)strlen(offer->alpn)),
		    0);
	}
	return ssl;
}

static SSL *
handshake(int fd, const struct offer *offer)
{
	SSL *ssl = client_ssl(fd, offer);

	say_plain(fd, "STARTTLS\r\n");
	expect_plain(fd, "go ahead\r\n");
	if (SSL_connect(ssl) != 1) {
		ERR_clear_error();
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}

static void
say(SSL *ssl, const char *text)
{
	int n = (int)strlen(text);

	assert_int_equal(SSL_write(ssl, text, n), n);
}

static void
expect(SSL *ssl, const char *text)
{
	int n = (int)strlen(text);
	char got[128];
	int at = 0;

	while (at < n) {
		int rc = SSL_read(ssl, got + at, n - at);

		assert_true(rc > 0);
		at += rc;
	}
	assert_memory_equal(got, text, (size_t)n);
}

static void
leave(SSL *ssl, int fd)
{
	(void)SSL_shutdown(ssl);
	SSL_free(ssl);
	assert_int_equal(close(fd), 0);
}

static void
wait_for_end(unsigned n)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	int64_t until = clock_mono_ms() + 20000;

	while (atomic_load(&seen.ends) < n) {
		assert_true(clock_mono_ms() < until);
		(void)nanosleep(&pause, NULL);
	}
}

/* ---- tests ---- */

static void
both_versions_are_spoken_and_older_ones_refused(void **state)
{
	static const struct {
		int version;
		const char *name; /* NULL: refused */
	} rows[] = {
	    {TLS1_1_VERSION, NULL},
	    {TLS1_2_VERSION, "TLSv1.2"},
	    {TLS1_3_VERSION, "TLSv1.3"},
	};

	(void)state;
	start();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct offer offer = {.version = rows[i].version};
		int fd = client();
		SSL *ssl = handshake(fd, &offer);

		if (rows[i].name == NULL) {
			assert_null(ssl);
			assert_int_equal(close(fd), 0);
			continue;
		}
		assert_non_null(ssl);
		say(ssl, "TELL\r\n");
		expect(ssl, "ok\r\n");
		assert_string_equal(seen.version, rows[i].name);
		assert_string_equal(seen.sni, "mail.example.org");
		leave(ssl, fd);
	}
	stop();
}

/* [RFC 3207 6]: a command that stands behind STARTTLS in the clear is not
 * carried out, before or after the handshake. */
static void
rfc3207_6_plain_text_behind_starttls_is_refused(void **state)
{
	int fd;

	(void)state;
	start();
	fd = client();
	say_plain(fd, "STARTTLS\r\nNOOP\r\n");
	expect_plain(fd, "nothing may follow STARTTLS\r\n");
	wait_for_end(1);
	assert_int_equal(seen.starttls, -EBADMSG);
	assert_int_equal(seen.commands, 1);
	assert_int_equal(close(fd), 0);
	stop();
}

static void
garbage_instead_of_a_handshake_ends_the_session(void **state)
{
	int fd;

	(void)state;
	start();
	fd = client();
	say_plain(fd, "STARTTLS\r\n");
	expect_plain(fd, "go ahead\r\n");
	say_plain(fd, "NOOP\r\nNOOP\r\nNOOP\r\n");
	wait_for_end(1);
	assert_int_equal(seen.starttls, -EPROTO);
	assert_int_equal(seen.commands, 1);
	assert_int_equal(close(fd), 0);
	stop();
}

/* [RFC 9266] and [RFC 5929 3]: both sides derive the same. */
static void
channel_bindings_agree(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	(void)state;
	start();
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		const struct offer offer = {.version = versions[i]};
		int fd = client();
		SSL *ssl = handshake(fd, &offer);
		uint8_t ours[TLS_BINDING_MAX];

		assert_non_null(ssl);
		say(ssl, "TELL\r\n");
		expect(ssl, "ok\r\n");
		assert_int_equal(
		    SSL_export_keying_material(ssl, ours, 32,
			"EXPORTER-Channel-Binding", 24, NULL, 0, 1),
		    1);
		assert_int_equal(seen.binding_len[TLS_EXPORTER], 32);
		assert_memory_equal(seen.binding[TLS_EXPORTER], ours, 32);
		assert_int_equal(seen.binding_len[TLS_SERVER_END_POINT], 32);
		if (versions[i] == TLS1_2_VERSION) {
			size_t n = SSL_get_finished(ssl, ours, sizeof(ours));

			assert_int_equal(seen.binding_len[TLS_UNIQUE], n);
			assert_memory_equal(seen.binding[TLS_UNIQUE], ours, n);
		} else {
			assert_int_equal(seen.binding_len[TLS_UNIQUE], 0);
		}
		leave(ssl, fd);
	}
	stop();
}

/* [RFC 7301 3.2] */
static void
rfc7301_3_2_only_our_protocol_is_agreed_on(void **state)
{
	static const struct {
		struct offer offer;
		bool ok;
	} rows[] = {
	    {{0, "\x04imap"}, true},
	    {{0, "\x08http/1.1\x04imap"}, true},
	    {{0, "\x08http/1.1"}, false},
	    {{0, "\x04pop3"}, false},
	};

	(void)state;
	start();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int fd = client();
		SSL *ssl = handshake(fd, &rows[i].offer);

		assert_int_equal(ssl != NULL, rows[i].ok);
		if (ssl != NULL) {
			leave(ssl, fd);
		} else {
			assert_int_equal(close(fd), 0);
		}
	}
	stop();
}

static void
long_texts_pass_both_ways(void **state)
{
	char *much = xmalloc(1000000);
	char got[10000];
	size_t n = 0;
	SSL *ssl;
	int fd;

	(void)state;
	start();
	fd = client();
	ssl = handshake(fd, &(struct offer){.version = 0});
	assert_non_null(ssl);
	say(ssl, "LITERAL\r\n");
	assert_int_equal(SSL_write(ssl, much, 1000000), 1000000);
	expect(ssl, "ok\r\n");
	say(ssl, "POUR\r\n");
	while (n < 3000000) {
		int rc = SSL_read(ssl, got,
		    3000000 - n < sizeof(got) ? (int)(3000000 - n)
					      : (int)sizeof(got));

		assert_true(rc > 0);
		n += (size_t)rc;
	}
	expect(ssl, "ok\r\n");
	free(much);
	leave(ssl, fd);
	stop();
}

/* [RFC 8446 4.6.3] */
static void
rfc8446_4_6_3_keys_are_updated_within_limits(void **state)
{
	enum { FEW = 100, MANY = 100000 };
	static const struct offer offer = {.version = TLS1_3_VERSION};
	int sent = 0;
	SSL *ssl;
	int fd;

	(void)state;
	start();
	fd = client();
	ssl = handshake(fd, &offer);
	assert_non_null(ssl);
	/* Text in between: any number. */
	for (unsigned round = 0; round < FEW; round++) {
		for (unsigned i = 0; i < FEW; i++) {
			assert_int_equal(
			    SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED),
			    1);
			assert_int_equal(SSL_do_handshake(ssl), 1);
		}
		say(ssl, "NOOP\r\n");
		expect(ssl, "ok\r\n");
	}
	/* Nothing else: the connection ends. */
	while (sent < MANY
	       && SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1
	       && SSL_do_handshake(ssl) == 1) {
		sent++;
	}
	assert_int_not_equal(sent, MANY);
	wait_for_end(1);
	SSL_free(ssl);
	(void)close(fd);
	stop();
}

static uint64_t
turns(void)
{
	struct park_stats stats;

	park_stats(&stats);
	return stats.turns;
}

/* The server has to answer each before it reads on. [RFC 8446 4.6.3] */
static void
rfc8446_4_6_3_who_asks_for_keys_and_takes_none_costs_nothing(void **state)
{
	static const struct offer offer = {.version = TLS1_3_VERSION};
	const struct timespec pause = {.tv_nsec = 200 * 1000000};
	uint64_t before;
	SSL *ssl;
	int fd;

	(void)state;
	start();
	fd = client();
	ssl = handshake(fd, &offer);
	assert_non_null(ssl);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1
	       && SSL_do_handshake(ssl) == 1) {
	}
	(void)nanosleep(&pause, NULL);
	before = turns();
	(void)nanosleep(&pause, NULL);
	assert_in_range(turns() - before, 0, 10);
	SSL_free(ssl);
	(void)close(fd);
	wait_for_end(1);
	stop();
}

/* The handshake and a command, octet by octet. */
static void
a_handshake_may_come_by_octets(void **state)
{
	BIO *in = BIO_new(BIO_s_mem());
	BIO *out = BIO_new(BIO_s_mem());
	SSL *ssl;
	int fd;
	int rc;

	(void)state;
	start();
	fd = client();
	say_plain(fd, "STARTTLS\r\n");
	expect_plain(fd, "go ahead\r\n");
	ssl = client_ssl(fd, &(struct offer){.version = 0});
	SSL_set_bio(ssl, in, out);
	do {
		char octet;
		char got[4096];
		ssize_t n;

		rc = SSL_connect(ssl);
		if (rc == 1) {
			say(ssl, "NOOP\r\n");
		}
		while (BIO_read(out, &octet, 1) == 1) {
			assert_int_equal(send(fd, &octet, 1, 0), 1);
			(void)sched_yield();
		}
		if (rc != 1) {
			n = recv(fd, got, sizeof(got), 0);
			assert_true(n > 0);
			(void)BIO_write(in, got, (int)n);
		}
	} while (rc != 1);
	while (SSL_pending(ssl) == 0) {
		char got[4096];
		ssize_t n = recv(fd, got, sizeof(got), 0);
		char first;

		assert_true(n > 0);
		(void)BIO_write(in, got, (int)n);
		(void)SSL_peek(ssl, &first, 1);
	}
	expect(ssl, "ok\r\n");
	leave(ssl, fd);
	stop();
}

/* The certificate that a new connection is shown, in DER. */
static int
shown_serial(int *fd_out, SSL **ssl_out)
{
	X509 *cert;
	int hash;

	*fd_out = client();
	*ssl_out = handshake(*fd_out, &(struct offer){.version = 0});
	assert_non_null(*ssl_out);
	cert = SSL_get1_peer_certificate(*ssl_out);
	hash = (int)X509_issuer_and_serial_hash(cert);
	X509_free(cert);
	return hash;
}

static void
a_new_certificate_is_for_new_connections(void **state)
{
	struct fail f;
	SSL *old_ssl;
	SSL *ssl;
	int old_fd;
	int fd;
	int old;

	(void)state;
	start();
	old = shown_serial(&old_fd, &old_ssl);
	assert_int_equal(unlink(cert_path), 0);
	assert_int_equal(unlink(key_path), 0);
	assert_int_equal(
	    tls_self_signed(cert_path, key_path, "mail.example.org", &f), 0);
	load();
	assert_int_not_equal(shown_serial(&fd, &ssl), old);
	say(old_ssl, "NOOP\r\n");
	expect(old_ssl, "ok\r\n");
	leave(old_ssl, old_fd);
	leave(ssl, fd);
	stop();
}

static void
a_bad_file_leaves_the_certificate_in_use(void **state)
{
	struct tls_conf conf = {cert_path, cert_path, NULL};
	struct fail f;

	(void)state;
	load();
	assert_int_equal(tls_load(&conf, &f), -1);
	assert_int_equal(f.kind, FAIL_SYNTAX);
	conf.key = "/nonexistent/key.pem";
	assert_int_equal(tls_load(&conf, &f), -1);
	assert_int_equal(f.kind, FAIL_ABSENT);
	assert_true(tls_available());
}

static void
a_certificate_is_never_overwritten(void **state)
{
	struct stat st;
	struct fail f;

	(void)state;
	assert_int_equal(
	    tls_self_signed(cert_path, key_path, "mail.example.org", &f), -1);
	assert_int_equal(f.kind, FAIL_EXISTS);
	assert_int_equal(stat(key_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_versions_are_spoken_and_older_ones_refused),
	    cmocka_unit_test(rfc3207_6_plain_text_behind_starttls_is_refused),
	    cmocka_unit_test(garbage_instead_of_a_handshake_ends_the_session),
	    cmocka_unit_test(channel_bindings_agree),
	    cmocka_unit_test(rfc7301_3_2_only_our_protocol_is_agreed_on),
	    cmocka_unit_test(long_texts_pass_both_ways),
	    cmocka_unit_test(rfc8446_4_6_3_keys_are_updated_within_limits),
	    cmocka_unit_test(
		rfc8446_4_6_3_who_asks_for_keys_and_takes_none_costs_nothing),
	    cmocka_unit_test(a_handshake_may_come_by_octets),
	    cmocka_unit_test(a_new_certificate_is_for_new_connections),
	    cmocka_unit_test(a_bad_file_leaves_the_certificate_in_use),
	    cmocka_unit_test(a_certificate_is_never_overwritten),
	};

	log_init("test_tls", LOG_WARN);
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
