/*
 * round: a walk over all accounts of a volume, once a day, for those that no
 * process has in memory.
 *
 * The first process whose clock says that a day has passed since the file
 * STORE/round was made makes it anew, and walks.  That two do so at once does
 * no harm.
 *
 * Threads: owned by the store's thread.
 */
#pragma once

#include "store/store_priv.h"

struct round { /* zeroed: not under way */
	char (*id)[ACCOUNT_ID_LEN + 1];
	size_t n, cap, next;
};

/* Begin if it is time, or go on for a part of a second. */
void round_go_on(struct round *r, struct store *s);
void round_deinit(struct round *r);
