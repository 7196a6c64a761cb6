/*
 * transfer_priv: the decoders behind transfer_decode(), for this folder only.
 *
 * Threads: as transfer.h.
 */
#pragma once

#include "mail/transfer.h"

void transfer_qp_decode(struct transfer *t, struct sv in, struct buf *to);
void transfer_qp_finish(struct transfer *t, struct buf *to);
void transfer_b64_decode(struct transfer *t, struct sv in, struct buf *to);
void transfer_b64_finish(struct transfer *t, struct buf *to);

/* Value of a hexadecimal digit, -1 if it is none. */
static inline int
transfer_hex(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Value of two hexadecimal digits, -1 if they are none. */
static inline int
transfer_hex_pair(char high, char low)
{
	int h = transfer_hex(high);
	int l = transfer_hex(low);

	return h >= 0 && l >= 0 ? h * 16 + l : -1;
}
