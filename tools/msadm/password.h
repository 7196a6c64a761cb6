/*
 * password: read a secret from standard input.
 *
 * Threads: one.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/fail.h"

/*
 * One line of standard input without its end.  On a terminal it is asked for
 * twice, without echo.  FAIL_SYNTAX: no line, an empty one, or the two
 * differ; FAIL_LIMIT: too long.  The caller wipes `out`.
 */
int password_read(const char *what, struct buf *out, struct fail *f) MUST_CHECK;
