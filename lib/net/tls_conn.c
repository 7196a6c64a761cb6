/*
 * tls_conn.c: TLS on one connection.
 *
 * OpenSSL reads and writes through a BIO of ours, which never waits: a call
 * that lacks octets returns, and the caller waits outside of OpenSSL.  Its
 * error queue belongs to the thread, so it is emptied before a call and read
 * right after it, with no wait between.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/co.h"
#include "net/conn_priv.h"
#include "net/park_priv.h"
#include "net/stat_priv.h"
#include "net/tls.h"
#include "net/tls_priv.h"

/* After a handshake, without text.  Two records of the longest kind fit. */
enum { IDLE_OCTETS_MAX = 64 * 1024 };

/* Why there is no TLS with a client, or no more of it. */
static void
log_failed(const struct conn *c, const char *why)
{
	char peer[ADDR_TEXT_SIZE];

	if (c->s != NULL) {
		LOG(LOG_INFO, "tls.failed", kv_hex("session", c->s->id),
		    kv_str("protocol", c->s->proto->name),
		    kv_str("peer", addr_text(&c->s->peer, peer)),
		    kv_str("why", why != NULL ? why : ""));
	}
}

/* ---- the BIO ---- */

/* Octets moved; -1 to try again; 0 for every other error, which OpenSSL
 * takes for the end of the stream. */
static int
bio_result(BIO *bio, ssize_t n, int retry)
{
	BIO_clear_retry_flags(bio);
	if (n == -EAGAIN) {
		BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
		return -1;
	}
	return n > 0 ? (int)n : 0;
}

/*
 * OpenSSL goes on as long as there are octets, and says nothing of records
 * that bring none for us: a peer that sends KeyUpdates, each of which costs
 * more to read than to send, would have the thread to itself.
 */
static int
bio_read(BIO *bio, char *to, int n)
{
	struct tls *tls = BIO_get_data(bio);
	ssize_t got = 0;

	if (tls->c->tls == NULL || tls->idle < IDLE_OCTETS_MAX) {
		got = conn_sys_recv(tls->c, to, n > 0 ? (size_t)n : 0);
	} else {
		log_failed(tls->c, "nothing but records without text");
	}
	tls->idle += got > 0 ? (size_t)got : 0;
	return bio_result(bio, got, BIO_FLAGS_READ);
}

static int
bio_write(BIO *bio, const char *p, int n)
{
	const struct tls *tls = BIO_get_data(bio);

	return bio_result(bio,
	    conn_sys_send(tls->c, p, n > 0 ? (size_t)n : 0, 0),
	    BIO_FLAGS_WRITE);
}

static long
bio_ctrl(BIO *bio, int cmd, long arg, void *p)
{
	(void)bio;
	(void)arg;
	(void)p;
	return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *
bio_method(void)
{
	static struct lock lock = LOCK_INITIALIZER(LOCK_LEAF);
	static BIO_METHOD *method; /* guarded by lock; lives for ever */
	BIO_METHOD *m;

	lock_acquire(&lock);
	if (method == NULL) {
		method = BIO_meth_new(
		    BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "conn");
		ASSERT(method != NULL);
		(void)BIO_meth_set_read(method, bio_read);
		(void)BIO_meth_set_write(method, bio_write);
		(void)BIO_meth_set_ctrl(method, bio_ctrl);
	}
	m = method;
	lock_release(&lock);
	return m;
}

/* ---- calls ---- */

/* What the last call on `ssl` means: as tls_recv. */
static ssize_t
outcome(const SSL *ssl, int rc, uint32_t *events_out)
{
	switch (SSL_get_error(ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		*events_out = EPOLLIN;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		*events_out = EPOLLOUT;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		return -EPIPE;
	default:
		ERR_clear_error();
		return -EPROTO;
	}
}

ssize_t
tls_recv(struct tls *tls, void *to, size_t n, uint32_t *events_out)
{
	size_t got = 0;
	int rc;

	ERR_clear_error();
	rc = SSL_read_ex(tls->ssl, to, n, &got);
	if (rc == 1) {
		tls->idle = 0;
		return (ssize_t)got;
	}
	return outcome(tls->ssl, rc, events_out);
}

ssize_t
tls_send(struct tls *tls, const void *p, size_t n, uint32_t *events_out)
{
	size_t sent = 0;
	int rc;

	ERR_clear_error();
	rc = SSL_write_ex(tls->ssl, p, n, &sent);
	return rc == 1 ? (ssize_t)sent : outcome(tls->ssl, rc, events_out);
}

void
tls_shut(struct tls *tls)
{
	ERR_clear_error();
	(void)SSL_shutdown(tls->ssl);
	ERR_clear_error();
}

void
tls_free(struct tls **tls)
{
	if (*tls != NULL) {
		SSL_free((*tls)->ssl);
		tls_context_unref(&(*tls)->context);
		free(*tls);
		*tls = NULL;
	}
}

/* ---- the handshake ---- */

/* The name that IANA lists for a protocol, NULL if none. */
static const char *
alpn_name(const struct conn *c)
{
	static const char *const names[] = {"imap", "pop3"};

	for (size_t i = 0; c->s != NULL && i < COUNT_OF(names); i++) {
		if (strcmp(names[i], c->s->proto->name) == 0) {
			return names[i];
		}
	}
	return NULL;
}

/* A client that asks for other protocols than ours was led here by somebody
 * in between.  [RFC 9325 3.8, RFC 7301 3.2] */
int
tls_choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg UNUSED)
{
	const struct tls *tls = SSL_get_app_data(ssl);
	const char *ours = alpn_name(tls->c);
	struct sv list = sv_make(in, in_len);

	if (ours == NULL) {
		return SSL_TLSEXT_ERR_NOACK;
	}
	while (list.len != 0) {
		size_t len = (unsigned char)list.p[0];
		struct sv theirs = sv_sub(list, 1, len);

		if (sv_eq(theirs, sv_cstr(ours))) {
			*out = (const unsigned char *)theirs.p;
			*out_len = (unsigned char)theirs.len;
			return SSL_TLSEXT_ERR_OK;
		}
		list = sv_from(list, 1 + len);
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* The certificate of the name that the client asked for.  One for which there
 * is none gets the first: mail clients are set up with all kinds of names.
 * [RFC 6066 3] */
int
tls_choose_name(SSL *ssl, int *alert UNUSED, void *arg UNUSED)
{
	const struct tls *tls = SSL_get_app_data(ssl);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	SSL_CTX *ctx = NULL;

	if (name != NULL && tls->context != NULL) {
		ctx = tls_context_named(tls->context, name);
	}
	return ctx != NULL && SSL_set_SSL_CTX(ssl, ctx) != NULL
		   ? SSL_TLSEXT_ERR_OK
		   : SSL_TLSEXT_ERR_NOACK;
}

static struct tls *
tls_new(struct conn *c)
{
	struct tls_context *context = tls_current();
	struct tls *tls;
	BIO *bio;

	if (context == NULL) {
		return NULL;
	}
	tls = xmalloc(sizeof(*tls));
	*tls = (struct tls){.c = c, .context = context};
	tls->ssl = SSL_new(tls_context_ssl(context));
	bio = BIO_new(bio_method());
	ASSERT(tls->ssl != NULL && bio != NULL);
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_app_data(tls->ssl, tls);
	SSL_set_accept_state(tls->ssl);
	return tls;
}

int
tls_accept(struct conn *c)
{
	struct tls *tls = tls_new(c);
	ssize_t rc;

	if (tls == NULL) {
		return conn_broken(c, CONN_WRITES, -EPROTO);
	}
	conn_in_begin(c);
	for (;;) {
		uint32_t events = EPOLLIN;
		const char *why;
		int done;

		ERR_clear_error();
		done = SSL_do_handshake(tls->ssl);
		why = ERR_reason_error_string(ERR_peek_last_error());
		rc = done == 1 ? 0 : outcome(tls->ssl, done, &events);
		if (rc == -EPROTO) {
			log_failed(c, why);
		}
		if (rc != -EAGAIN) {
			break;
		}
		rc = conn_wait(c, CONN_READS, events);
		if (rc != 0) {
			break;
		}
	}
	if (park_on_coroutine(c->s)) {
		co_used_deep(c->s->co);
	}
	tls_context_unref(&tls->context); /* the SSL holds its SSL_CTX */
	if (rc != 0) {
		tls_free(&tls);
		return conn_broken(c, CONN_WRITES, (int)rc);
	}
	c->tls = tls;
	if (c->s != NULL && c->s->c == c) {
		stat_session_tls(c->s, SSL_get_version(tls->ssl));
	}
	return 0;
}

int
c_starttls(struct conn *c, struct sv reply)
{
	int rc;

	if (c->in_end != c->in_at) {
		c->in_at = c->in_end;
		(void)conn_broken(c, CONN_READS, -EPROTO);
		return -EBADMSG;
	}
	(void)c_write(c, reply);
	rc = c_flush(c);
	return rc != 0 ? rc : tls_accept(c);
}

/* ---- what was agreed on ---- */

const char *
tls_version(const struct conn *c)
{
	return c->tls != NULL ? SSL_get_version(c->tls->ssl) : NULL;
}

const char *
tls_cipher(const struct conn *c)
{
	const SSL_CIPHER *cipher =
	    c->tls != NULL ? SSL_get_current_cipher(c->tls->ssl) : NULL;

	return cipher != NULL ? SSL_CIPHER_standard_name(cipher) : NULL;
}

struct sv
tls_sni(const struct conn *c)
{
	const char *name = c->tls != NULL ? SSL_get_servername(
			       c->tls->ssl, TLSEXT_NAMETYPE_host_name)
					  : NULL;

	return sv_cstr(name);
}

/* ---- channel binding ---- */

/* Binds the handshake only with TLS 1.3 or the extended master secret.
 * [RFC 9266 4.2] */
static size_t
binding_exporter(SSL *ssl, uint8_t *out)
{
	enum { LENGTH = 32 };
	static const char label[] = "EXPORTER-Channel-Binding";

	if (SSL_version(ssl) < TLS1_3_VERSION
	    && SSL_get_extms_support(ssl) != 1) {
		return 0;
	}
	/* An empty context, which differs from none in TLS 1.2. */
	if (SSL_export_keying_material(ssl, out, LENGTH, label,
		sizeof(label) - 1, (const unsigned char *)"", 0, 1)
	    != 1) {
		ERR_clear_error();
		return 0;
	}
	return LENGTH;
}

/* The first Finished message of the newest handshake: the client's, as no
 * session is ever resumed.  [RFC 5929 3.1] */
static size_t
binding_unique(const SSL *ssl, uint8_t *out)
{
	if (SSL_version(ssl) >= TLS1_3_VERSION || SSL_session_reused(ssl)) {
		return 0;
	}
	return SSL_get_peer_finished(ssl, out, TLS_BINDING_MAX);
}

/* The certificate's hash, by its signature's function unless that is MD5 or
 * SHA-1.  [RFC 5929 4.1] */
static size_t
binding_end_point(const SSL *ssl, uint8_t *out)
{
	const X509 *cert = SSL_get_certificate(ssl);
	const EVP_MD *md = NULL;
	int nid = NID_undef;
	unsigned len = 0;

	if (cert == NULL
	    || OBJ_find_sigid_algs(X509_get_signature_nid(cert), &nid, NULL)
		   != 1) {
		return 0;
	}
	if (nid == NID_undef) {
		return 0; /* no single hash function: undefined there too */
	}
	md = nid == NID_md5 || nid == NID_sha1 ? EVP_sha256()
					       : EVP_get_digestbynid(nid);
	if (md == NULL || EVP_MD_get_size(md) > TLS_BINDING_MAX
	    || X509_digest(cert, md, out, &len) != 1) {
		ERR_clear_error();
		return 0;
	}
	return len;
}

size_t
tls_channel_binding(
    const struct conn *c, enum tls_binding type, uint8_t out[TLS_BINDING_MAX])
{
	if (c->tls == NULL) {
		return 0;
	}
	switch (type) {
	case TLS_EXPORTER:
		return binding_exporter(c->tls->ssl, out);
	case TLS_UNIQUE:
		return binding_unique(c->tls->ssl, out);
	case TLS_SERVER_END_POINT:
		return binding_end_point(c->tls->ssl, out);
	}
	return 0;
}
