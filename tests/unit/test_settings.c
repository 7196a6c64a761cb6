#include "settings/options.h"
#include "settings/settings.h"
#include "unit.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

static struct arena arena;

static int
load(uint64_t offset, const char *set, struct settings *out, struct fail *f)
{
	const char *sets[] = {set};

	return settings_load(
	    "/nonexistent/home", offset, sets, set != NULL, out, &arena, f);
}

static void
defaults_stand_below_home(void **state)
{
	struct settings set;
	struct fail f;

	(void)state;
	assert_int_equal(load(0, NULL, &set, &f), 0);
	assert_string_equal(set.store_path, "/nonexistent/home/store");
	assert_string_equal(
	    set.tls_certificate, "/nonexistent/home/tls/cert.pem");
	assert_string_equal(set.listen_addresses, "127.0.0.1, ::1");
	assert_true(set.server_hostname[0] != '\0');
	assert_int_equal(set.limits_idle, 30 * 60 * 1000);
}

static void
an_absolute_path_stays(void **state)
{
	struct settings set;
	struct fail f;

	(void)state;
	assert_int_equal(load(0, "store.path=/srv/mail", &set, &f), 0);
	assert_string_equal(set.store_path, "/srv/mail");
}

static void
the_offset_moves_every_port_but_none(void **state)
{
	struct settings set;
	struct fail f;

	(void)state;
	assert_int_equal(load(8000, "listen.pop3=0", &set, &f), 0);
	assert_int_equal(settings_port(&set, set.listen_imap), 8143);
	assert_int_equal(settings_port(&set, set.listen_pop3), 0);
	assert_int_equal(load(65000, NULL, &set, &f), -1);
	assert_int_equal(f.kind, FAIL_SYNTAX);
}

static void
options_are_taken_and_the_rest_stays(void **state)
{
	char words[][16] = {"msadm", "--home", "/h", "account", "--set=a.b=c",
	    "--json", "--set", "d.e=f", "--", "--home"};
	char *argv[COUNT_OF(words) + 1] = {NULL};
	int argc = COUNT_OF(words);
	struct options opt;
	struct fail f;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		argv[i] = words[i];
	}
	assert_int_equal(options_take(&argc, argv, &arena, &opt, &f), 0);
	assert_string_equal(opt.home, "/h");
	assert_int_equal(opt.n_sets, 2);
	assert_string_equal(opt.sets[0], "a.b=c");
	assert_string_equal(opt.sets[1], "d.e=f");
	assert_int_equal(argc, 5);
	assert_string_equal(argv[1], "account");
	assert_string_equal(argv[2], "--json");
	assert_string_equal(argv[3], "--");
	assert_string_equal(argv[4], "--home");
	assert_null(argv[5]);
}

static void
an_option_without_its_value_is_refused(void **state)
{
	char words[][16] = {"imapd", "--home"};
	char *argv[] = {words[0], words[1], NULL};
	int argc = 2;
	struct options opt;
	struct fail f;

	(void)state;
	assert_int_equal(options_take(&argc, argv, &arena, &opt, &f), -1);
	assert_int_equal(f.kind, FAIL_SYNTAX);
}

/* What --show-config prints is a file with the same meaning. */
static void
shown_settings_load_again(void **state)
{
	char home[] = "/tmp/settings.XXXXXX";
	char path[64];
	struct settings a;
	struct settings b;
	struct fail f;
	FILE *to;

	(void)state;
	assert_non_null(mkdtemp(home));
	(void)snprintf(path, sizeof(path), "%s/postroom.conf", home);
	assert_int_equal(load(0, "limits.idle=31m", &a, &f), 0);
	to = fopen(path, "w");
	assert_non_null(to);
	settings_show(&a, to);
	assert_int_equal(fclose(to), 0);
	assert_int_equal(settings_load(home, 0, NULL, 0, &b, &arena, &f), 0);
	assert_int_equal(b.limits_idle, a.limits_idle);
	assert_string_equal(b.store_path, a.store_path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(home), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults_stand_below_home),
	    cmocka_unit_test(an_absolute_path_stays),
	    cmocka_unit_test(the_offset_moves_every_port_but_none),
	    cmocka_unit_test(options_are_taken_and_the_rest_stays),
	    cmocka_unit_test(an_option_without_its_value_is_refused),
	    cmocka_unit_test(shown_settings_load_again),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	arena_deinit(&arena);
	return rc;
}
