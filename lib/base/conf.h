/*
 * conf: typed settings from one file and the command line.
 *
 * A program has one table of struct conf_item; the parser, --show-config,
 * the manual page and its check are all made from it.  The file's syntax is
 * that of libconfuse: sections by the part before the dot,
 *
 *	store {
 *	    path = "/var/mail"
 *	    retention = 7d
 *	}
 *
 * and on the command line --set store.retention=7d.  Errors say the file, the
 * line, the setting and what was expected.
 *
 * Values: sizes take K, M, G (powers of 1024), durations ms, s, m, h, d;
 * booleans yes/no/true/false/on/off.  A path that is not absolute is taken
 * below the home directory by whoever uses it.
 *
 * Threads: a loaded configuration is immutable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/fail.h"

enum conf_type {
	CONF_STRING,   /* const char *, never NULL */
	CONF_NUMBER,   /* uint64_t */
	CONF_SIZE,     /* uint64_t, octets */
	CONF_DURATION, /* uint64_t, milliseconds */
	CONF_BOOL,     /* bool */
	CONF_CHOICE,   /* uint64_t: index into `choices` */
};

struct conf_item {
	const char *name; /* "section.key" */
	enum conf_type type;
	size_t offset;		    /* of the field in the settings struct */
	const char *fallback;	    /* default, in the file's notation */
	uint64_t min, max;	    /* numbers, sizes, durations */
	const char *const *choices; /* NULL-ended; CONF_CHOICE only */
	const char *text;	    /* one sentence: what it does */
};

/*
 * Fill `settings` (the caller's struct) with the defaults, then the file if
 * it exists and `path` is not NULL, then each of `sets` ("a.b=c").  Strings
 * live in `arena`.  FAIL_SYNTAX names file, line and what was expected.
 */
int conf_load(const struct conf_item *items, size_t n, void *settings,
    const char *path, const char *const *sets, size_t n_sets,
    struct arena *arena, struct fail *f) MUST_CHECK;

/* Every setting with its value, default and text, as a file that conf_load()
 * reads. */
void conf_show(
    const struct conf_item *items, size_t n, const void *settings, FILE *to);

/* The same without values, all comments: a file to begin with. */
void conf_template(const struct conf_item *items, size_t n, FILE *to);

/* A number in the notation of `item`: "7d", "50M", "143". */
void conf_show_number(const struct conf_item *item, uint64_t v, FILE *to);

/* "7d", "10M": as the file's notation.  False if malformed. */
bool conf_parse_duration(const char *text, uint64_t *ms_out);
bool conf_parse_size(const char *text, uint64_t *octets_out);
