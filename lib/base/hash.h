/*
 * hash: SipHash-2-4 for tables that hold peer octets, CRC-32C for files.
 *
 * SipHash: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012).
 * CRC-32C: RFC 3720 appendix B.4 (Castagnoli), reflected, by the processor's
 * instruction where it has one (9 GB/s, from 3 KiB on 20 and more).
 *
 * Threads: pure functions.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/sv.h"

/* For tables and files whose writer has the key. */
uint64_t siphash(const uint64_t key[2], const void *p, size_t len);

/* With a key drawn once per process: for maps.  Not for files. */
uint64_t hash_sv(struct sv s);

/* Continue `crc` (0 to begin) over more octets. */
uint32_t crc32c(uint32_t crc, const void *p, size_t len);
