"""imapd: what is damaged in the store costs only itself."""
import glob
import os

import pytest

from harness.wire import Closed

MESSAGE = b"From: a@example.org\r\nSubject: hello %d\r\n\r\nbody %d\r\n"


@pytest.fixture
def broken(make_server):
    """Three messages; returns the session and the files in their order."""
    server = make_server()
    account = server.add_account()
    c = server.imap(account)
    for n in range(3):
        c.append("INBOX", MESSAGE % (n, n))
    files = glob.glob(f"{server.home}/store/accounts/*/*/box/*/*")
    # By content: two of one millisecond have names in no order.
    files = sorted((f for f in files if not f.endswith(".name")),
                   key=lambda f: open(f, "rb").read())
    assert len(files) == 3
    c.ok("SELECT INBOX")
    return c, files


def test_rfc5530_3_a_file_that_is_gone(broken):
    c, files = broken
    os.unlink(files[1])
    r = c.no("FETCH 1:3 BODY.PEEK[]")
    assert r.code in (b"EXPUNGEISSUED", b"CORRUPTION")
    assert sorted(r.fetch()) == [1, 3]
    assert r.fetch()[3]["BODY[]"] == MESSAGE % (2, 2)
    # What needs no file is there still.
    data = c.ok("FETCH 1:3 (FLAGS ENVELOPE BODYSTRUCTURE)").fetch()
    assert data[2]["ENVELOPE"][1] == b"hello 1"
    assert c.ok("SEARCH TEXT hello").search() == [1, 3]


@pytest.mark.parametrize("size", [0, 10, 10000])
def test_rfc5530_3_a_file_of_another_size(broken, size):
    c, files = broken
    os.truncate(files[0], size)
    r = c.no("FETCH 1:3 (UID BODY.PEEK[TEXT])")
    assert r.code == b"CORRUPTION"
    assert sorted(r.fetch()) == [2, 3]
    assert c.ok("FETCH 1 ENVELOPE").fetch()[1]["ENVELOPE"][1] == b"hello 0"
    assert c.ok("SEARCH BODY body").search() == [2, 3]
    c.ok("NOOP")


def test_a_file_that_is_no_file(broken):
    c, files = broken
    os.unlink(files[2])
    os.mkdir(files[2])
    r = c.no("FETCH 1:3 BODY.PEEK[]")
    assert sorted(r.fetch()) == [1, 2]


def test_a_damaged_message_can_be_copied_from_and_expunged(broken):
    c, files = broken
    os.unlink(files[1])
    c.ok("CREATE x")
    c.cmd("COPY 1:3 x")  # whatever the answer, the session goes on
    c.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
    assert c.ok("EXPUNGE").one("EXPUNGE")[0] == 2
    assert c.ok("FETCH 1:2 BODY.PEEK[]").fetch().keys() == {1, 2}


@pytest.mark.parametrize("size", [None, 0, 10, 10000])
def test_pop3_and_the_check_of_a_damaged_file(make_server, size):
    """-ERR for this one, the others as ever, and it can be deleted."""
    server = make_server()
    account = server.add_account()
    with server.imap(account) as c:
        for n in range(3):
            c.append("INBOX", MESSAGE % (n, n))
    [path] = [f for f in
              glob.glob(f"{server.home}/store/accounts/*/*/box/*/*")
              if b"hello 1" in open(f, "rb").read()]
    if size is None:
        os.unlink(path)
    else:
        os.truncate(path, size)
    check = server.msadm("account", "check", account.address, check=False)
    assert check.returncode == 1
    assert os.path.basename(path) in check.stdout + check.stderr
    with server.pop3(account) as c:
        assert c.ok("STAT").startswith(b"3 ")
        c.multi("UIDL")
        for n in (1, 3):
            assert c.retr(n) == MESSAGE % (n - 1, n - 1)
        for command in ("RETR 2", "TOP 2 1"):
            try:
                said = c.cmd(command)
                assert said.startswith(b"-ERR"), said
            except Closed:
                # It had begun to send when the file ended.
                c = server.pop3(account)
        c.ok("DELE 2")
        c.ok("QUIT")
    with server.pop3(account) as c:
        assert [c.retr(n) for n in (1, 2)] \
            == [MESSAGE % (n, n) for n in (0, 2)]


@pytest.mark.parametrize("command", [
    "COPY 1:3 x", "MOVE 1:3 x", "SEARCH TEXT hello", "SEARCH HEADER X-Y z",
    "FETCH 1:3 RFC822", "FETCH 1:3 BODY.PEEK[1.MIME]",
    "FETCH 1:3 BODY.PEEK[HEADER.FIELDS (X-Y)]", "STORE 1:3 +FLAGS ($x)"])
def test_every_command_meets_a_file_that_is_gone(broken, command):
    c, files = broken
    c.ok("CREATE x")
    os.unlink(files[1])
    assert c.cmd(command).status in ("OK", "NO")
    # The two that are whole are there still, in either mailbox.
    whole = 0
    for box in ("INBOX", "x"):
        c.ok(f"SELECT {box}")
        result = c.cmd("FETCH 1:* BODY.PEEK[]")
        whole += len({d["BODY[]"] for d in result.fetch().values()
                      if "BODY[]" in d})
    assert whole == (4 if command.startswith("COPY") else 2)


def test_a_journal_overwritten_with_rubbish(make_server):
    """The account is what it was before; others notice nothing."""
    server = make_server()
    victim, other = server.add_account(), server.add_account()
    for account in (victim, other):
        with server.imap(account) as c:
            for n in range(3):
                c.append("INBOX", MESSAGE % (n, n))
    server.stop()
    journals = glob.glob(f"{server.home}/store/accounts/*/*/journal/*")
    assert len(journals) == 2
    with open(journals[0], "r+b") as f:
        f.seek(-200, os.SEEK_END)
        f.write(os.urandom(200))
    server.start()
    counts = []
    for account in (victim, other):
        with server.imap(account) as c:
            counts.append(c.ok("SELECT INBOX").one("EXISTS")[0])
            assert c.append("INBOX", MESSAGE % (9, 9)).ok
    assert sorted(counts) in ([2, 3], [1, 3], [0, 3])


# --- octets that are others, as many as before --------------------------------
@pytest.fixture
def changed(make_server):
    """A small and a large message, of each an octet changed, among others.

    Returns server, account and what each now is."""
    server = make_server()
    account = server.add_account()
    large = b"Subject: hello large\r\n\r\n" + b"0123456789\r\n" * 20000
    with server.imap(account) as c:
        for n in range(2):
            c.append("INBOX", MESSAGE % (n, n))
        c.append("INBOX", large)
    now = []
    for mark in (b"hello 1", b"hello large"):
        [path] = [f for f in
                  glob.glob(f"{server.home}/store/accounts/*/*/box/*/*")
                  if mark in open(f, "rb").read()]
        with open(path, "r+b") as f:
            at = f.read().index(b"hello")
            f.seek(at)
            f.write(b"j")
            f.seek(0)
            now.append(f.read())
    return server, account, now


def damage_told(result):
    """UIDs of which an untagged NO says that they are damaged."""
    return [int(text.split(b"UID ")[1].split()[0])
            for _, text in result.all("NO") if text.startswith(b"[CORRUPTION]")]


def test_rfc3501_7_1_2_what_is_left_is_served_and_said_to_be_damaged(changed):
    server, account, now = changed
    with server.imap(account) as c:
        c.ok("SELECT INBOX")
        mark = server.log.mark()
        for _ in range(2):
            r = c.ok("FETCH 1:3 (UID BODY.PEEK[])")
            assert [d["BODY[]"] for _, d in sorted(r.fetch().items())] \
                == [MESSAGE % (0, 0)] + now
            assert damage_told(r) == [2, 3]
        # What reads not all of it cannot know.
        assert damage_told(c.ok("FETCH 3 BODY.PEEK[]<0.100>")) == []
        assert damage_told(c.ok("FETCH 2:3 (FLAGS BODY.PEEK[TEXT])")) == []
        # A copy is of the octets that there are, and known to be.
        c.ok("CREATE x")
        c.ok("COPY 1:3 x")
        c.ok("SELECT x")
        r = c.ok("FETCH 1:* BODY.PEEK[]")
        assert [d["BODY[]"] for _, d in sorted(r.fetch().items())][1:] == now
        assert damage_told(r) == [2, 3]
    # The log says so once for each: two here, two of the copies.
    server.log.wait_for("session.end ", mark)
    lines = [line for line in server.log.since(mark)
             if "message.damaged" in line]
    assert len(lines) == 4
    assert all("account=" in line and "file=box/" in line for line in lines)
    # By their sizes nothing is wrong.
    server.msadm("account", "check", account.address)
    check = server.msadm("account", "check", account.address, "--octets",
                         check=False)
    assert check.returncode == 1
    assert check.stdout.count("not those that came") == 4
    # A repair takes nothing of it away.
    server.msadm("account", "check", account.address, "--octets", "--repair",
                 check=False)
    with server.imap(account) as c:
        assert c.ok("EXAMINE INBOX").one("EXISTS")[0] == 3


def test_pop3_serves_what_is_left_of_a_changed_message(changed):
    """A refusal would keep most clients from all mail behind it."""
    server, account, now = changed
    mark = server.log.mark()
    with server.pop3(account) as c:
        assert [c.retr(n) for n in (1, 2, 3)] == [MESSAGE % (0, 0)] + now
    server.log.wait_for("message.damaged.* uid=2", mark)
    server.log.wait_for("message.damaged.* uid=3", mark)
