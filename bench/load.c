/*
 * load: put one kind of load on a mail server and print what it did.
 *
 * usage: load WORKLOAD [--option value]...
 *
 * Prints one JSON object: steps, items (recipients, messages …), seconds,
 * the server's CPU milliseconds, and the time of a step at 50 and 99 percent
 * in microseconds.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "bench/crew.h"
#include "bench/flush_load.h"
#include "bench/idle_load.h"
#include "bench/imap_load.h"
#include "bench/lmtp_load.h"
#include "bench/pop3_load.h"

static const struct workload *const loads[] = {&imap_login_load,
    &imap_noop_load, &imap_append_load, &imap_command_load, &imap_create_load,
    &imap_idle_load, &lmtp_load, &smtp_load, &submission_load, &pop3_retr_load,
    &flush_load};

enum option_id {
	OPT_HOST = 256,
	OPT_PORT,
	OPT_TLS,
	OPT_IDLE,
	OPT_CONNECTIONS,
	OPT_RECIPIENTS,
	OPT_USERS,
	OPT_FIRST,
	OPT_DOMAIN,
	OPT_USER,
	OPT_PASSWORD,
	OPT_MAILBOX,
	OPT_DIR,
	OPT_PREPARE,
	OPT_COMMAND,
	OPT_ITEMS,
	OPT_SECONDS,
	OPT_COUNT,
	OPT_SIZE,
	OPT_SERVER,
	OPT_DELIVER,
};

static const struct option long_options[] = {
    {"host", required_argument, NULL, OPT_HOST},
    {"port", required_argument, NULL, OPT_PORT},
    {"tls", no_argument, NULL, OPT_TLS},
    {"idle", no_argument, NULL, OPT_IDLE},
    {"connections", required_argument, NULL, OPT_CONNECTIONS},
    {"recipients", required_argument, NULL, OPT_RECIPIENTS},
    {"users", required_argument, NULL, OPT_USERS},
    {"first", required_argument, NULL, OPT_FIRST},
    {"domain", required_argument, NULL, OPT_DOMAIN},
    {"user", required_argument, NULL, OPT_USER},
    {"password", required_argument, NULL, OPT_PASSWORD},
    {"mailbox", required_argument, NULL, OPT_MAILBOX},
    {"dir", required_argument, NULL, OPT_DIR},
    {"prepare", required_argument, NULL, OPT_PREPARE},
    {"command", required_argument, NULL, OPT_COMMAND},
    {"items", required_argument, NULL, OPT_ITEMS},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"count", required_argument, NULL, OPT_COUNT},
    {"size", required_argument, NULL, OPT_SIZE},
    {"server", required_argument, NULL, OPT_SERVER},
    {"deliver", required_argument, NULL, OPT_DELIVER},
    {NULL, 0, NULL, 0},
};

static void
usage(void)
{
	(void)fprintf(
	    stderr, "usage: load WORKLOAD [--option value]...\nworkloads:\n");
	for (size_t i = 0; i < COUNT_OF(loads); i++) {
		(void)fprintf(
		    stderr, "  %-14s %s\n", loads[i]->name, loads[i]->text);
	}
	(void)fprintf(stderr, "  %-14s %s\noptions:\n", "imap-hold",
	    "open connections and hold them until standard input ends");
	for (const struct option *o = long_options; o->name != NULL; o++) {
		(void)fprintf(stderr, "  --%s%s\n", o->name,
		    o->has_arg == required_argument ? " VALUE" : "");
	}
	exit(2); // NOLINT(concurrency-mt-unsafe): one thread so far
}

static uint64_t
number(const char *text, uint64_t max)
{
	uint64_t n;

	if (!sv_u64(sv_cstr(text), &n) || n > max) {
		(void)fprintf(
		    stderr, "load: not a number in range: %s\n", text);
		exit(2); // NOLINT(concurrency-mt-unsafe): one thread so far
	}
	return n;
}

static void
add_command(struct command_list *list, const char *text)
{
	if (list->n == COUNT_OF(list->items)) {
		usage();
	}
	list->items[list->n++] = text;
}

static void
set_text(struct options *opt, int id, const char *arg)
{
	switch (id) {
	case OPT_HOST:
		opt->host = arg;
		break;
	case OPT_DOMAIN:
		opt->domain = arg;
		break;
	case OPT_USER:
		opt->user = arg;
		break;
	case OPT_PASSWORD:
		opt->password = arg;
		break;
	case OPT_MAILBOX:
		opt->mailbox = arg;
		break;
	case OPT_DIR:
		opt->dir = arg;
		break;
	case OPT_PREPARE:
		add_command(&opt->prepare, arg);
		break;
	case OPT_COMMAND:
		add_command(&opt->commands, arg);
		break;
	default:
		usage();
	}
}

static void
set_option(struct options *opt, int id, const char *arg)
{
	switch (id) {
	case OPT_TLS:
		opt->tls = true;
		break;
	case OPT_IDLE:
		opt->idle = true;
		break;
	case OPT_PORT:
		opt->port = (uint16_t)number(arg, UINT16_MAX);
		break;
	case OPT_DELIVER:
		opt->deliver = (uint16_t)number(arg, UINT16_MAX);
		break;
	case OPT_CONNECTIONS:
		opt->connections = (unsigned)number(arg, 100000);
		break;
	case OPT_RECIPIENTS:
		opt->recipients = (unsigned)number(arg, 100000);
		break;
	case OPT_USERS:
		opt->users = (unsigned)number(arg, 100000);
		break;
	case OPT_FIRST:
		opt->first = (unsigned)number(arg, 100000);
		break;
	case OPT_ITEMS:
		opt->items = number(arg, UINT32_MAX);
		break;
	case OPT_SECONDS:
		opt->seconds = strtod(arg, NULL);
		break;
	case OPT_COUNT:
		opt->count = number(arg, UINT32_MAX);
		break;
	case OPT_SIZE:
		opt->size = (size_t)number(arg, UINT32_MAX);
		break;
	case OPT_SERVER:
		opt->server = (pid_t)number(arg, INT32_MAX);
		break;
	default:
		set_text(opt, id, arg);
	}
}

static void
raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int
run(const char *name, const struct options *opt, struct fail *f)
{
	struct result r;

	if (strcmp(name, "imap-hold") == 0) {
		return imap_hold(opt, f);
	}
	for (size_t i = 0; i < COUNT_OF(loads); i++) {
		if (strcmp(name, loads[i]->name) != 0) {
			continue;
		}
		if (crew_run(loads[i], opt, &r, f) != 0) {
			return -1;
		}
		(void)printf("{\"steps\": %llu, \"items\": %llu, "
			     "\"seconds\": %.6f, \"cpu_ms\": %.3f, "
			     "\"p50_us\": %.0f, \"p99_us\": %.0f}\n",
		    (unsigned long long)r.steps, (unsigned long long)r.items,
		    r.seconds, r.cpu_ms, r.p50_us, r.p99_us);
		return 0;
	}
	usage();
	return -1;
}

int
main(int argc, char **argv)
{
	struct options opt = {.host = "127.0.0.1",
	    .connections = 1,
	    .recipients = 1,
	    .users = 1,
	    .domain = "example.org",
	    .password = "secret",
	    .mailbox = "INBOX",
	    .dir = ".",
	    .items = 1,
	    .seconds = 1,
	    .size = 4096};
	struct fail f = {0};
	int id;

	if (argc < 2) {
		usage();
	}
	while ((id = getopt_long( // NOLINT(concurrency-mt-unsafe)
		    argc - 1, argv + 1, "", long_options, NULL))
	       != -1) {
		set_option(&opt, id, optarg);
	}
	raise_file_limit();
	if (run(argv[1], &opt, &f) != 0) {
		(void)fprintf(stderr, "load %s: %s\n", argv[1], f.text);
		return 1;
	}
	return 0;
}
