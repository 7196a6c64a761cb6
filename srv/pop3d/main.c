/* pop3d: POP3 over the store.  pop3d(8) */
#include "base/mem.h"
#include "net/service.h"
#include "pop3d/pop3d.h"

struct pop3d pop3d = {
    .logins = {.name = "pop3.logins"},
    .logins_failed = {.name = "pop3.logins_failed"},
    .retrieved = {.name = "pop3.retrieved"},
    .deleted = {.name = "pop3.deleted"},
};

static void
set_limits(const struct settings *set)
{
	pop3d.limits_in = conn_limits_settings(set, set->pop3_idle);
	pop3d.limits = conn_limits_settings(set, set->limits_login);
	pop3_protocol.limits = &pop3d.limits;
}

static void
stop(void)
{
	backends_close(&pop3d.back);
}

static int
start(const struct settings *set, struct fail *f)
{
	pop3d.set = set;
	set_limits(set);
	return backends_open(set, &pop3d.back, f);
}

int
main(int argc, char **argv)
{
	static const struct service_listener listeners[] = {
	    {"pop3", &pop3_protocol},
	    {"pop3s", &pop3_protocol},
	};
	static struct stat_counter *const counters[] = {
	    &pop3d.logins,
	    &pop3d.logins_failed,
	    &pop3d.retrieved,
	    &pop3d.deleted,
	    NULL,
	};
	static const struct service service = {
	    .name = "pop3d",
	    .listeners = listeners,
	    .n_listeners = COUNT_OF(listeners),
	    .counters = counters,
	    .needs_tls = true,
	    .start = start,
	    .stop = stop,
	};

	return service_main(&service, argc, argv);
}
