/*
 * settings: the one table of everything that can be configured.
 *
 * settings.def has one line for each setting; the struct below, the parser,
 * the text of --show-config and postroom.conf(5) are made from it.  To add a
 * setting, add a line there.
 *
 * Threads: a loaded struct settings is immutable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/conf.h"
#include "base/fail.h"

struct settings {
	const char *home;     /* absolute */
	const char *run;      /* HOME/run, or in memory: settings/rundir.h */
	const char *tables;   /* of what programs share: the same, or alone in
			       * memory */
	uint64_t port_offset; /* added to every port that is not 0 */

#define STRING(section, key, fallback, text) const char *section##_##key;
#define NUMBER(section, key, fallback, least, most, text)                      \
	uint64_t section##_##key;
#define BOOL(section, key, fallback, text) bool section##_##key;
#include "settings/settings.def"
};

/*
 * Read HOME/postroom.conf, if it exists, and apply `sets` ("key=value").
 * Paths come out absolute.  An empty server.hostname becomes the machine's
 * name.  Strings live in `arena`.  FAIL_SYNTAX says file, line and what was
 * expected.
 */
int settings_load(const char *home, uint64_t port_offset,
    const char *const *sets, size_t n_sets, struct settings *out,
    struct arena *arena, struct fail *f) MUST_CHECK;

/* Are these "key=value" of known settings, each within its limits?
 * FAIL_SYNTAX says which is not. */
int settings_check_sets(const char *const *sets, size_t n_sets,
    struct arena *arena, struct fail *f) MUST_CHECK;

/* As a file that settings_load() reads, with comments. */
void settings_show(const struct settings *set, FILE *to);

/* Every default as a comment: the file of a new home. */
void settings_template(FILE *to);

/* The whole table, for the manual page and its check. */
const struct conf_item *settings_items(size_t *n_out);

/* port + port_offset; 0 stays 0. */
uint16_t settings_port(const struct settings *set, uint64_t port);

/* HOME/name, in `arena`, and what is in run/ where that is; an absolute name
 * is returned as it is. */
const char *settings_path(
    const struct settings *set, const char *name, struct arena *arena);
