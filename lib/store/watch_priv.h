/*
 * watch_priv: sessions that want to know when an account changes.
 *
 * Threads: watches are under their account's lock.
 */
#pragma once

#include "store/store_priv.h"

struct watch {
	struct account *account; /* a reference */
	struct watch *next, *prev;
	void (*wake)(void *arg);
	void *arg;
};

void watches_wake_locked(struct account *a) REQUIRES(a->lock);

/* Look whether the account's journal has changed since it was last looked
 * at, and wake its watches. */
void watch_poll(struct account *a);
