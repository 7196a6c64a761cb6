/*
 * must: for a program that measures, any failure is the end.
 *
 * Threads: one.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "base/fail.h"

static inline void
must(int rc, const struct fail *f, const char *what)
{
	if (rc != 0) {
		(void)fprintf(stderr, "%s: %s\n", what, f->text);
		exit(1); // NOLINT(concurrency-mt-unsafe): one thread
	}
}
