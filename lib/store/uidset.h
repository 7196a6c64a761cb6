/*
 * uidset: a set of UIDs as ascending, disjoint, non-adjacent ranges.
 *
 * The form in which records, COPYUID, VANISHED and UID searches name
 * messages.  A zeroed struct is the empty set; ranges are owned.
 *
 * Threads: owned by one runner at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct uid_range {
	uint32_t lo, hi; /* 1 <= lo <= hi, both included */
};

struct uidset {
	struct uid_range *r;
	size_t n, cap;
};

void uidset_deinit(struct uidset *s);
void uidset_clear(struct uidset *s);

/* Any order, overlaps merge; ascending adds at the end cost O(1). */
void uidset_add(struct uidset *s, uint32_t uid);
void uidset_add_range(struct uidset *s, uint32_t lo, uint32_t hi);
bool uidset_has(const struct uidset *s, uint32_t uid);
uint64_t uidset_count(const struct uidset *s);

/* uidset_has() for numbers that ascend from call to call, in less time: *at is
 * 0 at first, and s->n when no member is left that could come. */
bool uidset_has_next(const struct uidset *s, size_t *at, uint32_t uid);

/* The least member of at least `from`, or 0: the way to walk a set. */
uint32_t uidset_next(const struct uidset *s, uint32_t from);

/* A copy of `from` in `to`, which is overwritten without being freed. */
void uidset_copy(struct uidset *to, const struct uidset *from);

/* "1:3,7": the IMAP sequence-set form.  [RFC 3501 9] */
void uidset_write(const struct uidset *s, struct buf *to);
