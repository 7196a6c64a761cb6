"""A mailbox as a client knows it that keeps what it is told, and no more.

A Mirror is a session with a copy of its mailbox, kept from untagged responses
alone; the World is what all sessions together were told.  Any contradiction is
an AssertionError: a number that changes hands, an EXPUNGE where none may come,
two messages with one UID, \\Recent in two sessions.
"""
import os
import random
import re
import threading
import time

from .wire import sexp

KNOWN = ["\\Seen", "\\Flagged", "\\Deleted", "$a", "$b"]
WAITS = [b"EXPUNGE", b"VANISHED"]  # for no number in use
BOXES = ["INBOX", "other"]
SECONDS = float(os.environ.get("POSTROOM_MIRROR_SECONDS", "2"))


class World:
    """What all sessions together were told of the messages."""

    def __init__(self):
        self.lock = threading.Lock()
        self.number = 0
        self.text = {}     # (mailbox, UID): what is in the message
        self.recent = {}   # (mailbox, UID): the session that has \\Recent

    def new_text(self):
        with self.lock:
            self.number += 1
            return f"message {self.number}"

    def is_text(self, box, uid, text):
        with self.lock:
            assert self.text.setdefault((box, uid), text) == text, (
                box, uid, text, self.text[box, uid])

    def is_recent(self, box, uid, session):
        with self.lock:
            holder = self.recent.setdefault((box, uid), session)
            assert holder is session, f"{uid} is \\Recent twice"


class Mirror:
    """A session and what it was told; None: not known."""

    def __init__(self, imap, seed, world, box="INBOX", qresync=False):
        self.imap = imap
        self.qresync = qresync
        if qresync:
            imap.ok("ENABLE QRESYNC")
        self.random = random.Random(seed)
        self.world = world
        self.box = box
        self.read_only = False
        self.select()

    def select(self, verb="SELECT"):
        self.uids, self.flags = [], []
        self.modseq = {}
        self.gone = set()  # UIDs of which an EXPUNGE must come
        self.told = set()  # numbers whose flags the last command told
        self.read_only = verb == "EXAMINE"
        self.run(f"{verb} {self.box}")
        if self.uids:
            self.run("FETCH 1:* (UID FLAGS)")

    # --- what is told -----------------------------------------------------
    def vanished(self, uids):
        """UIDs that it has not seen lie between those that it has."""
        for part in uids.split(b","):
            low, _, high = part.partition(b":")
            for uid in range(int(low), int(high or low) + 1):
                places = [i for i, known in enumerate(self.uids)
                          if known == uid] or [
                    i for i, known in enumerate(self.uids) if known is None
                    and all(k is None or k < uid for k in self.uids[:i])
                    and all(k is None or k > uid for k in self.uids[i:])]
                assert places, f"{uid} vanished and was never there"
                self.uids.pop(places[0])
                self.flags.pop(places[0])

    def apply(self, response):
        words = response.split(b" ", 3)
        if words[1] == b"VANISHED":
            assert self.qresync and words[2] != b"(EARLIER)", response
            self.vanished(words[2])
            return
        if len(words) < 3 or not words[1].isdigit():
            return
        n, what = int(words[1]), words[2]
        if what == b"EXISTS":
            assert n >= len(self.uids), f"EXISTS {n} < {len(self.uids)}"
            more = n - len(self.uids)
            self.uids += [None] * more
            self.flags += [None] * more
        elif what == b"RECENT":
            assert n <= len(self.uids)
        elif what == b"EXPUNGE":
            assert not self.qresync, response
            assert 1 <= n <= len(self.uids)
            self.uids.pop(n - 1)
            self.flags.pop(n - 1)
        elif what == b"FETCH":
            self.fetched(n, sexp(words[3])[0])

    def fetched(self, n, items):
        assert 1 <= n <= len(self.uids), (n, len(self.uids))
        data = dict(zip(items[::2], items[1::2]))
        if b"UID" in data:
            uid = int(data[b"UID"])
            assert self.uids[n - 1] in (None, uid), "a number changed hands"
            assert uid not in self.uids[:n - 1] + self.uids[n:]
            self.uids[n - 1] = uid
        uid = self.uids[n - 1]
        if b"FLAGS" in data:
            self.told.add(n)
            flags = {f.decode() for f in data[b"FLAGS"]}
            if "\\Recent" in flags and uid and not self.read_only:
                self.world.is_recent(self.box, uid, self)
            self.flags[n - 1] = flags - {"\\Recent"}
        if b"MODSEQ" in data and uid:
            modseq = int(data[b"MODSEQ"][0])
            if modseq < self.modseq.get(uid, 0):
                self.gone.add(uid)  # else it could not be an older one
            self.modseq[uid] = modseq
        if b"BODY[TEXT]" in data and uid:
            self.world.is_text(self.box, uid, data[b"BODY[TEXT]"])

    def read(self, tag, never=()):
        while True:
            response = self.imap.response()
            if response.startswith(tag.encode() + b" "):
                return response[len(tag) + 1:]
            if response.startswith(b"+"):
                continue
            assert response.startswith(b"* "), response
            assert not any(b" " + word in response[:30] for word in never), (
                tag, response)
            self.apply(response)

    def begin(self, command):
        return self.imap.begin(command)

    def run(self, command, never=()):
        answer = self.read(self.begin(command), never)
        assert not answer.startswith(b"BAD"), (command, answer)
        return answer

    # --- what it does -----------------------------------------------------
    def append(self):
        text = self.world.new_text()
        message = f"Subject: hello\r\n\r\n{text}\r\n".encode()
        box = self.random.choice(BOXES)
        tag = self.imap.tag()
        self.imap.send(b"%s APPEND %s (%s) {%d+}\r\n%s\r\n" % (
            tag.encode(), box.encode(),
            self.random.choice(KNOWN).encode(), len(message), message))
        answer = self.read(tag)
        m = re.match(rb"OK \[APPENDUID \d+ (\d+)\]", answer)
        assert m, answer
        self.world.is_text(box, int(m.group(1)), f"{text}\r\n".encode())

    def idle(self):
        tag = self.begin("IDLE")
        if self.random.random() < 0.5:
            # Until something happens, if it does.
            self.imap.sock.settimeout(0.02)
            try:
                while True:
                    response = self.imap.response()
                    if response.startswith(b"* "):
                        self.apply(response)
            except TimeoutError:
                pass
            finally:
                self.imap.sock.settimeout(30)
        self.imap.send(b"DONE\r\n")
        self.read(tag)

    def store(self, low, high, how, flags):
        """STORE; of .SILENT the mirror knows itself what it comes to, and
        is told where that is wrong."""
        self.told = set()
        before = {n: self.flags[n - 1] for n in range(low, high + 1)}
        self.run(f"STORE {low}:{high} {how} ({' '.join(flags)})",
                 never=WAITS)
        for n, was in before.items():
            if n not in self.told and "SILENT" in how and was is not None:
                self.flags[n - 1] = (was | flags if how[0] == "+" else
                                     was - flags if how[0] == "-" else flags)

    def pipelined(self, low, high):
        """Commands among which no EXPUNGE may come between numbers."""
        tags = [self.begin(c) for c in (
            f"FETCH {low}:{high} (UID FLAGS)", f"SEARCH {low}:{high}",
            f"STORE {low} +FLAGS (\\Seen)", f"FETCH {high} BODY[TEXT]")]
        for tag in tags:
            self.read(tag, never=WAITS)

    def step(self):
        r = self.random
        n = len(self.uids)
        choice = r.randrange(17)
        if choice < 2 or n == 0:
            self.append()
            return
        low = r.randint(1, n)
        high = r.randint(low, min(n, low + 4))
        uid = self.uids[low - 1] or 1
        flags = set(r.sample(KNOWN, r.randint(1, 3)))
        how = r.choice(["+", "-", ""]) + "FLAGS" + r.choice(["", ".SILENT"])
        if choice < 5:
            self.store(low, high, how, flags)
        elif choice < 6:
            self.run(f"UID STORE {uid}:* {how.replace('.SILENT', '')} "
                     f"({' '.join(flags)})")
        elif choice < 8:
            self.run(f"FETCH {low}:{high} (UID FLAGS MODSEQ)"
                     if r.random() < 0.1 else
                     f"FETCH {low}:{high} (UID FLAGS)", never=WAITS)
        elif choice < 9:
            self.run(f"FETCH {low}:{high} (UID BODY[TEXT])",
                     never=WAITS)
        elif choice < 10:
            self.run("NOOP")
        elif choice < 11:
            self.run("SEARCH UNDELETED", never=WAITS)
        elif choice < 12:
            self.idle()
        elif choice < 13:
            self.pipelined(low, high)
        elif choice < 15:
            self.run(r.choice(["EXPUNGE", f"UID EXPUNGE 1:{uid}", "CHECK"]))
        elif choice < 16:
            verb = r.choice(["COPY", "MOVE", "UID COPY", "UID MOVE"])
            low, high = (uid, uid + 2) if "UID" in verb else (low, high)
            self.run(f"{verb} {low}:{high} {r.choice(BOXES)}")
        elif r.random() < 0.2:
            self.run(r.choice(["UNSELECT", "CLOSE"]))
            self.box = r.choice(BOXES)
            self.select()

    # --- how it ends ------------------------------------------------------
    def check(self):
        self.run("NOOP")
        told = list(zip(self.uids, self.flags))
        self.uids = [None] * len(self.uids)
        self.flags = [None] * len(self.flags)
        if self.uids:
            self.run("FETCH 1:* (UID FLAGS BODY.PEEK[TEXT])")
        for (uid, flags), now, really in zip(told, self.uids, self.flags):
            assert uid in (None, now)
            assert flags is None or flags == really, (uid, flags, really)
        assert self.uids == sorted(self.uids)
        assert not self.gone.intersection(self.uids)
        return list(zip(self.uids, self.flags))


def run_mirrors(mirrors, seconds, meanwhile=None):
    until = time.monotonic() + seconds
    failed = []

    def work(mirror):
        try:
            while time.monotonic() < until and not failed:
                mirror.step()
        except BaseException as e:  # told in the main thread
            failed.append(e)

    threads = [threading.Thread(target=work, args=(m,)) for m in mirrors]
    for t in threads:
        t.start()
    while meanwhile and time.monotonic() < until and not failed:
        meanwhile()
    for t in threads:
        t.join()
    if failed:
        raise failed[0]
