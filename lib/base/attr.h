/*
 * attr: compiler attributes under names that say what they promise.
 */
#pragma once

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#define NO_RETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define NONNULL __attribute__((nonnull))

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* clang -Wthread-safety; nothing under gcc. */
#if defined(__clang__)
#define TS_ATTR(x) __attribute__((x))
#else
#define TS_ATTR(x)
#endif
#define CAPABILITY(name) TS_ATTR(capability(name))
/* For readers: in C, clang 14 cannot name another member of the struct. */
#define GUARDED_BY(l)
#define REQUIRES(l) TS_ATTR(requires_capability(l))
#define ACQUIRES(l) TS_ATTR(acquire_capability(l))
#define RELEASES(l) TS_ATTR(release_capability(l))
#define EXCLUDES(l) TS_ATTR(locks_excluded(l))
#define NO_THREAD_SAFETY TS_ATTR(no_thread_safety_analysis)
