/*
 * postroom: starts and keeps running the programs of one mail server.
 *
 *	postroom serve --home DIR [--port-offset N] [--set KEY=VALUE]...
 *	postroom prepare --home DIR [--set KEY=VALUE]...
 *
 * Order: the home directory, its lock, the listening sockets (so that a port
 * that is taken is known before anything runs), then the programs.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/port.h"
#include "net/service.h"
#include "net/user.h"
#include "postroom/child.h"
#include "postroom/home.h"
#include "postroom/monitor.h"
#include "postroom/room.h"
#include "settings/options.h"
#include "settings/settings.h"

enum {
	BIND_PATIENCE_MS = 10 * 1000, /* programs of a killed monitor end */
	BIND_PAUSE_US = 50 * 1000,
	PROGRAM_SOCKETS_MAX = 4,
	KILL_GRACE_MS = 5 * 1000, /* beyond what programs allow themselves */
};

/* In the order in which they stop. */
static const struct {
	const char *name;
	const char *sockets[PROGRAM_SOCKETS_MAX + 1];
} programs[] = {
    {"smtpd", {"smtp", "submission", "submissions"}},
    {"imapd", {"imap", "imaps"}},
    {"pop3d", {"pop3", "pop3s"}},
    {"lmtpd", {"lmtp", "lmtp-local", "handover"}},
};

static int
open_with_patience(const struct listen_spec *spec, int *fds, unsigned most,
    unsigned *n_out, struct fail *f)
{
	int64_t until = clock_mono_ms() + BIND_PATIENCE_MS;

	while (listen_sockets(spec, fds, most, n_out, f) != 0) {
		if (f->kind != FAIL_EXISTS || clock_mono_ms() >= until) {
			return -1;
		}
		(void)usleep(BIND_PAUSE_US);
	}
	return 0;
}

static int
open_sockets(struct child *c, const char *const *names,
    const struct settings *set, struct arena *arena, struct fail *f)
{
	for (; *names != NULL; names++) {
		struct listen_spec spec;
		unsigned n;

		if (!port_spec(set, *names, arena, &spec)) {
			continue;
		}
		if (open_with_patience(&spec, c->sockets + c->n_sockets,
			(unsigned)(CHILD_SOCKETS_MAX - c->n_sockets), &n, f)
		    != 0) {
			return -1;
		}
		for (; n != 0; n--) {
			c->socket_names[c->n_sockets++] = spec.name;
		}
	}
	return 0;
}

/* The folder of this program: the others are beside it. */
static int
own_folder(struct arena *arena, const char **out, struct fail *f)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n < 0) {
		return fail_sys(f, "read /proc/self/exe");
	}
	path[n] = '\0';
	slash = strrchr(path, '/');
	ASSERT(slash != NULL);
	*slash = '\0';
	*out = arena_cstr(arena, sv_cstr(path));
	return 0;
}

/* The options that the programs are started with: ours, made absolute. */
static const char *const *
child_args(
    const struct settings *set, const struct options *opt, struct arena *arena)
{
	const char **args =
	    arena_array(arena, opt->n_sets * 2 + 5, sizeof(*args));
	size_t n = 0;

	args[n++] = "--home";
	args[n++] = set->home;
	args[n++] = "--port-offset";
	args[n++] = arena_printf(arena, "%" PRIu64, set->port_offset);
	for (size_t i = 0; i < opt->n_sets; i++) {
		args[n++] = "--set";
		args[n++] = opt->sets[i];
	}
	return args;
}

/* A program that is not there would be tried in vain until
 * process.start_time is over. */
static int
find_programs(const char *bin_dir, struct arena *arena, struct fail *f)
{
	for (size_t i = 0; i < COUNT_OF(programs); i++) {
		const char *path =
		    arena_printf(arena, "%s/%s", bin_dir, programs[i].name);

		if (access(path, X_OK) != 0) {
			return fail_sys(f, "program %s", path);
		}
	}
	return 0;
}

static void
ready(void)
{
	(void)printf("postroom: ready\n");
	(void)fflush(stdout);
	service_notify("READY=1");
}

static int
load(const struct options *opt, struct settings *set, struct arena *arena,
    struct fail *f)
{
	return settings_load(
	    opt->home, opt->port_offset, opt->sets, opt->n_sets, set, arena, f);
}

struct running {
	const struct options *opt;
	const struct settings *set;
};

static bool
same_settings(const struct settings *a, const struct settings *b)
{
	const struct settings *both[] = {a, b};
	char *text[] = {NULL, NULL};
	bool same;

	for (size_t i = 0; i < COUNT_OF(both); i++) {
		size_t len;
		FILE *to = open_memstream(&text[i], &len);

		ASSERT(to != NULL);
		settings_show(both[i], to);
		ASSERT(fclose(to) == 0);
	}
	same = strcmp(text[0], text[1]) == 0;
	free(text[0]);
	free(text[1]);
	return same;
}

/* They are read at the start alone.  Who changed them and asks for them to be
 * read is told, and of what a start would fail with. */
static void
look_at_settings(void *arg)
{
	const struct running *running = arg;
	struct arena arena = {.head = NULL};
	struct settings set;
	struct fail f;

	if (load(running->opt, &set, &arena, &f) != 0) {
		LOG(LOG_ERROR, "settings.refused", kv_fail(&f));
	} else if (!same_settings(&set, running->set)) {
		LOG(LOG_WARN, "settings.changed",
		    kv_str("why", "they are read at the next start"));
	}
	arena_deinit(&arena);
}

static int
run_programs(const struct settings *set, const struct options *opt,
    struct arena *arena, struct fail *f)
{
	struct running running = {.opt = opt, .set = set};
	struct child children[COUNT_OF(programs)] = {{.name = NULL}};
	struct monitor_conf conf = {
	    .plan = {.args = child_args(set, opt, arena),
		.restart_min_ms = (int64_t)set->process_restart_min,
		.restart_max_ms = (int64_t)set->process_restart_max,
		.restart_good_ms = (int64_t)set->process_restart_good},
	    .start_ms = (int64_t)set->process_start_time,
	    .stop_ms = (int64_t)set->process_stop_time + KILL_GRACE_MS,
	    .ready = ready,
	    .hup = look_at_settings,
	    .arg = &running,
	};

	if (own_folder(arena, &conf.plan.bin_dir, f) != 0
	    || find_programs(conf.plan.bin_dir, arena, f) != 0) {
		return -1;
	}
	for (size_t i = 0; i < COUNT_OF(programs); i++) {
		children[i].name = programs[i].name;
		if (open_sockets(
			&children[i], programs[i].sockets, set, arena, f)
		    != 0) {
			for (size_t k = 0; k <= i; k++) {
				child_close_sockets(&children[k]);
			}
			return -1;
		}
	}
	return monitor_run(children, COUNT_OF(programs), &conf, f);
}

/* The home directory with all that a first start makes. */
static int
prepare(const struct options *opt, struct settings *set, struct arena *arena,
    struct fail *f)
{
	enum log_level level = LOG_INFO;

	if (home_make(opt->home, f) != 0 || load(opt, set, arena, f) != 0) {
		return -1;
	}
	if (log_level_parse(sv_cstr(set->log_level), &level)) {
		log_level_set(level);
	}
	return home_prepare(set, arena, f);
}

/* run/, in memory if the disk takes nothing, or its tables alone if the disk
 * copies them whenever they change. */
static int
prepare_run(const struct options *opt, struct settings *set,
    struct arena *arena, struct fail *f)
{
	if (room_make(set, arena, f) == 0) {
		return !room_copies(set)
			       || (room_tables_to_memory(set, arena, f) == 0
				   && load(opt, set, arena, f) == 0)
			   ? 0
			   : -1;
	}
	if (!room_lacks(f)) {
		return -1;
	}
	LOG(LOG_WARN, "run.memory", kv_fail(f));
	fail_clear(f);
	if (room_use_memory(opt->home, f) != 0 || load(opt, set, arena, f) != 0
	    || room_make(set, arena, f) != 0) {
		return -1;
	}
	LOG(LOG_WARN, "run.memory", kv_str("path", set->run));
	return 0;
}

/* Without users of their own the programs are kept apart by Landlock alone. */
static void
tell_of_users(const struct settings *set)
{
	struct user user, smtp;

	if (geteuid() != 0) {
		return;
	}
	if (!user_find(set, false, &user)) {
		LOG(LOG_WARN, "users.missing",
		    kv_str("user", set->process_user),
		    kv_str("why", "the programs stay root, without its "
				  "capabilities; see SECURITY in postroom(8)"));
	} else if (user_find(set, true, &smtp) && smtp.uid == user.uid) {
		LOG(LOG_WARN, "users.missing",
		    kv_str("user", set->process_smtp_user),
		    kv_str("why", "smtpd runs as the user that owns the mail; "
				  "see SECURITY in postroom(8)"));
	}
}

static int
serve(const struct options *opt, struct arena *arena, struct fail *f)
{
	struct settings set;
	int lock = -1;
	int rc;

	if (home_make(opt->home, f) != 0
	    || home_lock(opt->home, &lock, f) != 0) {
		return -1;
	}
	room_set_aside(opt->home);
	rc = prepare(opt, &set, arena, f) == 0
		 ? prepare_run(opt, &set, arena, f)
		 : -1;
	room_drop_aside(opt->home);
	if (rc == 0) {
		tell_of_users(&set);
		rc = run_programs(&set, opt, arena, f);
	}
	(void)close(lock);
	return rc;
}

static const char usage[] =
    "usage: postroom serve --home DIR [--port-offset N] "
    "[--set KEY=VALUE]...\n"
    "       postroom prepare --home DIR [--set KEY=VALUE]...\n"
    "       postroom --home DIR --show-config\n"
    "       postroom --version\n";

static int
run(int argc, char **argv, struct arena *arena, struct fail *f)
{
	struct options opt;
	struct settings set;
	int rc;

	if (options_take(&argc, argv, arena, &opt, f) != 0) {
		return EX_USAGE;
	}
	if (opt.version || opt.help) {
		(void)printf(opt.version ? "postroom (Postroom) %s\n" : "%s",
		    opt.version ? options_version() : usage);
		return EX_OK;
	}
	if (opt.home == NULL
	    || (!opt.show_config
		&& (argc != 2
		    || (strcmp(argv[1], "serve") != 0
			&& strcmp(argv[1], "prepare") != 0)))) {
		(void)fail_set(f, FAIL_SYNTAX, "%s", usage);
		return EX_USAGE;
	}
	if (settings_check_sets(opt.sets, opt.n_sets, arena, f) != 0) {
		return EX_USAGE;
	}
	if (opt.show_config) {
		if (load(&opt, &set, arena, f) != 0) {
			return EX_CONFIG;
		}
		settings_show(&set, stdout);
		return EX_OK;
	}
	if (strcmp(argv[1], "serve") == 0) {
		rc = serve(&opt, arena, f);
	} else {
		rc = prepare(&opt, &set, arena, f) == 0
			 ? room_make(&set, arena, f)
			 : -1;
	}
	if (rc != 0) {
		return f->kind == FAIL_SYNTAX ? EX_CONFIG : EXIT_FAILURE;
	}
	return EX_OK;
}

int
main(int argc, char **argv)
{
	struct arena arena = {.head = NULL};
	struct fail f = {.kind = FAIL_NONE};
	int status;

	log_init("postroom", LOG_INFO);
	status = run(argc, argv, &arena, &f);
	if (f.kind != FAIL_NONE) {
		(void)fprintf(stderr, "postroom: %s\n", f.text);
	}
	arena_deinit(&arena);
	return status;
}
