/*
 * fail: why a call failed, in the terms a protocol must decide on.
 *
 * A function that can fail returns 0 or -1 and fills the caller's struct
 * fail.  The kinds are decisions, not causes: each protocol has exactly one
 * table that turns a kind into its reply codes.  The text is for the log; it
 * may name paths and is never sent to a peer.
 *
 * Threads: a struct fail belongs to its caller.
 */
#pragma once

#include <stdarg.h>

#include "base/attr.h"

enum fail_kind {
	FAIL_NONE = 0,
	FAIL_TEMP,	/* try again later, nothing was done */
	FAIL_PERM,	/* will not work however often it is tried */
	FAIL_ABSENT,	/* the thing named does not exist */
	FAIL_EXISTS,	/* the thing to be made exists already */
	FAIL_DENIED,	/* not allowed, or not authenticated */
	FAIL_LIMIT,	/* a size, quota, count or disk limit */
	FAIL_SYNTAX,	/* the peer's or the file's text is malformed */
	FAIL_CORRUPT,	/* stored data is damaged */
	FAIL_CANCELLED, /* the peer left, a deadline passed, or shutdown */
	FAIL_UNKNOWN,	/* it may have been done, wholly or in part, or not */
};

enum { FAIL_TEXT_SIZE = 240 };

struct fail {
	enum fail_kind kind;
	int err; /* errno of the cause, or 0 */
	char text[FAIL_TEXT_SIZE];
};

/* All makers return -1, so that `return fail_set(...)` reads well.  `f` may
 * not be NULL. */
int fail_set(struct fail *f, enum fail_kind kind, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* From errno: appends its text and maps it to a kind (ENOSPC, EDQUOT, EMFILE:
 * LIMIT; ENOENT: ABSENT; EEXIST: EXISTS; EACCES, EPERM: DENIED; else TEMP). */
int fail_sys(struct fail *f, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The same from an error number that is not in errno (c_*() calls and other
 * functions that return -errno: pass it positive). */
int fail_err(struct fail *f, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "context: " before the text of a failure passed up. */
int fail_wrap(struct fail *f, const char *fmt, ...) PRINTF_LIKE(2, 3);

#ifdef __clang_analyzer__ /* looks at one file, not at fail.c */
static inline int
fail_made(void)
{
	return -1;
}
#define fail_set(...) ((void)fail_set(__VA_ARGS__), fail_made())
#define fail_sys(...) ((void)fail_sys(__VA_ARGS__), fail_made())
#define fail_err(...) ((void)fail_err(__VA_ARGS__), fail_made())
#define fail_wrap(...) ((void)fail_wrap(__VA_ARGS__), fail_made())
#endif

/* Forget a failure that was handled. */
void fail_clear(struct fail *f);

/* "temp", "perm", ...: for logs. */
const char *fail_kind_name(enum fail_kind kind);
