/*
 * files: message files, the records that name them, and their collection.
 *
 * The journal is one order here, to which a record is added in one step (that
 * commits come to this is what journal.pml checks).  A FLOOR stands for the
 * SEAL and the header of the next segment, which carries floor and purge
 * place.  Modelled are deliver.c and copy.c (file, flush, record, flush, and
 * again if the floor has moved; the MTA's retry after a failure), expunging,
 * undeleting, and the message part of collect.c.
 *
 * Clocks are not: a placement's time and a floor are any, but for the one
 * rule that a writer draws no time below the floor that it knows.
 *
 * CUT: the power fails once; records and names that were not flushed are lost
 * in any subset.
 *
 * Checked, at every moment:
 *   file          what is shown has its file
 *   acknowledged  a message that was acknowledged is shown, unless somebody
 *                 asked for it to be expunged
 *   once          in one stay only
 *   names         no name is made twice
 *
 * -DNO_F4 and so on take out the fix of this name (docs/store.md, 12).
 */

#ifndef STAYS
#define STAYS 4
#endif
#ifndef LOG
#define LOG 7
#endif
#ifndef DELIVERIES
#define DELIVERIES 1
#endif
#ifndef MOVERS
#define MOVERS 1 /* each moves a message this often: */
#endif
#ifndef MOVES
#define MOVES 1
#endif
#ifndef COLLECTORS
#define COLLECTORS 1
#endif
#ifndef ERASERS
#define ERASERS 0 /* expunge, and perhaps undelete */
#endif
#ifndef FAULTS
#define FAULTS 0 /* 1: a delivery may fail to read back */
#endif
#ifndef CUT
#define CUT 0
#endif

#define TIMES 3 /* that there are, from 1 on */
#define NONE  255

/* ---- the disk ---- */

#define ABSENT	 0
#define FRESH	 1 /* made, not flushed */
#define FIRM	 2
#define LEAVING	 3 /* removed, not flushed */
#define GONE	 4
#define THERE(s) (file[s] == FRESH || file[s] == FIRM)

/* By stay: */
byte file[STAYS]; /* its name */
byte time[STAYS]; /* when that was drawn */
byte msg[STAYS];	  /* the message: 1 or 2 */
byte stays = 0;

#define ADD	 1 /* a */
#define MOVE	 2 /* a to b */
#define EXPUNGE	 3 /* a */
#define UNDELETE 4 /* a */
#define FLOOR	 5 /* a: floor, b: purge place, an index */

byte op[LOG]; /* 0: lost */
byte a[LOG];
byte b[LOG];
byte n = 0;
byte firm = 0; /* records on disk */

/* ---- what was promised ---- */

byte boot = 0; /* 1: after the power cut */
byte acked = 0;	   /* bits 1 and 2 */
byte unwanted = 0; /* somebody has asked to expunge it */

/* ---- replay ---- */

#define NEVER  0
#define SHOWN  1
#define GRAVE  2
#define MOVED  3 /* a grave, too, but not to be raised */
#define PURGED 4

byte how[STAYS];    /* scratch: what became of each stay */
byte since[STAYS];  /* ... and when */
byte floor = 0;	    /* ... at the end */
byte known = 0;	    /* bits: messages that were added */
bool void_ = false; /* the record at `end` - 1 had no effect */
byte i_ = 0;
byte k_ = 0;

#ifdef NO_F4
#define FLOOR_ALLOWS(s) true
#else
#define FLOOR_ALLOWS(s) (time[s] >= floor)
#endif

/* What the first `end` records give. */
inline replay(end)
{
	i_ = 0;
	do
	:: i_ < STAYS -> how[i_] = NEVER; since[i_] = 0; i_++
	:: else -> break
	od;
	floor = 0;
	known = 0;
	i_ = 0;
	do
	:: i_ < end ->
		void_ = true;
		if
		:: op[i_] == ADD && !(known & (1 << msg[a[i_]])) &&
		    FLOOR_ALLOWS(a[i_]) ->
			how[a[i_]] = SHOWN;
			known = known | (1 << msg[a[i_]]);
			void_ = false
		:: op[i_] == MOVE && how[a[i_]] == SHOWN &&
		    FLOOR_ALLOWS(b[i_]) ->
			how[a[i_]] = MOVED;
			since[a[i_]] = i_;
			how[b[i_]] = SHOWN;
			void_ = false
		:: op[i_] == EXPUNGE && how[a[i_]] == SHOWN ->
			how[a[i_]] = GRAVE;
			since[a[i_]] = i_
		:: op[i_] == UNDELETE && how[a[i_]] == GRAVE ->
			how[a[i_]] = SHOWN
		:: op[i_] == FLOOR ->
			floor = (a[i_] > floor -> a[i_] : floor);
			k_ = 0;
			do
			:: k_ < STAYS ->
				if
				:: (how[k_] == GRAVE || how[k_] == MOVED) &&
				    since[k_] < b[i_] ->
					how[k_] = PURGED
				:: else
				fi;
				k_++
			:: else -> break
			od;
			k_ = 0
		:: else
		fi;
		i_++
	:: else -> break
	od;
	i_ = 0
}

/* So that what is scratch is no part of a state. */
inline forget()
{
	do
	:: i_ < STAYS -> how[i_] = 0; since[i_] = 0; i_++
	:: else -> break
	od;
	i_ = 0;
	floor = 0;
	known = 0;
	void_ = false
}

/* The properties, of the whole journal and all files. */
inline check()
{
	replay(n);
	do
	:: i_ < STAYS ->
		assert(how[i_] != SHOWN || THERE(i_)); /* file */
		if
		:: how[i_] == SHOWN ->
			assert(!(k_ & (1 << msg[i_]))); /* once */
			k_ = k_ | (1 << msg[i_])
		:: else
		fi;
		i_++
	:: else -> break
	od;
	assert((acked & ~unwanted & ~k_) == 0); /* acknowledged */
	k_ = 0;
	i_ = 0;
	forget()
}

/* ---- writers ---- */

/* A new stay of message `m`, its time not below the floor that is known. */
inline name(s, m)
{
	atomic {
		boot == mine ->
		if
		:: stays == STAYS -> goto out
		:: else
		fi;
		replay(n);
		s = stays;
		stays++;
		msg[s] = m;
		if
		:: floor <= 1 -> time[s] = 1
		:: floor <= 2 -> time[s] = 2
		:: time[s] = 3
		fi;
		forget()
	}
}

inline make(s)
{
	d_step {
		boot == mine ->
#ifndef NO_F5
		assert(file[s] == ABSENT); /* names */
#endif
		file[s] = FRESH
	}
}

inline append(what, s, t, place)
{
	atomic {
		boot == mine ->
		if
		:: n == LOG -> goto out
		:: else
		fi;
		place = n;
		op[n] = what;
		a[n] = s;
		b[n] = t;
		n++;
		check()
	}
}

inline flush_journal()
{
	d_step { boot == mine -> firm = n }
}

inline flush_file(s)
{
	d_step {
		boot == mine ->
		if
		:: file[s] == FRESH -> file[s] = FIRM
		:: else
		fi
	}
}

inline unlink(s)
{
	d_step {
		boot == mine ->
		if
		:: THERE(s) -> file[s] = LEAVING
		:: else
		fi;
		check()
	}
}

/* store_deliver(), and once more by who was told that it failed. */
proctype delivery(byte m)
{
	byte mine = boot;
	byte s = 0;
	byte at = 0;
	byte outcome = 0; /* 1: shown or known before, 2: below the floor */
	bool failed = false;

	do
	:: name(s, m);
		make(s);
#ifndef NO_FILE_FLUSH
		flush_file(s);
#endif
		append(ADD, s, 0, at);
		flush_journal();
#if FAULTS
		if
		:: !failed ->
			/* cannot read back: who knows what became of it */
			failed = true;
#ifdef NO_KEEP
			unlink(s);
#endif
			goto next
		:: true
		fi;
#endif
		d_step {
			boot == mine -> replay(at + 1);
			outcome = (void_ && time[s] < floor -> 2 : 1);
#ifdef NO_F4
			outcome = 1;
#endif
			forget()
		};
		if
		:: outcome == 1 -> break
		:: else
		fi;
		unlink(s);
next:		skip
	od;
	atomic {
		boot == mine -> acked = acked | (1 << m);
		check()
	};
out:	atomic { s = 0; at = 0; outcome = 0; failed = false }
}

/* account_copy() with `move`: of any message that is shown. */
proctype mover()
{
	byte mine = boot;
	byte s = 0;
	byte t = 0;
	byte at = 0;
	byte moves = 0;
	bool gone = false;

	do
	:: moves < MOVES ->
		moves++;
		/* look */
		d_step {
			boot == mine -> replay(n);
			s = NONE;
			do
			:: i_ < STAYS ->
				if
				:: how[i_] == SHOWN -> s = i_
				:: else
				fi;
				i_++
			:: else -> break
			od;
			i_ = 0;
			forget()
		};
		if
		:: s == NONE -> goto out
		:: else
		fi;
#ifdef NO_F5
		/* the same name in the other mailbox */
		t = (s % 2 == 0 -> s + 1 : s - 1);
		d_step {
			boot == mine ->
			gone = !THERE(s);
			msg[t] = msg[s];
			time[t] = time[s];
			file[t] = (gone || THERE(t) -> file[t] : FRESH)
		};
#else
		name(t, msg[s]);
		/* link(2); what is gone is left out */
		d_step {
			boot == mine ->
			gone = !THERE(s);
			assert(file[t] == ABSENT); /* names */
			file[t] = (gone -> ABSENT : FRESH)
		};
#endif
		if
		:: gone -> goto out
		:: else
		fi;
#ifndef NO_FOLDER_FLUSH
		flush_file(t);
#endif
		append(MOVE, s, t, at);
		flush_journal();
		d_step {
			boot == mine -> replay(at + 1);
			gone = void_;
			forget()
		};
		/* below the floor, or the source had gone: no stay */
		if
		:: gone -> unlink(t)
		:: else
		fi
	:: else -> break
	od;
out:	atomic { s = 0; t = 0; at = 0; moves = 0; gone = false }
}

/* Expunges the first message, in its first stay, and may want it back. */
proctype eraser()
{
	byte mine = boot;
	byte at = 0;

	d_step { boot == mine -> unwanted = unwanted | 2 };
	append(EXPUNGE, 0, 0, at);
	flush_journal();
	if
	:: append(UNDELETE, 0, 0, at); flush_journal()
	:: true
	fi;
out:	at = 0
}

/* ---- collection ---- */

/* collect_messages(): raise floor and purge place, replay, then remove what
 * is older than the floor and not named, one by one. */
proctype collector()
{
	byte mine = boot;
	byte at = 0;
	byte end = 0;
	byte f = 0;
	byte purge = 0;
	byte s = 0;
	byte named = 0;

	/* A retention is any time: what was expunged before `purge`. */
	d_step { boot == mine -> at = n };
	atomic {
		if
		:: purge = at
		:: purge = 0
		fi;
		if
		:: f = 2
		:: f = 3
		fi;
		at = 0
	};
#ifndef NO_F4
	append(FLOOR, f, purge, at);
#ifndef NO_SEAL_FLUSH
	flush_journal();
#endif
#else
	/* looks, and unlinks */
	append(FLOOR, 0, purge, at);
	flush_journal();
#endif
	/* What is named at the end, graves too. */
	d_step {
		boot == mine -> end = n;
		replay(end);
#ifndef NO_F4
		f = floor;
#endif
		do
		:: i_ < STAYS ->
			if
			:: how[i_] != NEVER && how[i_] != PURGED ->
				named = named | (1 << i_)
			:: else
			fi;
			i_++
		:: else -> break
		od;
		i_ = 0;
		end = 0;
		forget()
	};
#ifndef NO_F10C
	flush_journal();
#endif
	do
	:: s < STAYS ->
		d_step {
			boot == mine ->
			if
			:: !(named & (1 << s)) && THERE(s) && time[s] < f ->
				file[s] = LEAVING;
				check()
			:: else
			fi;
			s++
		}
	:: else -> break
	od;
out:	atomic { at = 0; f = 0; purge = 0; s = 0; named = 0 }
}

/* ---- power ---- */

#if CUT
proctype power()
{
	atomic {
		boot = 1;
		k_ = 0;
		do
		:: k_ < STAYS ->
			if
			:: file[k_] == FRESH || file[k_] == LEAVING ->
				if
				:: file[k_] = FIRM
				:: file[k_] = GONE
				fi
			:: else
			fi;
			k_++
		:: else -> break
		od;
		k_ = firm;
		do
		:: k_ < n ->
			if
			:: op[k_] = 0
			:: true
			fi;
			k_++
		:: else -> break
		od;
		k_ = 0;
		check()
	}
}
#endif

init
{
	atomic {
#if DELIVERIES > 0
		run delivery(1);
#endif
#if DELIVERIES > 1
		run delivery(2);
#endif
#if MOVERS > 0
		run mover();
#endif
#if MOVERS > 1
		run mover();
#endif
#if COLLECTORS > 0
		run collector();
#endif
#if COLLECTORS > 1
		run collector();
#endif
#if ERASERS > 0
		run eraser();
#endif
#if CUT
		run power();
#endif
	}
}
