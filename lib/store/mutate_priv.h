/*
 * mutate: the fixes of docs/store.md, "Twelve ways to lose mail", that the
 * simulation can take out one at a time, to show that it would notice.
 *
 *	if (!MUTATION(F3)) {
 *		... read back ...
 *	}
 *
 * In programs MUTATION() is false at compile time.
 *
 * Threads: set before a simulation runs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum mutation {
	F_NONE = 0,
	F1 = 1,	   /* a snapshot's name holds its position */
	F2 = 2,	   /* the next segment is made before the SEAL that names it */
	F3 = 3,	   /* read back before acknowledging */
	F4 = 4,	   /* the floor voids adds of old placements */
	F5 = 5,	   /* a placement's name is never used again */
	F6 = 6,	   /* two generations of snapshots that check each other */
	F7 = 7,	   /* appends only where they are known to be atomic */
	F8 = 8,	   /* gaps are declared only from a second look; keyed marks */
	F9 = 9,	   /* numbered files: the horizon is read after the win */
	F10 = 10,  /* flush the segment before publishing a snapshot of it */
	F11 = 11,  /* only files that the store made are linked (in simfs) */
	F12 = 12,  /* places, and UIDs that heal */
	F10B = 13, /* flush segment n before the first flush in n+1 */
	F10C = 14, /* flush the segment with the floor before unlinking */
	F8B = 16,  /* a segment's key is a secret */
	F31 = 15,  /* new incarnation, new segment */
	F12B = 17, /* a restored copy's mailboxes get a new UIDVALIDITY */
	F10D = 18, /* a SEAL that was lost is missed */
};

/* With F8B: the key that everybody knows. */
#define F8B_KEY UINT64_C(0x5052656372643031)

#ifdef STORE_MUTATIONS
extern enum mutation store_mutation;
#define MUTATION(n) (store_mutation == (n))
/* Octets of a snapshot's chunk: accounts of the simulation are small. */
extern size_t store_chunk_max;
#define CHUNK_OCTETS store_chunk_max
#else
#define MUTATION(n) false
#define CHUNK_OCTETS ((size_t)SNAP_CHUNK_MAX)
#endif
