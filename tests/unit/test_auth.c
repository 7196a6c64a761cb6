#include <crypt.h>
#include <gsasl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/verifier.h"
#include "base/mem.h"
#include "scratch.h"
#include "settings/settings.h"
#include "unit.h"

static int64_t now = 1000;

static int64_t
test_now(void)
{
	return now;
}

struct fixture {
	char path[SCRATCH_SIZE];
	struct directory *d;
	struct auth *auth;
	struct fail f;
	char ann[DIRECTORY_ID_LEN + 1];
	char crypt[DIRECTORY_ID_LEN + 1];
	Gsasl *client;
};

static const char unique[] = "binding of TLS 1.2";
static const char exporter[] = "32 octets of exported secret....";

static struct auth_peer
peer_at(unsigned n, bool tls)
{
	struct auth_peer p = {
	    .service = SV("imap"), .has_ip = true, .tls = tls};

	p.ip[10] = p.ip[11] = 0xff;
	p.ip[12] = 192;
	p.ip[14] = 2;
	p.ip[15] = (uint8_t)n;
	return p;
}

static void
add(struct fixture *x, const char *address, struct sv auth, char *id)
{
	struct mailaddr a;
	struct directory_account_spec spec = {
	    .address = &a, .auth = auth, .make_domain = true};

	assert_int_equal(mailaddr_parse(sv_cstr(address), &a, &x->f), 0);
	assert_int_equal(
	    directory_account_add(x->d, &spec, id, NULL, &x->f), 0);
}

static void
set_password(struct fixture *x, const char *id, const char *password)
{
	struct verifier v;
	struct buf text = {.data = NULL};

	assert_int_equal(verifier_make(sv_cstr(password), 4096, &v, &x->f), 0);
	verifier_format(&v, &text);
	assert_int_equal(directory_account_set_auth(
			     x->d, sv_cstr(id), buf_sv(&text), NULL, &x->f),
	    0);
	buf_wipe(&text);
}

static void
open_auth(struct fixture *x, const struct auth_conf *c)
{
	assert_int_equal(auth_open(c, x->d, &x->auth, &x->f), 0);
}

static struct auth_conf
test_config(void)
{
	struct auth_conf c = auth_conf_default();

	c.iterations = 4096;
	c.now_ms = test_now;
	return c;
}

static int client_callback(Gsasl *ctx, Gsasl_session *s, Gsasl_property prop);

static int
setup(void **state)
{
	struct fixture *x = xmalloc(sizeof(*x));
	struct directory_conf conf = {.path = x->path, .create = true};
	struct auth_conf c = test_config();
	struct crypt_data *data = xmalloc(sizeof(*data));
	char text[CRYPT_OUTPUT_SIZE + 8], id[DIRECTORY_ID_LEN + 1];

	scratch_make(x->path);
	assert_int_equal(directory_open(&conf, &x->d, &x->f), 0);
	add(x, "ann@example.org", SV_EMPTY, x->ann);
	set_password(x, x->ann, "pencil");
	assert_non_null(
	    crypt_rn("pencil", "$6$rounds=1000$salt$", data, sizeof(*data)));
	(void)snprintf(text, sizeof(text), "{CRYPT}%s", data->output);
	free(data);
	add(x, "old@example.org", sv_cstr(text), x->crypt);
	add(x, "none@example.org", SV_EMPTY, id);
	add(x, "off@example.org", SV_EMPTY, id);
	set_password(x, id, "pencil");
	assert_int_equal(
	    directory_account_enable(x->d, sv_cstr(id), false, &x->f), 0);
	open_auth(x, &c);
	assert_int_equal(gsasl_init(&x->client), GSASL_OK);
	gsasl_callback_set(x->client, client_callback);
	*state = x;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	gsasl_done(x->client);
	auth_close(&x->auth);
	directory_close(&x->d);
	scratch_remove(x->path);
	free(x);
	return 0;
}

/* ---- the client's side: GNU SASL ---- */

struct client {
	const char *user, *password, *authzid;
	struct sv unique, exporter;
};

static int
set_binding(Gsasl_session *s, Gsasl_property prop, struct sv data)
{
	char *text = NULL;

	if (data.len == 0) {
		return GSASL_NO_CALLBACK;
	}
	assert_int_equal(
	    gsasl_base64_to(data.p, data.len, &text, NULL), GSASL_OK);
	assert_int_equal(gsasl_property_set(s, prop, text), GSASL_OK);
	gsasl_free(text);
	return GSASL_OK;
}

static int
client_callback(Gsasl *ctx, Gsasl_session *s, Gsasl_property prop)
{
	const struct client *c = gsasl_session_hook_get(s);

	(void)ctx;
	switch (prop) {
	case GSASL_AUTHID:
		return gsasl_property_set(s, prop, c->user);
	case GSASL_PASSWORD:
		return gsasl_property_set(s, prop, c->password);
	case GSASL_AUTHZID:
		return c->authzid != NULL
			   ? gsasl_property_set(s, prop, c->authzid)
			   : GSASL_NO_CALLBACK;
	case GSASL_CB_TLS_UNIQUE:
		return set_binding(s, prop, c->unique);
	case GSASL_CB_TLS_EXPORTER:
		return set_binding(s, prop, c->exporter);
	default:
		return GSASL_NO_CALLBACK;
	}
}

struct outcome {
	enum auth_status status;
	bool client_content; /* the client checked the server too */
	uint64_t delay_ms;
	struct fail fail;
	char id[DIRECTORY_ID_LEN + 1];
};

/* A whole exchange in base64, with or without an initial response. */
static struct outcome
exchange(struct fixture *x, const char *mech, const struct auth_peer *peer,
    const struct client *c, bool initial)
{
	struct outcome o = {.status = AUTH_FAILED};
	struct auth_session *s;
	Gsasl_session *client = NULL;
	struct buf challenge = {.data = NULL};
	char *response = NULL;
	struct client copy = *c;
	int rc = GSASL_NEEDS_MORE;
	bool has = initial;

	assert_int_equal(
	    auth_session_new(x->auth, sv_cstr(mech), peer, &s, &o.fail), 0);
	assert_int_equal(
	    gsasl_client_start(x->client, mech, &client), GSASL_OK);
	gsasl_session_hook_set(client, &copy);
	if (!initial) {
		o.status = auth_session_step64(
		    s, false, SV_EMPTY, &challenge, &o.fail);
		assert_int_equal(o.status, AUTH_CONTINUE);
		has = true;
	}
	do {
		if (rc == GSASL_NEEDS_MORE) {
			rc = gsasl_step64(
			    client, buf_cstr(&challenge), &response);
		}
		if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE) {
			break;
		}
		o.status = auth_session_step64(s, has,
		    sv_cstr(response != NULL ? response : ""), &challenge,
		    &o.fail);
		gsasl_free(response);
		response = NULL;
	} while (o.status == AUTH_CONTINUE);
	o.client_content = rc == GSASL_OK;
	o.delay_ms = auth_session_delay_ms(s);
	if (o.status == AUTH_DONE) {
		memcpy(o.id, auth_session_account(s)->id, sizeof(o.id));
	}
	gsasl_finish(client);
	buf_deinit(&challenge);
	auth_session_free(&s);
	return o;
}

/* ---- mechanisms ---- */

static void
every_mechanism_lets_the_right_one_in(void **state)
{
	static const char *const names[] = {"PLAIN", "LOGIN", "SCRAM-SHA-1",
	    "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"};
	struct fixture *x = *state;

	for (size_t i = 0; i < 2 * COUNT_OF(names); i++) {
		const char *mech = names[i / 2];
		struct auth_peer peer = peer_at(1, true);
		struct client c = {
		    "ann@example.org", "pencil", NULL, SV_EMPTY, SV_EMPTY};
		/* LOGIN by GNU SASL's client awaits the prompt. */
		bool initial = i % 2 == 0 && strcmp(mech, "LOGIN") != 0;
		struct outcome o;

		if (strstr(mech, "PLUS") != NULL) {
			peer.tls_exporter =
			    SV("32 octets of exported secret....");
			c.exporter = peer.tls_exporter;
		}
		o = exchange(x, mech, &peer, &c, initial);
		assert_int_equal(o.status, AUTH_DONE);
		assert_true(o.client_content);
		assert_string_equal(o.id, x->ann);
		assert_int_equal(o.delay_ms, 0);
		c.password = "pencils";
		o = exchange(x, mech, &peer, &c, initial);
		assert_int_equal(o.status, AUTH_FAILED);
		assert_int_equal(o.fail.kind, FAIL_DENIED);
		assert_true(o.delay_ms > 0);
		now += 24 * 3600 * 1000;
	}
}

static void
rfc5802_6_channel_bindings_must_be_those_of_the_connection(void **state)
{
	static const struct {
		const char *server_unique, *server_exporter;
		const char *client_unique, *client_exporter;
		bool ok;
	} rows[] = {
	    {unique, NULL, unique, NULL, true},
	    {NULL, exporter, NULL, exporter, true},
	    {unique, exporter, unique, NULL, true},
	    {unique, exporter, NULL, exporter, true},
	    {unique, NULL, exporter, NULL, false},
	    {NULL, exporter, NULL, unique, false},
	    {NULL, exporter, unique, NULL, false},
	};
	struct fixture *x = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct auth_peer peer = peer_at(1, true);
		struct client c = {"ann@example.org", "pencil", NULL,
		    sv_cstr(rows[i].client_unique),
		    sv_cstr(rows[i].client_exporter)};
		struct outcome o;

		peer.tls_unique = sv_cstr(rows[i].server_unique);
		peer.tls_exporter = sv_cstr(rows[i].server_exporter);
		o = exchange(x, "SCRAM-SHA-256-PLUS", &peer, &c, true);
		assert_int_equal(
		    o.status, rows[i].ok ? AUTH_DONE : AUTH_FAILED);
		now += 24 * 3600 * 1000;
	}
}

static void
rfc5802_6_a_downgrade_is_noticed(void **state)
{
	/* "y": the client could bind, and believes that we cannot. */
	struct fixture *x = *state;
	struct auth_peer peer = peer_at(1, true);
	struct auth_session *s;
	struct buf out = {.data = NULL};

	peer.tls_exporter = SV("32 octets of exported secret....");
	assert_int_equal(
	    auth_session_new(x->auth, SV("SCRAM-SHA-256"), &peer, &s, &x->f),
	    0);
	assert_int_equal(
	    auth_session_step(
		s, SV("y,,n=ann@example.org,r=abcdefghij"), &out, &x->f),
	    AUTH_FAILED);
	assert_int_equal(x->f.kind, FAIL_DENIED);
	auth_session_free(&s);
	buf_deinit(&out);
}

static void
rfc5802_6_who_does_not_bind_takes_clients_that_could(void **state)
{
	struct fixture *x = *state;
	struct auth_peer peer = peer_at(1, true);
	struct auth_session *s;
	struct buf out = {.data = NULL};

	peer.service = SV("smtp");
	peer.tls_exporter = SV("32 octets of exported secret....");
	assert_int_equal(auth_session_new(x->auth, SV("SCRAM-SHA-256-PLUS"),
			     &peer, &s, &x->f),
	    -1);
	assert_int_equal(x->f.kind, FAIL_ABSENT);
	assert_int_equal(
	    auth_session_new(x->auth, SV("SCRAM-SHA-256"), &peer, &s, &x->f),
	    0);
	assert_int_equal(
	    auth_session_step(
		s, SV("y,,n=ann@example.org,r=abcdefghij"), &out, &x->f),
	    AUTH_CONTINUE);
	auth_session_free(&s);
	buf_deinit(&out);
}

static void
services_that_bind_are_named_rightly(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {{"", true}, {"imap", true}, {"imap,pop3 , smtp", true},
	    {"imap, pop", false}, {"all", false}};
	struct fixture *x = *state;
	struct settings set = {.auth_domain = ""};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct auth *a = NULL;

		set.auth_channel_binding = rows[i].text;
		assert_int_equal(auth_open_settings(&set, x->d, &a, &x->f),
		    rows[i].ok ? 0 : -1);
		if (!rows[i].ok) {
			assert_int_equal(x->f.kind, FAIL_SYNTAX);
		}
		auth_close(&a);
	}
}

static void
mechanisms_are_offered_as_the_peer_may_use_them(void **state)
{
	struct fixture *x = *state;
	struct auth_peer peer = peer_at(1, false);
	const char *names[AUTH_MECHS];
	struct auth_session *s;

	assert_int_equal(auth_mechs(x->auth, &peer, names), 2);
	assert_string_equal(names[0], "SCRAM-SHA-256");
	assert_false(auth_cleartext_ok(x->auth, &peer));
	assert_int_equal(
	    auth_session_new(x->auth, SV("plain"), &peer, &s, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_DENIED);
	assert_int_equal(auth_session_new(x->auth, SV("SCRAM-SHA-256-PLUS"),
			     &peer, &s, &x->f),
	    -1);
	assert_int_equal(x->f.kind, FAIL_ABSENT);
	assert_int_equal(
	    auth_session_new(x->auth, SV("CRAM-MD5"), &peer, &s, &x->f), -1);
	assert_int_equal(x->f.kind, FAIL_ABSENT);
	peer.loopback = true;
	assert_int_equal(auth_mechs(x->auth, &peer, names), 4);
	assert_string_equal(names[3], "LOGIN");
	peer = peer_at(1, true);
	assert_int_equal(auth_mechs(x->auth, &peer, names), 4);
	peer.tls_unique = SV("x");
	assert_int_equal(auth_mechs(x->auth, &peer, names), AUTH_MECHS);
	assert_string_equal(names[0], "SCRAM-SHA-256-PLUS");
}

static void
login_takes_the_name_as_initial_response(void **state)
{
	struct fixture *x = *state;
	struct auth_peer peer = peer_at(1, true);
	struct buf out = {.data = NULL};
	struct auth_session *s;

	assert_int_equal(
	    auth_session_new(x->auth, SV("LOGIN"), &peer, &s, &x->f), 0);
	assert_int_equal(auth_session_step64(
			     s, true, SV("YW5uQGV4YW1wbGUub3Jn"), &out, &x->f),
	    AUTH_CONTINUE);
	assert_string_equal(buf_cstr(&out), "UGFzc3dvcmQ6");
	assert_int_equal(
	    auth_session_step64(s, true, SV("cGVuY2ls"), &out, &x->f),
	    AUTH_DONE);
	assert_true(sv_eq(auth_session_user(s), SV("ann@example.org")));
	auth_session_free(&s);
	buf_deinit(&out);
}

static void
nobody_acts_for_another(void **state)
{
	static const struct {
		const char *authzid;
		bool ok;
	} rows[] = {
	    {"ann@example.org", true},
	    {"ANN@Example.ORG", true},
	    {"old@example.org", false},
	    {"eve@example.org", false},
	    {"root", false},
	};
	static const char *const names[] = {"PLAIN", "SCRAM-SHA-256"};
	struct fixture *x = *state;

	for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
		struct auth_peer peer = peer_at(1, true);
		struct client c = {"ann@example.org", "pencil",
		    rows[i / 2].authzid, SV_EMPTY, SV_EMPTY};
		struct outcome o = exchange(x, names[i % 2], &peer, &c, true);

		assert_int_equal(
		    o.status, rows[i / 2].ok ? AUTH_DONE : AUTH_FAILED);
		assert_true(rows[i / 2].ok || o.fail.kind == FAIL_DENIED);
	}
}

/* ---- malformed input ---- */

static void
malformed_responses_are_refused(void **state)
{
	static const struct {
		const char *mech;
		struct sv in;
		enum fail_kind kind;
	} rows[] = {
	    {"PLAIN", {"ann@example.org", 15}, FAIL_SYNTAX},
	    {"PLAIN", {"\0ann", 4}, FAIL_SYNTAX},
	    {"PLAIN", {"\0ann\0pen\0cil", 12}, FAIL_SYNTAX},
	    {"SCRAM-SHA-256", {"x", 1}, FAIL_SYNTAX},
	    {"SCRAM-SHA-256", {"n,,n=ann", 8}, FAIL_SYNTAX},
	    {"SCRAM-SHA-256", {"n,,m=x,n=ann,r=abc", 18}, FAIL_SYNTAX},
	    {"SCRAM-SHA-256", {"p=tls-unique,,n=ann,r=abc", 25}, FAIL_DENIED},
	};
	struct fixture *x = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct auth_peer peer = peer_at(1, true);
		struct buf out = {.data = NULL};
		struct auth_session *s;

		assert_int_equal(auth_session_new(x->auth,
				     sv_cstr(rows[i].mech), &peer, &s, &x->f),
		    0);
		assert_int_equal(
		    auth_session_step(s, rows[i].in, &out, &x->f), AUTH_FAILED);
		assert_int_equal(x->f.kind, rows[i].kind);
		assert_int_equal(auth_session_delay_ms(s), 0);
		auth_session_free(&s);
		buf_deinit(&out);
	}
}

static void
responses_are_bounded(void **state)
{
	static char big[AUTH_INPUT_MAX + 1];
	struct fixture *x = *state;
	struct auth_peer peer = peer_at(1, true);
	struct buf out = {.data = NULL};
	struct auth_session *s;
	enum auth_status status;
	int steps = 0;

	memset(big, 'a', sizeof(big));
	assert_int_equal(
	    auth_session_new(x->auth, SV("PLAIN"), &peer, &s, &x->f), 0);
	assert_int_equal(
	    auth_session_step(s, sv_make(big, sizeof(big)), &out, &x->f),
	    AUTH_FAILED);
	assert_int_equal(x->f.kind, FAIL_LIMIT);
	auth_session_free(&s);
	/* Nothing, again and again. */
	assert_int_equal(
	    auth_session_new(x->auth, SV("PLAIN"), &peer, &s, &x->f), 0);
	do {
		status = auth_session_step64(s, true, SV("="), &out, &x->f);
		steps++;
	} while (status == AUTH_CONTINUE);
	assert_in_range(steps, 1, AUTH_STEPS_MAX + 1);
	assert_int_equal(status, AUTH_FAILED);
	auth_session_free(&s);
	buf_deinit(&out);
}

static void
bad_base64_is_refused(void **state)
{
	static const char *const rows[] = {
	    "*", "YW5", "YW5u=", "YW 5u", "YW5u\r\n", "=YW5"};
	struct fixture *x = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct auth_peer peer = peer_at(1, true);
		struct buf out = {.data = NULL};
		struct auth_session *s;

		assert_int_equal(
		    auth_session_new(x->auth, SV("PLAIN"), &peer, &s, &x->f),
		    0);
		assert_int_equal(
		    auth_session_step64(s, true, sv_cstr(rows[i]), &out, &x->f),
		    AUTH_FAILED);
		assert_int_equal(x->f.kind, FAIL_SYNTAX);
		auth_session_free(&s);
		buf_deinit(&out);
	}
}

static void
a_scram_client_says_nothing_after_the_last_message(void **state)
{
	struct fixture *x = *state;
	struct auth_peer peer = peer_at(1, true);
	struct client c = {
	    "ann@example.org", "pencil", NULL, SV_EMPTY, SV_EMPTY};
	struct buf out = {.data = NULL};
	Gsasl_session *client = NULL;
	struct auth_session *s;
	char *response = NULL;

	assert_int_equal(
	    auth_session_new(x->auth, SV("SCRAM-SHA-1"), &peer, &s, &x->f), 0);
	assert_int_equal(
	    gsasl_client_start(x->client, "SCRAM-SHA-1", &client), GSASL_OK);
	gsasl_session_hook_set(client, &c);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    gsasl_step64(client, buf_cstr(&out), &response),
		    GSASL_NEEDS_MORE);
		assert_int_equal(auth_session_step64(
				     s, true, sv_cstr(response), &out, &x->f),
		    AUTH_CONTINUE);
		gsasl_free(response);
	}
	assert_int_equal(
	    auth_session_step64(s, true, SV("eA=="), &out, &x->f), AUTH_FAILED);
	assert_int_equal(x->f.kind, FAIL_SYNTAX);
	gsasl_finish(client);
	auth_session_free(&s);
	buf_deinit(&out);
}

/* ---- who is not there ---- */

static const char *const nobodies[] = {"eve@example.org", "none@example.org",
    "off@example.org", "eve@example.net", "not an address"};

static void
nobody_is_answered_like_somebody(void **state)
{
	struct fixture *x = *state;

	for (size_t i = 0; i < COUNT_OF(nobodies); i++) {
		struct auth_peer peer = peer_at(1, true);
		struct client c = {
		    nobodies[i], "pencil", NULL, SV_EMPTY, SV_EMPTY};
		static const char *const names[] = {
		    "PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"};

		for (size_t m = 0; m < COUNT_OF(names); m++) {
			struct outcome o = exchange(
			    x, names[m], &peer, &c, strcmp(names[m], "LOGIN"));

			assert_int_equal(o.status, AUTH_FAILED);
			assert_int_equal(o.fail.kind, FAIL_DENIED);
			assert_int_equal(o.delay_ms, 1000);
			now += 24 * 3600 * 1000;
		}
	}
}

/* The server's first message of SCRAM: "r=...,s=...,i=..." */
static void
server_first(struct fixture *x, const char *user, struct buf *out)
{
	struct auth_peer peer = peer_at(1, true);
	struct buf first = {.data = NULL};
	struct auth_session *s;

	buf_addf(&first, "n,,n=%s,r=abcdefghij", user);
	assert_int_equal(
	    auth_session_new(x->auth, SV("SCRAM-SHA-256"), &peer, &s, &x->f),
	    0);
	assert_int_equal(
	    auth_session_step(s, buf_sv(&first), out, &x->f), AUTH_CONTINUE);
	auth_session_free(&s);
	buf_deinit(&first);
}

static struct sv
salt_of(const struct buf *b)
{
	ptrdiff_t at = sv_find(buf_sv(b), SV(",s="));

	assert_true(at > 0);
	return sv_from(buf_sv(b), (size_t)at);
}

static void
nobody_has_a_salt_that_stays(void **state)
{
	struct fixture *x = *state;
	struct auth_conf c = test_config();
	struct buf ann = {.data = NULL}, eve = {.data = NULL};
	struct buf eva = {.data = NULL}, again = {.data = NULL};

	server_first(x, "ann@example.org", &ann);
	server_first(x, "eve@example.org", &eve);
	server_first(x, "eva@example.org", &eva);
	assert_int_equal(salt_of(&ann).len, salt_of(&eve).len);
	assert_false(sv_eq(salt_of(&eve), salt_of(&eva)));
	auth_close(&x->auth);
	open_auth(x, &c);
	server_first(x, "Eve@EXAMPLE.org", &again);
	assert_true(sv_eq(salt_of(&eve), salt_of(&again)));
	buf_deinit(&ann);
	buf_deinit(&eve);
	buf_deinit(&eva);
	buf_deinit(&again);
}

/* ---- password commands ---- */

static int
login(struct fixture *x, unsigned from, const char *user, const char *password,
    uint64_t *delay)
{
	struct auth_peer peer = peer_at(from, true);
	struct directory_account *a = NULL;
	int rc = auth_login(
	    x->auth, &peer, sv_cstr(user), sv_cstr(password), &a, delay, &x->f);

	assert_int_equal(rc == 0, a != NULL);
	directory_account_unref(&a);
	return rc;
}

static void
login_takes_names_without_a_domain(void **state)
{
	struct fixture *x = *state;
	struct auth_conf c = test_config();
	uint64_t delay;

	assert_int_equal(login(x, 1, "ann", "pencil", &delay), 0);
	auth_close(&x->auth);
	c.domain = "example.net";
	open_auth(x, &c);
	assert_int_equal(login(x, 1, "ann", "pencil", &delay), -1);
	assert_int_equal(x->f.kind, FAIL_DENIED);
}

static void
login_without_tls_is_for_loopback(void **state)
{
	struct fixture *x = *state;
	struct auth_peer peer = peer_at(1, false);
	struct directory_account *a;
	uint64_t delay;

	assert_int_equal(auth_login(x->auth, &peer, SV("ann@example.org"),
			     SV("pencil"), &a, &delay, &x->f),
	    -1);
	assert_int_equal(x->f.kind, FAIL_DENIED);
	peer.loopback = true;
	assert_int_equal(auth_login(x->auth, &peer, SV("ann@example.org"),
			     SV("pencil"), &a, &delay, &x->f),
	    0);
	directory_account_unref(&a);
}

static void
guesses_are_slowed_then_refused_unseen(void **state)
{
	struct fixture *x = *state;
	uint64_t delay, before = 0;
	int tried = 0;

	while (login(x, 1, "eve@example.org", "guess", &delay) != 0
	       && strstr(x->f.text, "too many") == NULL) {
		assert_true(delay > before);
		before = delay;
		tried++;
	}
	assert_int_equal(tried, 5);
	/* Even the right one now, from there. */
	assert_int_equal(login(x, 1, "ann@example.org", "pencil", &delay), -1);
	assert_int_equal(x->f.kind, FAIL_DENIED);
	assert_int_equal(delay, 31000);
	assert_int_equal(login(x, 2, "ann@example.org", "pencil", &delay), 0);
	now += 31000;
	assert_int_equal(login(x, 1, "ann@example.org", "pencil", &delay), 0);
	assert_int_equal(delay, 0);
}

static void
scram_guesses_are_slowed_too(void **state)
{
	struct fixture *x = *state;
	struct auth_peer peer = peer_at(1, true);
	struct client c = {
	    "ann@example.org", "guess", NULL, SV_EMPTY, SV_EMPTY};
	struct outcome o;
	int tried = 0;

	do {
		o = exchange(x, "SCRAM-SHA-256", &peer, &c, true);
		assert_int_equal(o.status, AUTH_FAILED);
		tried++;
	} while (strstr(o.fail.text, "too many") == NULL);
	assert_int_equal(tried, 6);
	c.password = "pencil";
	o = exchange(x, "SCRAM-SHA-256", &peer, &c, true);
	assert_int_equal(o.status, AUTH_FAILED);
	assert_int_equal(o.fail.kind, FAIL_DENIED);
}

static void
a_new_password_counts_at_once(void **state)
{
	struct fixture *x = *state;
	uint64_t delay;

	assert_int_equal(login(x, 1, "ann@example.org", "pencil", &delay), 0);
	assert_int_equal(login(x, 1, "ann@example.org", "pencil", &delay), 0);
	set_password(x, x->ann, "crayon");
	assert_int_equal(login(x, 1, "ann@example.org", "crayon", &delay), 0);
	assert_int_equal(login(x, 1, "ann@example.org", "pencil", &delay), -1);
	assert_int_equal(x->f.kind, FAIL_DENIED);
	now += 24 * 3600 * 1000;
	assert_int_equal(
	    directory_account_enable(x->d, sv_cstr(x->ann), false, &x->f), 0);
	assert_int_equal(login(x, 1, "ann@example.org", "crayon", &delay), -1);
	assert_int_equal(x->f.kind, FAIL_DENIED);
}

static void
an_imported_hash_becomes_scram_keys(void **state)
{
	struct fixture *x = *state;
	struct auth_peer peer = peer_at(1, true);
	struct client c = {
	    "old@example.org", "pencil", NULL, SV_EMPTY, SV_EMPTY};
	uint64_t delay;
	struct outcome o = exchange(x, "SCRAM-SHA-256", &peer, &c, true);

	assert_int_equal(o.status, AUTH_FAILED);
	now += 24 * 3600 * 1000;
	assert_int_equal(login(x, 1, "old@example.org", "pencils", &delay), -1);
	now += 24 * 3600 * 1000;
	assert_int_equal(login(x, 1, "old@example.org", "pencil", &delay), 0);
	o = exchange(x, "SCRAM-SHA-256", &peer, &c, true);
	assert_int_equal(o.status, AUTH_DONE);
	assert_string_equal(o.id, x->crypt);
}

static void
a_directory_that_is_away_is_no_wrong_password(void **state)
{
	struct fixture *x = *state;
	char away[128];
	uint64_t delay;
	int64_t until = 100;

	(void)snprintf(away, sizeof(away), "%s.away", x->path);
	assert_int_equal(rename(x->path, away), 0);
	while (login(x, 1, "ann@example.org", "pencil", &delay) == 0
	       && until-- > 0) {
		(void)usleep(50 * 1000);
	}
	assert_int_equal(x->f.kind, FAIL_TEMP);
	assert_int_equal(delay, 0);
	assert_int_equal(rename(away, x->path), 0);
}

/* ---- threads ---- */

static void *
sign_in_often(void *arg)
{
	struct fixture *x = arg;
	struct auth_peer peer = peer_at(7, true);

	for (int i = 0; i < 50; i++) {
		struct client c = {
		    "ann@example.org", "pencil", NULL, SV_EMPTY, SV_EMPTY};
		struct outcome o = exchange(
		    x, i % 2 == 0 ? "PLAIN" : "SCRAM-SHA-1", &peer, &c, true);

		if (o.status != AUTH_DONE) {
			return x;
		}
	}
	return NULL;
}

static void
threads_sign_in_at_once(void **state)
{
	pthread_t threads[4];

	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		assert_int_equal(
		    pthread_create(&threads[i], NULL, sign_in_often, *state),
		    0);
	}
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		void *bad = NULL;

		assert_int_equal(pthread_join(threads[i], &bad), 0);
		assert_null(bad);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(every_mechanism_lets_the_right_one_in),
	    TEST(rfc5802_6_channel_bindings_must_be_those_of_the_connection),
	    TEST(rfc5802_6_a_downgrade_is_noticed),
	    TEST(rfc5802_6_who_does_not_bind_takes_clients_that_could),
	    TEST(services_that_bind_are_named_rightly),
	    TEST(mechanisms_are_offered_as_the_peer_may_use_them),
	    TEST(login_takes_the_name_as_initial_response),
	    TEST(nobody_acts_for_another),
	    TEST(malformed_responses_are_refused),
	    TEST(responses_are_bounded),
	    TEST(bad_base64_is_refused),
	    TEST(a_scram_client_says_nothing_after_the_last_message),
	    TEST(nobody_is_answered_like_somebody),
	    TEST(nobody_has_a_salt_that_stays),
	    TEST(login_takes_names_without_a_domain),
	    TEST(login_without_tls_is_for_loopback),
	    TEST(guesses_are_slowed_then_refused_unseen),
	    TEST(scram_guesses_are_slowed_too),
	    TEST(a_new_password_counts_at_once),
	    TEST(an_imported_hash_becomes_scram_keys),
	    TEST(a_directory_that_is_away_is_no_wrong_password),
	    TEST(threads_sign_in_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
