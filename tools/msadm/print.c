#include "msadm/print.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"

enum { GAP = 2 }; /* blanks between columns */

/* Nothing that is stored can draw on the terminal. */
static void
add_text(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f) {
			buf_addf(b, "\\x%02x", (unsigned)(unsigned char)*text);
		} else {
			buf_add_char(b, *text);
		}
	}
}

static void
add_size(struct buf *b, uint64_t octets)
{
	static const char units[] = "KMGTPE";
	double v = (double)octets;
	int unit = -1;

	while (v >= 1024 && units[unit + 1] != '\0') {
		v /= 1024;
		unit++;
	}
	if (unit < 0) {
		buf_add_u64(b, octets);
	} else {
		buf_addf(b, v < 10 ? "%.1f%c" : "%.0f%c", v, units[unit]);
	}
}

static void
add_time(struct buf *b, int64_t ms)
{
	char text[32];
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	if (ms == 0 || localtime_r(&t, &tm) == NULL
	    || strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0) {
		buf_add_char(b, '-');
		return;
	}
	buf_add_str(b, text);
}

static void
add_list(struct buf *b, const json_t *list)
{
	const char *comma = "";
	size_t i;
	json_t *v;

	json_array_foreach(list, i, v)
	{
		buf_add_str(b, comma);
		add_text(b, json_string_value(v));
		comma = ", ";
	}
}

/* One value; "-" where there is none. */
static void
add_cell(struct buf *b, const json_t *row, const struct column *c)
{
	const json_t *v = json_object_get(row, c->key);
	int64_t number = json_integer_value(v);
	size_t before = b->len;

	if (v == NULL) {
		buf_add_char(b, '-');
		return;
	}
	switch (c->kind) {
	case COLUMN_TEXT:
		add_text(b, json_is_string(v) ? json_string_value(v) : "");
		break;
	case COLUMN_NUMBER:
		buf_addf(b, "%" PRId64, number);
		break;
	case COLUMN_SIZE:
		add_size(b, (uint64_t)number);
		break;
	case COLUMN_LIMIT:
		if (number != 0) {
			buf_addf(b, "%" PRId64, number);
		}
		break;
	case COLUMN_QUOTA:
		if (number != 0) {
			add_size(b, (uint64_t)number);
		}
		break;
	case COLUMN_TIME:
		add_time(b, number);
		break;
	case COLUMN_BOOL:
		buf_add_str(b, json_is_true(v) ? "yes" : "no");
		break;
	case COLUMN_LIST:
		add_list(b, v);
		break;
	}
	if (b->len == before) {
		buf_add_char(b, '-');
	}
}

/* Characters of UTF-8, which is near enough to columns of a terminal. */
static size_t
width_of(struct sv s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	}
	return n;
}

static bool
right_aligned(const struct column *c)
{
	return c->kind == COLUMN_NUMBER || c->kind == COLUMN_SIZE
	       || c->kind == COLUMN_LIMIT || c->kind == COLUMN_QUOTA;
}

static void
put_cell(struct sv text, size_t width, bool right, bool last)
{
	size_t n = width_of(text);
	int pad = n < width ? (int)(width - n) : 0;

	if (right) {
		(void)printf("%*s", pad, "");
	}
	(void)fwrite(text.p, 1, text.len, stdout);
	if (!last) {
		(void)printf("%*s", GAP + (right ? 0 : pad), "");
	}
}

static void
cell_text(const json_t *row, const struct column *c, struct buf *out)
{
	buf_clear(out);
	if (row == NULL) {
		buf_add_str(out, c->title);
	} else {
		add_cell(out, row, c);
	}
}

static size_t
column_width(const json_t *rows, const struct column *c, struct buf *scratch)
{
	size_t most = width_of(sv_cstr(c->title));
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row)
	{
		size_t n;

		cell_text(row, c, scratch);
		n = width_of(buf_sv(scratch));
		most = n > most ? n : most;
	}
	return most;
}

static void
print_table(const json_t *rows, const struct column *columns, size_t n)
{
	size_t widths[16];
	struct buf scratch = {.data = NULL};

	for (size_t c = 0; c < n; c++) {
		widths[c] = column_width(rows, &columns[c], &scratch);
	}
	/* The row before the first is that of the titles. */
	for (size_t i = 0; i <= json_array_size(rows); i++) {
		const json_t *row = i != 0 ? json_array_get(rows, i - 1) : NULL;

		for (size_t c = 0; c < n; c++) {
			cell_text(row, &columns[c], &scratch);
			put_cell(buf_sv(&scratch), widths[c],
			    right_aligned(&columns[c]), c + 1 == n);
		}
		(void)putchar('\n');
	}
	buf_deinit(&scratch);
}

static void
print_json(json_t *value)
{
	(void)json_dumpf(value, stdout, JSON_INDENT(2));
	(void)putchar('\n');
}

void
print_rows(json_t *rows, const struct column *columns, size_t n, bool json)
{
	if (json) {
		print_json(rows);
	} else if (json_array_size(rows) != 0) {
		print_table(rows, columns, n);
	}
	json_decref(rows);
}

void
print_row(json_t *row, const struct column *columns, size_t n, bool json)
{
	struct buf text = {.data = NULL};

	if (json) {
		print_json(row);
	}
	for (size_t c = 0; c < n && !json; c++) {
		cell_text(row, &columns[c], &text);
		(void)printf("%-16s %s\n", columns[c].title, buf_cstr(&text));
	}
	buf_deinit(&text);
	json_decref(row);
}

void
print_note(bool json, const char *fmt, ...)
{
	va_list ap;

	if (json) {
		return;
	}
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)putchar('\n');
}
