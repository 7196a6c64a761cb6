"""The clients of the kill tests and some more, and a ledger that knows what
stood in it at any place of the disk's log.
"""
import secrets

from harness import mail
from harness.ledger import Broken, Ledger, digest
from harness.load import Delivers, Load, Mailbox, Submits, Worker
from harness.postroom import Account, ServerError
from harness.wire import Closed

COPIES = "Copies"
ANY = None      # of what was not told yet
# The disk has what these say when they are noted.
ANSWERS = ("acknowledge", "removed", "moved", "flagged", "toggled", "told",
           "grows", "copied", "is_now")
ABSENT = ""     # the password of an account that is not there


class Ledger2(Ledger):
    """Knows of copies, and of things that are in one of several states."""

    def __init__(self):
        super().__init__()
        self._copying = set()   # (account, message id): COPY was asked for
        self._copied = set()    # the same: acknowledged
        self._states = {}       # what -> the states that it may be in

    def copying(self, account, key):
        with self._lock:
            self._copying.add((account.address, key))

    def copied(self, account, key):
        with self._lock:
            self._copied.add((account.address, key))
            self._acked()

    def may_be(self, what, *states):
        """A change was asked for: `what` is in one of these states."""
        with self._lock:
            self._states[what] = states

    def is_now(self, what, state):
        with self._lock:
            self._states[what] = (state,)
            self._acked()

    def whats(self, kind):
        """All that states are known of, by the first word of the name."""
        return [what for what in self._states if what[0] == kind]

    def states(self, what):
        return self._states[what]

    def check(self, account, boxes):
        boxes = dict(boxes)
        self._check_copies(account.address, boxes.pop(COPIES, []))
        return super().check(account, boxes)

    def _check_copies(self, me, messages):
        found = {}
        for data, _ in messages:
            key = mail.message_id(data)
            if key in found:
                raise Broken(f"{me}: {key}: copied twice")
            if (me, key) not in self._copying:
                raise Broken(f"{me}: {key}: never copied")
            if digest(data) != self._digests[key]:
                raise Broken(f"{me}: {key}: changed in its copy")
            found[key] = data
        lost = [k for a, k in self._copied if a == me and k not in found]
        if lost:
            raise Broken(f"{me}: copies lost: {lost}")

    def check_told(self, account, read, renewed=False):
        """`read`: {mailbox: (UIDVALIDITY, counters, {UID: key})} of one
        account.  What was told of a message that is there still holds; or
        all mailboxes have a new UIDVALIDITY, and nothing does."""
        me = account.address
        told = self._means.get((me, "INBOX"))
        if renewed:
            if told and validity_of(read["INBOX"][0]) <= validity_of(told):
                raise Broken(f"{me}: {told} was not renewed")
            return
        places = {(box, key): uid for box, (_, _, uids) in read.items()
                  for uid, key in uids.items()}
        for name, meaning in self._means.items():
            if name[0] != me:
                continue
            if name[1:] == ("INBOX",):
                if read["INBOX"][0] != meaning:
                    raise Broken(f"{me}: {meaning} is {read['INBOX'][0]}")
                continue
            if len(name) == 3 and isinstance(name[2], int):
                box, validity, uid = "INBOX", *name[1:]
            elif len(name) == 4 and isinstance(name[3], int) \
                    and isinstance(name[1], str):
                box, validity, uid = name[1:]
            else:
                continue
            is_now = read[box][0]
            if validity_of(is_now) != validity_of(validity):
                raise Broken(f"{me}: {box}: {validity} is {is_now}")
            if read[box][2].get(uid, meaning) != meaning:
                raise Broken(f"{me}: {box}: {uid} was {meaning}, is "
                             f"{read[box][2][uid]}")
            if places.get((box, meaning), uid) != uid:
                raise Broken(f"{me}: {box}: {meaning} was {uid}, is "
                             f"{places[box, meaning]}")
        for (_, address, counter), value in self._latest.items():
            if address == me and read["INBOX"][1][counter] < value:
                raise Broken(f"{me}: {counter} {value} was told and is "
                             f"{read['INBOX'][1][counter]}")


def validity_of(code):
    """Of b"UIDVALIDITY 4711", or the number alone."""
    return int(code.split()[-1])


class Recorded(Ledger2):
    """Notes what the disk had done when each thing was written down."""

    NOTED = ("attempt", "acknowledge", "begin_removal", "removed", "moved",
             "flagged", "toggling", "toggled", "told", "grows", "copying",
             "copied", "may_be", "is_now")
    def __init__(self, disk):
        super().__init__()
        self._disk = disk
        self.notes = Notes(self._digests)
        for name in self.NOTED:
            setattr(self, name, self._noting(name, getattr(self, name)))

    def _noting(self, name, method):
        def note(*args):
            with self._lock:
                self.notes.add(self._disk.count, name, args)
                method(*args)
        return note


class Notes:
    """What was written down, with the places of the disk's log."""

    def __init__(self, digests):
        self._digests = digests
        self._noted = []  # (number, method, arguments)

    def add(self, number, name, args):
        self._noted.append((number, name, args))

    def at(self, number, shown=None):
        """What must hold if the power failed at this place.  What was asked
        for later cannot have been done; what was answered later may have.
        What was only shown behind `shown` settles nothing."""
        past = Ledger2()
        past._digests = self._digests
        for n, (at, name, args) in enumerate(self._noted):
            if at <= number and (shown is None or n < shown
                                 or name not in ("told", "grows")):
                getattr(past, name)(*args)
        return past

    def __len__(self):
        return len(self._noted)

    def about(self, text):
        """What was written down of a message."""
        return [note for note in self._noted if text in repr(note)]

    def answered(self):
        """The places right behind answers."""
        return [at for at, name, _ in self._noted if name in ANSWERS]


# --- clients ---------------------------------------------------------------
class Signed(Submits):
    """The same on port 587, by one who signs in."""

    def connect(self):
        self.sender = self.account.address
        c = self.server.smtp("submission")
        c.ehlo()
        if c.auth_plain(self.account.address,
                        self.account.password).code != 235:
            raise Closed("not now")
        return c


class Copies(Mailbox):
    """Copies each message once."""

    def __init__(self, *args):
        super().__init__(*args)
        self.done = set()

    def work(self, c):
        self.look(c)
        todo = [u for u, k in self.seen.items() if k not in self.done][:3]
        for uid in todo:
            key = self.seen[uid]
            self.done.add(key)
            self.ledger.copying(self.account, key)
            result = c.ok(f"UID COPY {uid} {COPIES}")
            if result.code and result.code.startswith(b"COPYUID"):
                _, validity, _, target = result.code.split()
                self.ledger.told((self.account.address, COPIES, validity,
                                  int(target)), key)
                self.ledger.copied(self.account, key)


class Names(Worker):
    """Makes, renames, removes and subscribes mailboxes, and puts messages in
    them.  Nobody else does in this account."""

    MOST = 12

    def __init__(self, *args):
        super().__init__(*args)
        self.what = ("names", self.account.address)
        self.next = 0
        self.kept = {}  # mailbox id -> messages put there

    def connect(self):
        c = self.server.imap(self.account)
        self.settle(c)
        return c

    def settle(self, c):
        """What it is now was told, so it stays."""
        self.state = read_names(c)
        self.ledger.is_now(self.what, self.state)

    def work(self, c):
        kinds = [self.create, self.create, self.rename, self.fill, self.fill,
                 self.subscribe, self.delete]
        self.random.choice(kinds if self.state else kinds[:1])(c)

    def change(self, c, command, after):
        self.ledger.may_be(self.what, self.state, after)
        c.ok(command)
        self.ledger.is_now(self.what, after)
        self.settle(c)

    def create(self, c):
        self.next += 1
        name = f"w{self.next}"
        if self.state and self.random.random() < 0.5:
            name = f"{self.random.choice(sorted(self.state))}/{name}"
        if len(self.state) < self.MOST:
            self.change(c, f"CREATE {name}",
                        {**self.state, name: (ANY, ANY, False)})

    def rename(self, c):
        self.next += 1
        old, new = self.random.choice(sorted(self.state)), f"w{self.next}"
        after = {}
        for name, what in self.state.items():
            if name == old or name.startswith(old + "/"):
                # A subscription is of the name.
                name, what = new + name[len(old):], (*what[:2], ANY)
            after[name] = what
        self.change(c, f"RENAME {old} {new}", after)

    def delete(self, c):
        leaves = [n for n in self.state
                  if not any(m.startswith(n + "/") for m in self.state)]
        name = self.random.choice(sorted(leaves))
        after = dict(self.state)
        keys = self.kept.get(after.pop(name)[0], [])
        for key in keys:
            self.ledger.begin_removal(self.account, key)
        self.change(c, f"DELETE {name}", after)
        for key in keys:
            self.ledger.removed(self.account, key)

    def subscribe(self, c):
        name = self.random.choice(sorted(self.state))
        box, validity, was = self.state[name]
        self.change(c, f"{'UNSUBSCRIBE' if was else 'SUBSCRIBE'} {name}",
                    {**self.state, name: (box, validity, not was)})

    def fill(self, c):
        name = self.random.choice(sorted(self.state))
        key, data = self.ledger.new_message()
        self.kept.setdefault(self.state[name][0], []).append(key)
        self.ledger.attempt(self.account, key)
        assert c.append(name, data).ok
        self.ledger.acknowledge(self.account, key)


def read_names(c):
    """{name: (MAILBOXID, UIDVALIDITY, is it subscribed)}"""
    subscribed = {rest.rpartition(b" ")[2].strip(b'"').decode()
                  for _, rest in c.ok('LSUB "" *').all("LSUB")}
    found = {}
    for _, rest in c.ok('LIST "" w*').all("LIST"):
        name = rest.rpartition(b" ")[2].strip(b'"').decode()
        _, status = c.ok(f"STATUS {name} (MAILBOXID UIDVALIDITY)").one(
            "STATUS")
        found[name] = (*status.partition(b"(")[2].split()[1::2],
                       name in subscribed)
    return found


def alike(state, found):
    """Are these the same, as far as it is known?"""
    if not isinstance(state, dict):
        return state == found
    return state.keys() == found.keys() and all(
        a is ANY or a == b for name in state
        for a, b in zip(state[name], found[name]))


class Administers(Worker):
    """Adds accounts and gives them new passwords, by msadm."""

    def run(self):
        while not self.ending.wait(0.2) and not self.problem:
            try:
                self.add()
                if self.random.random() < 0.7:
                    self.renew()
            except self.refusals:
                pass
            except Exception as e:  # shown by finish()
                self.problem = e

    def add(self):
        self.made = Account(f"n{secrets.token_hex(4)}@example.org",
                            secrets.token_hex(8))
        what = ("password", self.made.address)
        self.ledger.may_be(what, ABSENT, self.made.password)
        self.server.msadm("account", "add", self.made.address,
                          stdin=self.made.password + "\n")
        self.ledger.is_now(what, self.made.password)

    def renew(self):
        what = ("password", self.made.address)
        new = secrets.token_hex(8)
        self.ledger.may_be(what, self.made.password, new)
        self.server.msadm("account", "passwd", self.made.address,
                          stdin=new + "\n")
        self.ledger.is_now(what, new)
        self.made.password = new


class PowerLoad(Load):
    """Clients of every kind, those of the kill tests among them."""

    def __init__(self, server, disk):
        super().__init__(server, ledger=Recorded(disk))
        kept = self.accounts[0]
        server.imap(kept).ok(f"CREATE {COPIES}")
        named = server.add_account()
        self.ledger.is_now(("names", named.address), {})
        self.names = Names(server, self.ledger, named)
        self.workers += [
            Delivers(server, self.ledger, *self.accounts, named),
            Signed(server, self.ledger, *self.accounts),
            Copies(server, self.ledger, kept), self.names,
            Administers(server, self.ledger, named)]
        self.accounts.append(named)

    def bear(self):
        """From now on the server may refuse everything."""
        # What it shows while it does may be lost, which this one builds on.
        self.names.ending.set()
        self.names.join()
        for w in self.workers:
            w.refusals = (AssertionError, ServerError)
