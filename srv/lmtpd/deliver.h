/*
 * deliver: put one message into the accounts of its envelope, and say for
 * each recipient what became of it.
 *
 * Threads: session-owned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/sv.h"
#include "lmtpd/envelope.h"
#include "lmtpd/pending.h"
#include "proto/smtp_reply.h"

/* The message: in memory, or in a file that nobody else can change, which is
 * mapped.  `text` is all of it in both cases. */
struct content {
	struct sv text;
	int fd;		 /* -1: in memory */
	uint64_t prefix; /* octets of `text` that the client did not send */
};

struct outcome {
	const struct smtp_reply **replies; /* one a recipient; in the arena */
	struct claim *claims; /* of the deliveries tried; owned, xmalloc() */
	size_t n_claims;
};

/* Map all of a file of `size` octets; deinit unmaps.  FAIL_TEMP. */
int content_map(int fd, uint64_t size, uint64_t prefix, struct content *out,
    struct fail *f) MUST_CHECK;
void content_unmap(struct content *c);

/*
 * The answer where something on our side failed: always one that has the
 * client try again.  That the recipient is here has been said; a disk that is
 * away, or a file that cannot be opened, is no reason to send mail back.
 */
const struct smtp_reply *trouble_reply(enum fail_kind kind);

/*
 * Deliver.  Every reply of `out` is set when this returns.  `id` is the
 * message's, for the log and the answers.
 */
void deliver(struct envelope *e, const struct content *content,
    struct sv sender, const char *id, struct arena *arena, struct outcome *out);
