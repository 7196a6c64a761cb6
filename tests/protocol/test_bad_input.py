"""Octets that no client should send: each gets the answer that its protocol
names, and costs nobody else anything."""
import re

import pytest

from harness import mail
from harness.wire import Closed

# name of the port: what a refusal looks like, a command that always works
# before login, and what that gives.
PROTOCOLS = {
    "imap": (rb"(\S+ BAD|\* BAD|\* BYE)", b"a NOOP\r\n", rb"a OK"),
    "pop3": (rb"-ERR", b"CAPA\r\n", rb"\+OK"),
    "smtp": (rb"(5\d\d|421)", b"NOOP\r\n", rb"250"),
    "submission": (rb"(5\d\d|421)", b"NOOP\r\n", rb"250"),
    "lmtp": (rb"(5\d\d|421)", b"NOOP\r\n", rb"250"),
}


@pytest.fixture(params=PROTOCOLS)
def protocol(request):
    return request.param


@pytest.fixture
def peer(server, protocol):
    c = server.raw(protocol)
    c.line()
    return c


def refused(c, protocol):
    line = c.line()
    assert re.match(PROTOCOLS[protocol][0], line), line
    return line


def works(server, protocol):
    """A session of somebody else is served."""
    _, command, want = PROTOCOLS[protocol]
    with server.raw(protocol) as c:
        c.line()
        c.send(command)
        assert re.match(want, c.line())


def test_a_line_without_end_is_refused_and_takes_no_memory(
        server, protocol, peer):
    before = {pid: memory_kib(pid) for pid in server.pids()}
    try:
        for _ in range(64):
            peer.send(b"A" * (1 << 18))
    except OSError:
        pass  # the server may have had enough
    works(server, protocol)
    for pid, kib in before.items():
        assert memory_kib(pid) - kib < 4096
    try:
        peer.send(b"\r\n")
        refused(peer, protocol)
    except (Closed, ConnectionError):
        pass  # its words may be lost in the reset


def memory_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f
                    if line.startswith("Pss:"))


@pytest.mark.parametrize("line", [b"\r\n", b" \r\n", b"\0\r\n",
                                  b"NO\0OP\r\n", b"\xff\xfe\r\n",
                                  b"%s\r\n" % (b"X" * 400),
                                  b"XYZZY" + b" x" * 500 + b"\r\n"])
def test_a_senseless_line_is_refused_and_the_session_goes_on(
        protocol, peer, line):
    peer.send(line)
    refused(peer, protocol)
    _, command, want = PROTOCOLS[protocol]
    peer.send(command)
    assert re.match(want, peer.line())


# A session of each protocol with most of what a client does.
def sessions(account):
    message = mail.make("cut", "text\r\n..\r\n")
    user, word = account.address.encode(), account.password.encode()
    return {
        "imap": b'a LOGIN "%s" "%s"\r\nb CAPABILITY\r\nc SELECT INBOX\r\n'
                b'd APPEND INBOX {%d+}\r\n%s\r\ne FETCH 1:* (FLAGS ENVELOPE)'
                b'\r\nf STORE 1 +FLAGS (\\Seen $x)\r\ng SEARCH OR SEEN UID 1'
                b'\r\nh IDLE\r\nDONE\r\ni LOGOUT\r\n'
                % (user, word, len(message), message),
        "pop3": b"CAPA\r\nUSER %s\r\nPASS %s\r\nSTAT\r\nLIST\r\nUIDL\r\n"
                b"NOOP\r\nQUIT\r\n" % (user, word),
        "smtp": b"EHLO x\r\nMAIL FROM:<a@example.net> SIZE=100\r\n"
                b"RCPT TO:<%s>\r\nDATA\r\n%s.\r\nQUIT\r\n" % (user, message),
        "lmtp": b"LHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<%s>\r\n"
                b"BDAT %d LAST\r\n%sQUIT\r\n"
                % (user, len(message), message),
        "submission": b"EHLO x\r\nAUTH PLAIN\r\nAAAA\r\nSTARTTLS\r\n\x16\x03",
    }


@pytest.mark.parametrize("how", ["fin", "reset"])
def test_a_session_cut_at_any_octet(server, account, protocol, how):
    script = sessions(account)[protocol]
    pids = set(server.pids())
    step = 1 if how == "fin" else 7
    for end in range(0, len(script), step):
        c = server.raw(protocol)
        c.send(script[:end])
        if how == "fin":
            c.half_close()
            c.read_to_end()
            c.close()
        else:
            c.reset()
    works(server, protocol)
    assert set(server.pids()) == pids, "a program ended"


def test_a_session_in_single_octets(server, account, protocol):
    script = sessions(account)[protocol]
    with server.raw(protocol) as c:
        c.send_slowly(script)
        c.half_close()
        said = c.read_to_end()
    if protocol in ("imap", "pop3", "smtp", "lmtp"):
        assert re.search(rb"(BYE|\+OK|221)[^\r\n]*\r\n[^\r\n]*\r?\n?$", said), said


@pytest.mark.parametrize("size", [
    b"18446744073709551615", b"18446744073709551616", b"4294967296",
    b"99999999999999999999999999", b"-1", b"0x10", b""])
@pytest.mark.parametrize("plus", [b"", b"+"], ids=["sync", "nonsync"])
def test_rfc3501_4_3_a_literal_of_impossible_size(server, account, size,
                                                  plus):
    imap = server.imap(account)
    imap.send(b"a APPEND INBOX {" + size + plus + b"}\r\n")
    line = imap.line()
    assert re.match(rb"(a (NO|BAD)|\* (BAD|BYE))", line), line
    works(server, "imap")


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
