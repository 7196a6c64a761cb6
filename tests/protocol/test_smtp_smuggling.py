"""A message ends at CR LF . CR LF and nowhere else.

Servers that disagree about where a message ends let a sender put a second
one into the first ("SMTP smuggling").  RFC 5321 2.3.8 and 4.1.1.4 leave no
choice: only CR LF ends a line.  Every other way to end a line round a dot is
tried here, and the message with it is refused.
"""
import itertools

import pytest

from harness import inbox

ENDS = {"CRLF": b"\r\n", "LF": b"\n", "CR": b"\r", "CRCRLF": b"\r\r\n",
        "LFCR": b"\n\r", "NUL": b"\0\r\n"}
INSIDE = b"MAIL FROM:<evil@b.test>\r\nRCPT TO:<%s>\r\nDATA\r\n" \
    b"Subject: smuggled\r\n\r\nx\r\n.\r\n"


@pytest.mark.parametrize("before, after", [
    (b, a) for b, a in itertools.product(ENDS, ENDS)
    if not (b.endswith(("CRLF", "NUL")) and a == "CRLF")])
@pytest.mark.parametrize("port", ["smtp", "lmtp"])
def test_rfc5321_4_1_1_4_no_other_end(server, account, port, before, after):
    c = server.smtp() if port == "smtp" else server.lmtp()
    if port == "smtp":
        c.ehlo()
    c.envelope("a@b.test", [account.address])
    c.expect(354, "DATA")
    c.send(b"Subject: outer\r\n\r\nbody" + ENDS[before] + b"." + ENDS[after]
           + INSIDE % account.address.encode())
    # One answer: what looked like commands was text.
    reply = c.reply()
    if port == "smtp":
        assert (reply.code, reply.enhanced) == (550, "5.6.0")
        if {before, after} <= {"CRLF", "NUL"}:
            c.ok("NOOP")
        else:
            assert c.reply().code == 421 and c.closed()
        assert inbox.messages(server, account) == []
    else:
        assert reply.code == 250
        c.ok("NOOP")
        assert inbox.unfolded(inbox.one(server, account),
                              "Subject") == ["outer"]


def test_what_follows_a_refused_text_is_not_looked_at(server, account):
    # CR CR LF . CR LF is an end, behind a line with a bare CR in it.
    with server.smtp() as c:
        c.ehlo()
        c.envelope("a@b.test", [account.address])
        c.expect(354, "DATA")
        c.send(b"Subject: outer\r\n\r\nbody\r\r\n.\r\n"
               + INSIDE % account.address.encode())
        assert [c.reply().code for _ in range(2)] == [550, 421]
        assert c.closed()
    assert inbox.messages(server, account) == []


@pytest.mark.parametrize("text", [
    b"a\rb\r\n", b"a\nb\r\n", b"a\r\r\n", b"\n\r\n", b"\r\n\r.\r\n"])
def test_rfc5321_2_3_8_bare_octets_are_refused(server, account, text):
    with server.smtp() as c:
        c.ehlo()
        c.envelope("a@b.test", [account.address])
        c.expect(354, "DATA")
        c.send(b"Subject: x\r\n\r\n" + text + b".\r\n")
        reply = c.reply()
        assert (reply.code, reply.enhanced) == (550, "5.6.0")
        assert c.reply().code == 421 and c.closed()
    assert inbox.messages(server, account) == []


def test_rfc2045_2_7_nul_is_refused(server, account):
    with server.smtp() as c:
        c.ehlo()
        reply = c.send_mail("a@b.test", [account.address],
                            b"Subject: x\r\n\r\na\0b\r\n")
        assert (reply.code, reply.enhanced) == (550, "5.6.0")
        c.ok("RSET")
    assert inbox.messages(server, account) == []


def test_rfc3030_2_chunks_of_text_have_crlf_too(server, account):
    for text in (b"Subject: x\n\r\n", b"Subject: x\r", b"a: \0\r\n"):
        with server.smtp() as c:
            c.ehlo()
            c.ok("MAIL FROM:<a@b.test> BODY=8BITMIME")
            c.ok(f"RCPT TO:<{account.address}>")
            c.send(b"BDAT %d LAST\r\n" % len(text) + text)
            assert c.reply().enhanced == "5.6.0"
    assert inbox.messages(server, account) == []


def test_rfc5321_4_5_2_dots_come_through(server, account):
    body = b".\r\n..\r\n.a\r\n. \r\n"
    with server.smtp() as c:
        c.ehlo()
        assert c.send_mail("a@b.test", [account.address],
                           b"Subject: dots\r\n\r\n" + body).code == 250
    assert inbox.one(server, account).endswith(b"\r\n\r\n" + body)


def test_the_end_cut_at_every_octet(server, account):
    with server.smtp() as c:
        c.ehlo()
        c.envelope("a@b.test", [account.address])
        c.expect(354, "DATA")
        c.send_slowly(b"Subject: x\r\n\r\n..\r\n.\r\nRSET\r\n")
        assert [c.reply().code for _ in range(2)] == [250, 250]
    assert inbox.one(server, account).endswith(b"\r\n\r\n.\r\n")
