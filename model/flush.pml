/*
 * flush: a flush fails (store.c, journal.c; docs/store.md, 9).
 *
 * The kernel drops what it could not write and goes on showing it.  It tells
 * those who have the file open, each once, and those who open it before the
 * first of them was told; everybody else's flush succeeds.  Later the power is cut, what
 * was dropped is gone, the generation is raised, and the account goes on.
 *
 * That a process is told and leaves the mark is one step: what can happen
 * between the two docs/store.md names as what is left.  -DMOMENT shows it.
 *
 * Checked:
 *   acknowledged  what was acknowledged survives
 *   told          no (UIDVALIDITY, UID) told has two meanings
 *
 * -DNO_MARK: whoever is told stops alone; -DNO_RENEW: the generation does not
 * renew UIDVALIDITY.
 */

#ifndef WRITERS
#define WRITERS 2
#endif

#define SEGS  2
#define RECS  4
#define FILES 4 /* that processes have open: one each */
#define SEAL  8

byte rec[SEGS * RECS]; /* 1 to 3: adds that message */
bool firm[SEGS * RECS];
bool lost[SEGS * RECS]; /* shown, but dropped */
byte n[SEGS];
bool unseen[SEGS]; /* an error of which nobody was told */

byte open_[FILES]; /* + 1: the segment that it has open */
bool error[FILES]; /* which it will be told of */

bool made = false; /* the second segment, and flushed */
bool mark = false;
bool cut = false;

byte acked = 0;
byte told[4]; /* by UID */

#define AT(s, i) ((s) * RECS + (i))

inline open_segment(s)
{
	d_step {
		!cut -> open_[me] = s + 1;
		error[me] = unseen[s]
	}
}

/* fs_datasync(), and what store_flush_failed() makes of it. */
inline flush(ok)
{
	d_step {
		!cut -> cur = open_[me] - 1;
		ok = !error[me];
		unseen[cur] = unseen[cur] && ok;
		error[me] = false;
		i = 0;
		do
		:: ok && i < n[cur] ->
			firm[AT(cur, i)] = !lost[AT(cur, i)];
			i++
		:: else -> break
		od;
		i = 0;
#ifndef MOMENT
#ifndef NO_MARK
		mark = mark || !ok
#endif
#endif
	}
#ifdef MOMENT
	d_step {
		!cut ->
		mark = mark || !ok
	}
#endif
}

/* vouch(): between opening a segment and the first flush there. */
inline look_for_mark(ok)
{
	d_step {
		!cut -> ok = vouched || !mark;
		vouched = true
	}
}

inline append(what)
{
	atomic {
		!cut ->
		cur = open_[me] - 1;
		if
		:: n[cur] == RECS -> goto out
		:: else
		fi;
		at = n[cur];
		rec[AT(cur, at)] = what;
		n[cur]++
	}
}

/* Is there a SEAL before record `end`? */
inline sealed(end)
{
	so = false;
	i = 0;
	do
	:: i < end ->
		so = so || rec[AT(cur, i)] == SEAL;
		i++
	:: else -> break
	od;
	i = 0
}

proctype writer(byte me; byte m)
{
	byte cur = 0;
	byte at = 0;
	byte i = 0;
	bool ok = true;
	bool so = false;
	bool vouched = false;

	open_segment(0);
	/* One with the state goes on to the end before it appends. */
	d_step { !cut -> cur = 0; sealed(n[0]) };
	do
	:: !so ->
		append(m);
		look_for_mark(ok);
		if
		:: ok -> flush(ok)
		:: else
		fi;
		if
		:: !ok -> goto out
		:: else
		fi;
		d_step { !cut -> sealed(at) };
		if
		:: !so -> break
		:: else
		fi
	:: so ->
		/* cross(), journal_follow() */
		look_for_mark(ok);
		if
		:: ok -> flush(ok)
		:: else
		fi;
		if
		:: !ok -> goto out
		:: else
		fi;
		open_segment(1);
		vouched = false;
		so = false
	od;
	atomic { !cut -> acked = acked | (1 << m) };
out:	skip
}

proctype rotator(byte me)
{
	byte cur = 0;
	byte at = 0;
	byte i = 0;
	bool ok = true;
	bool vouched = false;

	open_segment(0);
	d_step { !cut -> made = true };
	append(SEAL);
	look_for_mark(ok);
	if
	:: ok -> flush(ok)
	:: else
	fi;
out:	skip
}

/* Replays both segments: `uid` by message, two bits each. */
inline replay()
{
	uids = 0;
	given = 0;
	so = false;
	cur = 0;
	i = 0;
	do
	:: i < n[cur] ->
		if
		:: rec[AT(cur, i)] == SEAL -> so = true; break
		:: rec[AT(cur, i)] != 0 && rec[AT(cur, i)] != SEAL ->
			given++;
			uids = uids | (given << (2 * (rec[AT(cur, i)] - 1)))
		:: else
		fi;
		i++
	:: else -> break
	od;
	if
	:: so ->
		cur = 1;
		i = 0;
		do
		:: i < n[cur] ->
			if
			:: rec[AT(cur, i)] != 0 ->
				given++;
				uids = uids |
				    (given << (2 * (rec[AT(cur, i)] - 1)))
			:: else
			fi;
			i++
		:: else -> break
		od
	:: else
	fi;
	i = 0
}

inline tell()
{
	i = 1;
	do
	:: i <= 3 ->
		given = (uids >> (2 * (i - 1))) & 3;
		assert(given == 0 || told[given] == 0 || told[given] == i);
		if
		:: given != 0 -> told[given] = i
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0;
	given = 0;
	uids = 0
}

/* All that it has replayed is on disk, for all that it knows. */
inline at_least_firm(so_)
{
	i = 0;
	do
	:: i < SEGS * RECS ->
		so_ = so_ && (rec[i] == 0 || firm[i] || lost[i]);
		i++
	:: else -> break
	od;
	i = 0
}

/* A session in an account without writers of its own: it reads on, mark or
 * not, and tells what a flush that it makes says is on disk. */
proctype reader(byte me)
{
	byte cur = 0;
	byte i = 0;
	byte uids = 0;
	byte given = 0;
	bool ok = true;
	bool so = false;

	open_segment(0);
	d_step { !cut -> sealed(n[0]) };
	flush(ok);
	if
	:: ok && so -> open_segment(1); flush(ok)
	:: else
	fi;
	/* What was appended meanwhile is not told. */
	atomic {
		!cut && ok ->
		replay();
		at_least_firm(ok);
		if
		:: ok -> tell()
		:: else
		fi
	}
}

/* The disk refuses what is not flushed of one segment. */
proctype disk()
{
	byte s = 0;
	byte i = 0;

	atomic {
		!cut ->
		if
		:: s = 0
		:: s = 1
		fi;
		unseen[s] = true;
		i = 0;
		do
		:: i < n[s] ->
			if
			:: !firm[AT(s, i)] -> lost[AT(s, i)] = true
			:: true
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < FILES ->
			if
			:: open_[i] == s + 1 -> error[i] = true
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		s = 0
	}
}

proctype power()
{
	byte cur = 0;
	byte i = 0;
	byte uids = 0;
	byte given = 0;
	bool so = false;

	atomic {
		cut = true;
		do
		:: i < SEGS * RECS ->
			if
			:: lost[i] -> rec[i] = 0
			:: !lost[i] && !firm[i] -> rec[i] = 0
			:: !lost[i]
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		replay();
		assert(!(acked & 2) || (uids & 3) != 0);
		assert(!(acked & 4) || ((uids >> 2) & 3) != 0);
		assert(!(acked & 8) || ((uids >> 4) & 3) != 0);
#ifdef NO_RENEW
		tell()
#endif
	}
}

init
{
	atomic {
		run writer(0, 1);
#if WRITERS > 1
		run writer(1, 2);
#endif
		run rotator(2);
		run reader(3);
		run disk();
		run power()
	}
}
