"""imapd: QRESYNC.  [RFC 7162 3.2]"""
import random
import re

import pytest

from harness.mail import HELLO
from harness.wire import sexp


def code(result, name):
    """The number of the last response code `name`."""
    found = [c.split()[1] for c in result.codes()
             if c.startswith(name.encode() + b" ")]
    assert found, (name, result)
    return int(found[-1])


def uids_of(text):
    """"1:3,7" as a list."""
    found = []
    for part in text.decode().split(","):
        low, _, high = part.partition(":")
        found += range(int(low), int(high or low) + 1)
    return found


def vanished(result, earlier):
    found = []
    for _, rest in result.all("VANISHED"):
        tag, _, uids = rest.rpartition(b" ")
        assert (tag == b"(EARLIER)") == earlier, result
        found += uids_of(uids)
    return found


@pytest.fixture
def imap(imap):
    """Five messages in INBOX, which is selected, with QRESYNC."""
    for _ in range(5):
        imap.append("INBOX", HELLO)
    imap.ok("ENABLE QRESYNC")
    imap.ok("SELECT INBOX")
    return imap


@pytest.fixture
def second(server, account, imap):
    with server.imap(account) as c:
        c.ok("SELECT INBOX")
        yield c


@pytest.fixture
def known(imap):
    """What a client knows that goes away now: UIDVALIDITY and MODSEQ."""
    r = imap.ok("SELECT INBOX")
    imap.ok("UNSELECT")
    return f"{code(r, 'UIDVALIDITY')} {code(r, 'HIGHESTMODSEQ')}"


def remove(connection, uids):
    connection.ok(f"UID STORE {uids} +FLAGS.SILENT (\\Deleted)")
    connection.ok(f"UID EXPUNGE {uids}")


# --- enabling ---------------------------------------------------------------
def test_rfc7162_3_2_2_capability(imap):
    assert {"QRESYNC", "CONDSTORE", "ENABLE"} <= imap.capabilities()


@pytest.mark.parametrize("names", [
    "QRESYNC", "QRESYNC CONDSTORE", "CONDSTORE QRESYNC", "qresync x-no"])
def test_rfc7162_3_2_3_enable(server, account, names):
    with server.imap(account) as c:
        words = c.ok(f"ENABLE {names}").one("ENABLED")[1].split()
        assert b"QRESYNC" in words
        assert (b"CONDSTORE" in words) == ("CONDSTORE" in names)
        c.append("INBOX", HELLO)
        c.ok("SELECT INBOX")
        # It is a CONDSTORE enabling command too.
        r = c.ok("STORE 1 +FLAGS (\\Seen)")
        assert {"UID", "MODSEQ"} <= set(r.fetch()[1])


@pytest.mark.parametrize("before", ["NOOP", "ENABLE CONDSTORE"])
def test_rfc7162_3_2_3_not_without_enable(server, account, before):
    with server.imap(account) as c:
        c.ok(before)
        c.bad("SELECT INBOX (QRESYNC (1 1))")
        c.bad("EXAMINE INBOX (QRESYNC (1 1))")
        c.ok("SELECT INBOX")
        c.bad("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)")


@pytest.mark.parametrize("command", [
    "FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)",
    "UID FETCH 1:* (FLAGS) (VANISHED)"])
def test_rfc7162_3_2_6_vanished_needs_uid_and_changedsince(imap, command):
    imap.bad(command)


@pytest.mark.parametrize("args", [
    "", "()", "(1)", "(0 1)", "(1 x)", "(1 1 *)", "(1 1 1:*)", "(1 1 1 (1))",
    "(1 1 (1 2 3))", "(1 1 1 (1 2)) x", "(1 1 1:2", "(1 1 $)",
    "(1 9223372036854775808)"])
def test_rfc7162_3_2_5_wrong_parameters(imap, args):
    imap.bad(f"SELECT INBOX (QRESYNC {args})")
    imap.ok("NOOP")


# --- VANISHED for EXPUNGE ---------------------------------------------------
def test_rfc7162_3_2_7_expunge(imap):
    imap.ok("STORE 1,3:4 +FLAGS.SILENT (\\Deleted)")
    r = imap.ok("EXPUNGE")
    assert vanished(r, False) == [1, 3, 4] and r.all("EXPUNGE") == []
    assert r.code.startswith(b"HIGHESTMODSEQ ")
    status = imap.ok("STATUS INBOX (HIGHESTMODSEQ)").one("STATUS")[1]
    assert r.code.split()[1] in status
    assert sorted(imap.ok("FETCH 1:* UID").fetch()) == [1, 2]


def test_rfc7162_3_2_9_uid_expunge(imap):
    imap.ok("STORE 1:4 +FLAGS.SILENT (\\Deleted)")
    r = imap.ok("UID EXPUNGE 2:3")
    assert vanished(r, False) == [2, 3]
    assert code(r, "HIGHESTMODSEQ")


def test_rfc7162_3_2_8_close_tells_nothing(imap):
    imap.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    r = imap.ok("CLOSE")
    assert r.untagged == [] and r.code is None


def test_rfc6851_4_5_move(imap):
    imap.ok("CREATE x")
    r = imap.ok("MOVE 2:3 x")
    assert vanished(r, False) == [2, 3] and r.all("EXPUNGE") == []
    assert r.untagged[0].startswith(b"* OK [COPYUID ")
    assert code(r, "HIGHESTMODSEQ")


def test_rfc7162_3_2_10_2_others_are_told_once(imap, second):
    remove(second, "2,4")
    second.append("INBOX", HELLO)
    second.ok("STORE 1 +FLAGS (\\Flagged)")
    r = imap.ok("NOOP")
    assert vanished(r, False) == [2, 4] and r.all("EXPUNGE") == []
    assert r.one("EXISTS")[0] == 4
    assert r.fetch()[1]["UID"] == b"1"
    assert imap.ok("NOOP").untagged == []


def test_rfc7162_3_2_10_2_what_was_never_announced_does_not_vanish(
        imap, second):
    second.append("INBOX", HELLO)
    second.ok("NOOP")
    remove(second, "6")
    r = imap.ok("NOOP")
    assert r.all("VANISHED") == [] and r.all("EXISTS") == []


@pytest.mark.parametrize("command", [
    "FETCH 1 FLAGS", "SEARCH ALL", "STORE 1 +FLAGS (\\Seen)",
    "UID SEARCH 1:3", "UID SEARCH NOT 3"])
def test_rfc7162_3_2_10_2_vanished_has_to_wait(imap, second, command):
    remove(second, "2")
    r = imap.ok(command)
    assert r.all("VANISHED") == []
    # Until then lower mod-sequences may be missing.
    waiting = code(r, "HIGHESTMODSEQ")
    second.ok("STORE 1 +FLAGS (\\Flagged)")
    told = imap.ok("STORE 3 +FLAGS (\\Answered)")
    assert code(told, "HIGHESTMODSEQ") == waiting
    assert int(told.fetch()[3]["MODSEQ"][0]) > waiting
    r = imap.ok("NOOP")
    assert vanished(r, False) == [2]
    assert code(r, "HIGHESTMODSEQ") >= int(told.fetch()[3]["MODSEQ"][0])
    assert imap.ok("NOOP").untagged == []


@pytest.mark.parametrize("command", ["UID FETCH 1 FLAGS", "UID SEARCH ALL",
                                     "UID SEARCH UID 1:3"])
def test_rfc7162_3_2_10_2_uid_commands_tell_it(imap, second, command):
    remove(second, "2")
    assert vanished(imap.ok(command), False) == [2]


def test_rfc7162_3_2_10_2_idle(imap, second):
    tag = imap.idle()
    remove(second, "2:3")
    while not (line := imap.response()).startswith(b"* VANISHED"):
        pass
    assert line == b"* VANISHED 2:3"
    imap.done(tag)


# --- SELECT (QRESYNC ...) ---------------------------------------------------
def test_rfc7162_3_2_5_1_select_tells_what_was_missed(imap, second, known):
    remove(second, "2,4:5")
    second.ok("UID STORE 3 +FLAGS ($new)")
    second.append("INBOX", HELLO)
    r = imap.ok(f"SELECT INBOX (QRESYNC ({known}))")
    assert vanished(r, True) == [2, 4, 5]
    found = r.fetch()
    assert sorted(found) == [2, 3]
    assert found[2]["UID"] == b"3" and b"$new" in found[2]["FLAGS"]
    assert found[3]["UID"] == b"6" and found[3]["MODSEQ"]
    # Behind all that a SELECT tells.
    names = [x.split()[1] for x in r.untagged]
    assert names[-3:] == [b"VANISHED", b"2", b"3"]
    assert {"EXISTS", "RECENT", "FLAGS"} <= {
        n for n in ("EXISTS", "RECENT", "FLAGS") if r.all(n)}


def test_rfc7162_3_2_5_1_only_of_known_uids(imap, second, known):
    remove(second, "2,4:5")
    second.ok("UID STORE 1,3 +FLAGS (\\Flagged)")
    second.append("INBOX", HELLO)
    r = imap.ok(f"SELECT INBOX (QRESYNC ({known} 3:4))")
    assert vanished(r, True) == [4]
    assert [d["UID"] for d in r.fetch().values()] == [b"3"]
    r = imap.ok(f"EXAMINE INBOX (QRESYNC ({known} 1,5:900))")
    assert vanished(r, True) == [5]
    assert [d["UID"] for d in r.fetch().values()] == [b"1", b"6"]


def test_rfc7162_3_2_5_nothing_was_missed(imap, known):
    r = imap.ok(f"SELECT INBOX (QRESYNC ({known}))")
    assert r.all("VANISHED") == [] and r.all("FETCH") == []


def test_rfc7162_3_2_5_another_uidvalidity(imap, second, known):
    remove(second, "2")
    r = imap.ok("SELECT INBOX (QRESYNC (7 1 1:5))")
    assert r.all("VANISHED") == [] and r.all("FETCH") == []
    assert code(r, "UIDVALIDITY") == int(known.split()[0])


def test_rfc7162_3_2_5_2_matching_numbers_narrow_it(imap, second, known):
    remove(second, "2,4")  # left are 1, 3, 5
    for match, want in (("(1 1)", [2, 4]), ("(1:2 1,3)", [4]),
                        ("(1:3 1,3,5)", []), ("(1,3 1,5)", []),
                        ("(1,2,3 1,3,6)", [4]), ("(2 2)", [2, 4]),
                        ("(1:9 1:9)", [2, 4]), ("(9 9)", [2, 4]),
                        ("(1:2 1)", [2, 4])):
        r = imap.ok(f"SELECT INBOX (QRESYNC ({known} 1:5 {match}))")
        assert vanished(r, True) == want, match
        r = imap.ok(f"SELECT INBOX (QRESYNC ({known} {match}))")
        assert vanished(r, True) == want, match


def test_rfc7162_3_2_11_closed_comes_first(imap, known):
    imap.ok("SELECT INBOX")
    r = imap.ok(f"SELECT INBOX (QRESYNC ({known}))")
    assert r.untagged[0].startswith(b"* OK [CLOSED]")


# --- UID FETCH (VANISHED) ---------------------------------------------------
def test_rfc7162_3_2_6_vanished_comes_before_fetch(imap, second, known):
    modseq = known.split()[1]
    remove(second, "2,5")
    second.ok("UID STORE 4 +FLAGS (\\Flagged)")
    imap.ok("SELECT INBOX")
    r = imap.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq} VANISHED)")
    assert r.untagged[0] == b"* VANISHED (EARLIER) 2,5"
    assert [d["UID"] for d in r.fetch().values()] == [b"4"]
    r = imap.ok(f"UID FETCH 1:4 (FLAGS) (VANISHED CHANGEDSINCE {modseq})")
    assert vanished(r, True) == [2]
    later = int(r.fetch()[3]["MODSEQ"][0])
    r = imap.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {later} VANISHED)")
    assert r.untagged == []


def test_rfc7162_3_2_6_what_goes_meanwhile_is_not_earlier(
        imap, second, known):
    imap.ok("SELECT INBOX")
    remove(second, "3")
    modseq = known.split()[1]
    r = imap.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq} VANISHED)")
    assert vanished(r, False) == [3]


# --- a client that comes and goes -------------------------------------------
class Cache:
    """A client that knows UIDs, flags and HIGHESTMODSEQ, and no more than it
    was told by resynchronizing."""

    def __init__(self, connection):
        self.imap = connection
        self.imap.ok("ENABLE QRESYNC")
        self.flags = {}
        self.seen = 0  # the highest UID ever
        r = self.imap.ok("SELECT INBOX")
        self.uidvalidity = code(r, "UIDVALIDITY")
        self.modseq = code(r, "HIGHESTMODSEQ")
        self.told(r)

    def told(self, result):
        highest = 0
        for line in result.untagged:
            if m := re.match(rb"\* VANISHED (?:\(EARLIER\) )?(\S+)", line):
                for uid in uids_of(m.group(1)):
                    self.flags.pop(uid, None)
            elif m := re.match(rb"\* \d+ FETCH ", line):
                items = sexp(line[m.end():])[0]
                data = dict(zip(items[::2], items[1::2]))
                self.seen = max(self.seen, int(data[b"UID"]))
                if b"FLAGS" in data:
                    self.flags[int(data[b"UID"])] = {
                        f for f in data[b"FLAGS"] if f != b"\\Recent"}
                if b"MODSEQ" in data:
                    highest = max(highest, int(data[b"MODSEQ"][0]))
        codes = [c for c in result.codes() if c.startswith(b"HIGHESTMODSEQ")]
        # [RFC 7162 6]
        self.modseq = int(codes[-1].split()[1]) if codes else max(
            self.modseq, highest)
        if result.all("EXISTS"):
            # New messages are for the client to ask for.
            self.told(self.imap.ok(f"UID FETCH {self.seen + 1}:* (FLAGS)"))

    def again(self, r):
        if r.random() < 0.5:
            self.imap.ok("UNSELECT")
        known = ""
        if self.flags and r.random() < 0.5:
            known = f" 1:{self.seen}"
        self.told(self.imap.ok(f"SELECT INBOX (QRESYNC ({self.uidvalidity} "
                               f"{self.modseq}{known}))"))


@pytest.mark.parametrize("seed", range(4))
def test_a_client_that_comes_and_goes_knows_all(server, account, seed):
    r = random.Random(seed)
    other = server.imap(account)
    for _ in range(10):
        other.append("INBOX", HELLO)
    other.ok("SELECT INBOX")
    cache = Cache(server.imap(account))
    for _ in range(60):
        for _ in range(r.randrange(6)):
            uid = r.randint(1, 60)
            other.cmd(r.choice([
                f"UID STORE {uid}:{uid + 3} +FLAGS (\\Deleted)",
                f"UID STORE {uid} -FLAGS (\\Deleted)",
                f"UID STORE {uid}:{uid + 5} +FLAGS (k{r.randrange(5)})",
                "EXPUNGE", f"UID MOVE {uid}:{uid + 1} INBOX",
                f"UID COPY {uid}:{uid + 2} INBOX"]))
        n = other.ok("SEARCH RETURN (COUNT) ALL").one("ESEARCH")[1]
        if n.endswith(b" 0"):
            other.append("INBOX", HELLO)
        # What it asks for before it goes may leave EXPUNGEs waiting.
        if cache.flags:
            uid = r.choice(sorted(cache.flags))
            cache.told(cache.imap.cmd(r.choice([
                "NOOP", "FETCH 1 (UID FLAGS MODSEQ)",
                "STORE 1 +FLAGS ($mine)", "SEARCH SEEN",
                f"UID STORE {uid} -FLAGS ($mine)"])))
        cache.again(r)
        really = {}
        other.ok("NOOP")
        result = other.ok("FETCH 1:* (UID FLAGS)")
        for data in result.fetch().values():
            really[int(data["UID"])] = {
                f for f in data["FLAGS"] if f != b"\\Recent"}
        assert cache.flags == really
