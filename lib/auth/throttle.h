/*
 * throttle: how long those who guess passwords have to wait.
 *
 * Three things are counted: failures of a peer (an IPv4 address, an IPv6 /64),
 * failures of a name (whether or not there is such an account), and pairs of
 * the two that signed in before.  A failure costs a delay that doubles with
 * each further one; delays queue up behind each other, so that connections
 * side by side gain nothing.  A peer or name whose queue is longer than
 * `backlog_ms` is refused without a look at the password; so are attempts
 * past THROTTLE_PENDING_MAX that are being checked at one time.
 *
 * A pair that signed in before has a queue of its own in place of the name's:
 * what others do to the name does not hold it up, and it gets no more tries
 * than they.  The queue of a peer on this machine holds nobody up: a web mail
 * signs in for all of its users from one address.  Its failures wait all the
 * same, and are counted by name or pair.
 *
 * Counts halve with each `forget_ms` of quiet.  Tables have a fixed size: the
 * entry that would cost least to forget makes room.  The programs of one home
 * share them (auth/shared.h): who is slowed at one is at all.
 *
 * Threads: locked inside.  Nothing here sleeps.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/sv.h"

enum {
	THROTTLE_PENDING_MAX = 64,		/* of one peer or name */
	THROTTLE_QUEUE_MAX_MS = 15 * 60 * 1000, /* no queue is longer */
	THROTTLE_CHECK_MS = 60 * 1000, /* longer no password is checked: who
					* does is of a program that ended */
};

struct throttle;

struct throttle_conf {
	uint64_t delay_ms;     /* of the first failure */
	uint64_t delay_max_ms; /* of one failure */
	uint64_t backlog_ms;   /* past this, refused unseen */
	uint64_t forget_ms;    /* failures count half after this */
	size_t max;	       /* entries of each table */
	const char *path;      /* of the tables; NULL: this process's own */
};

/* Whose attempt: of throttle_who_make(). */
struct throttle_who {
	uint64_t peer; /* 0: none */
	bool local;    /* its failures are slowed, others are not refused */
	uint64_t name;
	uint64_t pair;
	bool known; /* the pair signed in before; set by throttle_admit() */
};

struct throttle *throttle_new(const struct throttle_conf *conf);
void throttle_free(struct throttle **t);

/* `key` is the same in all programs, and known to nobody: so nobody can choose
 * two names that meet.  `ip` is NULL for a peer without an address; `local`:
 * on this machine. */
struct throttle_who throttle_who_make(const uint64_t key[2],
    const uint8_t ip[16], bool local, struct sv name) MUST_CHECK;

/*
 * May this attempt be looked at?  Then exactly one of throttle_failed() and
 * throttle_good() follows.  Else `*wait_ms_out` is how long to wait before
 * saying no.
 */
bool throttle_admit(struct throttle *t, struct throttle_who *who,
    int64_t now_ms, uint64_t *wait_ms_out) MUST_CHECK;

/* Milliseconds to wait before answering. */
uint64_t throttle_failed(
    struct throttle *t, const struct throttle_who *who, int64_t now_ms);
void throttle_good(
    struct throttle *t, const struct throttle_who *who, int64_t now_ms);
