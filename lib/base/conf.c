#include "base/conf.h"

#include <confuse.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/conf_priv.h"
#include "base/mem.h"
#include "base/sv.h"

enum { READ_PIECE = 4096, FILE_MAX = 16 * 1024 * 1024 };

/* One conf_load() in progress.  libconfuse hands its call-backs no context,
 * so they find it here. */
struct loader {
	const struct conf_item *items;
	size_t n;
	void *settings;
	struct arena *arena;
	struct fail *f;
	bool failed;
	const char *path; /* of the file, NULL while there is none */
};

static _Thread_local struct loader *loading;

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
	if (item == NULL) { /* "section|key", at the top of the file */
		cfg_error(cfg, "%s outside of its section", opt->name);
		return -1;
	}
	if (conf_item_set(item, text, loading->settings, loading->arena, &f)
	    != 0) {
		cfg_error(cfg, "%s", f.text);
		return -1;
	}
	return 0;
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
		struct sv section = conf_item_section(&items[i]);

		if (i > 0 && sv_eq(section, conf_item_section(&items[i - 1]))) {
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

static int
read_file(struct loader *l, struct buf *to)
{
	FILE *file = fopen(l->path, "re");
	size_t n = 1;
	int rc = 0;

	if (file == NULL) {
		return fail_sys(l->f, "%s", l->path);
	}
	while (n != 0) {
		n = fread(buf_reserve(to, READ_PIECE), 1, READ_PIECE, file);
		to->len += n;
		if (to->len > FILE_MAX) {
			rc = fail_set(l->f, FAIL_SYNTAX,
			    "%s: more than %d octets", l->path, FILE_MAX);
			break;
		}
	}
	if (ferror(file)) {
		rc = fail_sys(l->f, "read %s", l->path);
	}
	(void)fclose(file);
	return rc;
}

static size_t
count_lines(struct sv text)
{
	size_t lines = 1;

	for (size_t i = 0; i < text.len; i++) {
		lines += text.p[i] == '\n';
	}
	return lines;
}

/* Text as libconfuse takes it: it stops at a NUL, and prints a backslash that
 * is the last octet. */
static int
check_text(struct loader *l, struct buf *text)
{
	struct sv all = sv_make(text->data, text->len);
	ptrdiff_t nul = sv_chr(all, '\0');

	if (nul >= 0) {
		return fail_set(l->f, FAIL_SYNTAX, "%s:%zu: a NUL octet",
		    l->path, count_lines(sv_sub(all, 0, (size_t)nul)));
	}
	if (all.len > 0 && all.p[all.len - 1] != '\n') {
		buf_add_str(text, "\n");
	}
	return 0;
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
	size_t lines = count_lines(sv_make(text->data, text->len));

	buf_add_str(text, "}\n");
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
	if (read_file(l, &text) == 0 && check_text(l, &text) == 0) {
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
	if (conf_item_set(item, text, l->settings, l->arena, l->f) != 0) {
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
		if (conf_item_set(
			&items[i], items[i].fallback, settings, arena, f)
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
