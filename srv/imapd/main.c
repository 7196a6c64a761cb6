/* imapd: IMAP4rev1 over the store.  imapd(8) */
#include "base/mem.h"
#include "base/spool.h"
#include "imapd/imapd.h"
#include "imapd/session.h"
#include "net/service.h"

struct imapd imapd = {
    .commands = {.name = "imap.commands"},
    .logins = {.name = "imap.logins"},
    .refused = {.name = "imap.logins_refused"},
    .appended = {.name = "imap.appended"},
    .fetched = {.name = "imap.fetched"},
};

static void
set_limits(const struct settings *set)
{
	imapd.limits = conn_limits_settings(set, set->limits_idle);
	imap_protocol.limits = &imapd.limits;
	imapd.frame = (struct imap_frame_limits){
	    .command = 4 * set->limits_line,
	    .literal = IMAPD_LITERAL,
	    .message = set->limits_message,
	    .skip = IMAPD_SKIP,
	};
	imapd.frame_anon = (struct imap_frame_limits){
	    .command = IMAPD_COMMAND_ANON,
	    .literal = IMAPD_LITERAL_ANON,
	    .message = 0,
	    .skip = IMAPD_SKIP,
	};
}

static void
stop(void)
{
	backends_close(&imapd.back);
}

static int
start(const struct settings *set, struct fail *f)
{
	const struct spool_pool pool = {
	    .dir = set->imap_spool,
	    .memory_max = IMAPD_MESSAGE_MEMORY,
	    .pool_max = set->imap_memory,
	};

	imapd.set = set;
	set_limits(set);
	return spool_init_pool(&pool, f) == 0
		   ? backends_open(set, &imapd.back, f)
		   : -1;
}

static size_t
paths(const struct settings *set, struct service_path out[SERVICE_PATHS_MAX])
{
	out[0] = (struct service_path){set->imap_spool, true};
	return 1;
}

int
main(int argc, char **argv)
{
	static const struct service_listener listeners[] = {
	    {"imap", &imap_protocol},
	    {"imaps", &imap_protocol},
	};
	static struct stat_counter *const counters[] = {
	    &imapd.commands,
	    &imapd.logins,
	    &imapd.refused,
	    &imapd.appended,
	    &imapd.fetched,
	    NULL,
	};
	static const struct service service = {
	    .name = "imapd",
	    .listeners = listeners,
	    .n_listeners = COUNT_OF(listeners),
	    .counters = counters,
	    .needs_tls = true,
	    .paths = paths,
	    .start = start,
	    .stop = stop,
	};

	return service_main(&service, argc, argv);
}
