#include "auth/session_priv.h"

/* Strongest first. */
static const struct mech mechs[AUTH_MECHS] = {
    {"SCRAM-SHA-256-PLUS", MECH_SCRAM, SCRAM_SHA256, true},
    {"SCRAM-SHA-1-PLUS", MECH_SCRAM, SCRAM_SHA1, true},
    {"SCRAM-SHA-256", MECH_SCRAM, SCRAM_SHA256, false},
    {"SCRAM-SHA-1", MECH_SCRAM, SCRAM_SHA1, false},
    {"PLAIN", MECH_PLAIN, SCRAM_SHA256, false},
    {"LOGIN", MECH_LOGIN, SCRAM_SHA256, false},
};

bool
mech_offered(
    const struct auth *a, const struct auth_peer *peer, const struct mech *m)
{
	if (m->plus) {
		return peer->tls && auth_binds(a, peer->service)
		       && (peer->tls_unique.len != 0
			   || peer->tls_exporter.len != 0);
	}
	return m->kind == MECH_SCRAM || auth_cleartext_ok(a, peer);
}

size_t
auth_mechs(const struct auth *a, const struct auth_peer *peer,
    const char *out[AUTH_MECHS])
{
	size_t n = 0;

	for (size_t i = 0; i < AUTH_MECHS; i++) {
		if (mech_offered(a, peer, &mechs[i])) {
			out[n++] = mechs[i].name;
		}
	}
	return n;
}

const struct mech *
mech_by_name(struct sv name)
{
	for (size_t i = 0; i < AUTH_MECHS; i++) {
		if (sv_eq_nocase(name, sv_cstr(mechs[i].name))) {
			return &mechs[i];
		}
	}
	return NULL;
}
