/* lmtpd: final delivery, by LMTP and from smtpd.  lmtpd(8) */
#include <stdio.h>

#include "base/mem.h"
#include "base/spool.h"
#include "lmtpd/lmtpd.h"
#include "lmtpd/pending.h"
#include "net/service.h"
#include "proto/handover.h"

struct lmtpd lmtpd = {
    .messages = {.name = "lmtp.messages"},
    .delivered = {.name = "lmtp.delivered"},
    .deferred = {.name = "lmtp.deferred"},
    .refused = {.name = "lmtp.refused"},
    .duplicates = {.name = "lmtp.duplicates"},
};

enum { HANDOVER_IDLE_MS = 15 * 60 * 1000 };

static char pending_path[4096];

static void
set_limits(const struct settings *set)
{
	lmtpd.lmtp_limits = conn_limits_settings(set, set->lmtp_idle);
	lmtpd.handover_limits = conn_limits_settings(set, HANDOVER_IDLE_MS);
	lmtpd.handover_limits.input_ms = HANDOVER_IDLE_MS;
	lmtp_protocol.busy = receiver_busy(set);
	lmtp_protocol.limits = &lmtpd.lmtp_limits;
	handover_protocol.limits = &lmtpd.handover_limits;
}

static void
set_receivers(const struct settings *set)
{
	lmtpd.lmtp = receiver_conf_settings(set);
	lmtpd.lmtp.lmtp = true;
	lmtpd.lmtp.rcpts_max = (unsigned)set->lmtp_recipients;
	lmtpd.handover = lmtpd.lmtp;
	lmtpd.handover.relayed = true;
	/* smtpd holds its peers to the limit; it adds fields in front. */
	lmtpd.handover.size_max += 64 * 1024;
}

static int
open_files(const struct settings *set, struct fail *f)
{
	const struct spool_pool pool = {
	    .dir = set->lmtp_spool,
	    .memory_max = HANDOVER_MEMORY_MAX,
	    .pool_max = set->lmtp_memory,
	};

	(void)snprintf(pending_path, sizeof(pending_path), "%s/lmtpd.pending",
	    set->tables);
	if (spool_init_pool(&pool, f) != 0
	    || pending_open(pending_path, f) != 0) {
		return -1;
	}
	return backends_open(set, &lmtpd.back, f);
}

static void
stop(void)
{
	backends_close(&lmtpd.back);
	pending_close();
}

static int
start(const struct settings *set, struct fail *f)
{
	lmtpd.set = set;
	set_limits(set);
	set_receivers(set);
	if (open_files(set, f) != 0) {
		stop();
		return -1;
	}
	return 0;
}

static size_t
paths(const struct settings *set, struct service_path out[SERVICE_PATHS_MAX])
{
	out[0] = (struct service_path){set->lmtp_spool, true};
	return 1;
}

int
main(int argc, char **argv)
{
	static const struct service_listener listeners[] = {
	    {"lmtp", &lmtp_protocol},
	    {"lmtp-local", &lmtp_protocol},
	    {"handover", &handover_protocol},
	};
	static struct stat_counter *const counters[] = {
	    &lmtpd.messages,
	    &lmtpd.delivered,
	    &lmtpd.deferred,
	    &lmtpd.refused,
	    &lmtpd.duplicates,
	    NULL,
	};
	static const struct service service = {
	    .name = "lmtpd",
	    .listeners = listeners,
	    .n_listeners = COUNT_OF(listeners),
	    .counters = counters,
	    .paths = paths,
	    .start = start,
	    .stop = stop,
	};

	return service_main(&service, argc, argv);
}
