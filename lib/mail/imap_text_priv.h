/*
 * imap_text_priv: atoms of the texts that imap_text.h makes, for its files.
 *
 * Threads: pure functions.
 */
#pragma once

#include "base/arena.h"
#include "mail/imap_text.h"

/* NIL, or the field's body unfolded. */
void imap_text_field(struct sv body, struct buf *to);
