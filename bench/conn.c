#include "bench/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/mem.h"

enum { CONN_BUFFER = 64 * 1024 };

struct conn {
	int fd;
	SSL *ssl; /* NULL: plain */
	size_t at;
	size_t end; /* data[at..end) is not yet taken */
	char *data; /* owned, `size` octets */
	size_t size;
};

static SSL_CTX *tls_context;
static pthread_once_t tls_once = PTHREAD_ONCE_INIT;

static void
tls_context_make(void)
{
	tls_context = SSL_CTX_new(TLS_client_method());
	ASSERT(tls_context != NULL);
	/* The servers under test have made their own certificates. */
	SSL_CTX_set_verify(tls_context, SSL_VERIFY_NONE, NULL);
	(void)SSL_CTX_set_mode(tls_context, SSL_MODE_RELEASE_BUFFERS);
}

static int
tls_start(struct conn *conn, struct fail *f)
{
	(void)pthread_once(&tls_once, tls_context_make);
	conn->ssl = SSL_new(tls_context);
	if (conn->ssl == NULL || SSL_set_fd(conn->ssl, conn->fd) != 1) {
		return fail_set(f, FAIL_TEMP, "no TLS session");
	}
	if (SSL_connect(conn->ssl) != 1) {
		return fail_set(f, FAIL_TEMP, "TLS handshake failed");
	}
	return 0;
}

static int
tcp_connect(const char *host, uint16_t port, int *out, struct fail *f)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons(port)};
	struct timeval wait = {.tv_sec = CONN_TIMEOUT_S};
	int on = 1;

	if (inet_pton(AF_INET, host, &to.sin_addr) != 1) {
		return fail_set(f, FAIL_SYNTAX, "not an address: %s", host);
	}
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		return fail_sys(f, "socket");
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
		(void)fail_sys(f, "connect to %s port %u", host, port);
		(void)close(fd);
		return -1;
	}
	*out = fd;
	return 0;
}

int
conn_open(const char *host, uint16_t port, bool tls, struct conn **out,
    struct fail *f)
{
	struct conn *conn = xcalloc(1, sizeof(*conn));

	conn->fd = -1;
	conn->size = 4096;
	conn->data = xmalloc(conn->size);
	if (tcp_connect(host, port, &conn->fd, f) != 0
	    || (tls && tls_start(conn, f) != 0)) {
		conn_close(&conn);
		return -1;
	}
	*out = conn;
	return 0;
}

void
conn_close(struct conn **conn)
{
	struct conn *c = *conn;

	if (c == NULL) {
		return;
	}
	SSL_free(c->ssl);
	if (c->fd >= 0) {
		(void)close(c->fd);
	}
	free(c->data);
	free(c);
	*conn = NULL;
}

int
conn_send(struct conn *conn, struct sv data, struct fail *f)
{
	while (data.len > 0) {
		ssize_t n;

		if (conn->ssl != NULL) {
			n = SSL_write(conn->ssl, data.p,
			    data.len > INT32_MAX ? INT32_MAX : (int)data.len);
		} else {
			n = send(conn->fd, data.p, data.len, MSG_NOSIGNAL);
		}
		if (n <= 0) {
			return fail_sys(f, "send");
		}
		data = sv_from(data, (size_t)n);
	}
	return 0;
}

/* Read more behind data[end), growing the buffer when it is full. */
static int
fill(struct conn *conn, struct fail *f)
{
	ssize_t n;

	if (conn->at == conn->end) {
		conn->at = 0;
		conn->end = 0;
	} else if (conn->end == conn->size && conn->at > 0) {
		memmove(
		    conn->data, conn->data + conn->at, conn->end - conn->at);
		conn->end -= conn->at;
		conn->at = 0;
	}
	if (conn->end == conn->size) {
		conn->size =
		    conn->size < CONN_BUFFER ? CONN_BUFFER : conn->size * 2;
		conn->data = xrealloc(conn->data, conn->size);
	}
	size_t room = conn->size - conn->end;

	if (conn->ssl != NULL) {
		n = SSL_read(conn->ssl, conn->data + conn->end, (int)room);
	} else {
		n = recv(conn->fd, conn->data + conn->end, room, 0);
	}
	if (n < 0) {
		return fail_sys(f, "receive");
	}
	if (n == 0) {
		return fail_set(f, FAIL_TEMP, "closed by the server");
	}
	conn->end += (size_t)n;
	return 0;
}

int
conn_line(struct conn *conn, struct sv *out, struct fail *f)
{
	size_t seen = 0;

	for (;;) {
		size_t have = conn->end - conn->at;
		const char *start = conn->data + conn->at;
		const char *lf = have > seen
				     ? memchr(start + seen, '\n', have - seen)
				     : NULL;

		if (lf != NULL) {
			size_t len = (size_t)(lf - start);

			conn->at += len + 1;
			if (len > 0 && start[len - 1] == '\r') {
				len--;
			}
			*out = sv_make(start, len);
			return 0;
		}
		seen = have;
		if (fill(conn, f) != 0) {
			return -1;
		}
	}
}

int
conn_skip(struct conn *conn, uint64_t len, struct fail *f)
{
	while (len > 0) {
		size_t have = conn->end - conn->at;

		if (have == 0) {
			if (fill(conn, f) != 0) {
				return -1;
			}
			continue;
		}
		size_t take = have < len ? have : (size_t)len;

		conn->at += take;
		len -= take;
	}
	return 0;
}
