/* The lines of a SASL exchange: the mechanism, then its responses. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/verifier.h"
#include "base/log.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[] = "/tmp/fuzz_sasl-XXXXXX";
static struct directory *directory;
static struct auth *auth;
static int64_t now;

/* Far apart, so that nobody is slowed. */
static int64_t
later(void)
{
	now += INT64_C(100) * 24 * 3600 * 1000;
	return now;
}

static void
clean_up(void)
{
	static const char *const names[] = {"-journal", ""};
	char file[64];

	auth_close(&auth);
	directory_close(&directory);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		(void)snprintf(
		    file, sizeof(file), "%s/directory.db%s", path, names[i]);
		(void)unlink(file);
	}
	(void)rmdir(path);
}

static void
set_up(void)
{
	struct directory_conf conf = {.path = path, .create = true};
	struct auth_conf c = auth_conf_default();
	struct mailaddr a;
	struct directory_account_spec spec = {
	    .address = &a, .make_domain = true};
	char id[DIRECTORY_ID_LEN + 1];
	struct buf keys = {.data = NULL};
	struct verifier v;
	struct fail f;

	log_init("fuzz_sasl", LOG_ERROR);
	c.iterations = VERIFIER_ITERATIONS_MIN;
	c.now_ms = later;
	ASSERT(mkdtemp(path) != NULL);
	ASSERT(directory_open(&conf, &directory, &f) == 0);
	ASSERT(auth_open(&c, directory, &auth, &f) == 0);
	ASSERT(mailaddr_parse(SV("user@example.org"), &a, &f) == 0);
	ASSERT(
	    verifier_make(SV("pencil"), VERIFIER_ITERATIONS_MIN, &v, &f) == 0);
	verifier_format(&v, &keys);
	spec.auth = buf_sv(&keys);
	ASSERT(directory_account_add(directory, &spec, id, NULL, &f) == 0);
	buf_wipe(&keys);
	(void)atexit(clean_up);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct auth_peer peer = {.tls = true, .tls_exporter = SV("exporter")};
	struct sv in = sv_make(data, size);
	struct buf out = {.data = NULL};
	enum auth_status status = AUTH_CONTINUE;
	struct auth_session *s;
	struct fail f;

	if (auth == NULL) {
		set_up();
	}
	if (auth_session_new(auth, sv_cut(&in, '\n'), &peer, &s, &f) != 0) {
		return 0;
	}
	while (status == AUTH_CONTINUE && in.len != 0) {
		struct sv line = sv_cut(&in, '\n');

		status = auth_session_step(s, line, &out, &f);
	}
	if (status == AUTH_DONE) {
		ASSERT(auth_session_account(s) != NULL);
	}
	auth_session_free(&s);
	buf_deinit(&out);
	return 0;
}
