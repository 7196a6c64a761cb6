/*
 * status: the STATUS response, of STATUS and of LIST RETURN (STATUS).
 *
 * Threads: pure functions over a view.
 */
#pragma once

#include "base/buf.h"
#include "store/store.h"

/* "* STATUS name (...)"; `items` are bits of enum imap_status. */
void status_put(struct buf *to, const struct mbox *mbox, unsigned items);
