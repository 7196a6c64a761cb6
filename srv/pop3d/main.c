/* pop3d: POP3 over the store.  pop3d(8) */
#include <stdio.h>

#include "base/mem.h"
#include "net/service.h"
#include "pop3d/pop3d.h"

struct pop3d pop3d = {
    .logins = {.name = "pop3.logins"},
    .logins_failed = {.name = "pop3.logins_failed"},
    .retrieved = {.name = "pop3.retrieved"},
    .deleted = {.name = "pop3.deleted"},
};

enum { LINE_DISCARD_MAX = 1 << 20 }; /* of a line without end */

static void
set_limits(const struct settings *set)
{
	pop3d.limits_in = (struct conn_limits){
	    .idle_ms = (int64_t)set->pop3_idle,
	    .input_ms = (int64_t)set->limits_input,
	    .command_ms = (int64_t)set->limits_command,
	    .output_ms = (int64_t)set->limits_output,
	    .rate_min = set->limits_rate,
	    .discard_max = LINE_DISCARD_MAX,
	};
	pop3d.limits = pop3d.limits_in;
	pop3d.limits.idle_ms = (int64_t)set->limits_login;
	pop3_protocol.limits = &pop3d.limits;
}

static void
register_counters(void)
{
	stat_register(&pop3d.logins);
	stat_register(&pop3d.logins_failed);
	stat_register(&pop3d.retrieved);
	stat_register(&pop3d.deleted);
}

static void
stop(void)
{
	auth_close(&pop3d.auth);
	directory_close(&pop3d.directory);
	store_close(&pop3d.store);
}

static int
open_files(const struct settings *set, struct fail *f)
{
	if (directory_open_settings(set, true, &pop3d.directory, f) != 0
	    || auth_open_settings(set, pop3d.directory, &pop3d.auth, f) != 0) {
		return -1;
	}
	return store_open_settings(set, &pop3d.store, f);
}

static int
start(const struct settings *set, struct fail *f)
{
	pop3d.set = set;
	set_limits(set);
	register_counters();
	if (open_files(set, f) != 0) {
		stop();
		return -1;
	}
	return 0;
}

static size_t
paths(const struct settings *set, struct service_path out[SERVICE_PATHS_MAX])
{
	out[0] = (struct service_path){set->store_path, true};
	out[1] = (struct service_path){set->directory_path, true};
	return 2;
}

int
main(int argc, char **argv)
{
	static const struct service_listener listeners[] = {
	    {"pop3", &pop3_protocol},
	    {"pop3s", &pop3_protocol},
	};
	static const struct service service = {
	    .name = "pop3d",
	    .listeners = listeners,
	    .n_listeners = COUNT_OF(listeners),
	    .needs_tls = true,
	    .paths = paths,
	    .start = start,
	    .stop = stop,
	};

	return service_main(&service, argc, argv);
}
