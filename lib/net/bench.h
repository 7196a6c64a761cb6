/*
 * bench: threads without a place, which wait to be called.
 *
 * Threads: locked; any thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

/* Call who sat down last; false if nobody sits there. */
bool bench_call(void);

/*
 * Sit down until called: true; or until nobody has for ten seconds: false.
 * Who sits down when `closed` is set already does not wait; who has set it
 * calls those that sit there.
 */
bool bench_sit(_Atomic bool *closed);
