/* Texts of settings and the fields that they are put into. */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/conf_priv.h"
#include "base/mem.h"

struct sv
conf_item_section(const struct conf_item *item)
{
	struct sv rest = sv_cstr(item->name);

	return sv_cut(&rest, '.');
}

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

int
conf_item_set(const struct conf_item *item, const char *text, void *settings,
    struct arena *arena, struct fail *f)
{
	char *field = (char *)settings + item->offset;
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
