/*
 * journal: segments, commits, snapshots, collection, readers, power loss.
 *
 * What is modelled is lib/store as it is built: commit.c (with and without
 * the state; reading back and its short cut), journal*.c (finding, following,
 * rotating), load.c and catch_up.c (opening, being overtaken by collection),
 * checkpoint.c, and collect.c but for the messages, which files.pml has.
 * Every call to the file system is a step.  A process may stand still for
 * ever before any step, which stands for its being killed, too.
 *
 * CUT: the power fails once.  What was not flushed is lost in any subset,
 * names as well as records; the processes are gone; then the account is
 * opened, written to and opened again.
 *
 * Checked:
 *   acknowledged  what was acknowledged before an open, or a look of a reader,
 *                 began is in the state that it gives, once
 *   told          no UID that was told has ever two meanings
 *   leads on      a snapshot, the head or a SEAL leads to a segment, or by
 *                 then a newer snapshot is there
 *   sealed        a segment that has records follows one that has its SEAL
 *   progress      a record is void at most once a segment
 *   generations   replay from the older snapshot gives the state of the newer
 *
 * -DNO_F1 and so on take out the fix of this name (docs/store.md, 12).
 * Sizes are set by model/run.
 */

#ifdef SMALL /* what one core walks through in seconds */
#define SEGS  3
#define SNAPS 3
#ifndef RECS
#define RECS 4
#endif
#ifndef DUTIES
#define DUTIES 3
#endif
#endif
#ifndef SEGS
#define SEGS 4 /* segments that are ever made */
#endif
#ifndef RECS
#define RECS 5 /* records in one */
#endif
#ifndef SNAPS
#define SNAPS 4 /* snapshots that are ever made */
#endif
#ifndef COLD
#define COLD 1 /* writers that do not load the state */
#endif
#ifndef WARM
#define WARM 0 /* writers that do; COLD + WARM <= 2 */
#endif
#ifndef KEEPERS
#define KEEPERS 1 /* each rotates, takes snapshots or collects ... */
#endif
#ifndef DUTIES
#define DUTIES 4 /* ... so many times */
#endif
#ifndef READERS
#define READERS 1
#endif
#ifndef LOOKS
#define LOOKS 2 /* of a reader: an open, then on from where it stood */
#endif
#ifndef CUT
#define CUT 0
#endif
#ifndef DAMAGE
#define DAMAGE 0 /* 1: a snapshot goes bad, once */
#endif

/* ---- the disk ---- */

/* A name.  What was not synced may be lost, or come back. */
#define ABSENT	 0 /* not made yet */
#define FRESH	 1 /* made, not synced */
#define FIRM	 2 /* there, synced */
#define LEAVING	 3 /* removed, not synced */
#define GONE	 4
#define THERE(x) (x.name == FRESH || x.name == FIRM)

/* Records: 1 to 3 adds that message. */
#define SEAL	   64 /* + the segment that it names */
#define GAP	   128
#define IS_SEAL(r) ((r) >= SEAL && (r) < GAP)
#define NONE	   255

typedef segment {
	byte name;
	byte number;
	byte previous; /* + 1; 0: the account's first */
	byte rec[RECS];
	byte n;	   /* records in the file ... */
	byte firm; /* ... of which so many are on disk */
	bool old   /* made before the power failed */
};
segment seg[SEGS];
byte segs = 0;

/* A state: UIDs of the three messages, two bits each; above them, how many
 * were given. */
#define UID(st, m) (((st) >> (2 * ((m) - 1))) & 3)
#define GIVEN(st)  ((st) >> 6)

typedef snapshot {
	byte name;
	byte in; /* its position: segment ... */
	byte at; /* ... and record */
	byte st;
	bool bad
};
snapshot snap[SNAPS];
byte snaps = 0;

#define PLACE(i) (seg[snap[i].in].number * 16 + snap[i].at)

byte head = 0; /* hint: the newest segment; not synced: */
byte old_head = 0;

byte boot = 0; /* 1: after the power cut */

#ifdef LAST /* the reader begins when all others have ended */
byte ended = 0;
#define END ended++
#else
#define END skip
#endif

/* ---- what was promised ---- */

byte acked = 0; /* bits 1 to 3 */
byte told[4];	/* by UID: the message */

inline tell(st_)
{
	m_ = 1;
	do
	:: m_ <= 3 ->
		uid_ = UID(st_, m_);
		assert(uid_ == 0 || told[uid_] == 0 || told[uid_] == m_);
		if
		:: uid_ != 0 -> told[uid_] = m_
		:: else
		fi;
		m_++
	:: else -> break
	od;
	m_ = 0;
	uid_ = 0
}

inline check(want_, st_)
{
	assert(!(want_ & 2) || UID(st_, 1) != 0);
	assert(!(want_ & 4) || UID(st_, 2) != 0);
	assert(!(want_ & 8) || UID(st_, 3) != 0)
}

/* Of each process. */
#define LOCALS                                              \
	byte mine = boot;                                   \
	byte cur = 0; /* where it stands: segment, ... */   \
	byte at = 0;  /* ... record, ... */                 \
	byte st = 0;  /* ... state */                       \
	byte nxt = 0; /* the segment that a SEAL names */   \
	byte bef = 0; /* the segment before `cur` */        \
	byte s_ = 0;                                        \
	byte i_ = 0;                                        \
	byte m_ = 0;                                        \
	byte uid_ = 0

#define ALIVE (boot == mine)

/* ---- reading ---- */

inline apply()
{
	m_ = seg[cur].rec[at];
	if
	:: m_ < SEAL ->
		assert(UID(st, m_) == 0); /* once */
		uid_ = GIVEN(st) + 1;
		st = (st & 63) | (uid_ << (2 * (m_ - 1))) | (uid_ << 6)
	:: else
	fi
}

/* Apply all that is in `cur` from `at` on, to the SEAL or the end of file. */
inline read_on()
{
	assert(at <= seg[cur].n); /* a position ahead of the file */
	nxt = NONE;
	do
	:: at < seg[cur].n && IS_SEAL(seg[cur].rec[at]) ->
		nxt = seg[cur].rec[at] - SEAL;
		break
	:: at < seg[cur].n && !IS_SEAL(seg[cur].rec[at]) ->
		apply();
		at++
	:: else -> break
	od;
	m_ = 0;
	uid_ = 0
}

/* journal_look_ahead(): where a segment with records goes on from this one, it
 * has its SEAL.  So one that has none was harmed. */
inline sealed()
{
	i_ = 0;
	do
	:: i_ < segs ->
		assert(nxt != NONE || !THERE(seg[i_]) || seg[i_].n == 0 ||
		    seg[i_].previous != cur + 1);
		i_++
	:: else -> break
	od;
	i_ = 0
}

/* The newest snapshot that can be read; NONE. */
inline newest(which)
{
	which = NONE;
	i_ = 0;
	do
	:: i_ < snaps ->
		if
		:: THERE(snap[i_]) && !snap[i_].bad &&
			    (which == NONE || PLACE(i_) > PLACE(which)) ->
			which = i_
		:: else
		fi;
		i_++
	:: else -> break
	od;
	i_ = 0
}

inline first(which)
{
	which = NONE;
	i_ = 0;
	do
	:: i_ < segs ->
		if
		:: THERE(seg[i_]) &&
			    (which == NONE ||
				seg[i_].number < seg[which].number) ->
			which = i_
		:: else
		fi;
		i_++
	:: else -> break
	od;
	i_ = 0
}

/* Where to begin: load_start().  The list is one step, reading the snapshot
 * and opening its segment are others.  Any of it may be gone by then, but
 * then a newer one is there. */
inline begin()
{
	do
	:: d_step { ALIVE -> newest(s_) };
		d_step {
			ALIVE -> cur = NONE;
			st = 0;
			at = 0;
			if
			:: s_ == NONE -> first(cur)
			:: s_ != NONE && THERE(snap[s_]) && !snap[s_].bad ->
				cur = snap[s_].in;
				at = snap[s_].at;
				st = snap[s_].st
			:: else
			fi
		};
		d_step {
			ALIVE ->
			if
			:: cur != NONE && THERE(seg[cur]) &&
				    (s_ != NONE || seg[cur].previous == 0)
			:: else ->
				bef = s_;
				newest(s_);
				assert(s_ != bef); /* leads on */
				first(cur);
				assert(s_ != NONE || (cur != NONE &&
				    seg[cur].previous == 0));
				bef = 0;
				cur = NONE
			fi;
			s_ = 0
		};
		if
		:: cur != NONE -> break
		:: else
		fi
	od
}

/* journal_load().  What is read last is flushed only as far as the segment
 * before it: whoever made that one's successor live had flushed its own. */
inline load()
{
	do
	:: begin();
		bef = NONE;
		do
		:: d_step { ALIVE -> read_on(); sealed() };
			if
			:: nxt == NONE -> break
			:: else
			fi;
			d_step {
				ALIVE ->
				if
				:: THERE(seg[nxt]) ->
					bef = cur;
					cur = nxt;
					at = 0
				:: else -> cur = NONE
				fi
			};
			if
			:: cur == NONE -> break
			:: else
			fi
		od;
		if
		:: cur != NONE -> break
		:: else
		fi
	od;
#ifndef NO_F10B
	if
	:: bef != NONE -> d_step { ALIVE -> seg[bef].firm = seg[bef].n }
	:: else
	fi;
#endif
	atomic { bef = 0; nxt = 0; s_ = 0 }
}

/* From `cur`, which ended in a SEAL, to `nxt`: journal_follow() and cross().
 * Before the first flush there this one's SEAL must be on disk. */
inline cross(gone)
{
#ifndef NO_F10B
	d_step { ALIVE -> seg[cur].firm = seg[cur].n };
#endif
	d_step {
		ALIVE ->
		if
		:: THERE(seg[nxt]) ->
			cur = nxt;
			at = 0;
			gone = 0
		:: else -> gone = 1
		fi;
		nxt = 0
	}
}

/* journal_catch_up(). */
inline catch_up()
{
	do
	:: d_step {
			ALIVE ->
			s_ = THERE(seg[cur]);
			read_on();
			assert(s_ == 1 || nxt != NONE); /* leads on */
			s_ = 0
		};
		if
		:: nxt == NONE -> break
		:: else
		fi;
		cross(s_);
		if
		:: s_ == 1 -> s_ = 0; load(); break
		:: else
		fi
	od;
	nxt = 0
}

/* The SEAL in `cur` before record `to`: the segment that it names. */
inline seal_before(to)
{
	nxt = NONE;
	i_ = to;
	do
	:: i_ > 0 ->
		i_--;
		if
		:: IS_SEAL(seg[cur].rec[i_]) -> nxt = seg[cur].rec[i_] - SEAL
		:: else
		fi
	:: else -> break
	od
}

/* ---- rotating ---- */

/* journal_rotate() without following.  `s_` is the candidate. */
inline rotate()
{
	atomic {
		ALIVE ->
		s_ = NONE;
		if
		:: segs < SEGS - CUT + boot && seg[cur].n < RECS ->
			s_ = segs;
			segs++;
			seg[s_].previous = cur + 1;
			seg[s_].old = (boot == 0);
			/* By the clock, or one more than the last: two
			 * candidates may have the same number, or not. */
			if
			:: seg[s_].number = seg[cur].number + 1
#ifdef CLOCK
			:: seg[s_].number = seg[cur].number + 2
#endif
			fi;
#ifndef NO_F2
			seg[s_].name = FRESH
#endif
		:: else
		fi
	};
	if
	:: s_ != NONE ->
#ifndef NO_CANDIDATE_FLUSH
		d_step {
			ALIVE ->
			if
			:: seg[s_].name == FRESH -> seg[s_].name = FIRM
			:: else
			fi
		};
#endif
		/* Room for a SEAL is kept; where there is none, one is. */
		d_step {
			ALIVE ->
			if
			:: seg[cur].n < RECS ->
				seg[cur].rec[seg[cur].n] = SEAL + s_;
				seg[cur].n++
			:: else
			fi
		};
#ifndef NO_SEAL_FLUSH
		d_step { ALIVE -> seg[cur].firm = seg[cur].n };
#endif
#ifdef NO_F2
		d_step { ALIVE -> seg[s_].name = FIRM };
#endif
		/* The first one counts. */
		d_step { ALIVE -> seal_before(seg[cur].n) };
		d_step {
			ALIVE ->
			if
			:: nxt == s_ -> old_head = head; head = s_
			:: else -> seg[s_].name = LEAVING
			fi;
			nxt = 0
		}
	:: else
	fi;
	s_ = 0
}

/* ---- writers ---- */

/* find_segment(): by the hint, else by the newest snapshot, or the first. */
inline find_segment()
{
	d_step { ALIVE -> cur = (THERE(seg[head]) -> head : NONE) };
	if
	:: cur == NONE -> begin()
	:: else
	fi;
	atomic { at = 0; st = 0 }
}

/* One write, at the end.  NONE: no room, the writer gives up. */
inline append(m, own)
{
	d_step {
		ALIVE -> own = NONE;
		if
		:: seg[cur].n < RECS ->
			own = seg[cur].n;
			seg[cur].rec[own] = m;
			seg[cur].n++
		:: else
		fi
	}
}

/* nothing_newer(): the folder is listed while others change it, so what was
 * not there all the time may be missed; then its own name is looked at. */
inline higher(mask, before)
{
	mask = 0;
	i_ = 0;
	do
	:: i_ < segs ->
		if
		:: THERE(seg[i_]) && seg[i_].number > seg[cur].number &&
			    (before & (1 << i_)) ->
			mask = mask | (1 << i_)
		:: else
		fi;
		i_++
	:: else -> break
	od;
	i_ = 0
}

inline short_cut(so)
{
	d_step { ALIVE -> higher(s_, 255) };
	d_step { ALIVE -> higher(bef, s_) };
	d_step {
		ALIVE -> so = (bef == 0 && THERE(seg[cur]));
#ifdef NO_OWN_NAME
		/* a SEAL will do instead of the name */
		seal_before(seg[cur].n);
		so = so || (bef == 0 && nxt != NONE);
		nxt = 0;
#endif
		bef = 0;
		s_ = 0
	}
}

/* commit_run() without the state, as deliveries do. */
proctype cold(byte m)
{
	LOCALS;
	byte own = 0;
	byte tries = 0;
	bool so = false;

	find_segment();
	do
	:: append(m, own);
		if
		:: own == NONE -> goto out
		:: else
		fi;
		tries++;
		assert(tries <= SEGS); /* progress */
		d_step { ALIVE -> seg[cur].firm = seg[cur].n };
#ifdef NO_F3
		break;
#endif
		if
		:: true /* read back */
		:: short_cut(so)
		fi;
		if
		:: so -> break
		:: else
		fi;
		d_step { ALIVE -> seal_before(own) };
		if
		:: nxt == NONE -> break
		:: else
		fi;
		cross(s_);
		if
		:: s_ == 1 ->
			s_ = 0;
			begin();
			atomic { at = 0; st = 0 }
		:: else
		fi
	od;
	atomic { ALIVE -> acked = acked | (1 << m) };
out:	atomic { cur = 0; at = 0; st = 0; nxt = 0; own = 0; tries = 0; so = 0; END }
}

/* commit_run() with the state, as APPEND does, which tells the UID. */
proctype warm(byte m)
{
	LOCALS;
	byte own = 0;
	byte tries = 0;

	load();
	do
	:: append(m, own);
		if
		:: own == NONE -> goto out
		:: else
		fi;
		tries++;
		assert(tries <= SEGS); /* progress */
		d_step { ALIVE -> seg[cur].firm = seg[cur].n };
		d_step { ALIVE -> read_on() };
		if
		:: UID(st, m) != 0 -> break
		:: else
		fi;
		assert(nxt != NONE);
		cross(s_);
		if
		:: s_ == 1 -> s_ = 0; load()
		:: else -> catch_up()
		fi
	od;
	atomic {
		ALIVE -> acked = acked | (1 << m);
		uid_ = UID(st, m);
		assert(told[uid_] == 0 || told[uid_] == m);
		told[uid_] = m;
		uid_ = 0
	};
out:	atomic { cur = 0; at = 0; st = 0; nxt = 0; own = 0; tries = 0; END }
}

/* A session: account_refresh(), then again from where it stands. */
proctype reader()
{
	LOCALS;
	byte want = 0;
	byte looks = 1;

#ifdef LAST
	ended == COLD + WARM + KEEPERS;
#endif
	d_step { ALIVE -> want = acked };
	load();
	do
	:: d_step { ALIVE -> seg[cur].firm = seg[cur].n };
		d_step {
			ALIVE -> check(want, st);
			tell(st)
		};
		if
		:: looks == LOOKS -> break
		:: else
		fi;
		looks++;
		d_step { ALIVE -> want = acked };
		catch_up()
	od;
	atomic { cur = 0; at = 0; st = 0; want = 0; looks = 0 }
}

/* ---- upkeep ---- */

inline sync_snaps()
{
	i_ = 0;
	do
	:: i_ < snaps ->
		if
		:: snap[i_].name == FRESH -> snap[i_].name = FIRM
		:: snap[i_].name == LEAVING -> snap[i_].name = GONE
		:: else
		fi;
		i_++
	:: else -> break
	od;
	i_ = 0
}

/* The newest snapshot below `top` that is there, whole if so asked; NONE. */
inline next_below(which, top, whole)
{
	which = NONE;
	i_ = 0;
	do
	:: i_ < snaps ->
		if
		:: THERE(snap[i_]) && !(whole && snap[i_].bad) && i_ != top &&
		    (top == NONE || PLACE(i_) <= PLACE(top)) &&
		    (which == NONE || PLACE(i_) > PLACE(which)) ->
			which = i_
		:: else
		fi;
		i_++
	:: else -> break
	od;
	i_ = 0
}

inline oldest(which, whole)
{
	which = NONE;
	i_ = 0;
	do
	:: i_ < snaps ->
		if
		:: THERE(snap[i_]) && !(whole && snap[i_].bad) &&
		    (which == NONE || PLACE(i_) < PLACE(which)) ->
			which = i_
		:: else
		fi;
		i_++
	:: else -> break
	od;
	i_ = 0
}

/* The newest, and the newest but one that can be read.  NONE: no two. */
inline generations()
{
	next_below(b, NONE, 0);
	if
	:: b == NONE -> a = NONE
	:: else -> next_below(a, b, 1)
	fi;
#ifdef NO_F6
	a = b
#endif
#ifdef NO_F1
	a = b
#endif
}

/* snapshots_thin(): of those in the list, all but the two generations and the
 * oldest go, one by one: m_ has a bit for each. */
inline thin()
{
	d_step {
		ALIVE ->
		generations();
		oldest(s_, 0);
		m_ = 0;
		i_ = 0;
		do
		:: i_ < snaps ->
			if
			:: a != NONE && THERE(snap[i_]) && i_ != a &&
			    i_ != b && i_ != s_ ->
				m_ = m_ | (1 << i_)
			:: else
			fi;
			i_++
		:: else -> break
		od;
		i_ = 0;
		s_ = 0;
		a = 0;
		b = 0
	};
	if
	:: m_ != 0 ->
		do
		:: s_ < SNAPS ->
			if
			:: m_ & (1 << s_) ->
				d_step {
					ALIVE ->
					if
					:: THERE(snap[s_]) ->
						snap[s_].name = LEAVING
					:: else
					fi
				}
			:: else
			fi;
			s_++
		:: else -> break
		od;
		s_ = 0;
		m_ = 0;
		d_step { ALIVE -> sync_snaps() }
	:: else
	fi
}

/* account_checkpoint(): the files of a snapshot are on disk before its name
 * is there. */
inline checkpoint()
{
	catch_up();
#ifndef NO_F10A
	d_step { ALIVE -> seg[cur].firm = seg[cur].n };
#endif
#ifdef NO_F1
	/* One name, which the new one is renamed to. */
	d_step {
		ALIVE -> snap[0].name = FIRM;
		snap[0].in = cur;
		snap[0].at = at;
		snap[0].st = st;
		snaps = 1
	};
#else
	d_step {
		ALIVE -> newest(s_);
		if
		:: snaps < SNAPS &&
			    (s_ == NONE ||
				PLACE(s_) != seg[cur].number * 16 + at) ->
			s_ = snaps;
			snaps++;
			snap[s_].name = FRESH;
			snap[s_].in = cur;
			snap[s_].at = at;
			snap[s_].st = st
		:: else -> s_ = NONE
		fi
	};
	if
	:: s_ != NONE -> d_step { ALIVE -> sync_snaps() }
	:: else
	fi;
	s_ = 0;
	thin()
#endif
}

/* Replay on to snapshot `to`.  A segment that another collector has removed
 * stops it: `a` becomes NONE. */
inline replay_until(to)
{
	do
	:: a == NONE -> break
	:: a != NONE && !THERE(seg[cur]) -> a = NONE
	:: a != NONE && THERE(seg[cur]) && cur == snap[to].in ->
		assert(at <= snap[to].at);
		do
		:: at < snap[to].at ->
			apply();
			at++
		:: else -> break
		od;
		assert(st == snap[to].st); /* generations */
		break
	:: a != NONE && THERE(seg[cur]) && cur != snap[to].in ->
		read_on();
		assert(nxt != NONE);
		cur = nxt;
		at = 0
	od
}

/* generations_verify(): both are read; replay from the oldest snapshot that
 * can be read comes to the states of both. */
inline verify()
{
	if
	:: snap[b].bad || snap[a].bad || !THERE(snap[a]) || !THERE(snap[b]) ->
		a = NONE
	:: else ->
		cur_was = cur;
		at_was = at;
		st_was = st;
		oldest(s_, 1);
		cur = snap[s_].in;
		at = snap[s_].at;
		st = snap[s_].st;
		replay_until(a);
		replay_until(b);
		cur = cur_was;
		at = at_was;
		st = st_was;
		nxt = 0;
		m_ = 0;
		uid_ = 0;
		s_ = 0;
		cur_was = 0;
		at_was = 0;
		st_was = 0
	fi
}

/* collect_history() and collect_candidates(), with no retention. */
inline collect()
{
	catch_up();
	d_step { ALIVE -> generations() };
#ifndef NO_F6
#ifndef NO_F1
	if
	:: a != NONE -> d_step { ALIVE -> verify() }
	:: else
	fi;
#endif
#endif
	if
	:: a != NONE ->
		d_step { ALIVE -> sync_snaps() };
		/* snapshots below the older one, highest first */
		do
		:: d_step {
				ALIVE -> s_ = NONE;
				i_ = 0;
				do
				:: i_ < snaps ->
					if
					:: THERE(snap[i_]) &&
						    PLACE(i_) < PLACE(a) &&
						    (s_ == NONE ||
							PLACE(i_) >
							       PLACE(s_)) ->
						s_ = i_
					:: else
					fi;
					i_++
				:: else -> break
				od;
				i_ = 0;
				if
				:: s_ != NONE -> snap[s_].name = LEAVING
				:: else
				fi
			};
			if
			:: s_ == NONE -> break
			:: else
			fi
		od;
		/* segments below its own, lowest first */
		do
		:: d_step {
				ALIVE -> first(s_);
				if
				:: seg[s_].number < seg[snap[a].in].number ->
					seg[s_].name = LEAVING
				:: else -> s_ = NONE
				fi
			};
			if
			:: s_ == NONE -> break
			:: else
			fi
		od
	:: else
	fi;
	atomic { a = 0; b = 0; s_ = 0 };
	/* Of the chain that ends in `cur`, what is there: nxt has a bit for
	 * each.  Others, not below its first and not above its end, lost. */
	d_step {
		ALIVE -> nxt = 0;
		i_ = cur;
		do
		:: true ->
			nxt = nxt | (1 << i_);
			s_ = i_;
			if
			:: seg[i_].previous != 0 &&
				    THERE(seg[seg[i_].previous - 1]) ->
				i_ = seg[i_].previous - 1
			:: else -> break
			fi
		od;
		a = seg[s_].number;
		i_ = 0;
		do
		:: i_ < segs ->
			if
			:: THERE(seg[i_]) && seg[i_].number > a &&
				    seg[i_].number <= seg[cur].number &&
				    !(nxt & (1 << i_)) ->
				seg[i_].name = LEAVING
			:: else
			fi;
			i_++
		:: else -> break
		od;
		i_ = 0;
		nxt = 0;
		a = 0;
		s_ = 0
	}
}

proctype keeper()
{
	LOCALS;
	byte a = 0;
	byte b = 0;
	byte cur_was = 0;
	byte at_was = 0;
	byte st_was = 0;
	byte duties = 0;

	load();
#ifdef SCRIPT
	/* The way to a segment that is collected, and no other. */
	rotate();
	catch_up();
	rotate();
	checkpoint();
	checkpoint();
	collect();
#else
	do
	:: duties < DUTIES ->
		duties++;
		if
		:: rotate()
		:: checkpoint()
		:: collect()
		fi
	:: true -> break
	od;
#endif
	atomic { cur = 0; at = 0; st = 0; duties = 0; END }
}

/* ---- faults ---- */

#if DAMAGE
proctype damage()
{
	if
	:: atomic { snap[0].name == FIRM -> snap[0].bad = true }
	:: atomic { snap[1].name == FIRM -> snap[1].bad = true }
	:: atomic { snap[2].name == FIRM -> snap[2].bad = true }
	fi
}
#endif

#if CUT
/* Any subset of what was not flushed is lost. */
inline lose()
{
	i_ = 0;
	do
	:: i_ < segs ->
		if
		:: seg[i_].name == FRESH || seg[i_].name == LEAVING ->
			if
			:: seg[i_].name = FIRM
			:: seg[i_].name = GONE
			fi
		:: else
		fi;
		s_ = seg[i_].firm;
		do
		:: s_ < seg[i_].n ->
			if
			:: seg[i_].rec[s_] = GAP
			:: true
			fi;
			s_++
		:: else -> break
		od;
		/* The size may survive, or not. */
		do
		:: seg[i_].n > seg[i_].firm &&
			    seg[i_].rec[seg[i_].n - 1] == GAP ->
			seg[i_].n--
		:: break
		od;
		seg[i_].firm = seg[i_].n;
		i_++
	:: else -> break
	od;
	i_ = 0;
	do
	:: i_ < snaps ->
		if
		:: snap[i_].name == FRESH || snap[i_].name == LEAVING ->
			if
			:: snap[i_].name = FIRM
			:: snap[i_].name = GONE
			fi
		:: else
		fi;
		i_++
	:: else -> break
	od;
	if
	:: head = old_head
	:: true
	fi;
	i_ = 0;
	s_ = 0
}

/* Who opens the account looks, and makes a segment of this incarnation; who
 * delivers finds one by the head, or makes one; then somebody opens again. */
proctype power()
{
	LOCALS;
	byte own = 0;

	atomic {
		boot = 1;
		mine = 1;
		lose();
		load();
		seg[cur].firm = seg[cur].n;
		check(acked, st);
		tell(st);
		if
		:: true -> rotate()
		:: true
		fi;
		st = 0;
		find_segment();
		do
		:: seal_before(seg[cur].n);
			if
			:: nxt != NONE ->
				cross(s_);
				if
				:: s_ == 1 -> s_ = 0; begin()
				:: else
				fi
			:: nxt == NONE && seg[cur].old ->
				bef = segs;
				rotate();
				if
				:: bef == segs -> goto out /* no room */
				:: else -> bef = 0
				fi
			:: else -> break
			fi
		od;
		nxt = 0;
		append(3, own);
		if
		:: own == NONE -> goto out
		:: else
		fi;
		seg[cur].firm = seg[cur].n;
		acked = acked | 8;
		load();
		check(acked, st);
		tell(st);
out:		boot = 2
	}
}
#endif

init
{
	atomic {
		seg[0].name = FIRM;
		seg[0].old = true;
		segs = 1;
#if COLD > 0
		run cold(1);
#endif
#if COLD > 1
		run cold(2);
#endif
#if WARM > 0
		run warm(COLD + 1);
#endif
#if WARM > 1
		run warm(COLD + 2);
#endif
#if KEEPERS > 0
		run keeper();
#endif
#if KEEPERS > 1
		run keeper();
#endif
#if READERS > 0
		run reader();
#endif
#if READERS > 1
		run reader();
#endif
#if DAMAGE
		run damage();
#endif
#if CUT
		run power();
#endif
	}
}
