/*
 * gap: reading records while they are written (scan.c).
 *
 * Appends follow each other, but each becomes visible octet by octet, and a
 * writer may be killed before its last: then what it wrote stays, torn, and
 * the next record stands right behind.  A read copies octet by octet, too:
 * it is not one instant.
 *
 * Checked: what stands whole, or comes to, is passed over by no reader; what
 * is torn is skipped by all.  So two readers at one place have one state.
 *
 * -DNO_F8: what does not form a record with a valid one behind it is a gap at
 * the first look.
 */

#define RECORDS 3
#define SIZE	2 /* octets of each */
#define END	6

byte octet[END]; /* 1: written */
bool torn[RECORDS];

#define WHOLE(of, r) (of[2 * (r)] == 1 && of[2 * (r) + 1] == 1)

proctype writers()
{
	byte r = 0;

	do
	:: r < RECORDS ->
		octet[SIZE * r] = 1;
		if
		:: octet[SIZE * r + 1] = 1
		:: torn[r] = true /* killed, or the disk is full */
		fi;
		r++
	:: else -> break
	od
}

/* scan_next(), again and again. */
proctype reader()
{
	byte copy[END];
	byte at = 0;	   /* the record that it looks for */
	byte i = 0;
	byte next = 0;	   /* the first whole one behind it */
	byte suspect = 99; /* what was no record at the last look */

	do
	:: at < RECORDS ->
		i = SIZE * at;
		do
		:: i < END -> copy[i] = octet[i]; i++
		:: else -> break
		od;
		atomic {
			next = at + 1;
			do
			:: next < RECORDS && !WHOLE(copy, next) -> next++
			:: else -> break
			od
		};
		if
		:: WHOLE(copy, at) ->
			assert(!torn[at]);
			at++
		:: !WHOLE(copy, at) && next < RECORDS ->
			if
#ifndef NO_F8
			:: suspect != at -> suspect = at /* look again */
			:: suspect == at ->
#else
			:: true ->
#endif
				/* a gap: nobody will ever see it whole */
				assert(torn[at]);
				at++
			fi
		:: else -> skip /* the tail, so far */
		fi
	:: else -> break
	od
}

init
{
	atomic {
		run writers();
		run reader()
	}
}
