/*
 * wheel: deadlines of sessions, to about 64 ms.
 *
 * A hashed timing wheel.  Deadlines move with every command, so the wheel is
 * lazy: a later deadline is only noted in the session, and when the wheel
 * comes to its old place it moves it on.  It may fire early or for nothing;
 * who is woken looks at the clock.
 *
 * Threads: wheel_set by the session's runner, wheel_turn by one thread.
 */
#pragma once

#include <stdint.h>

#include "net/session.h"

enum { WHEEL_TICK_MS = 64 };

/* Fire at `when` (clock_mono_ms) or soon after; 0 = never. */
void wheel_set(struct session *s, int64_t when);
void wheel_remove(struct session *s); /* before it is freed */

/* Call fire for each session whose deadline is before `now`. */
void wheel_turn(int64_t now, void (*fire)(struct park_ref ref));
