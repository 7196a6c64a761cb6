"""imapd: a crowd of sessions in several programs, and what all agree on.

Rounds of random commands by twenty sessions on two mailboxes; after each round
all stand still and must agree with each other, with STATUS and with a model of
SEARCH.  Sessions leave and come back, some with what they remember [RFC 7162
3.2.5].  Beyond what a Mirror looks at: no keyword comes before FLAGS told it,
what is fixed of a message stays as it was first told, in copies too, a FETCH
answers for each message, RECENT counts are those of the flags.

POSTROOM_MIRROR_SECONDS makes a round that much longer, POSTROOM_CROWD_SEED
makes another one.
"""
import datetime
import email.utils
import os
import random
import re
import time

import pytest

from harness.mirror import (BOXES, KNOWN, SECONDS, WAITS, Mirror, World,
                            run_mirrors)
from harness.wire import Closed, sexp

SEED = os.environ.get("POSTROOM_CROWD_SEED", "crowd")
SESSIONS, ROUNDS = 20, 3
WORDS = "amber birch cedar delta ember fjord grove heath inlet".split()
FIXED = ["INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY", "BODYSTRUCTURE",
         "EMAILID", "BODY.PEEK[HEADER]", "BODY.PEEK[]", "BODY.PEEK[1]",
         "RFC822.HEADER", "BODY.PEEK[HEADER.FIELDS (SUBJECT DATE)]",
         "BODY.PEEK[HEADER.FIELDS (Subject X-None)]", "BODY.PEEK[1.MIME]"]
DAY = datetime.date(2024, 2, 26)


def imap_date(day):
    return f"{day.day}-{day:%b-%Y}"


class Letter:
    """A message as its sender made it."""

    def __init__(self, random, number):
        self.number = number
        self.subject = " ".join(random.choices(WORDS, k=3))
        self.sent = DAY + datetime.timedelta(random.randrange(6))
        self.arrived = DAY + datetime.timedelta(random.randrange(6))
        zone = datetime.timezone(
            datetime.timedelta(minutes=15 * random.randint(-40, 40)))
        at = datetime.time(random.randrange(24), 30, tzinfo=zone)
        self.internal = "{:%d-%b-%Y %H:%M:%S %z}".format(
            datetime.datetime.combine(self.arrived, at))
        body = " ".join(random.choices(WORDS, k=random.randint(1, 60)))
        self.body = f"{body} number {number}\r\n".encode()
        date = email.utils.format_datetime(
            datetime.datetime.combine(self.sent, at))
        self.octets = (f"Subject: {self.subject}\r\nDate: {date}\r\n"
                       f"\r\n").encode() + self.body


class Crowd(World):
    """What is fixed of each message, and whose it was."""

    def __init__(self):
        super().__init__()
        self.letters = {}   # the number in it: the letter
        self.fixed = {}     # (mailbox, UID): {item: value}
        self.copies = []    # pairs of such keys
        self.uidvalidity = {}
        self.uidnext = {}
        self.left = False   # somebody took \\Recent away
        self.killing = False

    def is_fixed(self, key, name, value):
        with self.lock:
            known = self.fixed.setdefault(key, {}).setdefault(name, value)
            assert known == value, (key, name, known, value)

    def copied(self, pairs):
        with self.lock:
            self.copies += pairs

    def settle(self):
        """What is copied is the same, now that all is known of all."""
        for old, new in self.copies:
            ours = self.fixed.setdefault(old, {})
            theirs = self.fixed.setdefault(new, {})
            for name, value in ours.items():
                assert theirs.setdefault(name, value) == value, (
                    old, new, name)
        self.copies = []

    def told_box(self, box, code):
        name, _, value = code.partition(b" ")
        with self.lock:
            if name == b"UIDVALIDITY":
                assert self.uidvalidity.setdefault(box, value) == value
            elif name == b"UIDNEXT":
                self.uidnext[box] = max(self.uidnext.get(box, 0), int(value))


def spread(uids):
    """The UIDs of "3,7:9", in that order."""
    found = []
    for part in uids.split(b","):
        low, _, high = part.partition(b":")
        found += range(int(low), int(high or low) + 1)
    return found


class Member(Mirror):
    """A session of the crowd."""

    def __init__(self, connect, seed, world, box, qresync):
        self.connect = connect
        self.memory = None  # what it left with: (box, modseq, uids, flags)
        super().__init__(connect(), seed, world, box, qresync)

    # --- coming and going -------------------------------------------------
    def select(self, verb="SELECT"):
        self.keywords = {}
        self.recent, self.recent_told = set(), 0
        self.resuming = None
        self.highest = 0
        if self.qresync and self.memory and self.memory[0] == self.box:
            self.resume(verb)
        else:
            super().select(verb)

    def resume(self, verb):
        """The mailbox is known once SELECT is answered: what is remembered,
        less what vanished, and all that came."""
        box, modseq, uids, flags = self.memory
        self.uids, self.flags, self.modseq = [], [], {}
        self.gone, self.told = set(), set()
        self.read_only = verb == "EXAMINE"
        self.resuming = dict(zip(uids, flags))
        self.run(f"{verb} {box} (QRESYNC "
                 f"({self.world.uidvalidity[box].decode()} {modseq}))")
        if not self.uids:
            assert not self.resuming
        known = sorted(self.resuming)
        assert len(known) == len(self.uids), (known, self.uids)
        for i, uid in enumerate(known):
            assert self.uids[i] in (None, uid)
        self.uids = known
        self.flags = [self.resuming[uid] for uid in known]
        self.resuming = None

    def remember(self):
        if self.qresync and None not in self.uids and None not in self.flags:
            self.memory = (self.box, self.highest, list(self.uids),
                           list(self.flags))

    def leave(self):
        self.remember()
        self.world.left = True
        how = self.random.randrange(3)
        if how == 0:
            self.run(self.random.choice(["UNSELECT", "CLOSE"]))
            if self.random.random() < 0.3:
                self.box = self.random.choice(BOXES)
        else:
            if how == 1:
                self.read(self.begin("LOGOUT"))
            self.imap.close()
            self.imap = self.connect()
            if self.qresync:
                self.imap.ok("ENABLE QRESYNC")
        self.select()

    def come_back(self):
        """The connection was lost, in the middle of whatever it did."""
        self.remember()
        self.world.left = True
        while True:
            try:
                self.imap.close()
                self.imap = self.connect()
                if self.qresync:
                    self.imap.ok("ENABLE QRESYNC")
                self.select()
                return
            except (Closed, ConnectionError):
                pass

    # --- what is told -----------------------------------------------------
    def apply(self, response):
        words = response.split(b" ", 3)
        if words[1] == b"FLAGS":
            flags = [f.decode().lower() for f in
                     sexp(response.partition(b"FLAGS ")[2])[0]]
            assert len(set(flags)) == len(flags), response
            assert self.keywords.keys() <= set(flags), response
            self.keywords = dict.fromkeys(
                f for f in flags if not f.startswith("\\"))
        elif words[1] == b"VANISHED" and words[2] == b"(EARLIER)":
            assert self.resuming is not None, response
            for uid in spread(words[3]):
                self.resuming.pop(uid, None)
            return
        elif words[1] == b"OK":
            self.code(response[5:])
        elif len(words) > 2 and words[2] == b"RECENT":
            self.recent_told = int(words[1])
        elif words[1] in (b"BYE", b"BAD", b"NO"):
            assert "LOGOUT" in self.doing, response
        super().apply(response)

    def code(self, text):
        m = re.match(rb"\[([^]]*)\]", text)
        if not m:
            return
        if m.group(1).startswith(b"HIGHESTMODSEQ "):
            self.highest, self.seen = int(m.group(1).split()[1]), 0
        elif m.group(1).startswith(b"PERMANENTFLAGS "):
            flags = sexp(m.group(1).partition(b" ")[2])[0]
            assert {f.decode().lower() for f in flags
                    if f[:1] != b"\\"} <= self.keywords.keys()
        elif m.group(1).startswith(b"COPYUID "):
            box = self.doing.split()[-1]
            old, new = map(spread, m.group(1).split()[2:])
            assert len(old) == len(new), text
            self.world.copied([((self.box, a), (box, b))
                               for a, b in zip(old, new)])
        elif self.doing.startswith("SELECT"):
            self.world.told_box(self.box, m.group(1))

    def fetched(self, n, items):
        super().fetched(n, items)
        self.answered.add(n)
        data = dict(zip(items[::2], items[1::2]))
        uid = self.uids[n - 1]
        for flag in data.get(b"FLAGS", ()):
            name = flag.decode().lower()
            assert name.startswith("\\") or name in self.keywords, flag
            if name == "\\recent":
                self.recent.add(uid)
        if b"MODSEQ" in data:
            self.seen = max(self.seen, int(data[b"MODSEQ"][0]))
        if self.resuming is not None and uid:
            self.resuming[uid] = self.flags[n - 1]
        for name, value in data.items():
            assert value is not None, (name, "is NIL")
            if uid and name not in (b"FLAGS", b"UID", b"MODSEQ"):
                self.world.is_fixed((self.box, uid), name, value)

    def expect(self, command):
        self.doing, self.answered, self.seen = command, set(), 0

    def begin(self, command):
        self.expect(command)
        return super().begin(command)

    def finish(self, answer):
        # A session may go by the mod-sequences that it is told, until the
        # server says better.
        self.highest = max(self.highest, self.seen)
        text = answer.partition(b" ")[2]
        self.code(text)
        return answer

    def run(self, command, never=()):
        answer = self.finish(self.read(self.begin(command), never))
        assert answer.startswith((b"OK", b"NO [EXPUNGEISSUED]")), (
            command, answer)
        return answer

    # --- what it does -----------------------------------------------------
    def append(self):
        letter = Letter(self.random, self.world.new_text().split()[1])
        with self.world.lock:
            self.world.letters[letter.number] = letter
        box = self.random.choice(BOXES)
        self.expect("APPEND")
        tag = self.imap.tag()
        self.imap.send(b'%s APPEND %s (%s) "%s" {%d+}\r\n%s\r\n' % (
            tag.encode(), box.encode(),
            self.random.choice(KNOWN).encode(), letter.internal.encode(),
            len(letter.octets), letter.octets))
        answer = self.finish(self.read(tag))
        m = re.match(rb"OK \[APPENDUID (\d+) (\d+)\]", answer)
        assert m, answer
        self.world.told_box(box, b"UIDVALIDITY " + m.group(1))
        key = box, int(m.group(2))
        self.world.is_fixed(key, b"BODY[]", letter.octets)
        self.world.is_fixed(key, b"RFC822.SIZE",
                            str(len(letter.octets)).encode())

    def fetch(self, low, high):
        items = self.random.sample(FIXED, self.random.randint(1, 4))
        answer = self.run(f"FETCH {low}:{high} (UID FLAGS {' '.join(items)})",
                          never=WAITS)
        missing = set(range(low, high + 1)) - self.answered
        assert not missing if answer[:2] == b"OK" else (
            b"[EXPUNGEISSUED]" in answer), (answer, missing)

    def step(self):
        self.survive(self.act)

    def survive(self, act, *args):
        try:
            act(*args)
        except (Closed, ConnectionError):
            assert self.world.killing
            self.come_back()

    def act(self):
        r = self.random
        n = len(self.uids)
        low = r.randint(1, n or 1)
        high = r.randint(low, max(low, min(n, low + 6)))
        choice = r.randrange(40)
        if choice < 2:
            self.leave()
        elif choice < 4:
            self.run(r.choice([f"STATUS {r.choice(BOXES)} (MESSAGES UNSEEN "
                               "RECENT SIZE)", 'LIST "" *', "NOOP"]))
        elif n and choice < 14:
            self.fetch(low, high)
        elif n and choice < 17:
            self.run("SEARCH " + Query(self).text, never=WAITS)
        elif n > 25:
            self.run(f"STORE {low}:{high} +FLAGS (\\Deleted)", never=WAITS)
            self.run("EXPUNGE")
        else:
            super().step()

    # --- when all stand still ---------------------------------------------
    def check(self):
        state = super().check()
        mine = {uid for uid in self.recent if uid in self.uids}
        assert len(mine) == self.recent_told, (mine, self.recent_told)
        for _ in range(5):
            query = Query(self)
            answer = self.imap.ok("SEARCH " + query.text)
            want = [n + 1 for n in range(len(self.uids)) if query.has(n)]
            assert answer.search() == want, (query.text, answer, want)
        return state, mine

    def letter(self, index):
        text = self.world.text[self.box, self.uids[index]]
        return self.world.letters[text.split()[-1].decode()]


class Query:
    """A random search program and what it means."""

    def __init__(self, member, depth=0):
        r = member.random
        count = len(member.uids)
        kind = r.randrange(12 if depth < 3 else 9)
        word = r.choice(WORDS)
        word = word[r.randrange(2):r.randint(3, 5)].swapcase()
        day = DAY + datetime.timedelta(r.randrange(6))
        size = r.randint(50, 400)
        if kind == 0:
            low = r.randint(1, max(count, 1))
            high = r.randint(low, low + 9)
            self.text = f"{low}:{high}"
            self.has = lambda i: low <= i + 1 <= high
        elif kind == 1:
            uid = r.randint(1, member.world.number + 9)
            self.text = f"UID {uid}:*"
            self.has = lambda i: (member.uids[i] >= uid or i == count - 1)
        elif kind == 2:
            flag = r.choice(KNOWN)
            name = flag[1:] if flag[0] == "\\" else f"KEYWORD {flag}"
            no = r.choice(["", "UN"])
            self.text = no + name
            self.has = lambda i: (flag in member.flags[i]) == (no == "")
        elif kind == 3:
            self.text = f"LARGER {size}"
            self.has = lambda i: len(member.letter(i).octets) > size
        elif kind == 4:
            self.text = f"SMALLER {size}"
            self.has = lambda i: len(member.letter(i).octets) < size
        elif kind == 5:
            which = r.choice(["BEFORE", "ON", "SINCE"])
            sent = r.choice(["", "SENT"])
            self.text = f"{sent}{which} {imap_date(day)}"
            self.has = lambda i: self.is_dated(which, (
                member.letter(i).sent if sent else member.letter(i).arrived),
                day)
        elif kind == 6:
            self.text = r.choice(["SUBJECT", "HEADER Subject"]) + f" {word}"
            self.has = lambda i: word.lower() in member.letter(i).subject
        elif kind == 7:
            self.text = f'BODY "{word}"'
            self.has = lambda i: (
                word.lower().encode() in member.letter(i).body)
        elif kind == 8:
            self.text = f"TEXT {word}"
            self.has = lambda i: (word.lower().encode()
                                  in member.letter(i).octets.lower())
        else:
            self.combine(kind, Query(member, depth + 1),
                         Query(member, depth + 1))

    def combine(self, kind, one, two):
        if kind == 9:
            self.text = f"OR {one.text} {two.text}"
            self.has = lambda i: one.has(i) or two.has(i)
        elif kind == 10:
            self.text = f"NOT {one.text}"
            self.has = lambda i: not one.has(i)
        else:
            self.text = f"({one.text} {two.text})"
            self.has = lambda i: one.has(i) and two.has(i)

    @staticmethod
    def is_dated(which, date, day):
        return (date < day if which == "BEFORE" else
                date == day if which == "ON" else date >= day)


def check_status(imap, box, members, state):
    _, text = imap.ok(f"STATUS {box} (MESSAGES UIDNEXT UNSEEN RECENT SIZE)"
                      ).one("STATUS")
    told = sexp(text.partition(b" ")[2])[0]
    told = {told[i]: int(told[i + 1]) for i in range(0, len(told), 2)}
    flags = [f for _, f in state]
    letters = [members[0].letter(i) for i in range(len(state))]
    assert told[b"MESSAGES"] == len(state)
    assert told[b"UNSEEN"] == sum("\\Seen" not in f for f in flags)
    assert told[b"SIZE"] == sum(len(x.octets) for x in letters)
    assert told[b"RECENT"] == 0, "all claimed by who has it selected"
    assert all(uid < told[b"UIDNEXT"] for uid, _ in state)
    assert told[b"UIDNEXT"] >= members[0].world.uidnext.get(box, 0)


def check_all(members):
    """All agree, and with the server."""
    members[0].world.settle()
    for m in members:
        m.run("NOOP")
    for box in BOXES:
        here = [m for m in members if m.box == box]
        found = [m.check() for m in here]
        if not found:
            continue
        assert all(state == found[0][0] for state, _ in found)
        recents = [uid for _, mine in found for uid in mine]
        assert len(set(recents)) == len(recents)
        if not here[0].world.left:
            assert set(recents) == {uid for uid, _ in found[0][0]}
        check_status(here[0].imap, box, here, found[0][0])


def crowd(make_server, programs):
    # However often they are killed, they are there again soon.
    settings = {"process.restart_max": "200ms"}
    servers = [make_server(settings)]
    if programs == 2:
        servers.append(make_server(
            {"store.path": f"{servers[0].home}/store",
             "directory.path": f"{servers[0].home}/directory", **settings}))
    account = servers[0].add_account()
    world = Crowd()
    with servers[0].imap(account) as c:
        c.ok("CREATE other")
    members = [Member(lambda s=servers[i % programs]: s.imap(account),
                      f"{SEED}-{i}", world, BOXES[i % 3 == 2], i % 4 == 1)
               for i in range(SESSIONS)]
    return servers, members


@pytest.mark.parametrize("programs", [1, 2])
def test_a_crowd_agrees(make_server, programs):
    _, members = crowd(make_server, programs)
    for _ in range(ROUNDS):
        run_mirrors(members, SECONDS)
        check_all(members)


def test_a_crowd_agrees_though_its_programs_are_killed(make_server):
    servers, members = crowd(make_server, 2)
    world = members[0].world
    r = random.Random(SEED)
    for _ in range(ROUNDS):
        world.killing = True

        def kill():
            time.sleep(r.uniform(0.1, 0.6))
            server = r.choice(servers)
            if server.pids("imapd"):  # it is started anew by and by
                server.kill("imapd")
        run_mirrors(members, SECONDS, kill)
        for m in members:  # whom the last one hit
            m.survive(m.run, "NOOP")
        world.killing = False
        check_all(members)
