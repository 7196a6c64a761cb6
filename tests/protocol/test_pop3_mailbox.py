"""POP3: the TRANSACTION and UPDATE states.  [RFC 1939 5, 6, 7]"""
import re
import subprocess

import pytest

from harness import mail


def stored(server, account, data, flags=""):
    """Put octets into INBOX as they are (IMAP APPEND)."""
    with server.imap(account) as c:
        result = c.append("INBOX", data, flags)
        assert result.ok, result


@pytest.fixture
def three(server, account):
    for n in range(3):
        server.deliver(mail.make(subject=f"number {n}"), account)
    return account


def test_rfc1939_5_stat_list_and_uidl_agree(server, three):
    c = server.pop3(three)
    count, octets = (int(n) for n in c.ok("STAT").split()[:2])
    sizes = [int(line.split()[1]) for line in c.multi("LIST")]
    assert count == 3 and sum(sizes) == octets
    assert [len(c.retr(n + 1)) for n in range(3)] == sizes
    for n in range(3):
        assert c.ok(f"LIST {n + 1}") == b"%d %d" % (n + 1, sizes[n])
    ids = [line.split() for line in c.multi("UIDL")]
    assert [i[0] for i in ids] == [b"1", b"2", b"3"]
    assert len({i[1] for i in ids}) == 3
    assert c.ok("UIDL 2") == b"2 " + ids[1][1]
    assert all(re.fullmatch(rb"[\x21-\x7e]{1,70}", i[1]) for i in ids)


def test_more_blanks_than_one_part_words_too(server, three):
    """RFC 1939 3 has one; clients that send more mean the same."""
    c = server.pop3(three)
    assert c.ok("LIST   2") == c.ok("LIST 2")
    c.multi("TOP  2   1")
    c.ok("DELE  2")
    assert c.ok("STAT").startswith(b"2 ")


def test_an_empty_mailbox(server, account):
    c = server.pop3(account)
    assert c.ok("STAT").startswith(b"0 0")
    assert c.multi("LIST") == [] and c.multi("UIDL") == []
    c.err("RETR 1")
    c.ok("QUIT")


@pytest.mark.parametrize("number", ["0", "4", "99999999999", "-1", "x", ""])
@pytest.mark.parametrize("command", ["RETR", "DELE", "LIST", "UIDL", "TOP"])
def test_rfc1939_5_no_such_message(server, three, command, number):
    if not number and command in ("LIST", "UIDL"):
        return
    c = server.pop3(three)
    more = " 1" if command == "TOP" else ""
    c.err(f"{command} {number}{more}")
    c.ok("NOOP")


def test_rfc1939_5_retr_gives_the_octets(server, account):
    data = mail.make(body=".\r\n..\r\n.a\r\n\r\n \r\n")
    server.deliver(data, account)
    assert server.pop3(account).retr(1).endswith(data)


def test_rfc1939_7_top(server, account):
    data = mail.make(body="one\r\n.two\r\nthree\r\n")
    server.deliver(data, account)
    c = server.pop3(account)
    head = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    for lines, want in ((0, b""), (1, b"one\r\n"), (2, b"one\r\n.two\r\n"),
                        (3, b"one\r\n.two\r\nthree\r\n"),
                        (99, b"one\r\n.two\r\nthree\r\n")):
        got = b"".join(x + b"\r\n" for x in c.multi(f"TOP 1 {lines}"))
        assert got.endswith(head + want)


@pytest.mark.parametrize("data", [
    b"Subject: lf\n\nbody\n.dot\n",
    b"Subject: mixed\r\n\r\na\nb\r\nc\n",
    b"Subject: no end\r\n\r\nbody",
    b"Subject: cr\r\n\r\na\rb\r",
    b"no header at all",
    b"Subject: nul\r\n\r\na\0b\r\n",
    b"\n", b"\r\n"])
def test_rfc1939_11_sizes_are_those_sent(server, account, data):
    """Stored by IMAP with other line ends, sent as legal lines."""
    if b"\0" in data:
        server.deliver(data, account)
    else:
        stored(server, account, data)
    c = server.pop3(account)
    got = c.retr(1)
    assert c.ok("LIST 1").split()[1] == b"%d" % len(got)
    assert c.ok("STAT").split()[1] == b"%d" % len(got)
    want = re.sub(rb"(?<!\r)\n", rb"\r\n", data)
    if not want.endswith(b"\n"):
        want += b"\r\n"
    assert got.endswith(want)


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 3_000_000])
def test_large_messages_come_octet_for_octet(server, account, size):
    data = mail.make()
    data += b".234567890123456789012345678\r\n" * (size // 30)
    server.deliver(data, account)
    c = server.pop3(account)
    got = c.retr(1)
    assert got.endswith(data)
    assert c.ok("LIST 1").split()[1] == b"%d" % len(got)


def test_rfc1939_5_dele_and_rset(server, three):
    c = server.pop3(three)
    c.ok("DELE 2")
    c.err("DELE 2")
    c.err("RETR 2")
    c.err("LIST 2")
    assert [x.split()[0] for x in c.multi("LIST")] == [b"1", b"3"]
    assert [x.split()[0] for x in c.multi("UIDL")] == [b"1", b"3"]
    assert c.ok("STAT").split()[0] == b"2"
    c.ok("RSET")
    assert c.ok("STAT").split()[0] == b"3"
    c.retr(2)


def test_rfc1939_6_quit_deletes(server, three):
    c = server.pop3(three)
    ids = c.multi("UIDL")
    c.ok("DELE 1")
    c.ok("DELE 3")
    c.ok("QUIT")
    assert c.closed()
    left = server.pop3(three).multi("UIDL")
    assert [x.split()[1] for x in left] == [ids[1].split()[1]]


def test_rfc1939_6_without_quit_nothing_is_deleted(server, three):
    c = server.pop3(three)
    c.ok("DELE 1")
    c.close()
    assert server.pop3(three).ok("STAT").split()[0] == b"3"


def test_rfc1939_3_idle_time_is_ten_minutes_at_least(server):
    done = subprocess.run(
        [*server.argv("pop3d"), "--set", "pop3.idle=9m", "--show-config"],
        capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "pop3.idle" in done.stderr


def test_rfc2449_6_6_pipelining(server, three):
    c = server.pop3()
    c.send(f"USER {three.address}\r\nPASS {three.password}\r\nSTAT\r\n"
           "RETR 1\r\nRETR 9\r\nDELE 1\r\nQUIT\r\n")
    assert [c.line()[:3] for _ in range(3)] == [b"+OK"] * 3
    assert c.line().startswith(b"+OK")
    assert c.body()[0].startswith(b"Return-Path:")
    assert c.line().startswith(b"-ERR")
    assert [c.line()[:3] for _ in range(2)] == [b"+OK"] * 2
    assert c.closed()


# --- others at the same mailbox --------------------------------------------

def test_many_sessions_at_one_mailbox(server, three):
    sessions = [server.pop3(three) for _ in range(10)]
    ids = {tuple(c.multi("UIDL")) for c in sessions}
    assert len(ids) == 1
    for c in sessions:
        c.ok("DELE 1")
    for c in sessions:
        c.ok("QUIT")
    assert server.pop3(three).ok("STAT").split()[0] == b"2"


def test_mail_that_comes_meanwhile_is_seen_by_the_next_session(
        server, three):
    c = server.pop3(three)
    server.deliver(mail.make(subject="new"), three)
    assert c.ok("STAT").split()[0] == b"3"
    c.err("RETR 4")
    c.ok("DELE 1")
    c.ok("QUIT")
    c = server.pop3(three)
    assert c.ok("STAT").split()[0] == b"3"
    assert b"Subject: new\r\n" in c.retr(3)


def test_messages_expunged_meanwhile_are_still_served(server, three):
    c = server.pop3(three)
    before = [c.retr(n + 1) for n in range(3)]
    with server.imap(three) as i:
        i.ok("SELECT INBOX")
        i.ok(r"STORE 1:2 +FLAGS (\Deleted)")
        i.ok("EXPUNGE")
    assert c.ok("STAT").split()[0] == b"3"
    assert [c.retr(n + 1) for n in range(3)] == before
    c.ok("DELE 1")
    c.ok("DELE 3")
    c.ok("QUIT")
    assert server.pop3(three).ok("STAT").split()[0] == b"0"


def test_rfc1939_7_uidl_is_stable(make_server):
    server = make_server()
    account = server.add_account()
    for n in range(3):
        server.deliver(mail.make(subject=str(n)), account)
    with server.pop3(account) as c:
        before = [x.split()[1] for x in c.multi("UIDL")]
    with server.imap(account) as i:
        i.ok("SELECT INBOX")
        i.ok(r"STORE 1 +FLAGS (\Seen \Deleted)")
        i.ok("EXPUNGE")
    server.restart()
    with server.pop3(account) as c:
        assert [x.split()[1] for x in c.multi("UIDL")] == before[1:]


def test_deletions_outlive_kill(make_server):
    server = make_server()
    account = server.add_account()
    for n in range(3):
        server.deliver(mail.make(subject=str(n)), account)
    with server.pop3(account) as c:
        c.ok("DELE 2")
        c.ok("QUIT")
    server.kill_all()
    server.start()
    with server.pop3(account) as c:
        assert c.ok("STAT").split()[0] == b"2"


# --- UTF-8 -----------------------------------------------------------------

UTF8 = "Subject: grün\r\n\r\nüber\r\n".encode()


def test_rfc6856_2_1_utf8_header_becomes_ascii_without_utf8(server, account):
    """A surrogate, never a refusal, over which a client would get stuck."""
    server.deliver(UTF8, account)
    c = server.pop3(account)
    got = c.retr(1)
    header, _, text = got.partition(b"\r\n\r\n")
    assert header.isascii()
    assert mail.parse(got)["Subject"] == "grün"
    assert text == "über\r\n".encode()
    top = c.multi("TOP 1 0")
    assert top == header.split(b"\r\n") + [b""]
    # What LIST and STAT tell is what RETR sends.
    assert c.ok("LIST 1") == b"1 %d" % len(got)
    assert c.multi("LIST") == [b"1 %d" % len(got)]
    assert c.ok("STAT") == b"1 %d" % len(got)
    c.ok("QUIT")
    c = server.pop3()
    c.ok("UTF8")
    c.login(account.address, account.password)
    got = c.retr(1)
    assert got.endswith(UTF8)
    assert c.ok("LIST 1") == b"1 %d" % len(got)


@pytest.mark.parametrize("size", [0, 16_300, 70_000, 300_000, 2_000_000])
@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\nx\r\n"])
def test_rfc6856_2_1_long_headers_become_ascii_too(server, account, size, end):
    line = b"X-Filler: " + 90 * b"a" + b"\r\n"
    data = ((size // len(line)) * line + "Subject: grün\r\n".encode()
            + 17 * line + "Comments: grün\r\n".encode() + end)
    server.deliver(data, account)
    c = server.pop3(account)
    got = c.retr(1)
    assert got.isascii()
    assert got.count(line) == size // len(line) + 17
    assert mail.parse(got)["Subject"] == "grün"
    assert mail.parse(got)["Comments"] == "grün"
    assert got.endswith(b"\r\n" + end)
    assert c.ok("LIST 1") == b"1 %d" % len(got)


@pytest.mark.parametrize("size", [1_100_000, 3_000_000])
@pytest.mark.parametrize("fold", [b" ", b"\r\n "])
def test_rfc6856_2_1_of_a_field_without_end_only_ascii_is_left(
        server, account, size, fold):
    word = "grün".encode()
    field = b"Subject:" + size // 6 * (fold + word) + b"\r\n"
    server.deliver(field + b"To: a\r\n\r\n" + word + b"\r\n", account)
    c = server.pop3(account)
    got = c.retr(1)
    assert got.endswith(field.replace(word, b"gr??n") + b"To: a\r\n\r\n"
                        + word + b"\r\n")
    assert c.ok("LIST 1") == b"1 %d" % len(got)


def test_rfc6856_2_1_line_ends_are_mended_beside_it(server, account):
    data = "Subject: grün\nTo: a\n\n.über\nx".encode()
    with server.imap(account) as imap:
        assert imap.append("INBOX", data).ok
    c = server.pop3(account)
    got = c.retr(1)
    assert got == ("Subject: =?UTF-8?B?Z3LDvG4=?=\r\nTo: a\r\n\r\n"
                   ".über\r\nx\r\n").encode()
    assert c.ok("LIST 1") == b"1 %d" % len(got)


@pytest.mark.parametrize("data", [
    b"Subject: x\r\n\r\n" + "über\r\n".encode(),     # 8bit body
    b"Subject: gr\xfcn\r\n\r\nx\r\n"])               # not UTF-8
def test_rfc6856_2_1_other_octets_are_sent_as_they_are(
        server, account, data):
    server.deliver(data, account)
    assert server.pop3(account).retr(1).endswith(data)


def test_utf8_header_is_sent_when_configured(make_server):
    server = make_server({"pop3.downgrade": "no"})
    account = server.add_account()
    server.deliver(UTF8, account)
    assert server.pop3(account).retr(1).endswith(UTF8)
