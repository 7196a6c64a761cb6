"""imapd: APPEND."""
import re
import time

import pytest

from harness.mail import HELLO


def body(imap, seq):
    return imap.ok(f"FETCH {seq} BODY.PEEK[]").fetch()[seq]["BODY[]"]


def test_rfc3501_6_3_11_append(imap):
    r = imap.append("INBOX", HELLO, flags="(\\Seen $Forwarded)",
                    date='" 7-Feb-1994 21:52:25 -0800"')
    assert r.ok
    imap.ok("SELECT INBOX")
    data = imap.ok("FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE)").fetch()[1]
    assert set(data["FLAGS"]) == {b"\\Seen", b"$Forwarded", b"\\Recent"}
    assert data["INTERNALDATE"] == b" 7-Feb-1994 21:52:25 -0800"
    assert data["RFC822.SIZE"] == b"%d" % len(HELLO)
    assert body(imap, 1) == HELLO


def test_rfc3501_6_3_11_date_is_now_without_one(imap):
    imap.append("INBOX", HELLO)
    imap.ok("SELECT INBOX")
    text = imap.ok("FETCH 1 INTERNALDATE").fetch()[1]["INTERNALDATE"].decode()
    stamp = time.mktime(time.strptime(text[:20].strip(), "%d-%b-%Y %H:%M:%S"))
    zone = int(text[-5:-2]) * 3600
    assert abs(stamp - time.timezone - zone - time.time()) < 86400


def test_rfc4315_3_appenduid(imap):
    imap.ok("CREATE a")
    for uid in (1, 2):
        code = imap.append("a", HELLO).code.split()
        assert code[0] == b"APPENDUID" and code[2] == b"%d" % uid
    r = imap.ok("SELECT a")
    assert b"UIDVALIDITY " + code[1] in r.codes()


def test_rfc3501_6_3_11_trycreate_before_the_octets_come(imap):
    imap.send(b"a APPEND nowhere {10}\r\n")
    assert imap.line().startswith(b"a NO [TRYCREATE] ")
    imap.ok("NOOP")
    imap.send(b"a APPEND nowhere {10+}\r\n0123456789\r\n")
    assert imap.line().startswith(b"a NO [TRYCREATE] ")
    imap.ok("NOOP")


def test_rfc3501_6_3_11_a_selected_mailbox_shows_it(imap):
    imap.ok("SELECT INBOX")
    r = imap.append("INBOX", HELLO)
    assert r.one("EXISTS")[0] == 1
    assert r.one("RECENT")[0] == 1


def test_append_of_any_octets_but_nul(imap):
    every = HELLO + bytes(range(1, 256)) * 10 + b"\n\r\r\n no end"
    imap.append("INBOX", every)
    imap.ok("SELECT INBOX")
    assert body(imap, 1) == every
    r = imap.append("INBOX", b"A: b\r\n\r\n\0\r\n")
    assert r.status == "NO"
    imap.ok("NOOP")


def test_rfc3501_6_3_11_empty_message_is_refused(imap):
    assert imap.append("INBOX", b"").status == "NO"
    assert imap.ok("SELECT INBOX").one("EXISTS")[0] == 0


@pytest.mark.parametrize("size", [4095, 4096, 65536, 1 << 20, (1 << 20) + 1,
                                  5000000])
def test_large_messages_come_back_octet_for_octet(imap, size):
    line = b"0123456789" * 7 + b"\r\n"
    message = (HELLO + line * (size // len(line) + 1))[:size]
    imap.append("INBOX", message)
    imap.ok("SELECT INBOX")
    assert body(imap, 1) == message


def test_rfc7889_3_1_over_the_limit(make_server):
    server = make_server({"limits.message": "64K"})
    account = server.add_account()
    with server.imap(account) as c:
        assert "APPENDLIMIT=65536" in c.capabilities()
        c.send(b"a APPEND INBOX {65537}\r\n")
        assert c.line().startswith(b"a NO [TOOBIG] ")
        c.send(b"b APPEND INBOX {65537+}\r\n" + b"x" * 65537 + b"\r\n")
        assert c.line().startswith(b"b NO [TOOBIG] ")
        assert c.append("INBOX", b"x" * 65536).ok


@pytest.mark.parametrize("args", [
    '"bad date" ', '(\\Seen ', "(\\*) ", "x y ", '() () ', '" '])
def test_rfc3501_9_wrong_arguments_are_refused_at_once(imap, args):
    imap.send(f"a APPEND INBOX {args}".encode() + b"{10}\r\n")
    assert imap.line().startswith(b"a BAD ")
    imap.ok("NOOP")


def test_what_follows_the_message_must_end_the_command(imap):
    imap.send(b"a APPEND INBOX {6+}\r\nA: b\r\n and more\r\n")
    assert imap.line().startswith(b"a BAD ")
    assert imap.ok("SELECT INBOX").one("EXISTS")[0] == 0


def test_rfc5530_3_overquota(server, account, imap):
    server.msadm("account", "set", account.address, "--quota", "30K")
    with server.imap(account) as c:
        assert c.append("INBOX", HELLO + b"x" * 20000).ok
        # Before the octets come.
        c.send(b"a APPEND INBOX {20000}\r\n")
        assert c.line().startswith(b"a NO [OVERQUOTA] ")
        c.ok("SELECT INBOX")
        assert c.no("COPY 1 INBOX").code == b"OVERQUOTA"
        c.ok("CREATE x")
        c.ok("MOVE 1 x")  # takes no room


def test_an_append_cut_off_leaves_nothing(server, account, imap):
    with server.imap(account) as c:
        c.send(b"a APPEND INBOX {1000+}\r\nA: b\r\n")
        c.half_close()
        c.read_to_end()
    assert imap.ok("SELECT INBOX").one("EXISTS")[0] == 0


def test_rfc8474_5_1_emailid(imap):
    imap.append("INBOX", HELLO)
    imap.append("INBOX", HELLO)
    imap.ok("CREATE x")
    imap.ok("SELECT INBOX")
    imap.ok("COPY 1 x")
    ids = {n: d["EMAILID"][0] for n, d in
           imap.ok("FETCH 1:2 (EMAILID THREADID)").fetch().items()}
    assert ids[1] != ids[2]
    assert re.fullmatch(rb"[A-Za-z0-9_-]{1,255}", ids[1])
    assert imap.ok(f"SEARCH EMAILID {ids[2].decode()}").search() == [2]
    imap.ok("SELECT x")
    data = imap.ok("FETCH 1 (EMAILID THREADID)").fetch()[1]
    assert data["EMAILID"] == [ids[1]]
    assert data["THREADID"] is None


def test_rfc5530_3_overquota_by_what_came_meanwhile(server, account):
    """Two that both fit when they began, and do not together."""
    server.msadm("account", "set", account.address, "--quota", "30K")
    with server.imap(account) as c, server.imap(account) as d:
        for x in (c, d):
            x.send(b"a APPEND INBOX {20000}\r\n")
            assert x.line().startswith(b"+ ")
        ends = []
        for x in (c, d):
            x.send(HELLO + b"x" * (20000 - len(HELLO)) + b"\r\n")
            ends.append(x.line())
        assert ends[0].startswith(b"a OK ")
        assert ends[1].startswith(b"a NO [OVERQUOTA] ")
        assert d.ok("SELECT INBOX").one("EXISTS")[0] == 1
