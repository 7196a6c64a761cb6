"""kill -9 of each program, and of all of them at once, under load.

Clients of every kind work on a few accounts and write into a ledger what
they were told.  The program under test is killed again and again, each time
after a random amount of acknowledged work.  Then everything is read and held
against the ledger: nothing acknowledged is missing, changed or doubled, and
no UID, UIDL or modification sequence ever means something else.

CRASH_KILLS sets how often each target is killed.
"""
import os
import random
import re
import threading
import time

import pytest

from harness import mail
from harness.ledger import Ledger, read_all
from harness.postroom import PROGRAMS
from harness.wire import Closed

KILLS = int(os.environ.get("CRASH_KILLS", "50"))
FLAGS = [b"\\Seen", b"\\Flagged", b"\\Answered", b"$one", b"$two", b"$three"]
MESSAGE_ID = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"


class Worker(threading.Thread):
    """A client that connects again whenever it loses its server."""

    def __init__(self, server, ledger, *accounts):
        super().__init__(daemon=True)
        self.server = server
        self.ledger = ledger
        self.accounts = accounts
        self.account = accounts[0]
        self.random = random.Random(type(self).__name__)
        self.ending = threading.Event()
        self.problem = None

    def run(self):
        while not self.ending.is_set() and not self.problem:
            try:
                with self.connect() as c:
                    while not self.ending.is_set():
                        self.work(c)
            except (Closed, OSError):
                # Gone with its server; the listening sockets may be gone
                # too, when postroom itself was killed.
                time.sleep(0.01)
            except Exception as e:  # shown by finish()
                self.problem = e

    def finish(self):
        self.ending.set()
        self.join(120)
        assert not self.is_alive(), f"{type(self).__name__} hangs"
        if self.problem:
            raise self.problem


class Delivers(Worker):
    """Sends to some of its accounts at a time, by LMTP."""

    def connect(self):
        return self.server.lmtp()

    def work(self, c):
        key, data = self.ledger.new_message()
        chosen = self.random.sample(
            self.accounts, self.random.randint(1, len(self.accounts)))
        # Any step is refused for now while a program behind is away.
        if self.ask(c, "MAIL FROM:<sender@example.net>") != 250:
            return
        taken = [a for a in chosen
                 if self.ask(c, f"RCPT TO:<{a.address}>") == 250]
        if not taken or self.ask(c, "DATA") != 354:
            self.ask(c, "RSET")
            return
        for a in taken:
            self.ledger.attempt(a, key)
        c.send_data(data)
        for a, code in self.answers(c, taken):
            if code == 250:
                self.ledger.acknowledge(a, key)

    @staticmethod
    def ask(c, command):
        code = c.cmd(command).code
        if code == 421:
            raise Closed("it asks us to come back later")
        return code

    def answers(self, c, taken):
        for a in taken:
            yield a, c.reply().code


class Submits(Delivers):
    """The same by SMTP on port 25: one answer for all."""

    def connect(self):
        c = self.server.smtp()
        c.ehlo()
        return c

    def answers(self, c, taken):
        code = c.reply().code
        return [(a, code) for a in taken]


class Mailbox(Worker):
    """An IMAP session with a mailbox selected."""

    def connect(self):
        c = self.server.imap(self.account)
        result = c.ok("SELECT INBOX (CONDSTORE)")
        self.validity = next(x for x in result.codes()
                             if x.startswith(b"UIDVALIDITY"))
        for code in result.codes():
            m = re.match(rb"(HIGHESTMODSEQ|UIDNEXT) (\d+)", code)
            if m:
                # By client: two of them may write down out of order.
                self.ledger.grows((type(self), self.account.address,
                                   m.group(1)), int(m.group(2)))
        self.seen = {}  # UID -> message id
        self.next_uid = 1
        return c

    def look(self, c):
        """Learn about what is new, and note what was told of it."""
        result = c.ok(f"UID FETCH {self.next_uid}:* "
                      f"(UID FLAGS MODSEQ {MESSAGE_ID})")
        for data in result.fetch().values():
            if "UID" in data:
                self.note(data)
        c.ok("NOOP")

    def note(self, data):
        uid = int(data["UID"])
        for name, value in data.items():
            if name.startswith("BODY["):
                key = mail.message_id(value)
                self.ledger.told((self.account.address, self.validity, uid),
                                 key)
                self.seen[uid] = key
        if "MODSEQ" in data:
            flags = frozenset(data["FLAGS"]) - {b"\\Recent"}
            self.ledger.told((self.account.address, self.validity, uid,
                              int(data["MODSEQ"][0])), flags)
        self.next_uid = max(self.next_uid, uid + 1)


class Appends(Mailbox):
    def work(self, c):
        key, data = self.ledger.new_message()
        self.ledger.attempt(self.account, key)
        result = c.append("INBOX", data, "($appended)")
        assert result.ok, result
        self.ledger.acknowledge(self.account, key)
        self.ledger.flagged(self.account, key, b"$appended")
        _, validity, uid = result.code.split()
        self.ledger.told((self.account.address, b"UIDVALIDITY " + validity,
                          int(uid)), key)


class Flags(Mailbox):
    """Adds flags, and notes every modification sequence that it is told."""

    def work(self, c):
        self.look(c)
        if not self.seen:
            return
        for uid in self.random.sample(sorted(self.seen),
                                      min(5, len(self.seen))):
            flag = self.random.choice(FLAGS)
            result = c.ok(f"UID STORE {uid} +FLAGS ({flag.decode()})")
            for data in result.fetch().values():
                if "UID" in data and "FLAGS" in data and "MODSEQ" in data:
                    self.note(data)
            self.ledger.flagged(self.account, self.seen[uid], flag)


class Moves(Mailbox):
    """Moves messages out of INBOX; each is in one place at any time."""

    def work(self, c):
        self.look(c)
        for uid in sorted(self.seen)[:3]:
            key = self.seen.pop(uid)
            result = c.ok(f"UID MOVE {uid} Archive")
            for code in result.codes():
                if not code.startswith(b"COPYUID"):
                    continue
                _, validity, source, target = code.split()
                if int(source) == uid:
                    self.ledger.told((self.account.address, "Archive",
                                      validity, int(target)), key)
                    self.ledger.moved(self.account, key, "Archive")


class Expunges(Mailbox):
    """Deletes some of what it finds."""

    def work(self, c):
        self.look(c)
        for uid in sorted(self.seen)[:2]:
            key = self.seen.pop(uid)
            self.ledger.begin_removal(self.account, key)
            c.ok(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
            c.ok(f"UID EXPUNGE {uid}")
            self.ledger.removed(self.account, key)


class Collects(Worker):
    """Reads a maildrop by POP3 and deletes a part of it."""

    def connect(self):
        return self.server.pop3(self.account)

    def work(self, c):
        going = []
        for line in c.multi("UIDL")[:20]:
            number, uidl = line.split()
            number = int(number)
            key = mail.message_id(b"\r\n".join(c.multi(f"TOP {number} 0")))
            self.ledger.told((self.account.address, "UIDL", uidl), key)
            if number % 2:
                self.ledger.begin_removal(self.account, key)
                c.ok(f"DELE {number}")
                going.append(key)
        c.ok("QUIT")
        for key in going:
            self.ledger.removed(self.account, key)
        raise Closed("done")  # the next session sees what came meanwhile


def uid_meanings(server, ledger, account):
    """What was told of UIDs holds for a new session too."""
    reader = Mailbox(server, ledger, account)
    with reader.connect() as c:
        reader.look(c)


def kill_everything(server):
    server.kill_all()
    server.start()


def kill_one(name):
    def kill(server):
        mark = server.log.mark()
        server.kill(name)
        server.log.wait_for(f"program.ready program={name} ", mark)
    return kill


TARGETS = {"all": kill_everything}
TARGETS.update((name, kill_one(name)) for name in PROGRAMS)


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_acknowledged_is_lost(make_server, target):
    server = make_server({"process.restart_min": "1ms",
                          "process.restart_max": "1ms"})
    kept, moved, expunged, popped = (server.add_account() for _ in range(4))
    server.imap(moved).ok("CREATE Archive")
    everyone = (kept, moved, expunged, popped)
    ledger = Ledger()
    workers = [Delivers(server, ledger, *everyone),
               Submits(server, ledger, *everyone),
               Appends(server, ledger, kept), Flags(server, ledger, kept),
               Moves(server, ledger, moved),
               Expunges(server, ledger, expunged),
               Collects(server, ledger, popped)]
    for w in workers:
        w.start()
    chance = random.Random(target)
    try:
        for _ in range(KILLS):
            ledger.wait_acks(ledger.acks + chance.randint(1, 60))
            time.sleep(chance.random() * 0.01)
            TARGETS[target](server)
        ledger.wait_acks(ledger.acks + 50)
    finally:
        for w in workers:
            w.ending.set()
    for w in workers:
        w.finish()
    server.restart()
    total = 0
    for account in everyone:
        total += ledger.check(account, read_all(server, account))
        uid_meanings(server, ledger, account)
    print(f"{target}: {KILLS} kills, {ledger.acks} acknowledgements, "
          f"{total} messages stand")
