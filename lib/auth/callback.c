/*
 * callback.c: what GNU SASL asks in the middle of an exchange.
 */
#include <stdio.h>
#include <string.h>

#include "auth/session_priv.h"
#include "base/mem.h"

struct sv
sasl_property(Gsasl_session *sctx, Gsasl_property prop)
{
	return sv_cstr(gsasl_property_fast(sctx, prop));
}

static void
remember_user(struct auth_session *s)
{
	buf_clear(&s->user);
	buf_add_sv(&s->user,
	    sv_sub(sasl_property(s->sctx, GSASL_AUTHID), 0, AUTH_USER_MAX));
}

void
sasl_wipe(Gsasl_session *sctx, Gsasl_property prop)
{
	const char *p = gsasl_property_fast(sctx, prop);

	if (p != NULL) {
		mem_wipe((void *)(uintptr_t)p, strlen(p));
	}
}

/* PLAIN and LOGIN: names and password are there, prepared. */
static int
validate(struct auth_session *s)
{
	int rc;

	remember_user(s);
	rc = attempt_password(&s->at, sasl_property(s->sctx, GSASL_AUTHID),
	    sasl_property(s->sctx, GSASL_PASSWORD), &s->fail);
	sasl_wipe(s->sctx, GSASL_PASSWORD);
	return rc == 0 ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
}

static int
know_keys(struct auth_session *s)
{
	struct mailaddr name;

	if (s->keys_known) {
		return GSASL_OK;
	}
	remember_user(s);
	if (attempt_scram_keys(s->at.auth, s->mech->hash, buf_sv(&s->user),
		&s->keys, &s->account, &name, &s->fail)
	    != 0) {
		return GSASL_AUTHENTICATION_ERROR;
	}
	s->who = throttle_who_make(s->at.auth->throttle_key,
	    s->at.has_ip ? s->at.ip : NULL, s->at.loopback,
	    name.local_len != 0 ? mailaddr_sv(&name) : buf_sv(&s->user));
	s->keys_known = true;
	return GSASL_OK;
}

int
sasl_set_octets(
    Gsasl_session *sctx, Gsasl_property prop, const void *p, size_t len)
{
	struct buf text = {.data = NULL};
	int rc;

	base64_encode(p, len, &text);
	rc = gsasl_property_set(sctx, prop, buf_cstr(&text));
	buf_wipe(&text);
	return rc;
}

/* The proof is about to be looked at: may it be? */
static int
admit(struct auth_session *s)
{
	struct auth *a = s->at.auth;

	if (s->admitted) {
		return GSASL_OK;
	}
	if (!throttle_admit(
		a->throttle, &s->who, auth_now(a), &s->at.delay_ms)) {
		fail_set(&s->fail, FAIL_DENIED, "too many failed attempts");
		return GSASL_AUTHENTICATION_ERROR;
	}
	s->admitted = true;
	return GSASL_OK;
}

static int
scram_property(struct auth_session *s, Gsasl_property prop)
{
	const struct scram_keys *keys = &s->keys;
	size_t n = scram_hash_len(s->mech->hash);
	char number[16];
	int rc = know_keys(s);

	if (rc != GSASL_OK) {
		return rc;
	}
	switch (prop) {
	case GSASL_SCRAM_ITER:
		(void)snprintf(number, sizeof(number), "%u", keys->iterations);
		return gsasl_property_set(s->sctx, prop, number);
	case GSASL_SCRAM_SALT:
		return sasl_set_octets(
		    s->sctx, prop, keys->salt, keys->salt_len);
	case GSASL_SCRAM_SERVERKEY:
		rc = admit(s);
		return rc != GSASL_OK ? rc
				      : sasl_set_octets(
					  s->sctx, prop, keys->server_key, n);
	case GSASL_SCRAM_STOREDKEY:
		return sasl_set_octets(s->sctx, prop, keys->stored_key, n);
	default: /* not our enum */
		return GSASL_NO_CALLBACK;
	}
}

int
auth_gsasl_callback(Gsasl *ctx, Gsasl_session *sctx, Gsasl_property prop)
{
	struct auth_session *s = gsasl_session_hook_get(sctx);

	(void)ctx;
	switch (prop) {
	case GSASL_VALIDATE_SIMPLE:
		return validate(s);
	case GSASL_SCRAM_ITER:
	case GSASL_SCRAM_SALT:
	case GSASL_SCRAM_SERVERKEY:
	case GSASL_SCRAM_STOREDKEY:
		return s->mech->kind == MECH_SCRAM ? scram_property(s, prop)
						   : GSASL_NO_CALLBACK;
	default: /* not our enum */
		return GSASL_NO_CALLBACK;
	}
}
