/*
 * pending: deliveries whose answer may not have reached the client.
 *
 * A client that is not told 2yz sends the message again [RFC 5321 4.5.4.1],
 * also when the server stored it and was killed before it could answer, or
 * the connection broke under the answer [RFC 1047].  The store keeps one copy
 * of adds that carry the same delivery key (store/store.h), so the second
 * attempt must come with the key of the first, and a message that somebody
 * sends twice on purpose, octet for octet, must not.
 *
 * So a key is made of the fingerprint of what a client repeats identically
 * (sender, account, content) and a nonce.  The nonce is drawn for each
 * delivery and noted here together with the fingerprint until the client is
 * known to have the answer; a delivery with the fingerprint of a note that
 * nobody holds any more is taken for the retry and gets its nonce.
 *
 * Notes are in a file that is mapped and shared: taking one costs no system
 * call, and kill -9 does not lose it.  It is not flushed: after a power
 * failure a message may be delivered twice, as RFC 5321 6.1 allows; never
 * less than once.
 *
 * The fingerprint must be fast, for each message is read for it, and two that
 * collide lose mail: nobody may be able to make one that collides with what
 * another sends.  It is Poly1305 [RFC 8439 2.5] under one secret key: of two
 * given texts of L octets it is the same with a chance of at most L / 2^103,
 * whoever chose them, as long as key and fingerprints stay here.
 *
 * The file: 64 octets of header (magic, key of fingerprints), then slots of 32
 * octets: fingerprint (16), nonce (8), time in ms since 1970 (8; 0: free).
 * Native byte order: the file is for this machine alone.
 *
 * Threads: locked inside, safe from any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/fail.h"
#include "base/sv.h"

enum { PENDING_SLOTS = 16 * 1024 };

/* Keyed by a secret of the file. */
struct fingerprint {
	uint64_t h[2];
};

struct claim {
	uint64_t key[2]; /* for the store */
	uint32_t slot;	 /* PENDING_SLOTS: none was to be had */
};

/*
 * Open the file, made if absent.  If that cannot be done, as when another
 * process has it, or the disk no room for it, notes are kept in memory only,
 * with a warning in the log.  FAIL_PERM: OpenSSL has no Poly1305.
 */
int pending_open(const char *path, struct fail *f) MUST_CHECK;
void pending_close(void);

/* Of what a client repeats: the same as long as the file is. */
struct fingerprint pending_print(struct sv sender, struct sv text);

/* A key for a delivery that begins now. */
struct claim pending_claim(struct fingerprint print);

/* The client has the answer: forget. */
void pending_settle(const struct claim *claim);

/* It may not have it: keep the note for the retry. */
void pending_lose(const struct claim *claim);
