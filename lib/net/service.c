#include "net/service.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/confine.h"
#include "net/keeper.h"
#include "net/park.h"
#include "net/port.h"
#include "net/stat.h"
#include "net/tls.h"
#include "net/user.h"
#include "settings/options.h"

enum {
	ARENAS_MAX = 4,
	FILES_SPARE = 64,
	NOTIFY_TRIES = 5,
	NOTIFY_PAUSE_US = 20 * 1000,
};

static int
send_datagram(const struct sockaddr_un *to, socklen_t len, const char *text)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ssize_t n = fd < 0 ? -1
			   : sendto(fd, text, strlen(text), MSG_NOSIGNAL,
			       (const struct sockaddr *)to, len);

	if (fd >= 0) {
		(void)close(fd);
	}
	return n < 0 ? -1 : 0;
}

/* Whoever started us waits for this, so a passing want is waited out. */
void
service_notify(const char *state)
{
	/* Nobody changes the environment once threads run. */
	const char *name =
	    getenv("NOTIFY_SOCKET"); // NOLINT(concurrency-mt-unsafe)
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t len = name != NULL ? strlen(name) : 0;
	int tries = NOTIFY_TRIES;

	if (len == 0 || len >= sizeof(sa.sun_path)) {
		return;
	}
	memcpy(sa.sun_path, name, len);
	if (sa.sun_path[0] == '@') {
		sa.sun_path[0] = '\0'; /* the abstract space */
	}
	len += offsetof(struct sockaddr_un, sun_path);
	while (send_datagram(&sa, (socklen_t)len, state) != 0) {
		if (--tries == 0) {
			LOG(LOG_WARN, "notify.failed", kv_str("socket", name));
			return;
		}
		(void)usleep(NOTIFY_PAUSE_US);
	}
}

/* Threads inherit the mask; only main takes these, in wait_for_end(). */
static void
block_signals(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

/* Two descriptors a connection, as some commands hold a file open; one
 * is enough for most of them.  More
 * than the hard limit needs root, which we may still be. */
static void
raise_files(const struct settings *set)
{
	rlim_t want = 2 * set->limits_connections + FILES_SPARE;
	rlim_t least = set->limits_connections + FILES_SPARE;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= want) {
		return;
	}
	if (r.rlim_max < want) {
		const struct rlimit more = {want, want};

		if (setrlimit(RLIMIT_NOFILE, &more) == 0) {
			return;
		}
		if (r.rlim_max < least) {
			LOG(LOG_WARN, "limits.files",
			    kv_u64("files", r.rlim_max), kv_u64("least", least),
			    kv_u64("wanted", want));
		}
		want = r.rlim_max;
	}
	r.rlim_cur = want;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

static void
prepare_process(const struct settings *set)
{
	/* Few workers need few arenas: less memory kept [docs/sessions.md]. */
	(void)mallopt(M_ARENA_MAX, ARENAS_MAX); // NOLINT(concurrency-mt-unsafe)
	raise_files(set);
}

static int
open_listeners(const struct service *sv, const struct settings *set,
    struct arena *arena, struct fail *f)
{
	for (size_t i = 0; i < sv->n_listeners; i++) {
		struct listen_spec spec;
		unsigned n;

		if (!port_spec(set, sv->listeners[i].name, arena, &spec)) {
			continue;
		}
		spec.proto = sv->listeners[i].proto;
		if (listen_open(&spec, &n, f) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
load_tls(const struct settings *set, struct fail *f)
{
	const struct tls_conf conf = {
	    .cert = set->tls_certificate,
	    .key = set->tls_key,
	    .names = set->tls_names,
	};

	return tls_load(&conf, f);
}

/* ---- rights ---- */

struct path_list {
	struct confine_path *paths; /* in the arena */
	size_t n, cap;
	struct arena *arena;
};

static void
add_path(struct path_list *list, const char *path, bool write)
{
	list->paths = arena_grow(list->arena, list->paths, list->n, &list->cap,
	    sizeof(*list->paths));
	list->paths[list->n++] = (struct confine_path){path, write};
}

/* The folder of `path`, unless the home is in it: then `path` itself. */
static void
add_folder_of(
    struct path_list *list, const struct settings *set, const char *path)
{
	struct sv folder = sv_cstr(path);

	while (folder.len > 0 && folder.p[folder.len - 1] != '/') {
		folder.len--;
	}
	add_path(list,
	    sv_starts(
		sv_cstr(arena_printf(list->arena, "%s/", set->home)), folder)
		? path
		: arena_cstr(list->arena, folder),
	    false);
}

/*
 * A certificate is renewed by a new file in the place of the old, often
 * behind a symbolic link: what stays readable is not the file but its folder,
 * and that of the file that it leads to.
 */
static void
add_file(struct path_list *list, const struct settings *set, const char *path)
{
	char real[PATH_MAX];

	add_folder_of(list, set, path);
	if (realpath(path, real) != NULL && strcmp(real, path) != 0) {
		add_folder_of(
		    list, set, arena_cstr(list->arena, sv_cstr(real)));
	}
}

/* Where the links in the folders of tls.names lead. */
static void
add_names(struct path_list *list, const struct settings *set)
{
	static const char *const files[] = {
	    "fullchain.pem", "privkey.pem", "cert.pem", "key.pem"};
	DIR *dir = opendir(set->tls_names);
	const struct dirent *d;

	add_path(list, set->tls_names, false);
	/* Before threads start. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	while (dir != NULL && (d = readdir(dir)) != NULL) {
		for (size_t i = 0; d->d_name[0] != '.' && i < COUNT_OF(files);
		     i++) {
			const char *path = arena_printf(list->arena, "%s/%s/%s",
			    set->tls_names, d->d_name, files[i]);
			struct stat st;

			if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
				add_file(list, set, path);
			}
		}
	}
	if (dir != NULL) {
		(void)closedir(dir);
	}
}

static struct path_list
open_paths(
    const struct service *sv, const struct settings *set, struct arena *arena)
{
	struct path_list list = {.arena = arena};
	struct service_path own[SERVICE_PATHS_MAX];
	size_t n_own = sv->paths != NULL ? sv->paths(set, own) : 0;

	add_path(&list, settings_path(set, "run", arena), true);
	if (!sv->exposed) {
		add_path(&list, set->tables, true);
		add_path(&list, set->store_path, true);
		add_path(&list, set->directory_path, true);
	}
	for (size_t i = 0; i < n_own; i++) {
		add_path(&list, own[i].path, own[i].write);
	}
	if (sv->needs_tls) {
		add_file(&list, set, set->tls_certificate);
		add_file(&list, set, set->tls_key);
		add_names(&list, set);
	}
	return list;
}

/* Let what root alone can read be read again when it is renewed. */
static int
leave_keeper(const struct settings *set, struct arena *arena, struct fail *f)
{
	struct path_list list = {.arena = arena};

	add_file(&list, set, set->tls_certificate);
	add_file(&list, set, set->tls_key);
	add_names(&list, set);
	const struct keeper_conf conf = {
	    .allowed = {set->tls_certificate, set->tls_key, set->tls_names},
	    .paths = list.paths,
	    .n_paths = list.n,
	    .restricted = set->process_restrict,
	};

	return keeper_start(&conf, f);
}

static int
give_up_rights(const struct service *sv, const struct settings *set,
    struct arena *arena, struct fail *f)
{
	struct path_list list = open_paths(sv, set, arena);
	struct user user;
	bool all_files = false, confined = false;

	if (user_find(set, sv->exposed, &user)
	    && ((sv->needs_tls && leave_keeper(set, arena, f) != 0)
		|| confine_user(&user, f) != 0)) {
		return -1;
	}
	if (confine_rights(set->home, &all_files, f) != 0) {
		return -1;
	}
	if (set->process_restrict
	    && confine_files(list.paths, list.n, &confined, f) != 0) {
		return -1;
	}
	LOG(LOG_DEBUG, "rights", kv_u64("uid", (uint64_t)geteuid()),
	    kv_u64("all_files", all_files), kv_u64("confined", confined));
	return 0;
}

static int
start_sessions(const struct settings *set, struct arena *arena, struct fail *f)
{
	const struct park_conf park = {
	    .running = (unsigned)set->process_workers,
	    .threads_max = (unsigned)set->process_threads,
	    .suspended_max = (unsigned)set->process_suspended,
	};
	struct listen_conf conf = {
	    .total_max = (unsigned)set->limits_connections,
	    .peer_max = (unsigned)set->limits_peer_connections,
	};

	if (addr_nets_parse(
		sv_cstr(set->listen_balancers), arena, &conf.balancers, f)
	    != 0) {
		return fail_wrap(f, "listen.balancers");
	}
	if (park_start(&park, f) != 0) {
		return -1;
	}
	return listen_start(&conf, f);
}

static int
start_service(const struct service *sv, const struct settings *set,
    struct arena *arena, struct fail *f)
{
	prepare_process(set);
	if (open_listeners(sv, set, arena, f) != 0
	    || (sv->needs_tls && load_tls(set, f) != 0)
	    || give_up_rights(sv, set, arena, f) != 0
	    || (sv->start != NULL && sv->start(set, f) != 0)
	    || stat_open(settings_path(set, "run/stat", arena), sv->name,
		   sv->counters, f)
		   != 0) {
		return -1;
	}
	if (start_sessions(set, arena, f) != 0) {
		stat_close();
		return -1;
	}
	return 0;
}

static void
reload(const struct service *sv, const struct settings *set)
{
	struct fail f;

	if (sv->needs_tls && load_tls(set, &f) != 0) {
		LOG(LOG_ERROR, "tls.refused",
		    kv_str("path", set->tls_certificate), kv_fail(&f));
	}
	if (sv->reload != NULL) {
		sv->reload();
	}
	LOG(LOG_INFO, "reload", kv_str("program", sv->name));
}

static void
wait_for_end(const struct service *sv, const struct settings *set,
    const sigset_t *signals)
{
	for (;;) {
		int sig = sigwaitinfo(signals, NULL);

		if (sig == SIGHUP) {
			reload(sv, set);
		} else if (sig == SIGTERM || sig == SIGINT) {
			return;
		}
	}
}

static void
stop_service(const struct service *sv, const struct settings *set)
{
	struct park_stats left;
	unsigned cut;

	service_notify("STOPPING=1");
	listen_stop();
	cut = park_stop(clock_mono_ms() + (int64_t)set->process_stop_time);
	park_stats(&left);
	stat_close();
	LOG(LOG_INFO, "stopped", kv_u64("sessions_cut", cut),
	    kv_u64("sessions_stuck", left.sessions));
	if (left.sessions != 0) {
		/* In the kernel, or computing: they still use what stop() and
		 * exit(3) would take away.  As killed, which loses nothing. */
		_exit(EXIT_FAILURE);
	}
	if (sv->stop != NULL) {
		sv->stop();
	}
	tls_unload();
	keeper_stop();
}

int
service_main(const struct service *sv, int argc, char **argv)
{
	static struct settings set;
	struct arena arena = {.head = NULL};
	struct fail f = {.kind = FAIL_NONE};
	enum log_level level = LOG_INFO;
	sigset_t signals;
	int status;

	log_init(sv->name, LOG_INFO);
	status = options_settings(&argc, argv, sv->name, "", &set, &arena, &f);
	if (status == OPTIONS_GO_ON && argc > 1) {
		(void)fail_set(&f, FAIL_SYNTAX, "unknown option %s", argv[1]);
		status = EX_USAGE;
	}
	if (status != OPTIONS_GO_ON) {
		if (status != EX_OK) {
			(void)fprintf(stderr, "%s: %s\n", sv->name, f.text);
		}
		goto out;
	}
	status = EXIT_FAILURE;
	if (log_level_parse(sv_cstr(set.log_level), &level)) {
		log_level_set(level);
	}
	block_signals(&signals);
	if (start_service(sv, &set, &arena, &f) != 0) {
		LOG(LOG_ERROR, "start.failed", kv_fail(&f));
		if (f.kind == FAIL_SYNTAX) {
			status = EX_CONFIG;
		}
		goto out;
	}
	service_notify("READY=1");
	wait_for_end(sv, &set, &signals);
	stop_service(sv, &set);
	status = EX_OK;
out:
	arena_deinit(&arena);
	return status;
}
