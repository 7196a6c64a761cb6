/*
 * print: rows of JSON objects, as a table for people or as they are.
 *
 * A command makes its rows once, as JSON; the table is drawn from the same
 * rows.
 *
 * Threads: one.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum column_kind {
	COLUMN_TEXT,
	COLUMN_NUMBER,
	COLUMN_SIZE,  /* octets */
	COLUMN_LIMIT, /* a number, 0: "-" */
	COLUMN_QUOTA, /* octets, 0: "-" */
	COLUMN_TIME,  /* ms since 1970 */
	COLUMN_BOOL,
	COLUMN_LIST, /* of strings */
};

struct column {
	const char *key;
	const char *title;
	enum column_kind kind;
};

/* Both take `rows` and `row`. */
void print_rows(
    json_t *rows, const struct column *columns, size_t n, bool json);
void print_row(json_t *row, const struct column *columns, size_t n, bool json);

/* One line for people; nothing with `json`. */
void print_note(bool json, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
