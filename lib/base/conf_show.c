/* Settings as a file that they can be read from. */
#include <inttypes.h>
#include <string.h>

#include "base/conf_priv.h"
#include "base/mem.h"

static void
show_quoted(const char *s, FILE *to)
{
	(void)fputc('"', to);
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\') {
			(void)fputc('\\', to);
		}
		(void)fputc(*s, to);
	}
	(void)fputc('"', to);
}

static void
show_duration(uint64_t ms, FILE *to)
{
	static const struct {
		uint64_t ms;
		const char *unit;
	} units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"},
	    {1, "ms"}};
	size_t i = 0;

	while (i < COUNT_OF(units) - 1 && (ms == 0 || ms % units[i].ms != 0)) {
		i++;
	}
	(void)fprintf(to, "%" PRIu64 "%s", ms / units[i].ms, units[i].unit);
}

static void
show_size(uint64_t octets, FILE *to)
{
	static const char units[] = " KMGT";
	size_t i = 0;

	while (octets != 0 && octets % 1024 == 0 && i < 4) {
		octets /= 1024;
		i++;
	}
	(void)fprintf(to, "%" PRIu64, octets);
	if (i != 0) {
		(void)fputc(units[i], to);
	}
}

void
conf_show_number(const struct conf_item *item, uint64_t v, FILE *to)
{
	if (item->type == CONF_CHOICE) {
		(void)fputs(item->choices[v], to);
	} else if (item->type == CONF_SIZE) {
		show_size(v, to);
	} else if (item->type == CONF_DURATION) {
		show_duration(v, to);
	} else {
		(void)fprintf(to, "%" PRIu64, v);
	}
}

static void
show_value(const struct conf_item *item, const char *settings, FILE *to)
{
	const char *field = settings + item->offset;
	const char *s;
	uint64_t v = 0;
	bool b;

	if (item->type == CONF_STRING) {
		memcpy(&s, field, sizeof(s));
		show_quoted(s, to);
		return;
	}
	if (item->type == CONF_BOOL) {
		memcpy(&b, field, sizeof(b));
		(void)fputs(b ? "yes" : "no", to);
		return;
	}
	memcpy(&v, field, sizeof(v));
	conf_show_number(item, v, to);
}

/* The default needs quotes where a value would. */
static void
show_fallback(const struct conf_item *item, FILE *to)
{
	if (item->type == CONF_STRING) {
		show_quoted(item->fallback, to);
	} else {
		(void)fputs(item->fallback, to);
	}
}

/* With `settings` NULL all values are comments. */
static void
show_sections(
    const struct conf_item *items, size_t n, FILE *to, const void *settings)
{
	for (size_t i = 0; i < n; i++) {
		struct sv key = sv_cstr(items[i].name);
		struct sv section = sv_cut(&key, '.');
		bool first =
		    i == 0 || !sv_eq(section, conf_item_section(&items[i - 1]));
		bool last =
		    i + 1 == n
		    || !sv_eq(section, conf_item_section(&items[i + 1]));

		if (first) {
			(void)fprintf(to, "%.*s {\n", SV_ARG(section));
		}
		(void)fprintf(to, "    # %s\n", items[i].text);
		if (settings != NULL) {
			(void)fprintf(to, "    %s = ", key.p);
			show_value(&items[i], settings, to);
			(void)fputs("  # default: ", to);
		} else {
			(void)fprintf(to, "    # %s = ", key.p);
		}
		show_fallback(&items[i], to);
		(void)fputs(last ? "\n}\n\n" : "\n\n", to);
	}
}

void
conf_show(
    const struct conf_item *items, size_t n, const void *settings, FILE *to)
{
	show_sections(items, n, to, settings);
}

void
conf_template(const struct conf_item *items, size_t n, FILE *to)
{
	show_sections(items, n, to, NULL);
}
