/*
 * auth_priv: what auth.c, attempt.c and session.c share.
 *
 *	auth.c		the process's state, log-in by password
 *	attempt.c	one attempt: whose, may it, is the password right
 *	session.c	SASL exchanges, with what session_priv.h names
 *
 * Threads: struct auth is locked inside; struct attempt is session-owned.
 */
#pragma once

#include <gsasl.h>

#include "auth/auth.h"
#include "auth/pwcache.h"
#include "auth/throttle.h"
#include "auth/verifier.h"

enum { AUTH_SALT_LEN = 16 };

struct auth {
	struct auth_conf conf;
	struct directory *directory; /* borrowed */
	Gsasl *gsasl;
	struct throttle *throttle;
	struct pwcache *cache;
	uint8_t secret[DIRECTORY_SECRET_LEN];
	uint64_t throttle_key[2]; /* made of it */
};

struct attempt {
	struct auth *auth; /* borrowed */
	uint8_t ip[16];
	bool has_ip;
	bool loopback;
	uint64_t delay_ms;		   /* out: wait before answering */
	struct directory_account *account; /* out: a reference, when good */
};

/* Deinit gives the account back. */
void attempt_init(
    struct attempt *at, struct auth *a, const struct auth_peer *peer);
void attempt_deinit(struct attempt *at);

/*
 * Check a password, prepared or NULL-slice for one that cannot be prepared:
 * 0 and at->account, or FAIL_DENIED, FAIL_TEMP.  Sets at->delay_ms.
 */
int attempt_password(struct attempt *at, struct sv user, struct sv password,
    struct fail *f) MUST_CHECK;

/* May `authzid` be acted for by who came in as at->account?  0 or
 * FAIL_DENIED.  Empty is oneself. */
int attempt_authorize(
    struct attempt *at, struct sv authzid, struct fail *f) MUST_CHECK;

/* The keys of a SCRAM exchange: those stored, or for nobody (*account_out is
 * NULL) ones that nobody's password gives, the same each time. */
int attempt_scram_keys(struct auth *a, enum scram_hash hash, struct sv user,
    struct scram_keys *keys, struct directory_account **account_out,
    struct mailaddr *name_out, struct fail *f) MUST_CHECK;

int64_t auth_now(const struct auth *a);

/* Whether channel binding is offered to clients of the service. */
bool auth_binds(const struct auth *a, struct sv service);

/* GNU SASL's call-back; callback.c. */
int auth_gsasl_callback(Gsasl *ctx, Gsasl_session *sctx, Gsasl_property prop);
