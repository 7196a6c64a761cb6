"""A directory that is away defers mail and log-ins, and loses nothing."""
import os
import time

import pytest


@pytest.fixture
def away(make_server):
    """A server, and functions that take its directory away and back."""
    p = make_server({"auth.delay": "1ms"})
    db = os.path.join(p.home, "directory/directory.db")
    names = [db + end for end in ("", "-journal")]

    def move(old, new):
        for name in names:
            if os.path.exists(name + old):
                os.rename(name + old, name + new)

    p.take_away = lambda: move("", ".away")
    p.bring_back = lambda: move(".away", "")
    return p


def until(check, seconds=20):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def rcpt(p, name, address):
    """The answer to RCPT, on a connection of its own."""
    with (p.lmtp() if name == "lmtp" else p.smtp(name)) as c:
        if name != "lmtp":
            c.ehlo()
        c.ok("MAIL FROM:<a@example.net>")
        return c.cmd(f"RCPT TO:<{address}>")


@pytest.mark.parametrize("name", ["lmtp", "smtp"])
def test_recipients_are_deferred_not_refused(away, name):
    ann = away.add_account("ann@example.org")
    assert rcpt(away, name, ann.address).code == 250
    away.take_away()
    until(lambda: rcpt(away, name, ann.address).code == 451)
    assert rcpt(away, name, "eve@example.org").code == 451
    assert rcpt(away, name, "eve@elsewhere.example").code == 451
    away.bring_back()
    until(lambda: rcpt(away, name, ann.address).code == 250)
    assert rcpt(away, name, "eve@example.org").code == 550


def test_log_ins_are_told_to_come_back(away):
    ann = away.add_account("ann@example.org")
    away.imap(ann).ok("LOGOUT")
    away.take_away()

    def answer():
        with away.imap() as c:
            return c.cmd(f"LOGIN {ann.address} {ann.password}")

    until(lambda: not answer().ok)
    assert answer().code == b"UNAVAILABLE"

    def pop3_answer():
        with away.pop3() as c:
            c.ok(f"USER {ann.address}")
            return c.cmd(f"PASS {ann.password}")

    # Each program finds out by itself.
    until(lambda: not pop3_answer().startswith(b"+OK"))
    assert pop3_answer().startswith(b"-ERR [SYS/TEMP]")
    away.bring_back()
    until(lambda: answer().ok)


def test_a_session_that_is_open_goes_on(away):
    ann = away.add_account("ann@example.org")
    away.deliver(b"Subject: one\r\n\r\nhi\r\n", ann)
    imap = away.imap(ann)
    imap.ok("SELECT INBOX")
    away.take_away()
    until(lambda: rcpt(away, "lmtp", ann.address).code == 451)
    imap.ok("FETCH 1 BODY[]")
    imap.ok("STORE 1 +FLAGS (\\Seen)")
    away.bring_back()


def test_a_program_does_not_start_without_it(away):
    """A new, empty one in its place would refuse all mail for good."""
    ann = away.add_account("ann@example.org")
    away.take_away()
    away.kill("lmtpd")
    until(lambda: any("directory.db" in line and "lmtpd" in line
                      for line in away.log.since()))
    assert not os.path.exists(
        os.path.join(away.home, "directory/directory.db"))
    away.bring_back()
    assert rcpt(away, "lmtp", ann.address).code == 250
