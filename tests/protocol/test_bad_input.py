"""Octets that no client should send: each gets the answer that its protocol
names, and costs nobody else anything."""
import os
import re

import pytest

from harness import mail
from harness.doors import DOORS, TLS, sealed
from harness.wire import Closed


@pytest.fixture(params=DOORS)
def door(request):
    return DOORS[request.param]


@pytest.fixture
def peer(server, door):
    return door.connect(server)


def works(server, name):
    DOORS[name].is_served(server)


def test_a_line_without_end_is_refused_and_takes_no_memory(
        server, door, peer):
    before = {pid: memory_kib(pid) for pid in server.pids()}
    try:
        for _ in range(64):
            peer.send(b"A" * (1 << 18))
    except OSError:
        pass  # the server may have had enough
    door.is_served(server)
    for pid, kib in before.items():
        assert memory_kib(pid) - kib < 4096
    try:
        peer.send(b"\r\n")
        door.refused(peer)
    except (Closed, OSError):
        pass  # its words may be lost in the reset


def memory_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f
                    if line.startswith("Pss:"))


SENSELESS = {
    "empty": b"\r\n", "blank": b" \r\n", "nul": b"\0\r\n",
    "nul inside": b"NO\0OP\r\n", "8-bit": b"\xff\xfe\r\n",
    "400 octets": b"%s\r\n" % (b"X" * 400),
    "500 words": b"XYZZY" + b" x" * 500 + b"\r\n",
    "cr": b"NO\rOP\r\n", "cr behind a tag": b"a NO\rOP\r\n",
    "30,000 octets": b"%s\r\n" % (b"Y" * 30000),
    "40,000 words": b"a NOOP%s\r\n" % (b" x" * 40000),
}


@pytest.mark.parametrize("what", SENSELESS)
def test_a_senseless_line_is_refused_and_the_session_goes_on(
        server, door, peer, what):
    peer.send(SENSELESS[what])
    try:
        door.refused(peer)
        peer.send(b"\r\n")
        door.refused(peer)
        said = []
        peer.send(door.nothing)
        while not re.match(door.works, line := peer.line()):
            said.append(line)  # of a line that came apart at its CR
            assert re.match(door.refusal, line), said
        assert len(said) <= 1, said
    except Closed:
        # Nobody but our smtpd is there: what is no line ends it.
        assert door.name == "handover"
        door.is_served(server)


def test_a_bare_lf_ends_no_command_that_must_end_with_crlf(server, door,
                                                           peer):
    """[RFC 5321 2.3.8]; IMAP and its clients are lenient about it."""
    peer.send(door.nothing.replace(b"\r\n", b"\n"))
    if door.name == "handover":
        assert peer.closed()
        door.is_served(server)
    elif door.program == "imapd":
        assert re.match(door.works, peer.line())
    else:
        door.refused(peer)
        peer.send(door.nothing)
        assert re.match(door.works, peer.line())


@pytest.mark.parametrize("name", [n for n in DOORS if n not in TLS])
def test_a_session_in_single_octets(server, account, name):
    door = DOORS[name]
    with door.connect(server) as c:
        c.send_slowly(whole_session(door, account))
        c.half_close()
        said = c.read_to_end()
    assert re.search(rb"(BYE|\+OK|221)[^\r\n]*\r\n[^\r\n]*\r?\n?$",
                     said), said


def whole_session(door, account):
    message = mail.make("slow", "text\r\n..\r\n")
    user, word = account.address.encode(), account.password.encode()
    hand_in = (b"MAIL FROM:<a@example.net>\r\nRCPT TO:<%s>\r\n" % user)
    return {
        "imap": b'a LOGIN "%s" "%s"\r\nb CAPABILITY\r\nc SELECT INBOX\r\n'
                b'd APPEND INBOX {%d+}\r\n%s\r\ne FETCH 1:* (FLAGS ENVELOPE)'
                b'\r\nf STORE 1 +FLAGS (\\Seen $x)\r\ng SEARCH OR SEEN UID 1'
                b'\r\nh IDLE\r\nDONE\r\ni LOGOUT\r\n'
                % (user, word, len(message), message),
        "pop3": b"CAPA\r\nUSER %s\r\nPASS %s\r\nSTAT\r\nLIST\r\nUIDL\r\n"
                b"NOOP\r\nQUIT\r\n" % (user, word),
        "smtp": b"EHLO x\r\n%sDATA\r\n%s.\r\nQUIT\r\n" % (hand_in, message),
        "submission": b"EHLO x\r\nAUTH PLAIN\r\nAAAA\r\nNOOP\r\nQUIT\r\n",
        "lmtp": b"LHLO x\r\n%sBDAT %d LAST\r\n%sQUIT\r\n"
                % (hand_in, len(message), message),
        "handover": b"NOOP\r\n%sRSET\r\nXDONE kept\r\nQUIT\r\n" % hand_in,
    }[door.name]


HUGE = [b"18446744073709551615", b"18446744073709551616",
        b"9223372036854775807", b"9223372036854775808", b"4294967295",
        b"4294967296", b"9" * 26, b"0" * 40 + b"18446744073709551616",
        b"-1", b"+1", b"0x10", b"", b" 1"]
# Of each command that takes a literal, up to the literal.
WITH_LITERAL = [b"APPEND INBOX ", b"APPEND ", b"SELECT ", b"SEARCH TEXT ",
                b"LIST ", b"ID (", b"STATUS ", b"LOGIN ", b"SEARCH CHARSET ",
                b"FETCH 1 BODY[HEADER.FIELDS (", b"XYZZY "]


@pytest.mark.parametrize("before", WITH_LITERAL)
@pytest.mark.parametrize("end", [b"}", b"+}"], ids=["sync", "nonsync"])
def test_rfc3501_4_3_a_literal_of_impossible_size(server, account, before,
                                                  end):
    sessions = [server.raw("imap"), server.imap(account)]
    sessions[0].line()
    sessions[1].ok("SELECT INBOX")
    for size in HUGE:
        for n, c in enumerate(sessions):
            c.send(b"a " + before + b"{" + size + end + b"\r\n")
            line = c.line()
            assert re.match(rb"(a (NO|BAD)|\* (BAD|BYE))", line), line
            # It goes on, unless what follows could not be told apart.
            try:
                c.send(b"b NOOP\r\n")
                assert c.line().startswith(b"b OK")
            except (Closed, OSError):
                assert line.startswith(b"* BYE"), (before, size, line)
                if n == 0:
                    sessions[0] = server.raw("imap")
                    sessions[0].line()
                else:
                    sessions[1] = server.imap(account)
                    sessions[1].ok("SELECT INBOX")
    works(server, "imap")


def test_rfc3501_9_a_number_may_begin_with_zeros(server, account):
    """number = 1*DIGIT."""
    c = server.imap(account)
    message = mail.make("zeros")
    c.send(b"a APPEND INBOX {%040d+}\r\n%s\r\n" % (len(message), message))
    assert c.line().startswith(b"a OK")
    c.send(b"b SELECT {0000005+}\r\nINBOX\r\n")
    assert c.end("b").ok
    assert c.ok("SEARCH LARGER 0000000000000000000000000001").search() == [1]


def test_rfc7888_3_nonsync_literals_before_login_are_bounded(server):
    """A server may close when it does not want to read a literal."""
    c = server.raw("imap")
    c.line()
    try:
        c.send(b"a LOGIN {500000000+}\r\n")
        for _ in range(64):
            c.send(b"x" * (1 << 16))
        c.half_close()
    except OSError:
        pass
    said = c.read_to_end()
    assert said == b"" or re.match(rb"(a (NO|BAD)|\* BYE)", said), said
    works(server, "imap")


@pytest.mark.parametrize("size", [
    s for s in HUGE if s not in (b"4294967295", b" 1")])
@pytest.mark.parametrize("name", ["smtp", "lmtp"])
def test_rfc3030_2_a_chunk_of_impossible_size(server, account, name, size):
    c = server.smtp(name) if name == "smtp" else server.lmtp(False)
    c.ok("EHLO x" if name == "smtp" else "LHLO x")
    c.envelope("a@example.net", [account.address])
    c.send(b"BDAT " + size + b"\r\n")
    code = c.reply().code
    assert code // 100 == 5, code
    works(server, name)


@pytest.mark.parametrize("size", HUGE)
def test_rfc1870_4_a_declared_size_that_is_impossible(server, size):
    for name in ("smtp", "lmtp", "handover"):
        with DOORS[name].connect(server) as c:
            if name != "handover":
                c.send(b"EHLO x\r\n" if name == "smtp" else b"LHLO x\r\n")
                while not re.match(rb"250 ", c.line()):
                    pass
            c.send(b"MAIL FROM:<a@example.net> SIZE=" + size + b"\r\n")
            DOORS[name].refused(c)
            c.send(b"NOOP\r\n")
            assert c.line().startswith(b"250")


@pytest.mark.parametrize("size", HUGE)
def test_a_hand_over_of_impossible_size(server, account, size):
    for line in (b"XHAND %s 0", b"XHAND 10 %s", b"XHAND " + size + b" %s"):
        with DOORS["handover"].connect(server) as c:
            c.session()
            c.envelope("a@example.net", [account.address])
            fd = sealed(b"x" * 10)
            c.send_with(line % size + b"\r\n", fd)
            os.close(fd)
            DOORS["handover"].refused(c)
            c.expect(250, "NOOP")


# One blank more before a number does not make it another.
@pytest.mark.parametrize("number", [s for s in HUGE if s not in (b"", b" 1")])
def test_rfc1939_5_a_message_number_that_is_impossible(server, account,
                                                       number):
    server.deliver(mail.make("only"), account)
    c = server.pop3(account)
    for command in (b"RETR %s", b"DELE %s", b"LIST %s", b"UIDL %s",
                    b"TOP %s 1"):
        c.err(command % number)
    c.err(b"TOP 1 -1")
    c.multi(b"TOP 1 18446744073709551616"
            if number.startswith(b"9") else b"TOP 1 1")
    assert c.ok("STAT").startswith(b"1 ")


@pytest.mark.parametrize("number", [s for s in HUGE if s != b""] + [b"0"])
def test_rfc3501_9_a_number_that_is_impossible(server, account, number):
    c = server.imap(account)
    c.append("INBOX", mail.make("only"))
    c.ok("SELECT INBOX")
    for command in (b"FETCH %s FLAGS", b"FETCH 1:%s FLAGS", b"FETCH %s:1 UID",
                    b"STORE %s FLAGS ()", b"COPY %s INBOX",
                    b"UID EXPUNGE %s", b"SEARCH %s",
                    b"FETCH 1 BODY[%s]", b"FETCH 1 BODY[1.%s.HEADER]",
                    b"FETCH 1 BODY[]<0.%s>",
                    b"FETCH 1 FLAGS (CHANGEDSINCE %s)",
                    b"STORE 1 (UNCHANGEDSINCE %s) FLAGS ()"):
        said = c.cmd(command % number)
        # Some are numbers that mean nothing here; none does harm.
        if not number.isdigit() or len(number) > 40:
            assert said.status == "BAD", (command % number, said)
    assert c.ok("FETCH 1 FLAGS").fetch()[1]["FLAGS"] is not None


def test_rfc5321_4_1_1_4_smuggled_end_of_data(server, account):
    """Only CRLF . CRLF ends the text: [RFC 5321 2.3.8]."""
    for end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r",
                b"\r.\r\n", b"\n.\r"):
        for name in ("smtp", "lmtp"):
            c = server.smtp(name) if name == "smtp" else server.lmtp(False)
            c.ok("EHLO x" if name == "smtp" else "LHLO x")
            c.envelope("a@example.net", [account.address])
            c.expect(354, "DATA")
            c.send(mail.make("outer") + b"x" + end
                   + b"MAIL FROM:<evil@example.net>\r\n"
                   + b"RCPT TO:<%s>\r\n" % account.address.encode()
                   + b"DATA\r\n" + mail.make("smuggled") + b"\r\n.\r\n")
            c.half_close()
            said = c.read_to_end()
            assert b"354" not in said, (end, said)
    imap = server.imap(account)
    imap.ok("SELECT INBOX")
    assert imap.ok("SEARCH FROM evil").search() == []
    assert imap.ok("SEARCH SUBJECT smuggled BODY x").search() == []
