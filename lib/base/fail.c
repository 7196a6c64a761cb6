#include "base/fail.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* What fail.h tells the analyzer in their place. */
#undef fail_set
#undef fail_sys
#undef fail_err
#undef fail_wrap

static enum fail_kind
kind_of_errno(int err)
{
	switch (err) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EMSGSIZE:
		return FAIL_LIMIT;
	case ENOENT:
	case ENOTDIR:
		return FAIL_ABSENT;
	case EEXIST:
		return FAIL_EXISTS;
	case EACCES:
	case EPERM:
		return FAIL_DENIED;
	case ECANCELED:
	case ETIMEDOUT:
	case EPIPE:
	case ECONNRESET:
		return FAIL_CANCELLED;
	default:
		return FAIL_TEMP;
	}
}

int
fail_set(struct fail *f, enum fail_kind kind, const char *fmt, ...)
{
	va_list ap;

	f->kind = kind;
	f->err = 0;
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	return -1;
}

static void PRINTF_LIKE(3, 0)
    fail_errno(struct fail *f, int err, const char *fmt, va_list ap)
{
	char why[96];
	size_t n;

	f->kind = kind_of_errno(err);
	f->err = err;
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	n = strlen(f->text);
	(void)snprintf(f->text + n, sizeof(f->text) - n, ": %s",
	    strerror_r(err, why, sizeof(why)));
}

int
fail_sys(struct fail *f, const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	fail_errno(f, err, fmt, ap);
	va_end(ap);
	return -1;
}

int
fail_err(struct fail *f, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_errno(f, err, fmt, ap);
	va_end(ap);
	return -1;
}

int
fail_wrap(struct fail *f, const char *fmt, ...)
{
	char old[FAIL_TEXT_SIZE];
	size_t n;
	va_list ap;

	memcpy(old, f->text, sizeof(old));
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	n = strlen(f->text);
	(void)snprintf(f->text + n, sizeof(f->text) - n, ": %s", old);
	return -1;
}

void
fail_clear(struct fail *f)
{
	*f = (struct fail){.kind = FAIL_NONE};
}

const char *
fail_kind_name(enum fail_kind kind)
{
	static const char *const names[] = {
	    [FAIL_NONE] = "none",
	    [FAIL_TEMP] = "temp",
	    [FAIL_PERM] = "perm",
	    [FAIL_ABSENT] = "absent",
	    [FAIL_EXISTS] = "exists",
	    [FAIL_DENIED] = "denied",
	    [FAIL_LIMIT] = "limit",
	    [FAIL_SYNTAX] = "syntax",
	    [FAIL_CORRUPT] = "corrupt",
	    [FAIL_CANCELLED] = "cancelled",
	    [FAIL_UNKNOWN] = "unknown",
	};

	ASSERT((size_t)kind < COUNT_OF(names));
	return names[kind];
}
