/*
 * mail_check: what must hold for the parse of any message at all.  Shared by
 * the unit tests and the fuzz targets.
 *
 * Each function returns NULL, or what is wrong.
 *
 * Threads: pure functions.
 */
#pragma once

#include "base/sv.h"
#include "mail/mime.h"

/* Ranges nest, follow each other, and leave only delimiters and the text
 * round multiparts uncovered; line counts are true. */
const char *check_tree(const struct mime *m);

/* ENVELOPE and BODYSTRUCTURE are well-formed RFC 3501, and BODY is what
 * BODYSTRUCTURE reduces to. */
const char *check_texts(const struct mime *m);

/* The digest gives back what the message does. */
const char *check_digest(const struct mime *m);

/* All of these. */
const char *check_message(struct sv message);
