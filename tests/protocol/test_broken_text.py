"""Broken encodings and charsets, brought up by FETCH and SEARCH: the answers
stay well-formed, what can be read is found, and nothing else suffers."""
import re

import pytest

from harness.wire import sexp

HEAD = b"From: a@example.org\r\nMIME-Version: 1.0\r\n"


def text(charset, body, encoding=b"8bit"):
    return (HEAD + b"Subject: needle\r\nContent-Type: text/plain; charset="
            + charset + b"\r\nContent-Transfer-Encoding: " + encoding
            + b"\r\n\r\n" + body + b"\r\n")


def subject(value):
    return (HEAD + b"Subject: " + value + b"\r\nTo: " + value
            + b" <needle@example.org>\r\nContent-Type: text/plain; name=\""
            + value.replace(b'"', b"") + b"\"\r\nContent-Disposition: "
            b"attachment; filename*=utf-8''" + value.replace(b'"', b"")
            + b"\r\n\r\nneedle\r\n")


CHARSETS = [b"utf-8", b"us-ascii", b"iso-8859-1", b"iso-2022-jp", b"utf-7",
            b"utf-16", b"utf-16le", b"utf-32", b"ucs-4", b"gb18030", b"gbk",
            b"big5", b"euc-kr", b"shift_jis", b"iso-2022-kr", b"hz-gb-2312",
            b"koi8-r", b"windows-1252", b"x-unknown", b"unknown-8bit",
            b"8bit", b"", b"\"\"", b"\"utf-8", b"utf-8//TRANSLIT",
            b"UTF-8//IGNORE", b"../../etc/passwd", b"x" * 300, b"\xff\xfe",
            b"utf\x008", b"=?utf-8?q?utf-8?="]
BODIES = {
    "all octets": bytes(set(range(256)) - {10, 13}),
    "cut utf-8": b"needle \xc3", "cut long utf-8": b"needle \xf0\x9f\x98",
    "overlong": b"needle \xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf",
    "surrogates": b"needle \xed\xa0\x80\xed\xbf\xbf",
    "beyond unicode": b"needle \xf4\x90\x80\x80 \xf8\x88\x80\x80\x80 \xff",
    "escapes": b"needle \x1b$B\x1b(J\x1b$)C\x0e\x0f\x1b\x1b$ ~{ ~} +AAA- +/",
    "nul": b"needle \0 \0\0", "bom": b"\xff\xfe\0\0needle\xfe\xff",
}
ENCODINGS = [b"base64", b"quoted-printable", b"7bit", b"8bit", b"binary",
             b"x-uuencode", b"uuencode", b"nonsense", b"", b"\xff",
             b"quoted-printable (comment", b"base64 base64"]
ENCODED = {
    "not base64": b"!!!! %%%% ====", "cut base64": b"bmVlZGxl\r\nbmVl\r\nb",
    "padding inside": b"bmVl=ZGxl==bmVlZGxl", "blanks": b"b m V l Z G x l",
    "no hex": b"=XX=G0=0=", "soft ends": b"nee=\r\ndle=\r\n=\r\n=",
    "octets": b"\x80\xff=\xff\xff",
}
VALUES = {
    "unknown charset": b"=?x-unknown?q?needle?=",
    "no charset": b"=??q?needle?=", "no encoding": b"=?utf-8??needle?=",
    "unknown encoding": b"=?utf-8?z?needle?=",
    "bad base64": b"=?utf-8?b?!!!?= =?utf-8?b?w?= =?utf-8?b?====?=",
    "bad hex": b"=?utf-8?q?=XX=4?=", "cut word": b"=?utf-8?q?needle",
    "cut character": b"=?utf-8?q?=C3?= =?utf-8?q?=A4?=",
    "open escape": b"=?iso-2022-jp?b?GyRC?= =?iso-2022-jp?q?=1B$B0?=",
    "raw octets": b"needle \xff\xfe\x80\xc3", "nul": b"ne\0edle",
    "line ends": b"=?utf-8?q?=0D=0Aneedle=0D=0A.=0D=0A?=",
    "quotes": b'=?utf-8?q?=22=5C=22needle=22?=', "only blanks": b" \t  ",
    "language": b"=?utf-8*en?q?needle?=", "long": b"=?utf-8?q?" + b"=C3" * 500
    + b"?=", "control": bytes(set(range(1, 32)) - {10, 13}) + b"\x7f",
}
FETCHES = ["ENVELOPE", "BODYSTRUCTURE", "BODY",
           "BODY.PEEK[HEADER.FIELDS (SUBJECT TO)]", "BODY.PEEK[1]",
           "BODY.PEEK[]"]


def well_formed(result):
    """As strict as a client: quoted strings hold 7-bit text without line
    ends, and everything else that is not an atom comes as a literal."""
    for response in result.untagged:
        outside = b"".join(literals_out(response))
        assert b"\0" not in outside, response
        assert not re.search(rb"[\x80-\xff\r\n]", outside), response
        sexp(response[2:])


def literals_out(response):
    """The response without what its literals hold."""
    at = 0
    while m := re.compile(rb"\{(\d+)\}\r\n").search(response, at):
        yield response[at:m.start()]
        at = m.end() + int(m.group(1))
    yield response[at:]


@pytest.fixture
def c(server, account):
    c = server.imap(account)
    c.ok("SELECT INBOX")
    return c


def look_at_all(c, count):
    for what in FETCHES:
        result = c.ok(f"FETCH 1:* ({what})")
        assert len(result.fetch()) == count
        well_formed(result)
    for key in ("TEXT", "BODY", "SUBJECT", "TO", "HEADER Subject"):
        for charset, word in (("", b"needle"), ("CHARSET UTF-8 ", "ä".encode()),
                              ("CHARSET ISO-8859-1 ", b"\xe4\xff"),
                              ("CHARSET ISO-2022-JP ", b"\x1b$B0!\x1b(B")):
            result = c.cmd_literals(f"SEARCH {charset}{key} ", word)
            assert result.ok, result
            well_formed(result)
    c.ok("SEARCH OR SENTSINCE 1-Jan-1990 LARGER 1")


def put(server, account, message):
    """By APPEND, or where that may hold no NUL, by LMTP as it is."""
    if b"\0" not in message:
        with server.imap(account) as c:
            assert c.append("INBOX", message).ok
        return
    with server.lmtp() as c:
        c.ok("MAIL FROM:<a@example.net> BODY=BINARYMIME")
        c.ok(f"RCPT TO:<{account.address}>")
        c.send(b"BDAT %d LAST\r\n" % len(message) + message)
        assert c.reply().code == 250


@pytest.mark.parametrize("charset", CHARSETS)
def test_bodies_in_a_charset(server, account, c, charset):
    for body in BODIES.values():
        put(server, account, text(charset, body))
        put(server, account, text(charset, body.hex("=").upper().encode(),
                                  b"quoted-printable"))
    c.ok("NOOP")
    look_at_all(c, 2 * len(BODIES))
    # Where only something is broken, the rest can be found.
    if charset in (b"utf-8", b"us-ascii", b"iso-8859-1", b"windows-1252"):
        assert len(c.ok("SEARCH BODY needle").search()) >= len(BODIES) // 2


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_bodies_in_a_transfer_encoding(c, encoding):
    for body in ENCODED.values():
        assert c.append("INBOX", text(b"utf-8", body, encoding)).ok
        assert c.append("INBOX", HEAD + b"Content-Type: multipart/mixed; "
                        b"boundary=b\r\nContent-Transfer-Encoding: "
                        + encoding + b"\r\n\r\n--b\r\n\r\n" + body
                        + b"\r\n--b--\r\n").ok
    look_at_all(c, 2 * len(ENCODED))
    assert len(c.ok("SEARCH SUBJECT needle").search()) == len(ENCODED)


@pytest.mark.parametrize("kind", VALUES)
def test_header_values(server, c, account, kind):
    put(server, account, subject(VALUES[kind]))
    c.ok("NOOP")
    look_at_all(c, 1)
    assert c.ok("SEARCH BODY needle").search() == [1]
    with server.pop3(account) as p:
        p.cmd("UTF8")
        p.multi("TOP 1 0")


@pytest.mark.parametrize("charset,status,code", [
    ("X-UNKNOWN", "NO", b"BADCHARSET"), ('""', "NO", b"BADCHARSET"),
    ('"' + "x" * 500 + '"', "NO", b"BADCHARSET"),
    ("UTF-8//IGNORE", "NO", b"BADCHARSET"),
    ("../../etc/passwd", "NO", b"BADCHARSET"),
    ('"UTF-8\\"', "BAD", None), ("UTF-8 UTF-8", "BAD", None)])
def test_rfc3501_6_4_4_a_charset_that_is_unknown(c, charset, status, code):
    result = c.cmd(f"SEARCH CHARSET {charset} TEXT x")
    assert result.status == status, result
    assert code is None or result.code.startswith(code)


@pytest.mark.parametrize("word", [b"\xff", b"\xc3", b"\xed\xa0\x80",
                                  b"\xc0\x80", b"\xf4\x90\x80\x80"])
def test_search_words_that_are_not_in_their_charset(c, word):
    """Refused, or they match nothing; [RFC 3501 6.4.4] leaves it open."""
    c.append("INBOX", text(b"utf-8", b"x"))
    for command in ("SEARCH CHARSET UTF-8 TEXT ", "SEARCH TEXT ",
                    "SEARCH CHARSET ISO-2022-JP SUBJECT "):
        result = c.cmd_literals(command, word)
        if result.ok and b"2022" not in command.encode():
            assert result.search() == []
        assert result.status in ("OK", "NO", "BAD")
    c.ok("NOOP")


@pytest.mark.parametrize("name", ["&", "&-&", "&AAA-", "&AAAA-", "&2AA-",
                                  "&ZeVnLIqe", "&Jjo!", "&-a&-", "\\xff",
                                  "&AGE-"])
def test_rfc3501_5_1_3_mailbox_names_in_broken_utf_7(c, name):
    """A name is refused, or made and then found under this name."""
    name = name.replace("\\xff", "\udcff").encode("utf-8", "surrogateescape")
    result = c.cmd_literals("CREATE ", b"x" + name)
    listed = [r for r in c.ok('LIST "" x*').untagged]
    if result.ok:
        assert len(listed) == 1
        c.ok(b"SELECT {%d+}\r\nx%s" % (len(name) + 1, name))
    else:
        assert listed == []
    c.ok("NOOP")
