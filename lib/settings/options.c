#include "settings/options.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/sv.h"

#ifndef POSTROOM_VERSION
#define POSTROOM_VERSION "unknown"
#endif

/* "--name VALUE" or "--name=VALUE" at argv[*i]: 1 with *value_out and *i at
 * the last word of it, 0 if it is another option, -1 if the value lacks. */
static int
take_value(int argc, char **argv, int *i, const char *name,
    const char **value_out, struct fail *f)
{
	size_t len = strlen(name);
	const char *word = argv[*i];

	if (strncmp(word, name, len) != 0
	    || (word[len] != '\0' && word[len] != '=')) {
		return 0;
	}
	if (word[len] == '=') {
		*value_out = word + len + 1;
		return 1;
	}
	if (*i + 1 >= argc) {
		return fail_set(f, FAIL_SYNTAX, "%s needs a value", name);
	}
	*i += 1;
	*value_out = argv[*i];
	return 1;
}

static int
take_flag(const char *word, struct options *out)
{
	if (strcmp(word, "--show-config") == 0) {
		out->show_config = true;
	} else if (strcmp(word, "--version") == 0) {
		out->version = true;
	} else if (strcmp(word, "--help") == 0) {
		out->help = true;
	} else {
		return 0;
	}
	return 1;
}

/* 1 if argv[*i] was one of ours. */
static int
take_one(int argc, char **argv, int *i, struct options *out, struct fail *f)
{
	const char *value = NULL;
	int rc = take_flag(argv[*i], out);

	if (rc != 0) {
		return rc;
	}
	rc = take_value(argc, argv, i, "--home", &value, f);
	if (rc != 0) {
		out->home = value;
		return rc;
	}
	rc = take_value(argc, argv, i, "--set", &value, f);
	if (rc != 0) {
		out->sets[out->n_sets] = value;
		out->n_sets += rc > 0;
		return rc;
	}
	rc = take_value(argc, argv, i, "--port-offset", &value, f);
	if (rc > 0
	    && (!sv_u64(sv_cstr(value), &out->port_offset)
		|| out->port_offset > UINT16_MAX)) {
		return fail_set(f, FAIL_SYNTAX,
		    "--port-offset %s: expected a number up to 65535", value);
	}
	return rc;
}

int
options_take(int *argc, char **argv, struct arena *arena, struct options *out,
    struct fail *f)
{
	int kept = 1;
	int i;

	*out = (struct options){.home = NULL};
	out->sets = arena_array(arena, (size_t)*argc + 1, sizeof(*out->sets));
	for (i = 1; i < *argc; i++) {
		char *word = argv[i];
		int rc;

		if (strcmp(word, "--") == 0) {
			break;
		}
		rc = take_one(*argc, argv, &i, out, f);
		if (rc < 0) {
			return -1;
		}
		if (rc == 0) {
			argv[kept++] = word;
		}
	}
	for (; i < *argc; i++) {
		argv[kept++] = argv[i];
	}
	argv[kept] = NULL;
	*argc = kept;
	return 0;
}

const char *
options_version(void)
{
	return POSTROOM_VERSION;
}

static void
print_help(const char *program, const char *usage)
{
	(void)printf("usage: %s --home DIR [--port-offset N] "
		     "[--set KEY=VALUE]... [--show-config] [--version]%s%s\n",
	    program, usage[0] != '\0' ? " " : "", usage);
}

int
options_settings(int *argc, char **argv, const char *program, const char *usage,
    struct settings *out, struct arena *arena, struct fail *f)
{
	struct options opt;

	if (options_take(argc, argv, arena, &opt, f) != 0) {
		return EX_USAGE;
	}
	if (opt.version) {
		(void)printf("%s (Postroom) %s\n", program, options_version());
		return EX_OK;
	}
	if (opt.help) {
		print_help(program, usage);
		return EX_OK;
	}
	if (opt.home == NULL) {
		(void)fail_set(f, FAIL_SYNTAX, "--home DIR is needed");
		return EX_USAGE;
	}
	if (settings_check_sets(opt.sets, opt.n_sets, arena, f) != 0) {
		return EX_USAGE;
	}
	if (settings_load(
		opt.home, opt.port_offset, opt.sets, opt.n_sets, out, arena, f)
	    != 0) {
		return EX_CONFIG;
	}
	if (opt.show_config) {
		settings_show(out, stdout);
		return EX_OK;
	}
	return OPTIONS_GO_ON;
}
