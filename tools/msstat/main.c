/*
 * msstat: who is connected, to what, since when, and what it costs.
 *
 *	msstat --home DIR [--json] [PROGRAM...]
 *
 * Every running server answers on DIR/run/stat/PROGRAM.PID (net/stat.h) with
 * one JSON object.  A socket that nobody answers is of a program that was
 * killed, and is skipped.  The objects are printed as they are with --json,
 * else as two tables.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "settings/options.h"
#include "settings/settings.h"

enum {
	ANSWER_MAX = 256 * 1024 * 1024, /* octets of one program */
	ANSWER_MS = 10 * 1000,
	READ_SIZE = 64 * 1024,
};

/* A path through the folder's descriptor is short enough for any socket. */
static int
connect_in(int dir, const char *name)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int n = snprintf(
	    sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", dir, name);
	int fd;

	if (n < 0 || (size_t)n >= sizeof(sa.sun_path)) {
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0
	    && connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* All that comes until the end of the stream; false if it does not end. */
static bool
read_answer(int fd, struct buf *to)
{
	int64_t until = clock_mono_ms() + ANSWER_MS;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = until - clock_mono_ms();
		char *at = buf_reserve(to, READ_SIZE);
		ssize_t n;

		if (at == NULL || left <= 0 || poll(&p, 1, (int)left) <= 0) {
			return false;
		}
		n = read(fd, at, READ_SIZE);
		if (n <= 0) {
			return n == 0;
		}
		to->len += (size_t)n;
	}
}

/* The answer of one program, or NULL if it has none. */
static json_t *
ask(int dir, const char *name)
{
	struct buf text = {.limit = ANSWER_MAX};
	json_t *answer = NULL;
	int fd = connect_in(dir, name);

	if (fd >= 0) {
		if (read_answer(fd, &text)) {
			answer = json_loadb(text.data, text.len, 0, NULL);
		}
		(void)close(fd);
	}
	buf_deinit(&text);
	return answer;
}

static bool
wanted(const char *name, char *const *programs)
{
	if (*programs == NULL) {
		return true;
	}
	for (; *programs != NULL; programs++) {
		size_t n = strlen(*programs);

		if (strncmp(name, *programs, n) == 0 && name[n] == '.') {
			return true;
		}
	}
	return false;
}

static json_t *
ask_all(DIR *d, char *const *programs)
{
	json_t *all = json_array();
	struct dirent *e;

	/* One thread: readdir(3) has no other reader of `d`. */
	while ((e = readdir(d)) != NULL) { // NOLINT(concurrency-mt-unsafe)
		if (e->d_name[0] != '.' && wanted(e->d_name, programs)) {
			json_t *answer = ask(dirfd(d), e->d_name);

			if (answer != NULL) {
				(void)json_array_append_new(all, answer);
			}
		}
	}
	return all;
}

static const char *
text_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s != NULL && s[0] != '\0' ? s : "-";
}

static uint64_t
number_of(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

/* "1.5M": for people; three digits are enough for them. */
static const char *
short_size(uint64_t octets, char buf[16])
{
	static const char units[] = "KMGTPE";
	double v = (double)octets;
	int unit = -1;

	while (v >= 1000 && unit + 1 < (int)sizeof(units) - 1) {
		v /= 1024;
		unit++;
	}
	if (unit < 0) {
		(void)snprintf(buf, 16, "%" PRIu64, octets);
	} else {
		(void)snprintf(
		    buf, 16, v < 10 ? "%.1f%c" : "%.0f%c", v, units[unit]);
	}
	return buf;
}

static void
print_programs(const json_t *all)
{
	size_t i;
	json_t *p;

	(void)printf("%-8s %7s %8s %7s %7s %7s  %s\n", "PROGRAM", "PID",
	    "SESSIONS", "THREADS", "PSS", "RSS", "SINCE");
	json_array_foreach(all, i, p)
	{
		const json_t *memory = json_object_get(p, "memory");
		char pss[16];
		char rss[16];

		(void)printf("%-8s %7" PRIu64 " %8zu %7" PRIu64
			     " %7s %7s  %s\n",
		    text_of(p, "program"), number_of(p, "pid"),
		    json_array_size(json_object_get(p, "sessions")),
		    number_of(p, "threads"),
		    short_size(number_of(memory, "pss"), pss),
		    short_size(number_of(memory, "rss"), rss),
		    text_of(p, "since"));
	}
}

static void
print_session(const json_t *program, const json_t *s)
{
	char in[16];
	char out[16];

	(void)printf("%-8s %-10s %-28s %-22s %-24s %6s %6s  %-7s %s\n",
	    text_of(program, "program"), text_of(s, "protocol"),
	    text_of(s, "user"), text_of(s, "peer"), text_of(s, "state"),
	    short_size(number_of(s, "in"), in),
	    short_size(number_of(s, "out"), out), text_of(s, "tls"),
	    text_of(s, "since"));
}

static void
print_sessions(const json_t *all)
{
	size_t i;
	size_t k;
	json_t *p;
	json_t *s;

	(void)printf("\n%-8s %-10s %-28s %-22s %-24s %6s %6s  %-7s %s\n",
	    "PROGRAM", "PROTOCOL", "USER", "PEER", "STATE", "IN", "OUT", "TLS",
	    "SINCE");
	json_array_foreach(all, i, p)
	{
		json_array_foreach(json_object_get(p, "sessions"), k, s)
		{
			print_session(p, s);
		}
	}
}

static int
show(const struct settings *set, bool as_json, char *const *programs,
    struct arena *arena, struct fail *f)
{
	const char *path = settings_path(set, "run/stat", arena);
	DIR *d = opendir(path);
	json_t *all;

	if (d == NULL) {
		return fail_sys(f, "%s", path);
	}
	all = ask_all(d, programs);
	(void)closedir(d);
	if (as_json) {
		(void)json_dumpf(all, stdout, JSON_INDENT(2));
		(void)putchar('\n');
	} else {
		print_programs(all);
		print_sessions(all);
	}
	json_decref(all);
	return 0;
}

int
main(int argc, char **argv)
{
	struct arena arena = {.head = NULL};
	struct settings set;
	struct fail f;
	bool as_json = false;
	int status;
	int kept = 1;

	status = options_settings(
	    &argc, argv, "msstat", "[--json] [PROGRAM...]", &set, &arena, &f);
	if (status != OPTIONS_GO_ON) {
		goto out;
	}
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			as_json = true;
		} else if (argv[i][0] != '-') {
			argv[kept++] = argv[i];
		} else {
			(void)fail_set(
			    &f, FAIL_SYNTAX, "unknown option %s", argv[i]);
			status = EX_USAGE;
			goto out;
		}
	}
	argv[kept] = NULL;
	status = show(&set, as_json, argv + 1, &arena, &f) == 0 ? EX_OK
								: EXIT_FAILURE;
out:
	if (status != EX_OK) {
		(void)fprintf(stderr, "msstat: %s\n", f.text);
	}
	arena_deinit(&arena);
	return status;
}
