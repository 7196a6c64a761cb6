#include "base/conf.h"

#include <confuse.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/sv.h"

enum { READ_PIECE = 4096 };

/* One conf_load() in progress.  libconfuse hands its call-backs no context,
 * so they find it here. */
struct loader {
	const struct conf_item *items;
	size_t n;
	char *settings;
	struct arena *arena;
	struct fail *f;
	bool failed;
	const char *path; /* of the file, NULL while there is none */
};

static _Thread_local struct loader *loading;

static bool
parse_scaled(const char *text, const char *const *units, const uint64_t *scale,
    size_t n_units, uint64_t *out)
{
	struct sv s = sv_cstr(text);
	size_t digits = 0;
	uint64_t v;

	while (digits < s.len && ascii_digit(s.p[digits])) {
		digits++;
	}
	if (!sv_u64(sv_sub(s, 0, digits), &v)) {
		return false;
	}
	for (size_t i = 0; i < n_units; i++) {
		if (sv_eq_nocase(sv_from(s, digits), sv_cstr(units[i]))) {
			return !__builtin_mul_overflow(v, scale[i], out);
		}
	}
	return false;
}

bool
conf_parse_duration(const char *text, uint64_t *ms_out)
{
	static const char *const units[] = {"ms", "s", "m", "h", "d"};
	static const uint64_t scale[] = {1, 1000, 60000, 3600000, 86400000};

	return parse_scaled(text, units, scale, COUNT_OF(units), ms_out)
	       || (sv_eq(sv_cstr(text), SV("0")) && (*ms_out = 0, true));
}

bool
conf_parse_size(const char *text, uint64_t *octets_out)
{
	static const char *const units[] = {"", "K", "M", "G", "T"};
	static const uint64_t scale[] = {1, (uint64_t)1 << 10,
	    (uint64_t)1 << 20, (uint64_t)1 << 30, (uint64_t)1 << 40};

	return parse_scaled(text, units, scale, COUNT_OF(units), octets_out);
}

static bool
parse_bool(struct sv s, bool *out)
{
	static const char *const yes[] = {"yes", "true", "on"};
	static const char *const no[] = {"no", "false", "off"};

	for (size_t i = 0; i < COUNT_OF(yes); i++) {
		if (sv_eq_nocase(s, sv_cstr(yes[i]))) {
			*out = true;
			return true;
		}
		if (sv_eq_nocase(s, sv_cstr(no[i]))) {
			*out = false;
			return true;
		}
	}
	return false;
}

static int
set_number(const struct conf_item *item, const char *text, uint64_t *to,
    struct fail *f)
{
	static const char *const expected[] = {
	    [CONF_NUMBER] = "a number",
	    [CONF_SIZE] = "a size such as 10M",
	    [CONF_DURATION] = "a duration such as 30s or 7d",
	};
	uint64_t v;
	bool ok = item->type == CONF_NUMBER ? sv_u64(sv_cstr(text), &v)
		  : item->type == CONF_SIZE ? conf_parse_size(text, &v)
					    : conf_parse_duration(text, &v);

	if (!ok) {
		return fail_set(f, FAIL_SYNTAX, "%s: \"%s\" is not %s",
		    item->name, text, expected[item->type]);
	}
	if (v < item->min || v > item->max) {
		return fail_set(f, FAIL_SYNTAX,
		    "%s: %s is outside %" PRIu64 " to %" PRIu64 "%s",
		    item->name, text, item->min, item->max,
		    item->type == CONF_DURATION ? " ms" : "");
	}
	*to = v;
	return 0;
}

static int
set_choice(const struct conf_item *item, const char *text, uint64_t *to,
    struct fail *f)
{
	struct buf all = {.limit = FAIL_TEXT_SIZE};

	for (size_t i = 0; item->choices[i] != NULL; i++) {
		if (strcasecmp(item->choices[i], text) == 0) {
			*to = i;
			buf_deinit(&all);
			return 0;
		}
		buf_addf(&all, "%s%s", i != 0 ? ", " : "", item->choices[i]);
	}
	(void)fail_set(f, FAIL_SYNTAX, "%s: \"%s\" is none of %s", item->name,
	    text, buf_cstr(&all));
	buf_deinit(&all);
	return -1;
}

static int
set_item(const struct conf_item *item, const char *text, char *settings,
    struct arena *arena, struct fail *f)
{
	char *field = settings + item->offset;
	const char *copy;
	bool b;
	uint64_t v = 0;

	switch (item->type) {
	case CONF_STRING:
		copy = arena_cstr(arena, sv_cstr(text));
		memcpy(field, &copy, sizeof(copy));
		return 0;
	case CONF_BOOL:
		if (!parse_bool(sv_cstr(text), &b)) {
			return fail_set(f, FAIL_SYNTAX,
			    "%s: \"%s\" is not yes or no", item->name, text);
		}
		memcpy(field, &b, sizeof(b));
		return 0;
	case CONF_CHOICE:
		if (set_choice(item, text, &v, f) != 0) {
			return -1;
		}
		break;
	case CONF_NUMBER:
	case CONF_SIZE:
	case CONF_DURATION:
		if (set_number(item, text, &v, f) != 0) {
			return -1;
		}
		break;
	}
	memcpy(field, &v, sizeof(v));
	return 0;
}

static const struct conf_item *
find_item(const struct conf_item *items, size_t n, struct sv name)
{
	for (size_t i = 0; i < n; i++) {
		if (sv_eq(sv_cstr(items[i].name), name)) {
			return &items[i];
		}
	}
	return NULL;
}

static void PRINTF_LIKE(2, 0) on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char text[FAIL_TEXT_SIZE / 2];

	if (loading->failed) {
		return;
	}
	loading->failed = true;
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	(void)fail_set(loading->f, FAIL_SYNTAX, "%s:%d: %s", loading->path,
	    cfg->line, text);
}

static int
on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = cfg_opt_getnstr(opt, 0);
	const struct conf_item *item;
	char name[128];
	struct fail f;

	(void)snprintf(name, sizeof(name), "%s.%s", cfg->name, opt->name);
	item = find_item(loading->items, loading->n, sv_cstr(name));
	ASSERT(item != NULL);
	if (set_item(item, text, loading->settings, loading->arena, &f) != 0) {
		cfg_error(cfg, "%s", f.text);
		return -1;
	}
	return 0;
}

static struct sv
section_of(const struct conf_item *item)
{
	struct sv rest = sv_cstr(item->name);

	return sv_cut(&rest, '.');
}

/* The options of one section, NULL-ended, from the items of its name. */
static cfg_opt_t *
section_opts(
    const struct conf_item *items, size_t n, struct sv section, struct arena *a)
{
	cfg_opt_t *opts = arena_array(a, n + 1, sizeof(*opts));
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		struct sv key = sv_cstr(items[i].name);

		if (sv_eq(sv_cut(&key, '.'), section)) {
			opts[k++] =
			    (cfg_opt_t)CFG_STR(key.p, NULL, CFGF_NODEFAULT);
		}
	}
	opts[k] = (cfg_opt_t)CFG_END();
	return opts;
}

static cfg_t *
build_parser(const struct conf_item *items, size_t n, struct arena *a)
{
	cfg_opt_t *top = arena_array(a, n + 1, sizeof(*top));
	size_t k = 0;
	cfg_t *cfg;

	for (size_t i = 0; i < n; i++) {
		struct sv section = section_of(&items[i]);

		if (i > 0 && sv_eq(section, section_of(&items[i - 1]))) {
			continue; /* tables keep a section together */
		}
		top[k++] = (cfg_opt_t)CFG_SEC(arena_cstr(a, section),
		    section_opts(items, n, section, a), CFGF_NONE);
	}
	top[k] = (cfg_opt_t)CFG_END();
	cfg = cfg_init(top, CFGF_NONE);
	ASSERT(cfg != NULL);
	for (size_t i = 0; i < n; i++) {
		char *path = arena_cstr(a, sv_cstr(items[i].name));
		char *dot = strchr(path, '.');

		ASSERT(dot != NULL);
		*dot = '|';
		(void)cfg_set_validate_func(cfg, path, on_value);
	}
	(void)cfg_set_error_function(cfg, on_error);
	return cfg;
}

/* All of a file, with NUL behind it; NULL and *l->f if it cannot be read. */
static char *
read_file(struct loader *l, struct buf *to)
{
	FILE *file = fopen(l->path, "re");
	size_t n = 1;

	if (file == NULL) {
		(void)fail_sys(l->f, "%s", l->path);
		return NULL;
	}
	while (n != 0) {
		n = fread(buf_reserve(to, READ_PIECE), 1, READ_PIECE, file);
		to->len += n;
	}
	(void)fclose(file);
	return to->data;
}

static int
parse(struct loader *l, const char *text)
{
	struct arena a = {.head = NULL};
	cfg_t *cfg = build_parser(l->items, l->n, &a);
	int rc;

	loading = l;
	rc = cfg_parse_buf(cfg, text);
	loading = NULL;
	(void)cfg_free(cfg);
	arena_deinit(&a);
	return rc == CFG_SUCCESS ? 0 : -1;
}

/*
 * libconfuse takes the end of the file for the end of a section too.  Such a
 * file, and no other that it accepts, it still accepts with one brace more.
 */
static int
check_closed(struct loader *l, struct buf *text)
{
	size_t lines = 1;

	for (size_t i = 0; i < text->len; i++) {
		lines += text->data[i] == '\n';
	}
	buf_add_str(text, "\n}\n");
	l->failed = true; /* the error that should come is not one */
	if (parse(l, buf_cstr(text)) != 0) {
		return 0;
	}
	return fail_set(l->f, FAIL_SYNTAX,
	    "%s:%zu: the file ends within a section, expected }", l->path,
	    lines);
}

static int
load_file(struct loader *l, const char *path)
{
	struct buf text = {.data = NULL};
	int rc = -1;

	l->path = path;
	if (read_file(l, &text) != NULL) {
		rc = parse(l, buf_cstr(&text));
		if (rc == 0) {
			rc = check_closed(l, &text);
		}
	}
	buf_deinit(&text);
	return rc;
}

static int
apply_set(struct loader *l, const char *set)
{
	struct sv value = sv_cstr(set);
	struct sv name = sv_trim(sv_cut(&value, '='));
	const struct conf_item *item = find_item(l->items, l->n, name);
	char *text;

	if (item == NULL || strchr(set, '=') == NULL) {
		return fail_set(l->f, FAIL_SYNTAX,
		    "--set %s: expected section.key=value with a known key",
		    set);
	}
	text = arena_cstr(l->arena, sv_trim(value));
	if (set_item(item, text, l->settings, l->arena, l->f) != 0) {
		return fail_wrap(l->f, "--set");
	}
	return 0;
}

int
conf_load(const struct conf_item *items, size_t n, void *settings,
    const char *path, const char *const *sets, size_t n_sets,
    struct arena *arena, struct fail *f)
{
	struct loader l = {items, n, settings, arena, f, false, NULL};

	for (size_t i = 0; i < n; i++) {
		if (set_item(&items[i], items[i].fallback, settings, arena, f)
		    != 0) {
			return fail_wrap(f, "default");
		}
	}
	if (path != NULL && access(path, F_OK) == 0
	    && load_file(&l, path) != 0) {
		return -1;
	}
	for (size_t i = 0; i < n_sets; i++) {
		if (apply_set(&l, sets[i]) != 0) {
			return -1;
		}
	}
	return 0;
}

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
		    i == 0 || !sv_eq(section, section_of(&items[i - 1]));
		bool last =
		    i + 1 == n || !sv_eq(section, section_of(&items[i + 1]));

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
