"""imapd: what a session is told is enough to know the mailbox.

Each session keeps a mirror of its mailbox from untagged responses alone while
all of them change it at random.  At the end every mirror must be what the
server says.
"""
import random
import threading
import time

import pytest

from harness.wire import sexp

MESSAGE = b"From: a@example.org\r\nSubject: hello\r\n\r\nbody\r\n"
KNOWN = ["\\Seen", "\\Flagged", "\\Deleted", "$a", "$b"]


class Mirror:
    """A session and what it was told; None: not known."""

    def __init__(self, imap, seed):
        self.imap = imap
        self.random = random.Random(seed)
        self.uids = []
        self.flags = []
        self.gone = set()
        self.run("SELECT INBOX")
        self.run("FETCH 1:* (UID FLAGS)" if self.uids else "NOOP")

    def apply(self, response):
        words = response.split(b" ", 3)
        if len(words) < 3 or not words[1].isdigit():
            return
        n, what = int(words[1]), words[2]
        if what == b"EXISTS":
            assert n >= len(self.uids), f"EXISTS {n} < {len(self.uids)}"
            more = n - len(self.uids)
            self.uids += [None] * more
            self.flags += [None] * more
        elif what == b"EXPUNGE":
            assert 1 <= n <= len(self.uids)
            self.gone.add(self.uids.pop(n - 1))
            self.flags.pop(n - 1)
        elif what == b"FETCH":
            self.fetched(n, sexp(words[3])[0])

    def fetched(self, n, items):
        assert 1 <= n <= len(self.uids)
        data = dict(zip(items[::2], items[1::2]))
        if b"UID" in data:
            uid = int(data[b"UID"])
            assert self.uids[n - 1] in (None, uid), "a number changed hands"
            self.uids[n - 1] = uid
        if b"FLAGS" in data:
            self.flags[n - 1] = {f.decode() for f in data[b"FLAGS"]
                                 if f != b"\\Recent"}

    def run(self, command, never=()):
        tag = self.imap.begin(command)
        while True:
            response = self.imap.response()
            if response.startswith(tag.encode() + b" "):
                return response
            assert response.startswith(b"* "), response
            assert not any(b" " + word in response[:30] for word in never), (
                command, response)
            self.apply(response)

    def step(self):
        r = self.random
        n = len(self.uids)
        choice = r.randrange(12)
        if choice < 2 or n == 0:
            self.imap.send(b"p APPEND INBOX {%d+}\r\n%s\r\n"
                           % (len(MESSAGE), MESSAGE))
            while not (x := self.imap.response()).startswith(b"p "):
                self.apply(x)
            return
        low = r.randint(1, n)
        high = r.randint(low, min(n, low + 4))
        flags = " ".join(r.sample(KNOWN, r.randint(1, 3)))
        how = r.choice(["+", "-", ""])
        if choice < 5:
            self.run(f"STORE {low}:{high} {how}FLAGS ({flags})",
                     never=[b"EXPUNGE"])
        elif choice < 6:
            self.run(f"UID STORE {self.uids[low - 1] or 1}:* "
                     f"{how}FLAGS ({flags})")
        elif choice < 8:
            self.run(f"FETCH {low}:{high} (UID FLAGS)", never=[b"EXPUNGE"])
        elif choice < 9:
            self.run(f"FETCH {low}:{high} (UID BODY[])", never=[b"EXPUNGE"])
        elif choice < 10:
            self.run("NOOP")
        elif choice < 11:
            self.run("SEARCH UNDELETED", never=[b"EXPUNGE"])
        else:
            self.run(r.choice(["EXPUNGE", "UID EXPUNGE 1:*", "CHECK",
                               "COPY 1 INBOX", "UID MOVE 1:3 INBOX"]))

    def check(self):
        self.run("NOOP")
        told = list(zip(self.uids, self.flags))
        self.uids = [None] * len(self.uids)
        self.flags = [None] * len(self.flags)
        if self.uids:
            self.run("FETCH 1:* (UID FLAGS)")
        for (uid, flags), now, really in zip(told, self.uids, self.flags):
            assert uid in (None, now)
            assert flags is None or flags == really, (uid, flags, really)
        assert self.uids == sorted(self.uids)
        return list(zip(self.uids, self.flags))


def run_mirrors(connections, seconds, seed):
    mirrors = [Mirror(c, f"{seed}-{i}") for i, c in enumerate(connections)]
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
    for t in threads:
        t.join()
    if failed:
        raise failed[0]
    states = [m.check() for m in mirrors]
    assert all(s == states[0] for s in states)


@pytest.mark.parametrize("seed", range(3))
def test_mirrors_of_one_process(server, account, seed):
    run_mirrors([server.imap(account) for _ in range(5)], 2, seed)


def test_mirrors_of_two_processes(make_server):
    one = make_server()
    two = make_server({"store.path": f"{one.home}/store",
                       "directory.path": f"{one.home}/directory"})
    account = one.add_account()
    run_mirrors([s.imap(account) for s in (one, two, one, two)], 3, "two")


def test_mirrors_with_condstore(server, account):
    connections = [server.imap(account) for _ in range(4)]
    for c in connections[::2]:
        c.ok("ENABLE CONDSTORE")
    run_mirrors(connections, 2, "condstore")
