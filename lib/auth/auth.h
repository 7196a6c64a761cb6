/*
 * auth: who may come in.
 *
 * SASL by GNU SASL: PLAIN, LOGIN, SCRAM-SHA-1, SCRAM-SHA-256 and their -PLUS
 * forms, and the password commands of IMAP and POP3.  An attempt takes the
 * same way, work and answer whether the account exists, is enabled, has a
 * password, or not.
 *
 * Failed attempts are slowed per peer and per account: each attempt that ends
 * says how many milliseconds to wait before it is answered; the caller waits
 * with its own deadlines, nothing here sleeps.  Past a backlog of waits
 * attempts are refused unseen.
 *
 * A password that was found right is remembered as a keyed digest, in memory
 * only, so that the next check of it costs microseconds; it is forgotten when
 * the stored keys change.
 *
 * Passwords in clear (PLAIN, LOGIN, password commands) are taken inside TLS
 * or from a loopback peer only.
 *
 * [RFC 4422] [RFC 4616] [RFC 5802] [RFC 7677] [RFC 5929] [RFC 9266]
 *
 * Threads: struct auth is locked inside and safe from any thread; struct
 * auth_session is session-owned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/fail.h"
#include "base/sv.h"
#include "directory/directory.h"

enum {
	AUTH_MECHS = 6,		   /* that there are */
	AUTH_INPUT_MAX = 8 * 1024, /* octets of one client response, decoded */
	AUTH_STEPS_MAX = 8,	   /* responses of one exchange */
	AUTH_BINDING_MAX = 64,	   /* octets of channel binding data */
	AUTH_USER_MAX = 320,	   /* octets of a user name */
};

struct auth;
struct auth_session;
struct settings;

struct auth_conf {
	const char *domain;	 /* of names without one; "" = that of the
				  * directory's oldest account */
	uint64_t iterations;	 /* of new keys, 0 = 10000 */
	uint64_t cache_max;	 /* right passwords kept, 0 = none */
	uint64_t cache_ms;	 /* for how long */
	uint64_t delay_ms;	 /* of the first failure, doubling */
	uint64_t delay_max_ms;	 /* of one failure */
	uint64_t backlog_ms;	 /* past this, refused unseen */
	uint64_t forget_ms;	 /* failures count half after this */
	uint64_t peers_max;	 /* peers and names tracked, 0 = 16384 */
	const char *throttle;	 /* file of what is tracked, shared with other
				  * programs; NULL: this process's own */
	const char *binding;	 /* services that offer channel binding, by
				  * auth_peer.service; "" = none */
	bool cleartext;		 /* passwords without TLS from anywhere */
	bool upgrade;		 /* crypt(3) hashes become SCRAM keys */
	int64_t (*now_ms)(void); /* NULL = clock_mono_ms */
};

/* The defaults of all fields. */
struct auth_conf auth_conf_default(void);

/* Who is asking.  Slices are borrowed for the call. */
struct auth_peer {
	struct sv service;    /* "imap", "pop3", "smtp" */
	uint8_t ip[16];	      /* IPv6, or IPv4 mapped [RFC 4291 2.5.5.2] */
	bool has_ip;	      /* false: a local socket, not slowed as a peer */
	bool loopback;	      /* 127.0.0.0/8, ::1 or a local socket */
	bool tls;	      /* the connection is inside TLS */
	struct sv tls_unique; /* raw; empty under TLS 1.3 [RFC 5929 3] */
	struct sv tls_exporter; /* raw, 32 octets [RFC 9266 4.2] */
};

/* `directory` is borrowed until auth_close(). */
int auth_open(const struct auth_conf *conf, struct directory *directory,
    struct auth **out, struct fail *f) MUST_CHECK;
void auth_close(struct auth **a);

/* The same by the settings of sections `auth`. */
int auth_open_settings(const struct settings *set, struct directory *directory,
    struct auth **out, struct fail *f) MUST_CHECK;

/* Names of the mechanisms to offer this peer, strongest first; returns how
 * many.  Strings are static. */
size_t auth_mechs(const struct auth *a, const struct auth_peer *peer,
    const char *out[AUTH_MECHS]);

/* May this peer send passwords in clear?  (LOGINDISABLED, USER/PASS.) */
bool auth_cleartext_ok(const struct auth *a, const struct auth_peer *peer);

enum auth_status {
	AUTH_CONTINUE, /* send `out` as a challenge, step with the response */
	AUTH_DONE,     /* came in: auth_session_account() */
	AUTH_FAILED,   /* did not: *f says why, for the log */
};

/*
 * Begin an exchange.  FAIL_ABSENT: no such mechanism (504, NO); FAIL_DENIED:
 * not without TLS (538, NO [PRIVACYREQUIRED]).  A client's "*" is the
 * caller's: free the session.
 */
int auth_session_new(struct auth *a, struct sv mech,
    const struct auth_peer *peer, struct auth_session **out,
    struct fail *f) MUST_CHECK;
void auth_session_free(struct auth_session **s);

/*
 * One response of the client, decoded from base64.  The first call has the
 * initial response, or `in.p` NULL when there was none (an empty one, "=", is
 * p not NULL and len 0).  `out` is cleared and gets the challenge.
 *
 * AUTH_FAILED: FAIL_DENIED (535, NO [AUTHENTICATIONFAILED]), FAIL_SYNTAX or
 * FAIL_LIMIT (501, BAD), FAIL_TEMP (454, NO [UNAVAILABLE]).  Wait
 * auth_session_delay_ms() before answering.
 */
enum auth_status auth_session_step(struct auth_session *s, struct sv in,
    struct buf *out, struct fail *f) MUST_CHECK;

/*
 * The same in base64, as the line stands on the wire without CRLF; "=" is an
 * empty response [RFC 4954 4].  `has_in` is false when there was no initial
 * response.  Bad base64 is FAIL_SYNTAX.
 */
enum auth_status auth_session_step64(struct auth_session *s, bool has_in,
    struct sv in, struct buf *out, struct fail *f) MUST_CHECK;

/* After AUTH_DONE: borrowed until the session is freed. */
struct directory_account *auth_session_account(const struct auth_session *s);
const char *auth_session_mech(const struct auth_session *s);

/* The name given, as far as it is known; borrowed.  For the log. */
struct sv auth_session_user(const struct auth_session *s);
uint64_t auth_session_delay_ms(const struct auth_session *s);

/*
 * IMAP LOGIN, POP3 USER and PASS: 0 and a reference to the account, or as
 * AUTH_FAILED above.  `delay_out`: wait before answering, in both cases.
 */
int auth_login(struct auth *a, const struct auth_peer *peer, struct sv user,
    struct sv password, struct directory_account **out, uint64_t *delay_out,
    struct fail *f) MUST_CHECK;
