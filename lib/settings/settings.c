#include "settings/settings.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sv.h"
#include "settings/rundir.h"

static const struct conf_item items[] = {
#define ITEM(section, key, kind, fallback, least, most, text)                  \
	{#section "." #key, kind, offsetof(struct settings, section##_##key),  \
	    fallback, least, most, NULL, text},
#define STRING(section, key, fallback, text)                                   \
	ITEM(section, key, CONF_STRING, fallback, 0, 0, text)
#define NUMBER(section, key, fallback, least, most, text)                      \
	ITEM(section, key, CONF_NUMBER, fallback, least, most, text)
#define SIZE(section, key, fallback, least, most, text)                        \
	ITEM(section, key, CONF_SIZE, fallback, least, most, text)
#define DURATION(section, key, fallback, least, most, text)                    \
	ITEM(section, key, CONF_DURATION, fallback, least, most, text)
#define BOOL(section, key, fallback, text)                                     \
	ITEM(section, key, CONF_BOOL, fallback, 0, 0, text)
#include "settings/settings.def"
#undef ITEM
};

/* The settings that name files: made absolute when loaded. */
static const size_t paths[] = {
#define STRING(section, key, fallback, text)
#define PATH(section, key, fallback, text)                                     \
	offsetof(struct settings, section##_##key),
#define NUMBER(section, key, fallback, least, most, text)
#define BOOL(section, key, fallback, text)
#include "settings/settings.def"
};

const struct conf_item *
settings_items(size_t *n_out)
{
	*n_out = COUNT_OF(items);
	return items;
}

const char *
settings_path(const struct settings *set, const char *name, struct arena *arena)
{
	if (name[0] == '/') {
		return name;
	}
	if (strcmp(name, "run") == 0) {
		return set->run;
	}
	if (strncmp(name, "run/", strlen("run/")) == 0) {
		return arena_printf(
		    arena, "%s/%s", set->run, name + strlen("run/"));
	}
	return arena_printf(arena, "%s/%s", set->home, name);
}

static const char *
absolute(const char *path, struct arena *arena, struct fail *f)
{
	char cwd[PATH_MAX];

	if (path[0] == '/') {
		return arena_cstr(arena, sv_cstr(path));
	}
	if (getcwd(cwd, sizeof(cwd)) == NULL) {
		(void)fail_sys(f, "working directory");
		return NULL;
	}
	return arena_printf(arena, "%s/%s", cwd, path);
}

static void
find_run(struct settings *set, struct arena *arena)
{
	char name[RUNDIR_SIZE];
	struct fail f;

	set->run = arena_printf(arena, "%s/run", set->home);
	set->tables = set->run;
	if (rundir_name(set->home, name, &f) != 0
	    || !rundir_counts(set->home, name)) {
		return;
	}
	set->tables = arena_printf(arena, "%s/tables", name);
	if (access(set->tables, F_OK) != 0) {
		set->run = arena_printf(arena, "%s/run", name);
		set->tables = set->run;
	}
}

static void
resolve_paths(struct settings *set, struct arena *arena)
{
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		char *field = (char *)set + paths[i];
		const char *path;

		memcpy(&path, field, sizeof(path));
		path = settings_path(set, path, arena);
		memcpy(field, &path, sizeof(path));
	}
}

static void
default_hostname(struct settings *set, struct arena *arena)
{
	char name[HOST_NAME_MAX + 1] = "";

	if (set->server_hostname[0] != '\0') {
		return;
	}
	if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0') {
		set->server_hostname = "localhost";
		return;
	}
	set->server_hostname = arena_cstr(arena, sv_cstr(name));
}

/* Ports must fit 16 bits with the offset too. */
static int
check_ports(const struct settings *set, struct fail *f)
{
	for (size_t i = 0; i < COUNT_OF(items); i++) {
		uint64_t port;

		if (items[i].type != CONF_NUMBER
		    || !sv_starts(sv_cstr(items[i].name), SV("listen."))) {
			continue;
		}
		memcpy(
		    &port, (const char *)set + items[i].offset, sizeof(port));
		if (port != 0 && port + set->port_offset > UINT16_MAX) {
			return fail_set(f, FAIL_SYNTAX,
			    "%s: port %u with the offset %u is above 65535",
			    items[i].name, (unsigned)port,
			    (unsigned)set->port_offset);
		}
	}
	return 0;
}

static int
check_level(const struct settings *set, struct fail *f)
{
	enum log_level level;

	if (log_level_parse(sv_cstr(set->log_level), &level)) {
		return 0;
	}
	return fail_set(f, FAIL_SYNTAX,
	    "log.level: \"%s\" is none of panic, error, warn, info, debug",
	    set->log_level);
}

int
settings_load(const char *home, uint64_t port_offset, const char *const *sets,
    size_t n_sets, struct settings *out, struct arena *arena, struct fail *f)
{
	memset(out, 0, sizeof(*out));
	out->home = absolute(home, arena, f);
	if (out->home == NULL) {
		return -1;
	}
	find_run(out, arena);
	out->port_offset = port_offset;
	if (conf_load(items, COUNT_OF(items), out,
		settings_path(out, "postroom.conf", arena), sets, n_sets, arena,
		f)
	    != 0) {
		return -1;
	}
	resolve_paths(out, arena);
	default_hostname(out, arena);
	return check_ports(out, f) == 0 ? check_level(out, f) : -1;
}

int
settings_check_sets(
    const char *const *sets, size_t n_sets, struct arena *arena, struct fail *f)
{
	struct settings scratch;

	return conf_load(
	    items, COUNT_OF(items), &scratch, NULL, sets, n_sets, arena, f);
}

void
settings_show(const struct settings *set, FILE *to)
{
	conf_show(items, COUNT_OF(items), set, to);
}

void
settings_template(FILE *to)
{
	(void)fputs("# postroom.conf: every setting with its default.  See "
		    "postroom.conf(5).\n\n",
	    to);
	conf_template(items, COUNT_OF(items), to);
}

uint16_t
settings_port(const struct settings *set, uint64_t port)
{
	return port == 0 ? 0 : (uint16_t)(port + set->port_offset);
}
