/*
 * clock: the two clocks.  Deadlines are monotonic, dates are wall time; both
 * in milliseconds.
 *
 * Threads: safe from any thread.
 */
#pragma once

#include <stdint.h>

int64_t clock_mono_ms(void); /* since some point in the past, never steps */
int64_t clock_mono_ns(void);
int64_t clock_wall_ms(void); /* since 1970-01-01T00:00:00Z, may step */
