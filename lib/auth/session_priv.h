/*
 * session_priv: one SASL exchange, as its three files share it.
 *
 *	session.c	begin, step, end
 *	callback.c	what GNU SASL asks meanwhile
 *	mech.c		the mechanisms and who may use which
 *
 * Threads: struct auth_session is session-owned; struct mech is immutable.
 */
#pragma once

#include "auth/auth_priv.h"
#include "auth/verifier_priv.h"

enum mech_kind { MECH_PLAIN, MECH_LOGIN, MECH_SCRAM };

struct mech {
	const char *name;
	enum mech_kind kind;
	enum scram_hash hash;
	bool plus;
};

/* May this peer use it? */
bool mech_offered(
    const struct auth *a, const struct auth_peer *peer, const struct mech *m);
const struct mech *mech_by_name(struct sv name); /* NULL: no such */

enum phase {
	PHASE_FIRST,	 /* the first step is awaited */
	PHASE_STEPS,	 /* GNU SASL wants more */
	PHASE_CONFIRMED, /* came in; the last message was sent as a challenge */
	PHASE_DONE,
	PHASE_FAILED,
};

struct auth_session {
	const struct mech *mech;
	struct attempt at;
	Gsasl_session *sctx;
	enum phase phase;
	unsigned steps;
	struct fail fail; /* why a call-back refused; kind NONE: it did not */
	struct buf user;

	/* SCRAM */
	bool keys_known;
	struct scram_keys keys;
	struct directory_account *account; /* whose keys; NULL: nobody's */
	struct throttle_who who;
	bool admitted;
};

/* A property as text; borrowed. */
struct sv sasl_property(Gsasl_session *sctx, Gsasl_property prop);

/* Set a property in base64.  GSASL_OK or what GNU SASL says. */
int sasl_set_octets(
    Gsasl_session *sctx, Gsasl_property prop, const void *p, size_t len);

/* GNU SASL frees its copy of the password without wiping it. */
void sasl_wipe(Gsasl_session *sctx, Gsasl_property prop);
