#include <stdlib.h>
#include <string.h>

#include "auth/session_priv.h"
#include "base/mem.h"

/* ---- begin and end ---- */

static int
bind_channel(
    Gsasl_session *sctx, Gsasl_property prop, struct sv data, struct fail *f)
{
	if (data.len == 0) {
		return 0;
	}
	if (data.len > AUTH_BINDING_MAX) {
		return fail_set(f, FAIL_LIMIT, "channel binding over %d octets",
		    AUTH_BINDING_MAX);
	}
	if (sasl_set_octets(sctx, prop, data.p, data.len) != GSASL_OK) {
		return fail_set(f, FAIL_TEMP, "GNU SASL: channel binding");
	}
	return 0;
}

int
auth_session_new(struct auth *a, struct sv mech, const struct auth_peer *peer,
    struct auth_session **out, struct fail *f)
{
	const struct mech *m = mech_by_name(mech);
	struct auth_session *s;
	int rc;

	*out = NULL;
	if (m == NULL || (m->plus && !mech_offered(a, peer, m))) {
		return fail_set(f, FAIL_ABSENT, "no such mechanism");
	}
	if (!mech_offered(a, peer, m)) {
		return fail_set(f, FAIL_DENIED, "%s without TLS", m->name);
	}
	s = xmalloc(sizeof(*s));
	s->mech = m;
	attempt_init(&s->at, a, peer);
	rc = gsasl_server_start(a->gsasl, m->name, &s->sctx);
	if (rc != GSASL_OK) {
		s->sctx = NULL;
		fail_set(f, FAIL_TEMP, "GNU SASL: %s", gsasl_strerror(rc));
		auth_session_free(&s);
		return -1;
	}
	gsasl_session_hook_set(s->sctx, s);
	*out = s;
	/* Where we do not offer to bind we are a server that cannot, for which
	 * a client's "y" is right [RFC 5802 6]. */
	if (!auth_binds(a, peer->service)) {
		return 0;
	}
	if (bind_channel(s->sctx, GSASL_CB_TLS_UNIQUE, peer->tls_unique, f) != 0
	    || bind_channel(
		   s->sctx, GSASL_CB_TLS_EXPORTER, peer->tls_exporter, f)
		   != 0) {
		auth_session_free(out);
		return -1;
	}
	return 0;
}

void
auth_session_free(struct auth_session **session)
{
	struct auth_session *s = *session;

	*session = NULL;
	if (s == NULL) {
		return;
	}
	if (s->sctx != NULL) {
		sasl_wipe(s->sctx, GSASL_PASSWORD);
		gsasl_finish(s->sctx);
	}
	attempt_deinit(&s->at);
	directory_account_unref(&s->account);
	buf_deinit(&s->user);
	mem_wipe(s, sizeof(*s));
	free(s);
}

/* ---- steps ---- */

static enum auth_status
refuse(struct auth_session *s)
{
	s->phase = PHASE_FAILED;
	return AUTH_FAILED;
}

/* What came of the proof, for the throttle. */
static void
settle_scram(struct auth_session *s, bool good)
{
	struct auth *a = s->at.auth;

	if (!s->admitted) {
		return;
	}
	s->admitted = false;
	if (good) {
		throttle_good(a->throttle, &s->who, auth_now(a));
		s->at.delay_ms = 0;
		s->at.account = s->account;
		s->account = NULL;
	} else {
		s->at.delay_ms =
		    throttle_failed(a->throttle, &s->who, auth_now(a));
	}
}

static void
explain(struct auth_session *s, int rc, struct fail *f)
{
	if (s->fail.kind != FAIL_NONE) {
		*f = s->fail;
		return;
	}
	switch (rc) {
	case GSASL_MECHANISM_PARSE_ERROR:
	case GSASL_MECHANISM_CALLED_TOO_MANY_TIMES:
	case GSASL_BASE64_ERROR:
		fail_set(f, FAIL_SYNTAX, "%s", gsasl_strerror(rc));
		break;
	case GSASL_MALLOC_ERROR:
	case GSASL_CRYPTO_ERROR:
		fail_set(f, FAIL_TEMP, "%s", gsasl_strerror(rc));
		break;
	default: /* not our enum */
		fail_set(f, FAIL_DENIED, "%s", gsasl_strerror(rc));
		break;
	}
}

/* One call of GNU SASL; its answer is appended to `out`. */
static int
sasl_step(struct auth_session *s, struct sv in, struct buf *out)
{
	/* PLAIN in GNU SASL reads its input as C strings. */
	char *text = xmalloc(in.len + 1);
	char *answer = NULL;
	size_t n = 0;
	int rc;

	if (in.p != NULL) {
		memcpy(text, in.p, in.len);
	}
	rc = gsasl_step(s->sctx, text, in.len, &answer, &n);
	mem_wipe(text, in.len);
	free(text);
	if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE) {
		buf_add(out, answer, n);
	}
	gsasl_free(answer);
	return rc;
}

/* What GNU SASL does not do by itself. */
static int
first_step(struct auth_session *s, struct sv in, struct buf *out)
{
	int rc;

	/* A client that binds must use a -PLUS mechanism [RFC 5802 6]. */
	if (s->mech->kind == MECH_SCRAM && !s->mech->plus
	    && sv_starts(in, SV("p="))) {
		return GSASL_AUTHENTICATION_ERROR;
	}
	/* LOGIN asks for the name first; a client may have sent it. */
	if (s->mech->kind != MECH_LOGIN || in.p == NULL) {
		return sasl_step(s, in, out);
	}
	rc = sasl_step(s, SV_EMPTY, out);
	if (rc != GSASL_NEEDS_MORE) {
		return rc;
	}
	buf_clear(out);
	return sasl_step(s, in, out);
}

/* The prompts that clients know; they look at them, some octet for octet. */
static void
prompt(const struct auth_session *s, struct buf *out)
{
	if (s->mech->kind == MECH_LOGIN) {
		bool name = sv_eq_nocase(buf_sv(out), SV("User Name"));

		buf_clear(out);
		buf_add_str(out, name ? "Username:" : "Password:");
	}
}

static enum auth_status
came_in(struct auth_session *s, const struct buf *out, struct fail *f)
{
	settle_scram(s, true);
	if (attempt_authorize(&s->at, sasl_property(s->sctx, GSASL_AUTHZID), f)
	    != 0) {
		return refuse(s);
	}
	/* The server's last message goes out as a challenge that the client
	 * answers with nothing [RFC 4422 3.6]. */
	s->phase = out->len != 0 ? PHASE_CONFIRMED : PHASE_DONE;
	return out->len != 0 ? AUTH_CONTINUE : AUTH_DONE;
}

static enum auth_status
step(struct auth_session *s, struct sv in, struct buf *out, struct fail *f)
{
	int rc;

	if (s->phase == PHASE_CONFIRMED) {
		if (in.len != 0) {
			fail_set(f, FAIL_SYNTAX, "response after the last");
			return refuse(s);
		}
		s->phase = PHASE_DONE;
		return AUTH_DONE;
	}
	ASSERT(s->phase == PHASE_FIRST || s->phase == PHASE_STEPS);
	rc = s->phase == PHASE_FIRST ? first_step(s, in, out)
				     : sasl_step(s, in, out);
	s->phase = PHASE_STEPS;
	if (rc == GSASL_NEEDS_MORE && s->mech->kind == MECH_PLAIN
	    && in.p != NULL) {
		/* It has one message [RFC 4616 2], which this was. */
		rc = GSASL_MECHANISM_PARSE_ERROR;
	}
	if (rc == GSASL_NEEDS_MORE) {
		prompt(s, out);
		return AUTH_CONTINUE;
	}
	if (rc == GSASL_OK) {
		return came_in(s, out, f);
	}
	settle_scram(s, false);
	explain(s, rc, f);
	return refuse(s);
}

enum auth_status
auth_session_step(
    struct auth_session *s, struct sv in, struct buf *out, struct fail *f)
{
	buf_clear(out);
	if (in.len > AUTH_INPUT_MAX) {
		fail_set(
		    f, FAIL_LIMIT, "response over %d octets", AUTH_INPUT_MAX);
		return refuse(s);
	}
	if (++s->steps > AUTH_STEPS_MAX) {
		fail_set(f, FAIL_LIMIT, "over %d responses", AUTH_STEPS_MAX);
		return refuse(s);
	}
	return step(s, in, out, f);
}

/* What the client said, decoded to `raw`, which has room for it. */
static bool
decode_response(struct sv in, uint8_t *raw, struct sv *out)
{
	size_t n = 0;

	if (sv_eq(in, SV("="))) {
		in.len = 0;
	}
	if (!base64_decode(in, raw, in.len, &n)) {
		return false;
	}
	*out = sv_make(raw, n);
	return true;
}

enum auth_status
auth_session_step64(struct auth_session *s, bool has_in, struct sv in,
    struct buf *out, struct fail *f)
{
	struct buf challenge = {.data = NULL};
	struct sv decoded = SV_EMPTY;
	enum auth_status status;
	uint8_t *raw;

	buf_clear(out);
	if (in.len > AUTH_INPUT_MAX / 3 * 4 + 4) {
		fail_set(
		    f, FAIL_LIMIT, "response over %d octets", AUTH_INPUT_MAX);
		return refuse(s);
	}
	raw = xmalloc(in.len + 1);
	if (has_in && !decode_response(in, raw, &decoded)) {
		fail_set(f, FAIL_SYNTAX, "response is not base64");
		status = refuse(s);
	} else {
		status = auth_session_step(s, decoded, &challenge, f);
		base64_encode(challenge.data, challenge.len, out);
	}
	mem_wipe(raw, in.len);
	free(raw);
	buf_wipe(&challenge);
	return status;
}

/* ---- results ---- */

struct directory_account *
auth_session_account(const struct auth_session *s)
{
	ASSERT(s->phase == PHASE_DONE);
	return s->at.account;
}

const char *
auth_session_mech(const struct auth_session *s)
{
	return s->mech->name;
}

struct sv
auth_session_user(const struct auth_session *s)
{
	return buf_sv(&s->user);
}

uint64_t
auth_session_delay_ms(const struct auth_session *s)
{
	return s->at.delay_ms;
}
