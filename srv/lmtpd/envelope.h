/*
 * envelope: the recipients of one message, and the accounts they lead to.
 *
 * Everything is in the arena given to the first call for a message; a zeroed
 * struct is an empty envelope.
 *
 * Threads: session-owned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/sv.h"
#include "directory/directory.h"
#include "proto/smtp_cmd.h"
#include "proto/smtp_reply.h"
#include "store/store.h"

enum { ENVELOPE_TARGETS_MAX = 4096 }; /* accounts of one message */

/* One account and mailbox that gets one copy, however many recipients lead
 * there. */
struct target {
	char account_id[DIRECTORY_ID_LEN + 1];
	struct sv address;   /* of the account: for the log */
	struct sv recipient; /* the first that led there: for the log */
	struct sv mailbox;   /* by the subaddress; empty: INBOX */
	uint64_t quota_octets;
	uint64_t quota_messages;
	const struct smtp_reply *bad; /* why it gets none, or NULL */
};

struct recipient {
	struct sv address; /* as it was given, in wire form */
	uint32_t *targets; /* indices into envelope.targets */
	size_t n_targets;
};

struct envelope {
	struct recipient *rcpts;
	size_t n_rcpts, cap_rcpts;
	struct target *targets;
	size_t n_targets, cap_targets;
};

/*
 * Add a recipient: 250, or why not.  `size` is the one declared, 0 if none;
 * `id` is the message's or the session's, for the log.
 *	550 5.1.1  nobody of that name	550 5.2.1  the account is disabled
 *	550 5.7.1  elsewhere		452 4.2.2 or 552 5.2.2  quota
 *	451 4.3.0  cannot tell now	452 4.5.3  too many
 */
const struct smtp_reply *envelope_add(struct envelope *e,
    const struct smtp_rcpt *rcpt, uint64_t size, const char *id,
    struct arena *arena);

/* Does `size` fit into what the target has left?  NULL or the refusal.  With
 * `out` (may be NULL) it is taken, until that is released. */
const struct smtp_reply *target_room(
    const struct target *target, uint64_t size, struct room *out);
