/*
 * random: octets from the kernel, for ids, keys, nonces and salts.
 * Aborts when the kernel has none to give, which it does not do after boot.
 *
 * Threads: safe from any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *p, size_t len);
uint64_t random_u64(void);
