/*
 * restore: yesterday's tree is put back (journal.c, replay.c).
 *
 * Segment numbers, places, UIDs and UIDVALIDITY of one mailbox, under live
 * processes: each append looks whether the segment is of its own incarnation.
 * The clock does not step back here, and no more segments are made than
 * minutes go by, which is what docs/store.md asks for.
 *
 * Checked: no place and no (UIDVALIDITY, UID) told has ever two meanings.
 *
 * -DNO_F12: segments are numbered one by one; -DNO_F12B: UIDVALIDITY stays;
 * -DNO_F31: no new segment for a new incarnation.
 */

#define MINUTES 6
#define PLACES	3 /* in a segment */
#define CHANGES 5

byte clock = 1;

/* The account, and the copy of it that was made. */
byte number = 1;
byte size = 0;
byte uids = 0;
byte validity = 1;
bool restored = false; /* the inode is not the one in the header */
byte c_number = 0;
byte c_size = 0;
byte c_uids = 0;
byte c_validity = 0;

byte changes = 0;		   /* each is another message */
byte by_place[MINUTES * PLACES + PLACES]; /* what was told of */
byte by_uid[(MINUTES + 2) * (CHANGES + 1)];

inline rotate()
{
#ifdef NO_F12
	number++;
#else
	number = (number + 1 > clock -> number + 1 : clock);
#endif
	size = 0;
#ifndef NO_F12B
	if
	:: restored ->
		validity = (validity + 1 > clock -> validity + 1 : clock)
	:: else
	fi;
#endif
	restored = false
}

active proctype world()
{
	bool rotated = true; /* in this minute */

	do
	:: atomic {
		clock < MINUTES - 1 -> clock++;
		rotated = false
	   }
	:: atomic {
		changes < CHANGES && size < PLACES && (!restored || !rotated)  &&
		    number < MINUTES ->
#ifndef NO_F31
		if
		:: restored -> rotate(); rotated = true
		:: else
		fi;
#endif
		changes++;
		uids++;
		assert(by_place[number * PLACES + size] == 0);
		by_place[number * PLACES + size] = changes;
		assert(by_uid[validity * (CHANGES + 1) + uids] == 0);
		by_uid[validity * (CHANGES + 1) + uids] = changes;
		size++
	   }
	:: atomic {
		!rotated && number < MINUTES - 1 -> rotate();
		rotated = true
	   }
	:: atomic {
		c_number == 0 -> c_number = number;
		c_size = size;
		c_uids = uids;
		c_validity = validity
	   }
	:: atomic {
		/* Yesterday's: some time has gone by since. */
		c_number != 0 && c_number < clock -> number = c_number;
		size = c_size;
		uids = c_uids;
		validity = c_validity;
		restored = true
	   }
	od
}
