/*
 * options: the options that all programs share:
 *
 *	--home DIR [--port-offset N] [--set KEY=VALUE]... [--show-config]
 *	[--version] [--help]
 *
 * Threads: for main().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/fail.h"
#include "settings/settings.h"

struct options {
	const char *home; /* NULL if not given */
	uint64_t port_offset;
	const char **sets;
	size_t n_sets;
	bool show_config;
	bool version;
	bool help;
};

/*
 * Take these options out of argv, wherever they stand before a "--"; what
 * remains is moved to argv[1..*argc).  Options it does not know remain too.
 * FAIL_SYNTAX says what was wrong.
 */
int options_take(int *argc, char **argv, struct arena *arena,
    struct options *out, struct fail *f) MUST_CHECK;

/* The version of Postroom: "0.1.0".  Static. */
const char *options_version(void);

/* options_take, then answer --version, --help (`usage`, of the program's own
 * part) and --show-config, or load the settings: what a main() begins with.
 * OPTIONS_GO_ON, or the status to exit with: 0, as something was answered, or
 * what sysexits.h has for a wrong command line or a wrong configuration, and
 * *f says what is wrong. */
enum { OPTIONS_GO_ON = -1 };

int options_settings(int *argc, char **argv, const char *program,
    const char *usage, struct settings *out, struct arena *arena,
    struct fail *f) MUST_CHECK;
