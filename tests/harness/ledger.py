"""What clients were told, written down, to be held against the server later.

A message is attempted before its last octet is sent and acknowledged when
the server says so.  At the end an acknowledged message must stand exactly
once, unchanged; one that was only attempted may stand once or not at all.
A UID, a UIDL or a modification sequence that was once told to anyone must
mean the same for ever.
"""
import hashlib
import secrets
import threading

from . import mail


class Broken(AssertionError):
    """The server contradicted itself."""


class Ledger:
    def __init__(self):
        self._lock = threading.Condition()
        self._digests = {}      # message id -> digest of what was sent
        self._attempted = set()     # (account, message id)
        self._acknowledged = set()  # the same
        self._leaving = set()   # (account, id): removal begun
        self._gone = set()      # (account, id): removal acknowledged
        self._moved = {}        # (account, id) -> mailbox, acknowledged
        self._flags = {}        # (account, id) -> flags acknowledged
        self._toggled = {}      # (account, id, flag) -> is it set; None: either
        self._means = {}        # a name told to a client -> its meaning
        self._latest = {}       # a counter that only grows -> its last value
        self.acks = 0

    # --- what clients write down ------------------------------------------
    def new_message(self):
        """A message that never was before."""
        key = f"{secrets.token_hex(8)}@ledger"
        # Sizes vary, and each message differs from all others throughout.
        filler = secrets.token_hex(secrets.choice((20, 500, 3000)))
        lines = "".join(filler[i:i + 60] + "\r\n"
                        for i in range(0, len(filler), 60))
        data = mail.make(f"ledger {key}", lines, message_id=key)
        with self._lock:
            self._digests[key] = digest(data)
        return key, data

    def amend(self, key, data):
        """The message, before it was sent, has become this."""
        with self._lock:
            self._digests[key] = digest(data)

    def attempt(self, account, key):
        with self._lock:
            self._attempted.add((account.address, key))

    def _acked(self):
        self.acks += 1
        self._lock.notify_all()

    def acknowledge(self, account, key):
        with self._lock:
            self._acknowledged.add((account.address, key))
            self._acked()

    def begin_removal(self, account, key):
        with self._lock:
            self._leaving.add((account.address, key))

    def removed(self, account, key):
        with self._lock:
            self._gone.add((account.address, key))
            self._acked()

    def moved(self, account, key, mailbox):
        with self._lock:
            self._moved[account.address, key] = mailbox
            self._acked()

    def flagged(self, account, key, flag):
        with self._lock:
            self._flags.setdefault((account.address, key), set()).add(flag)
            self._acked()

    def toggling(self, account, key, flag):
        """A change of it was asked for: it may be either way."""
        with self._lock:
            self._toggled[account.address, key, flag] = None

    def toggled(self, account, key, flag, is_set):
        with self._lock:
            self._toggled[account.address, key, flag] = is_set
            self._acked()

    def told(self, name, meaning):
        """The server has said that `name` (a tuple) means `meaning`."""
        with self._lock:
            before = self._means.setdefault(name, meaning)
        if before != meaning:
            raise Broken(f"{name} was {before!r} and is {meaning!r}")

    def grows(self, name, value):
        """A counter, by account and mailbox, that never goes back."""
        with self._lock:
            before = self._latest.get(name, 0)
            self._latest[name] = max(before, value)
        if value < before:
            raise Broken(f"{name} went from {before} back to {value}")

    def wait_acks(self, count, timeout=60):
        """Until `count` acknowledgements were written down in all."""
        with self._lock:
            if not self._lock.wait_for(lambda: self.acks >= count, timeout):
                raise Broken(f"no progress: {self.acks} of {count}")

    # --- what the server must hold ----------------------------------------
    def check(self, account, boxes):
        """`boxes`: {mailbox: [(message octets, flags)]} of one account."""
        me = account.address
        found = {}
        for box, messages in boxes.items():
            for data, flags in messages:
                found.setdefault(mail.message_id(data), []).append(
                    (box, data, set(flags)))
        problems = [self._check_found(me, key, places)
                    for key, places in found.items()]
        for owner, key in self._acknowledged:
            if owner == me and key not in found \
                    and (me, key) not in self._leaving:
                problems.append(f"{key}: acknowledged and missing")
        problems = [p for p in problems if p]
        if problems:
            raise Broken(f"{me}: {len(problems)} wrong:\n"
                         + "\n".join(problems[:20]))
        return len(found)

    def _check_found(self, me, key, places):
        box, data, flags = places[0]
        if (me, key) not in self._attempted:
            return f"{key}: never sent to this account"
        if len(places) != 1:
            return f"{key}: stands in {[p[0] for p in places]}"
        if digest(data) != self._digests[key]:
            return f"{key}: changed"
        if (me, key) in self._gone:
            return f"{key}: removed, acknowledged, and back"
        if self._moved.get((me, key), box) != box:
            return f"{key}: moved, acknowledged, and is in {box}"
        missing = self._flags.get((me, key), set()) - flags
        if missing:
            return f"{key}: lost the flags {missing}"
        for (owner, name, flag), is_set in self._toggled.items():
            if (owner, name) == (me, key) and is_set is not None \
                    and (flag in flags) != is_set:
                return f"{key}: {flag} is not as it was left"
        return None


def digest(data):
    """Of what the sender wrote; trace fields come and go."""
    return hashlib.sha256(mail.after_trace(data)).hexdigest()


def read_all(server, account):
    """{mailbox: [(octets, flags)]} of everything that stands now."""
    imap = server.imap(account)
    boxes = {}
    for _, rest in imap.ok('LIST "" *').all("LIST"):
        box = rest.rpartition(b" ")[2].strip(b'"').decode()
        imap.ok(f'EXAMINE "{box}"')
        found = imap.ok("UID FETCH 1:* (UID FLAGS BODY.PEEK[])").fetch()
        boxes[box] = [(d["BODY[]"], d["FLAGS"]) for d in found.values()]
    return boxes
