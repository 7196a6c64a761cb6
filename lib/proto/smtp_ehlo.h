/*
 * smtp_ehlo: the greeting, and the answer to EHLO and LHLO.
 * [RFC 5321 4.1.1.1, 4.2] [RFC 2033 4.1]
 *
 * Threads: pure functions.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/sv.h"
#include "proto/smtp_param.h"

struct smtp_ehlo {
	struct sv host;	   /* ours: a domain or an address literal */
	struct sv client;  /* what the client called itself */
	unsigned ext;	   /* enum smtp_ext, those in force now; DSN is not
			    * named, since naming it promises notices */
	uint64_t size_max; /* octets, 0: no fixed limit [RFC 1870 4] */
	const char *const *mechs; /* of AUTH, strongest first */
	size_t n_mechs;
};

void smtp_ehlo_write(const struct smtp_ehlo *ehlo, struct buf *to);

/* "220 host ESMTP ready": `protocol` is "ESMTP" or "LMTP". */
void smtp_greeting_write(struct sv host, const char *protocol, struct buf *to);
