/*
 * letter: one stored message after the other, read as far as is asked for.
 *
 * What a listing wants comes from the digest; the file is opened only for
 * octets, and read whole only where the parts are not known otherwise.
 *
 * Failures: FAIL_ABSENT when the message was collected since, FAIL_CORRUPT
 * when its file is not what the store says, FAIL_TEMP, FAIL_LIMIT.
 *
 * Threads: session-owned; reading blocks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/fail.h"
#include "mail/digest.h"
#include "mail/mime.h"
#include "store/store.h"

struct letter {
	struct account *account;      /* borrowed */
	struct digest_reader *reader; /* owned */

	/* Of the message in hand. */
	const struct msg *msg; /* borrowed */
	struct arena arena;    /* for whoever reads it, until the next one */
	enum { DIGEST_NOT_ASKED, DIGEST_THERE, DIGEST_NONE } asked;
	struct digest digest;
	int fd;	      /* -1: not open */
	char *whole;  /* owned; NULL: not read */
	bool damaged; /* it was read, and is not what came */
	bool parsed;
	struct mime mime;
};

/* `view` and `mbox` are borrowed as long as the letter is used. */
void letter_init(struct letter *l, struct account *account,
    const struct view *view, const struct mbox *mbox);
void letter_deinit(struct letter *l);

/* Turn to another message, which is borrowed; the last one is forgotten. */
void letter_begin(struct letter *l, const struct msg *msg);

/* The digest, or NULL: then read the message.  Until the next message. */
const struct digest *letter_digest(struct letter *l);

/* The file, checked to have the message's size. */
int letter_open(struct letter *l, struct fail *f) MUST_CHECK;

/* Append octets [at, at + n) of the file. */
int letter_read(struct letter *l, uint64_t at, uint64_t n, struct buf *to,
    struct fail *f) MUST_CHECK;

/* Read all of the file and see whether its octets are those that came: else
 * `damaged` is set, and the log says so. */
int letter_verify(struct letter *l, struct fail *f) MUST_CHECK;

/* The whole message with its parts. */
int letter_mime(
    struct letter *l, const struct mime **out, struct fail *f) MUST_CHECK;

/* Append ENVELOPE, BODY or BODYSTRUCTURE. */
int letter_envelope(
    struct letter *l, struct buf *to, struct fail *f) MUST_CHECK;
int letter_structure(
    struct letter *l, bool extended, struct buf *to, struct fail *f) MUST_CHECK;

/* Append the message's header section. */
int letter_header(struct letter *l, struct buf *to, struct fail *f) MUST_CHECK;

/* Spans of the parts, from the digest or the message.  Until the next one. */
int letter_spans(
    struct letter *l, struct section_spans *out, struct fail *f) MUST_CHECK;
