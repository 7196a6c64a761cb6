/* smtpd: mail from other servers, and from our users.  smtpd(8) */
#include <stdio.h>

#include "base/mem.h"
#include "base/spool.h"
#include "net/service.h"
#include "proto/handover.h"
#include "smtpd/hand.h"
#include "smtpd/smtpd.h"

struct smtpd smtpd = {
    .messages = {.name = "smtp.messages"},
    .accepted = {.name = "smtp.accepted"},
    .early_talkers = {.name = "smtp.early_talkers"},
    .logins = {.name = "smtp.logins"},
    .logins_failed = {.name = "smtp.logins_failed"},
};

static char handover_path[4096];

static void
set_limits(const struct settings *set)
{
	smtpd.limits = conn_limits_settings(set, set->smtp_idle);
	smtpd.limits.input_ms = (int64_t)set->smtp_input;
	mx_protocol.busy = receiver_busy(set);
	submission_protocol.busy = mx_protocol.busy;
	mx_protocol.limits = &smtpd.limits;
	submission_protocol.limits = &smtpd.limits;
}

static void
set_receivers(const struct settings *set)
{
	smtpd.mx = receiver_conf_settings(set);
	smtpd.mx.rcpts_max = (unsigned)set->smtp_recipients;
	smtpd.mx.errors_max = (unsigned)set->smtp_errors;
	smtpd.mx.commands_max = (unsigned)set->smtp_commands;
	smtpd.mx.line_max = set->smtp_text_line;
	smtpd.mx.lines_exact = true;
	/* EHLO names no DSN, as no notices are made: so that is no parameter
	 * of ours.  [RFC 5321 4.1.1.11] */
	smtpd.mx.params = 0;
	smtpd.submission = smtpd.mx;
	smtpd.submission.params = SMTP_EXT_AUTH; /* [RFC 4954 5] */
}

static int
start(const struct settings *set, struct fail *f)
{
	const struct spool_pool pool = {
	    .dir = set->smtp_spool,
	    .memory_max = HANDOVER_MEMORY_MAX,
	    .pool_max = set->smtp_memory,
	};

	smtpd.set = set;
	(void)snprintf(
	    handover_path, sizeof(handover_path), "%s/handover", set->run);
	smtpd.handover = handover_path;
	set_limits(set);
	set_receivers(set);
	return spool_init_pool(&pool, f);
}

static size_t
paths(const struct settings *set, struct service_path out[SERVICE_PATHS_MAX])
{
	out[0] = (struct service_path){set->smtp_spool, true};
	return 1;
}

int
main(int argc, char **argv)
{
	static const struct service_listener listeners[] = {
	    {"smtp", &mx_protocol},
	    {"submission", &submission_protocol},
	    {"submissions", &submission_protocol},
	};
	static struct stat_counter *const counters[] = {
	    &smtpd.messages,
	    &smtpd.accepted,
	    &smtpd.early_talkers,
	    &smtpd.logins,
	    &smtpd.logins_failed,
	    NULL,
	};
	static const struct service service = {
	    .name = "smtpd",
	    .listeners = listeners,
	    .n_listeners = COUNT_OF(listeners),
	    .counters = counters,
	    .needs_tls = true,
	    .exposed = true,
	    .paths = paths,
	    .start = start,
	    .stop = hand_stop,
	};

	return service_main(&service, argc, argv);
}
