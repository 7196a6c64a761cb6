#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

enum { VALUE_MAX = 512, LINE_MAX_OCTETS = 4000 };

static const char *log_program = "postroom";
static enum log_level log_max = LOG_INFO;

static const char *const level_names[] = {
    [LOG_PANIC] = "panic",
    [LOG_ERROR] = "error",
    [LOG_WARN] = "warn",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

void
log_init(const char *program, enum log_level level)
{
	log_program = program;
	log_max = level;
}

void
log_level_set(enum log_level level)
{
	log_max = level;
}

bool
log_enabled(enum log_level level)
{
	return level <= log_max;
}

bool
log_level_parse(struct sv name, enum log_level *out)
{
	for (size_t i = 0; i < COUNT_OF(level_names); i++) {
		if (sv_eq_nocase(name, sv_cstr(level_names[i]))) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

static bool
is_bare(struct sv s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=') {
			return false;
		}
	}
	return s.len != 0;
}

static void
add_value(struct buf *line, struct sv s)
{
	bool cut = s.len > VALUE_MAX;

	s = sv_sub(s, 0, VALUE_MAX);
	if (is_bare(s) && !cut) {
		buf_add_sv(line, s);
		return;
	}
	buf_add_char(line, '"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\') {
			buf_add_char(line, '\\');
			buf_add_char(line, (char)c);
		} else if (c < ' ' || c > '~') {
			buf_addf(line, "\\x%02x", c);
		} else {
			buf_add_char(line, (char)c);
		}
	}
	buf_add_str(line, cut ? "...\"" : "\"");
}

static void
add_field(struct buf *line, const struct kv *kv)
{
	buf_addf(line, " %s=", kv->key);
	switch (kv->type) {
	case KV_SV:
		add_value(line, kv->s);
		break;
	case KV_U64:
		buf_add_u64(line, kv->u);
		break;
	case KV_I64:
		buf_addf(line, "%lld", (long long)kv->i);
		break;
	case KV_HEX:
		buf_addf(line, "%llx", (unsigned long long)kv->u);
		break;
	}
}

void
log_write(
    enum log_level level, const char *event, const struct kv *kv, unsigned n)
{
	char space[LINE_MAX_OCTETS + 1];
	struct buf line = {
	    .data = space, .cap = sizeof(space), .limit = LINE_MAX_OCTETS};
	int64_t now = clock_wall_ms();
	time_t sec = (time_t)(now / 1000);
	struct tm tm;

	(void)gmtime_r(&sec, &tm);
	buf_addf(&line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s[%d] %s %s",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec, (int)(now % 1000), log_program, (int)getpid(),
	    level_names[level], event);
	for (unsigned i = 0; i < n; i++) {
		add_field(&line, &kv[i]);
	}
	/* A line that ran over keeps its beginning; the newline always fits. */
	space[line.len] = '\n';
	(void)!write(STDERR_FILENO, space, line.len + 1);
}
