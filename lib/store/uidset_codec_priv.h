/*
 * uidset_codec: UID sets in the bodies of records, in the shorter of two
 * forms.  An octet says which:
 *
 *	0	how many ranges, then of each its gap from the one before and
 *		its length, as varints
 *	1	the first UID, and a string of bits, low first, from there on
 *
 * Threads: plain values.
 */
#pragma once

#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "store/codec_priv.h"
#include "store/uidset.h"

void put_uidset(struct buf *to, const struct uidset *s);

/* The rest of a body is a set, to be deinited by the caller; false, and
 * nothing to deinit, if it is none. */
bool take_uidset(struct taker *t, struct uidset *s) MUST_CHECK;

/* Cut off the front of a set what fits in `room` octets: larger sets are
 * several records. */
enum { UIDSET_RECORD_MAX = 48 * 1024 };
void uidset_take(struct uidset *from, struct uidset *taken, size_t room);
