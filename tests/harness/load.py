"""Clients of every kind, that work on a few accounts and write into a ledger
what they were told; they connect again whenever they lose their server.
"""
import random
import re
import threading
import time

from . import mail
from .ledger import Broken, Ledger, read_all
from .wire import Closed

FLAGS = [b"\\Seen", b"\\Flagged", b"\\Answered", b"$one", b"$two", b"$three"]
# What a program says when postroom has gone.
GOODBYE = re.compile(r"is stopping|is shutting down")
MESSAGE_ID = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"


class Worker(threading.Thread):
    """A client that connects again whenever it loses its server."""

    refusals = ()   # failures that it does not complain of either

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
            except Broken as e:
                self.problem = e
            except (Closed, OSError, *self.refusals):
                # Gone with its server; the listening sockets may be gone
                # too, when postroom itself was killed.
                time.sleep(0.01)
            except Exception as e:  # shown by finish()
                if not GOODBYE.search(str(e)):
                    self.problem = e

    def finish(self):
        self.ending.set()
        self.join(120)
        assert not self.is_alive(), f"{type(self).__name__} hangs"
        if self.problem:
            raise self.problem


class Delivers(Worker):
    """Sends to some of its accounts at a time, by LMTP."""

    sender = "sender@example.net"

    def connect(self):
        return self.server.lmtp()

    def work(self, c):
        key, data = self.ledger.new_message()
        chosen = self.random.sample(
            self.accounts, self.random.randint(1, len(self.accounts)))
        # Any step is refused for now while a program behind is away.
        if self.ask(c, f"MAIL FROM:<{self.sender}>") != 250:
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
                self.ledger.grows((id(self), self.account.address,
                                   m.group(1)), int(m.group(2)))
        self.ledger.told((self.account.address, "INBOX"), self.validity)
        self.seen = {}  # UID -> message id
        self.next_uid = 1
        return c

    def look(self, c):
        """Learn about what is new, and note what was told of it."""
        result = c.ok(f"UID FETCH {self.next_uid}:* "
                      f"(UID FLAGS MODSEQ {MESSAGE_ID})")
        for _, data in result.each_fetch():
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
            for _, data in result.each_fetch():
                if "UID" in data and "FLAGS" in data and "MODSEQ" in data:
                    self.note(data)
            self.ledger.flagged(self.account, self.seen[uid], flag)


class Toggles(Mailbox):
    """Sets and clears flags; nobody else touches these."""

    def work(self, c):
        self.look(c)
        if not self.seen:
            return
        for uid in self.random.sample(sorted(self.seen),
                                      min(5, len(self.seen))):
            key = self.seen[uid]
            flag = self.random.choice([b"$left", b"$right"])
            on = self.random.random() < 0.5
            self.ledger.toggling(self.account, key, flag)
            c.ok(f"UID STORE {uid} {'+' if on else '-'}FLAGS.SILENT "
                 f"({flag.decode()})")
            self.ledger.toggled(self.account, key, flag, on)


class Moves(Mailbox):
    """Moves messages out of INBOX; each is in one place at any time."""

    def work(self, c):
        self.look(c)
        for uid in sorted(self.seen)[:3]:
            key = self.seen.pop(uid)
            result = c.cmd(f"UID MOVE {uid} Archive")
            # Another mover may have been first.
            assert result.ok or result.code == b"EXPUNGEISSUED", result
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


class Load:
    """Clients of every kind at some accounts."""

    def __init__(self, server, *others, ledger=None):
        self.server = server
        self.ledger = ledger or Ledger()
        self.accounts = [server.add_account() for _ in range(4)]
        kept, moved, expunged, popped = self.accounts
        server.imap(moved).ok("CREATE Archive")
        self.workers = []
        for s in (server, *others):
            self.workers += [
                Delivers(s, self.ledger, *self.accounts),
                Appends(s, self.ledger, kept), Flags(s, self.ledger, kept),
                Moves(s, self.ledger, moved),
                Expunges(s, self.ledger, expunged)]
        self.workers += [Submits(server, self.ledger, *self.accounts),
                         Toggles(server, self.ledger, kept),
                         Collects(server, self.ledger, popped)]

    def __enter__(self):
        for w in self.workers:
            w.start()
        return self

    def __exit__(self, *exc):
        for w in self.workers:
            w.ending.set()
        if exc[0] is None:
            for w in self.workers:
                w.finish()

    def wait(self, count):
        self.ledger.wait_acks(self.ledger.acks + count)

    def check(self):
        total = 0
        for account in self.accounts:
            total += self.ledger.check(account,
                                       read_all(self.server, account))
            uid_meanings(self.server, self.ledger, account)
        return total
