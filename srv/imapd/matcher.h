/*
 * matcher: a search program against the messages of one mailbox.
 * [RFC 3501 6.4.4]
 *
 * The parsed tree is made ready once: sets become sequence numbers, texts are
 * converted to UTF-8 and folded, and the keys of each AND and OR are put in
 * order of what they cost, so that a message is opened only where its state
 * and its digest leave the question open.
 *
 * Threads: session-owned; matching may block.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "imapd/command.h"
#include "proto/imap_search.h"

struct matcher;

/* NULL with the command answered: NO for a charset that is not known.  Lives in the command's arena; freed by
 * matcher_deinit(). */
struct matcher *matcher_new(
    struct command *cmd, const struct imap_search_args *args) MUST_CHECK;
void matcher_deinit(struct matcher *m);

/* Ranges outside of which nothing can match. */
const struct imap_set *matcher_range(const struct matcher *m);

/* Did the last message take more than its state? */
bool matcher_has_read(const struct matcher *m);

/* `msg` is tell_msg() of the number.  A message that cannot be read does not
 * match, and is logged. */
bool matcher_match(struct matcher *m, uint32_t seq, const struct msg *msg);
