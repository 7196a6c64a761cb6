/*
 * spool: the message of an APPEND on its way in.
 *
 * Up to SPOOL_MEMORY octets stay in memory; what is longer goes to a file
 * without a name, so that it is gone with the process however that ends.
 * Failures are kept for when the command runs, as the octets have to be read
 * all the same.
 *
 * Threads: owned by one runner at a time; writing blocks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/fail.h"
#include "base/sv.h"
#include "net/conn.h"

enum { SPOOL_MEMORY = 1 << 20 }; /* octets */

struct spool;

struct spool *spool_new(const char *dir) MUST_CHECK; /* `dir` is borrowed */
void spool_free(struct spool **spool);
struct sink *spool_sink(struct spool *spool);

/* All of it as one slice, borrowed until the spool is freed.  FAIL_SYNTAX if
 * it holds a NUL, which no literal may [RFC 3501 4.3]; else what went wrong. */
int spool_message(
    struct spool *spool, struct sv *out, struct fail *f) MUST_CHECK;

/* The file that holds it, or -1 if it is in memory; borrowed. */
int spool_fd(const struct spool *spool);
