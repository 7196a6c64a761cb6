"""Too much of everything: each limit is met by an answer, not by harm."""
import os
import resource
import subprocess

import pytest

from harness import mail
from harness.postroom import sanitized
from harness.wire import Closed

root_only = pytest.mark.skipif(os.getuid() != 0, reason="mounts or prlimit")


def pss_kib(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
            total += next(int(line.split()[1]) for line in f
                          if line.startswith("Pss:"))
    return total


@pytest.mark.parametrize("port", ["imap", "pop3", "smtp", "lmtp"])
def test_ten_thousand_connections_that_say_nothing(make_server, port):
    want = 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < want + 500:
        pytest.skip(f"only {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = make_server({"limits.connections": str(want + 1000)})
    account = server.add_account()
    program = {"imap": "imapd", "pop3": "pop3d", "smtp": "smtpd",
               "lmtp": "lmtpd"}[port]
    before = pss_kib(server.pids(program))
    silent = [server.raw(port) for _ in range(want)]
    for c in silent:
        c.line()
    grown = pss_kib(server.pids(program)) - before
    allowed = 32 if sanitized() else 8
    assert grown / want < allowed, f"{grown / want:.1f} KiB a connection"
    # Somebody else comes and is served.
    server.deliver(mail.make("meanwhile"), account)
    imap = server.imap(account)
    assert imap.ok("SELECT INBOX").one("EXISTS")[0] == 1
    for c in silent:
        c.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_connections_than_the_limit(make_server):
    server = make_server({"limits.connections": "20"})
    account = server.add_account()
    held = [server.imap(account) for _ in range(20)]
    late = server.raw("imap")
    said = late.read_to_end()
    assert said == b"" or said.startswith(b"* BYE"), said
    held[0].ok("NOOP")
    held.pop().close()
    held[0].ok("NOOP")
    # One has gone, so one more is taken as soon as that is noticed.
    for _ in range(100):
        try:
            server.imap(account).ok("NOOP")
            break
        except Closed:
            continue
    else:
        raise AssertionError("nobody is taken any more")


@root_only
def test_no_descriptors_left(make_server):
    server = make_server()
    account = server.add_account()
    [pid] = server.pids("imapd")
    imap = server.imap(account)
    imap.ok("SELECT INBOX")
    in_use = len(os.listdir(f"/proc/{pid}/fd"))
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (in_use + 5, limits[1]))
    waiting = [server.raw("imap") for _ in range(30)]
    # Who is in goes on; what needs a file says no and comes to no harm.
    imap.ok("NOOP")
    imap.cmd("STATUS INBOX (MESSAGES)")
    server.deliver(mail.make("meanwhile"), account)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    for c in waiting:
        c.close()
    assert server.imap(account).ok("SELECT INBOX").one("EXISTS")[0] == 1
    assert imap.ok("NOOP").one("EXISTS")[0] == 1
    assert server.pids("imapd") == [pid]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with a few megabytes."""
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none",
                           str(mount)], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("no right to mount")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def fill(path):
    with open(path, "wb") as f:
        try:
            while True:
                f.write(b"\0" * 65536)
                f.flush()
        except OSError:
            pass


@root_only
def test_a_full_disk(make_server, small_disk):
    server = make_server({"store.path": str(small_disk / "store")})
    account = server.add_account()
    big = mail.make("big", ("x" * 70 + "\r\n") * 4000)
    server.deliver(mail.make("before"), account)
    fill(small_disk / "filler")

    with server.lmtp() as lmtp:
        [reply] = lmtp.send_mail("a@example.net", [account.address], big)
        assert 400 <= reply.code < 500, reply
    with server.smtp() as smtp:
        smtp.ehlo()
        reply = smtp.send_mail("a@example.net", [account.address], big)
        assert 400 <= reply.code < 500, reply
    imap = server.imap(account)
    imap.ok("SELECT INBOX")
    assert imap.append("INBOX", big).status == "NO"
    # Reading goes on.
    data = imap.ok("FETCH 1 BODY.PEEK[]").fetch()[1]["BODY[]"]
    assert mail.parse(data)["Subject"] == "before"
    pop3 = server.pop3(account)
    assert b"Subject: before" in pop3.retr(1)

    os.unlink(small_disk / "filler")
    server.deliver(mail.make("after"), account)
    assert imap.append("INBOX", big).ok
    server.restart()
    imap = server.imap(account)
    assert imap.ok("SELECT INBOX").one("EXISTS")[0] == 3
