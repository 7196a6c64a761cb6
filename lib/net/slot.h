/*
 * slot: who runs a session, in one atomic word.
 *
 * Every session has a slot; slots are never freed, only used again with the
 * next generation, so that a stale park_ref is harmless.  The word holds
 * generation, state, pending events and, while the session rests, the mask of
 * those events that end the rest:
 *
 *	RUNNING		one worker has it; events are noted
 *	RESTING		nobody has it; an event in the mask hands it over
 *	QUEUED		it stands in the run queue; events are noted
 *
 * Whoever moves it from RESTING (slot_post: to QUEUED, slot_claim: to
 * RUNNING) has it alone.  A runner lets it rest with slot_rest(), which fails
 * if an event of the mask has come meanwhile: so it arms its descriptor
 * first, and no event is lost between the two.
 *
 * Threads: all calls are for any thread, except as said.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "net/session.h"

enum event {
	EV_FD = 1,	 /* the descriptor waited for is ready */
	EV_WAKE = 2,	 /* park_wake */
	EV_TIMER = 4,	 /* the wheel: look at the deadlines */
	EV_SHUTDOWN = 8, /* the program stops */
	EV_CANCEL = 16,	 /* waits fail from now on */
	EV_RESUME = 32,	 /* park_resume */
	EV_START = 64,	 /* park_add */
	EV_ALL = 127,
	EV_IDLE = EV_ALL & ~EV_RESUME, /* what a session between commands
					* looks at */
};

/* A slot in state RUNNING for `s`, whose ref it sets; false if all 2^20 are
 * taken. */
bool slot_open(struct session *s) MUST_CHECK;
void slot_close(struct session *s); /* by its runner: back to the free ones */

/* Note events; the session if it is QUEUED by this call and must be put into
 * the queue, else NULL. */
struct session *slot_post(struct park_ref ref, unsigned events) MUST_CHECK;

/* Note an event and take the session if it rests for it, else NULL. */
struct session *slot_claim(struct park_ref ref, unsigned events) MUST_CHECK;

/* The rest is for the runner. */
void slot_run(const struct session *s);	  /* QUEUED to RUNNING */
void slot_queue(const struct session *s); /* RUNNING to QUEUED */
bool slot_rest(const struct session *s, unsigned mask) MUST_CHECK;
unsigned slot_take(const struct session *s, unsigned mask) MUST_CHECK;

/* Call fn for the ref of each slot ever used, free or not. */
void slot_each(void (*fn)(struct park_ref ref));
