/*
 * log: one line an event, `key=value`, on standard error.
 *
 *	LOG(LOG_INFO, "login", kv_sv("user", user), kv_u64("ms", took));
 *
 * writes
 *
 *	2026-01-31T09:30:00.123Z imapd[417] info login user=ann@example.org ms=3
 *
 * Event names are stable: a noun or noun.verb, in lower case; at least one
 * pair follows.  Values with
 * blanks, quotes, controls or octets above 0x7e are put in double quotes and
 * escaped (\" \\ \xHH), so that peer octets cannot make a line or a field.
 * Values over 512 octets are cut.  No secret is ever logged.
 *
 * Threads: LOG() is safe from any thread and writes each line whole with one
 * write(2).  log_init() and log_level_set() are called before threads start.
 */
#pragma once

#include <stdint.h>

#include "base/attr.h"
#include "base/fail.h"
#include "base/sv.h"

enum log_level {
	LOG_PANIC, /* the program cannot go on */
	LOG_ERROR, /* something was not done that should have been */
	LOG_WARN,  /* it was done, but look at this */
	LOG_INFO,  /* what an administrator reads: sessions, messages */
	LOG_DEBUG,
};

struct kv {
	const char *key;
	enum { KV_SV, KV_U64, KV_I64, KV_HEX } type;
	union {
		struct sv s;
		uint64_t u;
		int64_t i;
	};
};

static inline struct kv
kv_sv(const char *key, struct sv v)
{
	return (struct kv){.key = key, .type = KV_SV, .s = v};
}

static inline struct kv
kv_str(const char *key, const char *v)
{
	return (struct kv){.key = key, .type = KV_SV, .s = sv_cstr(v)};
}

static inline struct kv
kv_u64(const char *key, uint64_t v)
{
	return (struct kv){.key = key, .type = KV_U64, .u = v};
}

static inline struct kv
kv_i64(const char *key, int64_t v)
{
	return (struct kv){.key = key, .type = KV_I64, .i = v};
}

static inline struct kv
kv_hex(const char *key, uint64_t v)
{
	return (struct kv){.key = key, .type = KV_HEX, .u = v};
}

/* `why=` of a failure: its text. */
static inline struct kv
kv_fail(const struct fail *f)
{
	return kv_str("why", f->text);
}

/* Once, at the start; `program` is borrowed for good.  Lines above `level` are
 * not written. */
void log_init(const char *program, enum log_level level);
void log_level_set(enum log_level level); /* at any time */

/* "panic", "error", "warn", "info", "debug"; false for anything else. */
bool log_level_parse(struct sv name, enum log_level *out);

/* One line on standard error.  LOG() below asks log_enabled() first, so that
 * what is not written costs nothing. */
void log_write(
    enum log_level level, const char *event, const struct kv *kv, unsigned n);
bool log_enabled(enum log_level level);

#define LOG(level, event, ...)                                                 \
	(log_enabled(level) ? log_write((level), (event),                      \
	     (const struct kv[]){__VA_ARGS__},                                 \
	     (unsigned)COUNT_OF(((const struct kv[]){__VA_ARGS__})))           \
			    : (void)0)
