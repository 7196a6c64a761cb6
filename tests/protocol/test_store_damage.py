"""A journal, a snapshot, a pack of digests or a hint cut, overwritten or gone,
anywhere: what can be read is served and what cannot is reported; no UID comes
to mean another message, no other account notices, and new mail is taken and
shown, or refused for now.
"""
import glob
import os
import random
import shutil
import time

import pytest

from harness import ledger, mail
from harness.wire import Closed

MESSAGES = 40
SETTINGS = {"store.checkpoint": "4096", "store.segment": "65536"}
POSITIONS = 8
HEADER = 4096 + 128  # of a segment


class Victim:
    """An account with some history, and what was told of it."""

    def __init__(self, server):
        self.server = server
        self.account = server.add_account()
        self.messages = {}  # UID -> octets
        self.sent = set()   # digests
        with server.imap(self.account) as c:
            for n in range(MESSAGES):
                data = mail.make(f"message {n}", f"body {n}\r\n" * n,
                                 message_id=f"{n}." + "m" * 200)
                result = c.append("INBOX", data)
                _, self.validity, uid = result.code.split()
                self.messages[int(uid)] = data
                self.sent.add(ledger.digest(data))
            c.ok("CREATE box")
            c.ok("SELECT INBOX")
            c.ok("COPY 1:3 box")
            c.ok("STORE 4:7 +FLAGS (\\Seen $kept)")
            c.ok("STORE 8 +FLAGS (\\Deleted)")
            c.ok("EXPUNGE")
            del self.messages[8]
        shown = server.msadm_json("account", "show", self.account.address)
        self.id = shown["id"]
        self.tree = os.path.join(server.home, "store/accounts", self.id[:2],
                                 self.id)

    def files(self, pattern):
        return sorted(glob.glob(os.path.join(self.tree, pattern)))

    def wait_for_snapshot(self):
        deadline = time.monotonic() + 60
        while not self.files("snap/*/*"):
            assert time.monotonic() < deadline, "no snapshot"
            time.sleep(0.02)

    # --- afterwards --------------------------------------------------------
    def read(self):
        """How many of its messages are served; None: IMAP says no."""
        with self.server.imap(self.account) as c:
            result = c.cmd("SELECT INBOX")
            assert result.status in ("OK", "NO"), result
            if not result.ok:
                return None
            same = b"UIDVALIDITY " + self.validity in result.codes()
            said = c.cmd("UID FETCH 1:* (UID FLAGS BODY.PEEK[])")
            assert said.status in ("OK", "NO"), said
            found = {int(d["UID"]): d["BODY[]"]
                     for d in said.fetch().values() if "BODY[]" in d}
            for uid, data in found.items():
                if mail.parse(data)["Subject"] == "new":
                    continue
                assert ledger.digest(data) in self.sent, \
                    f"a message has changed: {data!r}"
                if same and uid in self.messages:
                    assert ledger.digest(data) \
                        == ledger.digest(self.messages[uid]), \
                        f"UID {uid} means another message"
            c.ok("NOOP")
            c.cmd('LIST "" * RETURN (STATUS (MESSAGES))')
            c.cmd("SEARCH TEXT body")
            c.cmd("STORE 1 +FLAGS ($after)")
        with self.server.pop3() as c:
            c.ok(f"USER {self.account.address}")
            if c.cmd(f"PASS {self.account.password}").startswith(b"+OK"):
                number = int(c.ok("STAT").split()[0])
                c.multi("UIDL")
                for n in range(1, number + 1, 7):
                    if c.cmd(f"RETR {n}").startswith(b"+OK"):
                        c.body()
                c.ok("QUIT")
        return len(found)

    def deliver(self):
        """Mail is taken, and then stands there, or is refused for now."""
        data = mail.make("new")
        with self.server.lmtp() as c:
            replies = c.send_mail("a@example.net", [self.account.address],
                                  data)
        for reply in replies:
            assert reply.code == 250 or reply.code // 100 == 4, reply
            if reply.code != 250:
                return None
        with self.server.imap(self.account) as c:
            result = c.cmd("SELECT INBOX")
            if result.ok:
                assert self.shows(c, data), "taken, and not there"
        return data

    def deliver_many(self, n):
        """Mail that nobody reads."""
        with self.server.lmtp() as c:
            for i in range(n):
                data = mail.make(f"more {i}", "x\r\n",
                                 message_id=f"{i}." + "m" * 900)
                for reply in c.send_mail("a@example.net",
                                         [self.account.address], data):
                    assert reply.code == 250, reply
                self.sent.add(ledger.digest(data))

    def read_validity(self):
        with self.server.imap(self.account) as c:
            for code in c.ok("EXAMINE INBOX").codes():
                if code.startswith(b"UIDVALIDITY "):
                    return int(code.split()[1])
        raise AssertionError("no UIDVALIDITY")

    @staticmethod
    def shows(c, data):
        c.ok("SELECT INBOX")
        return c.ok("SEARCH HEADER Message-ID "
                    + mail.message_id(data)).search() != []

    def check(self, *options):
        """The status of `msadm account check`."""
        done = self.server.msadm("account", "check", self.account.address,
                                 *options, check=False)
        assert done.returncode in (0, 1, 65), done.stderr
        if done.returncode != 0:
            assert done.stdout + done.stderr != "", "found, and not said"
        return done.returncode


# --- what is done to a file ------------------------------------------------
def overwrite(path, at):
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(random.Random(at).randbytes(min(64, size - at)))


def blank(path, at):
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(bytes(min(512, size - at)))


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        octet = f.read(1)[0]
        f.seek(at)
        f.write(bytes([octet ^ 0x10]))


def cut(path, at):
    os.truncate(path, at)


def remove(path, _):
    os.unlink(path)


def add(path, at):
    with open(path, "ab") as f:
        f.write(random.Random(at).randbytes(700))


DAMAGES = {"overwrite": overwrite, "blank": blank, "flip": flip, "cut": cut,
           "remove": remove, "add": add}
# A folder of the account: may anything be lost that this file has?
PLACES = {"journal/*": True, "snap/*/*": False, "head": False}


def spots(size, damage, pattern):
    """Where to damage a file of this size."""
    if damage in ("remove", "add"):
        return [0]
    ends = [0, size - 1, size // 2]
    if pattern == "journal/*":
        # Both headers, the first record, and what follows.
        ends += [130, 4096, HEADER, HEADER + 40]
    inside = [i * size // POSITIONS for i in range(1, POSITIONS)]
    return sorted({at for at in ends + inside if 0 <= at < size})


def harmless(pattern, damage, at):
    """Nothing at all may be lost."""
    if not PLACES[pattern]:
        return True
    # One of two headers, or rubbish at the end.
    return damage == "add" or (damage in ("overwrite", "flip")
                               and (at == 130 or at == 4096))


def prepare(server, pattern, damage):
    """Victims enough: each with the place of its damage."""
    victims = []
    first = Victim(server)
    first.wait_for_snapshot()
    for which, path in enumerate(first.files(pattern)):
        for at in spots(os.path.getsize(path), damage, pattern):
            victims.append((Victim(server), which, at))
    for v, _, _ in victims:
        v.wait_for_snapshot()
    return first, victims


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("pattern", PLACES)
def test_a_file_damaged_while_nobody_looks(make_server, pattern, damage):
    server = make_server(SETTINGS)
    witness, victims = prepare(server, pattern, damage)
    server.stop()
    hit = []
    for v, which, at in victims:
        files = v.files(pattern)
        if which >= len(files):
            continue
        path = files[which]
        at = min(at, os.path.getsize(path) - 1)
        DAMAGES[damage](path, at)
        hit.append((v, f"{damage} {os.path.relpath(path, v.tree)} at {at}",
                    harmless(pattern, damage, at)))
    assert hit
    server.start()
    pids = server.pids()
    for v, where, unharmed in hit:
        try:
            look_after(v, unharmed, damage)
        except BaseException as e:
            raise AssertionError(f"{where}: {e!r}") from e
    assert witness.read() == len(witness.messages)
    assert witness.check() == 0
    assert server.pids() == pids


def look_after(v, unharmed, damage):
    count = v.read()
    if unharmed:
        assert count == len(v.messages)
    taken = v.deliver()
    if count is None or count < len(v.messages):
        assert v.check() != 0, "a loss that nobody reports"
    if unharmed:
        assert taken
    v.check("--repair")
    after = v.read()
    assert (after or 0) >= (count or 0)
    if taken and after is not None:
        with v.server.imap(v.account) as c:
            assert v.shows(c, taken), "taken, and lost"
    if count is not None:
        assert v.deliver(), "no mail after the repair"
    if damage in ("overwrite", "flip") and count is not None:
        # A few octets cost the few messages that they belong to.
        assert count >= len(v.messages) - 3


def test_octets_that_are_no_record_are_told_to_the_administrator(make_server):
    """Not only when somebody asks for a check."""
    server = make_server()
    v = Victim(server)
    server.stop()
    path, = v.files("journal/*")
    overwrite(path, HEADER + 40)
    server.start()
    assert v.read() == len(v.messages) - 1
    line = server.log.wait_for("journal.gap")
    assert v.id in line


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_journal_damaged_under_open_sessions(make_server, damage):
    server = make_server(SETTINGS)
    witness = Victim(server)
    pids = server.pids()
    for which in (0, -1):
        for fraction in (0, 3, 6, 9):
            v = Victim(server)
            imap, pop3 = server.imap(v.account), server.pop3(v.account)
            imap.ok("SELECT INBOX")
            path = v.files("journal/*")[which]
            DAMAGES[damage](path, fraction * os.path.getsize(path) // 10)
            try:
                for command in ("NOOP", "FETCH 1:* (FLAGS ENVELOPE)",
                                "STORE 2 +FLAGS ($x)", "EXPUNGE", "CHECK"):
                    assert imap.cmd(command).status in ("OK", "NO")
                assert imap.append("INBOX", mail.make("new")).status \
                    in ("OK", "NO")
            except Closed:
                pass  # with a BYE, when the ground has gone
            try:
                pop3.multi("UIDL")
                pop3.cmd("DELE 1")
                pop3.cmd("QUIT")
            except Closed:
                pass
            v.deliver()
            v.read()
            v.check("--repair")
            v.read()
    assert witness.read() == len(witness.messages)
    assert server.pids() == pids


@pytest.mark.parametrize("what", ["journal", "snap", "box", "head", ""])
def test_a_folder_that_is_gone(make_server, what):
    server = make_server(SETTINGS)
    witness, v = Victim(server), Victim(server)
    v.wait_for_snapshot()
    server.stop()
    path = os.path.join(v.tree, what)
    if os.path.isdir(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)
    server.start()
    pids = server.pids()
    with server.imap() as c:
        c.login(v.account.address, v.account.password)
        said = c.cmd("SELECT INBOX")
        assert said.status in ("OK", "NO")
        if said.ok:
            c.cmd("FETCH 1:* BODY.PEEK[]")
            c.cmd("SEARCH TEXT body")
    with server.pop3() as c:
        c.ok(f"USER {v.account.address}")
        c.cmd(f"PASS {v.account.password}")
    v.deliver()
    v.check("--repair")
    assert witness.read() == len(witness.messages)
    assert server.pids() == pids


SEALS = 2 * 66 + 4096 + 49  # the end of a sealed segment


@pytest.mark.parametrize("blot", [False, True], ids=["cut", "overwritten"])
def test_a_sealed_segment_that_lost_its_end(make_server, blot):
    """No snapshot tells how long it was; what stands behind it is served."""
    server = make_server({"store.checkpoint": "1073741824",
                          "store.segment": "65536"})
    witness = Victim(server)
    hit = []
    for lost in (SEALS, SEALS + 3000):
        for head in (True, False):
            v = Victim(server)
            v.deliver_many(100)
            assert len(v.files("journal/*")) > 2
            assert not v.files("snap/*/*")
            hit.append((v, lost, head))
    server.stop()
    for v, lost, head in hit:
        path = v.files("journal/*")[0]
        at = os.path.getsize(path) - lost
        if blot:
            with open(path, "r+b") as f:
                f.seek(at)
                f.write(random.Random(lost).randbytes(lost))
        else:
            os.truncate(path, at)
        if not head:
            os.unlink(os.path.join(v.tree, "head"))
    server.start()
    for v, lost, head in hit:
        where = f"{lost} octets, head {head}"
        first = None if head else v.deliver()
        count = v.read()
        assert v.read_validity() > int(v.validity), where
        assert count >= len(v.sent) - 1 - (4 if lost > SEALS else 0), where
        if first is not None:
            with server.imap(v.account) as c:
                assert v.shows(c, first), where
        assert v.deliver(), where
        assert v.check() != 0, where
        v.check("--repair")
        assert v.read() == count + 1, where
        assert v.deliver(), where
    assert witness.read() == len(witness.messages)
    assert witness.check() == 0
