"""Messages that were made to hurt: a million parts, parameters or addresses,
no end of header, depth without bottom.

Each is delivered and read in every way by IMAP and POP3.  The answers are
well-formed, and eight times the message costs no more than some eight times
the work: what is compared is the processor time of the programs.
"""
import sys
import time

import pytest

from harness.postroom import sanitized

FACTOR = 8
SLACK = 3      # times FACTOR: far below the square of it
NOISE = 0.25   # seconds
HEAD = b"From: a@example.org\r\nMessage-ID: <x@example.org>\r\n"


def parts(n):
    return (HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
            + b"--b\r\n\r\nx\r\n" * n + b"--b--\r\n")


def parts_unended(n):
    return (HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
            + b"--b\r\n" * n)


def parameters(n):
    return (HEAD + b"Content-Type: text/plain"
            + b"".join(b";\r\n p%d=v" % i for i in range(n)) + b"\r\n\r\nx\r\n")


def same_parameter(n):
    return HEAD + b"Content-Type: text/plain" + b"; a=b" * n + b"\r\n\r\nx\r\n"


def continued_parameter(n):
    """[RFC 2231 3], from the last to the first."""
    return (HEAD + b"Content-Type: text/plain"
            + b"".join(b";\r\n n*%d*=%%41" % i for i in reversed(range(n)))
            + b"\r\n\r\nx\r\n")


def nested(n):
    return HEAD + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n"
        % (i, i) for i in range(n)) + b"\r\nx\r\n"


def nested_prefixes(n):
    """Each boundary begins with all those around it."""
    text, boundary = HEAD, b""
    for _ in range(60):
        boundary += b"x"
        text += (b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n--%s\r\n"
                 % (boundary, boundary))
    return text + b"\r\n" + b"--xxxxxxxxxxy\r\n" * n


def nested_messages(n):
    return HEAD + b"Content-Type: message/rfc822\r\n\r\n" * n + b"\r\nx\r\n"


def fields(n):
    return HEAD + b"".join(b"X-%d: y\r\n" % i for i in range(n)) \
        + b"\r\nx\r\n"


def same_field(n):
    return HEAD + b"Subject: y\r\n" * n + b"\r\nx\r\n"


def header_without_end(n):
    return HEAD + b"X: y\r\n" * n


def folded_without_end(n):
    return HEAD + b"Subject: x\r\n" + b"  y\r\n" * n


def one_long_field(n):
    return HEAD + b"Subject: " + b"y" * (8 * n) + b"\r\n\r\nx\r\n"


def no_colon(n):
    return b"From a\r\n" + b"rubbish\r\n" * n


def addresses(n):
    return HEAD + b"To: a" + b",\r\n <b@c>" * n + b"\r\n\r\nx\r\n"


def groups(n):
    return HEAD + b"To: " + b"g: a@b,\r\n " * n + b"\r\n\r\nx\r\n"


def comments(n):
    return HEAD + b"To: " + b"(" * n + b")" * n + b"\r\n" + b"Date: " \
        + b"(" * n + b"\r\nReferences: " + b"(<" * n + b"\r\n\r\nx\r\n"


def unended_quotes(n):
    return HEAD + b'To: "a\\' + b'b\\' * n + b"\r\nCc: <" + b"@a," * n \
        + b"\r\nSubject: " + b"=?" * n + b"\r\nReply-To: " + b"[" * n \
        + b"\r\nIn-Reply-To: " + b"<" * n + b"\r\n\r\nx\r\n"


def encoded_words(n):
    return HEAD + b"Subject: x\r\n" + b" =?utf-8?q?=C3=A4?=\r\n" * n \
        + b"To: " + b"=?iso-2022-jp?b?GyRC?= " * n + b"\r\n\r\nx\r\n"


def references(n):
    return HEAD + b"References: " + b"<a@b>\r\n " * n + b"<c@d>\r\n\r\nx\r\n"


def base64_junk(n):
    return HEAD + b"Content-Type: text/plain; charset=utf-8\r\n" \
        b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=A=\xff\r\n" * n


def quoted_printable_blanks(n):
    return HEAD + b"Content-Type: text/plain; charset=utf-8\r\n" \
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" \
        + b" " * (4 * n) + b"=\r\n" * n + b"=" * n + b"\r\n"


MESSAGES = {make.__name__: (make, n) for make, n in (
    (parts, 1_000_000), (parts_unended, 1_000_000), (parameters, 1_000_000),
    (same_parameter, 1_000_000), (continued_parameter, 200_000),
    (nested, 100_000), (nested_prefixes, 200_000), (nested_messages, 200_000),
    (fields, 1_000_000), (same_field, 500_000),
    (header_without_end, 1_000_000), (folded_without_end, 1_000_000),
    (one_long_field, 1_000_000), (no_colon, 500_000), (addresses, 1_000_000),
    (groups, 500_000), (comments, 1_000_000), (unended_quotes, 200_000),
    (encoded_words, 200_000), (references, 500_000), (base64_junk, 500_000),
    (quoted_printable_blanks, 500_000))}
FETCHES = ["ENVELOPE", "BODYSTRUCTURE", "BODY", "ALL", "RFC822.SIZE",
           "BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]",
           "BODY.PEEK[1]", "BODY.PEEK[1.MIME]", "BODY.PEEK[1.1.1.1.1]",
           "BODY.PEEK[2.HEADER]", "BODY.PEEK[1000000]",
           "BODY.PEEK[HEADER.FIELDS (SUBJECT TO X-77)]",
           "BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT TO)]<5.100>"]
SEARCHES = ["TEXT zzz", "BODY zzz", "SUBJECT zzz", "HEADER X-99 zzz",
            "TO zzz", "FROM zzz", "SENTBEFORE 1-Jan-1990"]


def cpu_s(pid):
    """The processor time of all threads of a process, in seconds."""
    return time.clock_gettime((~pid << 3) | 2)


@pytest.fixture
def deep():
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    yield
    sys.setrecursionlimit(limit)


def read_in_every_way(server, account, data):
    """The answers are whole, and the octets are those sent."""
    with server.imap(account) as c:
        c.ok("SELECT INBOX")
        for what in FETCHES:
            said = c.ok(f"FETCH 1 {what}").fetch()[1]
            if what == "BODY.PEEK[]":
                whole = said["BODY[]"]
                assert whole.endswith(data)
            elif what == "RFC822.SIZE":
                size = int(said["RFC822.SIZE"])
        assert size == len(whole)
        for what in SEARCHES:
            assert c.ok(f"SEARCH {what}").search() == []
    with server.pop3(account) as c:
        c.bulk("TOP 1 0")
        c.bulk("TOP 1 10")
        # What ended without a line end has got one.
        assert c.bulk("RETR 1") in (whole, whole + b"\r\n")


@pytest.mark.parametrize("kind", MESSAGES)
def test_reading_takes_time_in_proportion(server, deep, kind):
    make, most = MESSAGES[kind]
    if sanitized():
        most //= 10
    [imapd], [pop3d], [lmtpd] = (server.pids(p)
                                 for p in ("imapd", "pop3d", "lmtpd"))
    costs = []
    for n in (most // FACTOR, most):
        account = server.add_account()
        data = make(n)
        before = [cpu_s(pid) for pid in (imapd, pop3d, lmtpd)]
        server.deliver(data, account)
        read_in_every_way(server, account, data)
        costs.append([cpu_s(pid) - was
                      for pid, was in zip((imapd, pop3d, lmtpd), before)])
    if sanitized():
        return  # whose own work is what would be measured
    for name, small, large in zip(("imapd", "pop3d", "lmtpd"), *costs):
        assert large < FACTOR * SLACK * small + NOISE, \
            f"{name}: {small:.3f} s, and {large:.3f} s for {FACTOR} times that"


@pytest.mark.parametrize("kind", MESSAGES)
def test_append_and_smtp_take_them_too(server, account, kind):
    data = MESSAGES[kind][0](500)
    if not data.endswith(b"\r\n"):
        data += b"\r\n"
    with server.imap(account) as c:
        assert c.append("INBOX", data).ok
        c.ok("SELECT INBOX")
        assert c.ok("FETCH 1 BODY.PEEK[]").fetch()[1]["BODY[]"] == data
        c.ok("COPY 1 INBOX")
    with server.smtp() as c:
        c.ehlo()
        # Port 25 may have a word to say about what is no header at all.
        reply = c.send_mail("a@example.net", [account.address], data)
        assert reply.code in (250, 550, 554), reply
