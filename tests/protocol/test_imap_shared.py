"""imapd: several sessions, IDLE, several processes on one store."""
import glob
import shutil
import subprocess
import threading
import time

import pytest

from harness.mail import HELLO


@pytest.fixture
def imap(imap):
    imap.ok("SELECT INBOX")
    return imap


@pytest.fixture
def second(server, account):
    with server.imap(account) as c:
        yield c


# --- what others do ---------------------------------------------------------
def test_rfc3501_5_2_new_mail_is_told(imap, second):
    second.append("INBOX", HELLO)
    r = imap.ok("NOOP")
    assert r.one("EXISTS")[0] == 1 and r.one("RECENT")[0] == 1
    assert imap.ok("NOOP").untagged == []


def test_rfc3501_5_2_mail_by_lmtp_is_told(server, account, imap):
    server.deliver(HELLO, account)
    assert imap.ok("NOOP").one("EXISTS")[0] == 1


def test_rfc3501_5_2_flags_are_told(imap, second):
    second.append("INBOX", HELLO)
    imap.ok("NOOP")
    second.ok("SELECT INBOX")
    second.ok("STORE 1 +FLAGS (\\Flagged)")
    assert b"\\Flagged" in imap.ok("NOOP").fetch()[1]["FLAGS"]


def test_rfc3501_7_4_1_numbers_are_those_of_the_session(imap, second):
    for _ in range(5):
        second.append("INBOX", HELLO)
    imap.ok("NOOP")
    second.ok("SELECT INBOX")
    second.ok("STORE 1,3 +FLAGS.SILENT (\\Deleted)")
    second.ok("EXPUNGE")
    second.append("INBOX", HELLO)
    # Before it is told of them, 5 is still UID 5.
    assert imap.ok("FETCH 5 UID").fetch()[5]["UID"] == b"5"
    r = imap.ok("NOOP")
    assert [n for n, _ in r.all("EXPUNGE")] == [1, 2]
    assert r.one("EXISTS")[0] == 4
    assert imap.ok("FETCH 4 UID").fetch()[4]["UID"] == b"6"


# --- IDLE -------------------------------------------------------------------
def idle_until(imap, want):
    """Read untagged responses up to one that ends with `want`."""
    seen = []
    while not seen or not seen[-1].endswith(want):
        seen.append(imap.response())
    return seen


def test_rfc2177_3_idle_tells_at_once(imap, second):
    tag = imap.idle()
    start = time.monotonic()
    second.append("INBOX", HELLO)
    idle_until(imap, b"EXISTS")
    assert time.monotonic() - start < 2
    second.ok("SELECT INBOX")
    second.ok("STORE 1 +FLAGS (\\Deleted)")
    assert b"\\Deleted" in idle_until(imap, b")")[-1]
    second.ok("EXPUNGE")
    assert idle_until(imap, b"EXPUNGE")[-1] == b"* 1 EXPUNGE"
    assert imap.done(tag).ok
    imap.ok("NOOP")


def test_rfc2177_3_idle_claims_recent(imap, second):
    tag = imap.idle()
    second.append("INBOX", HELLO)
    assert idle_until(imap, b"1 RECENT")
    assert imap.done(tag).ok
    assert second.ok("SELECT INBOX").one("RECENT")[0] == 0


def test_rfc2177_3_idle_across_programs(server, account, imap):
    tag = imap.idle()
    server.deliver(HELLO, account)
    idle_until(imap, b"1 EXISTS")
    assert imap.done(tag).ok


def test_rfc2177_3_anything_but_done_is_bad(imap):
    tag = imap.idle()
    imap.send(b"NOOP\r\n")
    assert imap.end(tag).status == "BAD"
    imap.ok("NOOP")


def test_rfc2177_3_idle_without_a_mailbox(second):
    assert second.done(second.idle()).ok


def test_rfc2177_3_done_pipelined(imap):
    imap.send(b"a IDLE\r\nDONE\r\nb NOOP\r\n")
    assert imap.continuation() is not None
    assert imap.line().startswith(b"a OK")
    assert imap.line().startswith(b"b OK")


def test_many_idle_sessions_are_all_told(server, account, second):
    sessions = [server.imap(account) for _ in range(30)]
    for c in sessions:
        c.ok("SELECT INBOX")
        c.idle()
    second.append("INBOX", HELLO)
    for c in sessions:
        idle_until(c, b"1 EXISTS")
    for c in sessions:
        c.close()


# --- many at once -----------------------------------------------------------
def run_all(jobs):
    failed = []

    def guarded(job):
        try:
            job()
        except Exception as e:  # told in the main thread
            failed.append(e)

    threads = [threading.Thread(target=guarded, args=(j,)) for j in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise failed[0]


def check_uids(connection, count):
    r = connection.ok("SELECT INBOX")
    assert r.one("EXISTS")[0] == count
    uids = connection.ok("UID SEARCH ALL").search()
    assert len(set(uids)) == count and uids == sorted(uids)
    return uids


def test_appends_at_once_get_uids_of_their_own(server, account):
    told = []

    def appender():
        with server.imap(account) as c:
            for _ in range(25):
                told.append(int(c.append("INBOX", HELLO).code.split()[2]))

    run_all([appender] * 8)
    with server.imap(account) as c:
        assert check_uids(c, 200) == sorted(told)


def test_recent_goes_to_one_session(server, account, second):
    for _ in range(20):
        second.append("INBOX", HELLO)
    counts = []

    def selector():
        with server.imap(account) as c:
            counts.append(c.ok("SELECT INBOX").one("RECENT")[0])

    run_all([selector] * 10)
    assert sorted(counts) == [0] * 9 + [20]


def test_moves_at_once_lose_and_double_nothing(server, account, second):
    for _ in range(40):
        second.append("INBOX", HELLO)
    for i in range(4):
        second.ok(f"CREATE m{i}")

    def mover(i):
        def job():
            with server.imap(account) as c:
                c.ok("SELECT INBOX")
                c.cmd(f"UID MOVE 1:* m{i}")
        return job

    run_all([mover(i) for i in range(4)])
    counts = [second.ok(f"SELECT m{i}").one("EXISTS")[0] for i in range(4)]
    assert sum(counts) == 40
    assert second.ok("SELECT INBOX").one("EXISTS")[0] == 0


def test_changes_by_all_end_alike_for_all(server, account, second):
    for _ in range(30):
        second.append("INBOX", HELLO)

    def changer(i):
        def job():
            with server.imap(account) as c:
                c.ok("SELECT INBOX")
                for n in range(i, 30, 3):
                    c.cmd(f"UID STORE {n + 1} +FLAGS.SILENT (\\Deleted k{i})")
                    if n % 5 == 0:
                        c.ok("EXPUNGE")
                    else:
                        c.ok("NOOP")
                c.ok("EXPUNGE")
        return job

    run_all([changer(i) for i in range(3)])
    assert second.ok("SELECT INBOX").one("EXISTS")[0] == 0


# --- two processes on one store ---------------------------------------------
@pytest.fixture
def pair(make_server, tmp_path):
    """A server, and a second imapd over the same store and directory."""
    one = make_server()
    two = make_server({"store.path": f"{one.home}/store",
                       "directory.path": f"{one.home}/directory"})
    return one, two, one.add_account()


def test_two_processes_share_an_account(pair):
    one, two, account = pair
    with one.imap(account) as a, two.imap(account) as b:
        a.append("INBOX", HELLO)
        assert b.ok("SELECT INBOX").one("EXISTS")[0] == 1
        assert a.ok("SELECT INBOX").one("RECENT")[0] == 0
        b.ok("STORE 1 +FLAGS (\\Flagged)")
        assert b"\\Flagged" in a.ok("NOOP").fetch()[1]["FLAGS"] or (
            b"\\Flagged" in a.ok("FETCH 1 FLAGS").fetch()[1]["FLAGS"])
        a.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        a.ok("EXPUNGE")
        assert b.ok("NOOP").one("EXPUNGE")[0] == 1


def test_appends_through_two_processes(pair):
    one, two, account = pair

    def appender(server):
        def job():
            with server.imap(account) as c:
                for _ in range(25):
                    assert c.append("INBOX", HELLO).ok
        return job

    run_all([appender(one), appender(two)] * 3)
    with one.imap(account) as a, two.imap(account) as b:
        assert check_uids(a, 150) == check_uids(b, 150)


# --- what a client knows becomes void ---------------------------------------
def parts(connection, command):
    """Run a command that is answered and followed by BYE; its result."""
    tag = connection.begin(command)
    result = connection.end(tag)
    assert connection.line().startswith(b"* BYE")
    assert connection.closed()
    return result


@pytest.fixture
def box(imap, second):
    """The mailbox "box" with two messages, which `imap` has selected."""
    imap.ok("CREATE box")
    for _ in range(2):
        imap.append("box", HELLO)
    imap.ok("SELECT box")
    return "box"


@pytest.mark.parametrize("command, status", [
    ("NOOP", "OK"), ("CHECK", "OK"), ("FETCH 1 BODY.PEEK[]", "OK"),
    ("UID SEARCH ALL", "OK"), ("LIST \"\" *", "OK"),
    ("STORE 1 +FLAGS (\\Seen)", "NO"), ("COPY 1 INBOX", "NO"),
    ("EXPUNGE", "NO"), ("FETCH 1 BODY[]", None), ("UID MOVE 1 INBOX", "NO")])
def test_rfc2180_3_3_a_deleted_mailbox_ends_its_sessions(
        imap, second, box, command, status):
    second.ok("DELETE box")
    assert parts(imap, command).status == status or status is None


def test_rfc2180_3_3_a_deleted_mailbox_ends_idle(imap, second, box):
    imap.idle()
    second.ok("DELETE box")
    assert imap.line().startswith(b"* BYE")
    assert imap.closed()


def test_rfc2180_3_3_a_mailbox_with_children_is_deleted(imap, second, box):
    imap.ok("CREATE box/child")
    second.ok("DELETE box")
    parts(imap, "NOOP")
    assert second.no("DELETE box").code == b"HASCHILDREN"


def test_rfc2180_3_3_a_mailbox_is_deleted_and_made_again(imap, second, box):
    second.ok("DELETE box")
    second.ok("CREATE box")
    second.append("box", HELLO)
    parts(imap, "NOOP")


@pytest.mark.parametrize("leave", ["CLOSE", "UNSELECT", "SELECT INBOX"])
def test_rfc2180_3_3_a_deleted_mailbox_can_be_left(imap, second, box, leave):
    second.ok("DELETE box")
    imap.ok(leave)
    imap.ok("NOOP")


def test_rfc2180_3_4_a_renamed_mailbox_stays_selected(imap, second, box):
    second.ok("RENAME box other")
    assert imap.ok("NOOP").untagged == []
    imap.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    second.append("other", HELLO)
    assert imap.ok("EXPUNGE").one("EXPUNGE")[0] == 1
    assert imap.ok("FETCH 1:* UID").fetch()[2]["UID"] == b"3"


def uidvalidity(result):
    return [int(c.split()[1]) for c in result.codes()
            if c.startswith(b"UIDVALIDITY")][0]


def test_rfc3501_2_3_1_1_a_restored_account_ends_its_sessions(
        make_server, tmp_path):
    server = make_server()
    account = server.add_account()
    early = server.imap(account)
    for _ in range(3):
        early.append("INBOX", HELLO)
    before = uidvalidity(early.ok("SELECT INBOX"))
    [tree] = glob.glob(f"{server.home}/store/accounts/*/*")
    subprocess.run(["cp", "-a", tree, tmp_path / "copy"], check=True)
    idle = server.imap(account)
    idle.ok("SELECT INBOX")
    early.append("INBOX", HELLO)
    idle.idle()
    idle_until(idle, b"EXISTS")
    shutil.rmtree(tree)
    subprocess.run(["cp", "-a", tmp_path / "copy", tree], check=True)
    # A new session finds out.
    late = server.imap(account)
    parts(early, "NOOP")
    while not (line := idle.line()).startswith(b"* BYE"):
        pass
    assert idle.closed(), line
    # Whoever comes first gives all mailboxes a new UIDVALIDITY.
    r = late.ok("SELECT INBOX")
    after = uidvalidity(r)
    assert r.one("EXISTS")[0] == 3 and after > before
    late.ok("STORE 1 +FLAGS.SILENT (\\Flagged)")
    assert uidvalidity(server.imap(account).ok("SELECT INBOX")) == after


@pytest.mark.parametrize("state", ["user", "selected", "idle"])
def test_a_removed_account_ends_its_sessions(make_server, state):
    server = make_server()
    account = server.add_account()
    c = server.imap(account)
    if state != "user":
        c.ok("SELECT INBOX")
    if state == "idle":
        c.idle()
    server.msadm("account", "remove", account.address)
    if state == "idle":
        assert c.line().startswith(b"* BYE")
        assert c.closed()
    elif state == "selected":
        parts(c, "NOOP")
    else:
        assert parts(c, 'LIST "" *').status == "NO"
