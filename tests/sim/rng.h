/*
 * rng: the one source of chance in the simulation, so that a seed is a run.
 *
 * splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
 * generators", 2014): one word of state, any seed is as good as another.
 *
 * Threads: owned by one runner at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t
rng_u64(struct rng *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15U);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

/* 0 to n - 1; n is not 0. */
static inline uint64_t
rng_below(struct rng *r, uint64_t n)
{
	return rng_u64(r) % n;
}

/* lo to hi, both included. */
static inline uint64_t
rng_range(struct rng *r, uint64_t lo, uint64_t hi)
{
	return lo + rng_below(r, hi - lo + 1);
}

/* True in `per_mille` of 1000 draws. */
static inline bool
rng_chance(struct rng *r, unsigned per_mille)
{
	return per_mille != 0 && rng_below(r, 1000) < per_mille;
}
