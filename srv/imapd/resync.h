/*
 * resync: what a client missed while it was away.  [RFC 7162 3.2]
 *
 * All of it is said of the view that the client knows the numbers of: of what
 * was expunged since that one VANISHED without EARLIER tells later.
 *
 * Threads: session-owned.
 */
#pragma once

#include "imapd/command.h"

/*
 * "* VANISHED (EARLIER) ..." of the UIDs of `set` (NULL: all that were ever
 * given) above `floor` that were expunged after `since`.  A "*" is the highest
 * UID that was ever given.  [RFC 7162 3.2.6]
 */
void resync_put_vanished(struct command *cmd, place_t since,
    const struct imap_set *set, uint32_t floor);

/* What SELECT (QRESYNC ...) asks for, behind the untagged responses of a
 * SELECT.  [RFC 7162 3.2.5] */
void resync_select(struct command *cmd);
